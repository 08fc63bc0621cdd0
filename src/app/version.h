/* app/version.h - what --version says: to callers that parse it, and to a bug report. */
#ifndef APP_VERSION_H
#define APP_VERSION_H

#include <stdbool.h>

/* To stdout. As slirp4netns: the version of it whose behaviour this is, in the lines that its
 * callers look for; else our own name and version first.
 */
void version_print(bool as_slirp4netns);

#endif
