/* app/config.h - the configuration file: options of our own dialect by the same names.
 *
 * Group [gate4netns]; gate4netns.conf(5) describes it. One file does for run, attach and slirp4netns' dialect:
 * what only another of them has is checked and has no effect.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>

struct values;

/* Take what the file at @path says into *@values. It has to be a regular file of ours or of root that
 * nobody else may write to, for it decides what leaves the machine. The texts that *@values has from it
 * stay allocated for the life of the process. False: what is wrong, with file, line and key, has been
 * logged; *@values is then half filled.
 */
bool config_load(const char *path, struct values *values);

#endif
