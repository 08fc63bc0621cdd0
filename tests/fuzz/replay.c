/* Without a fuzzing engine a target is a test: it takes each file of its corpus once. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Of a target that knows what a corpus has to reach: what this one did not; NULL: it has it all. */
__attribute__((weak)) const char *fuzz_corpus_lacks(void);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		g_autoptr(GDir) dir = g_dir_open(argv[i], 0, NULL);
		const char *name;
		unsigned count = 0;

		if (!dir) {
			fprintf(stderr, "cannot open %s\n", argv[i]);
			return 1;
		}
		while ((name = g_dir_read_name(dir))) {
			g_autofree char *path = g_build_filename(argv[i], name, NULL);
			g_autofree char *bytes = NULL;
			gsize len;

			if (!g_file_get_contents(path, &bytes, &len, NULL))
				return 1;
			LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
			count++;
		}
		fprintf(stderr, "%s: %u inputs\n", argv[i], count);
		if (count == 0)
			return 1;
	}
	if (fuzz_corpus_lacks && fuzz_corpus_lacks()) {
		fprintf(stderr, "no input reaches: %s\n", fuzz_corpus_lacks());
		return 1;
	}
	return 0;
}
