#include "app/diagnose.h"

#include <string.h>

#include "base/log.h"

void diagnose(enum diagnose_step step, const char *what, int error)
{
	log_line("%d %s: %s", step, what ? what : "", strerror(-error));
}
