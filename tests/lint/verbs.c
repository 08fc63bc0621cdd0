/* The verbs of the API, one a line. */
#include <stdio.h>

#include "wire/apireq.h"

int main(void)
{
	for (int verb = 0; verb < APIREQ_VERBS; verb++)
		puts(apireq_verb_name((enum apireq_verb)verb));
	return 0;
}
