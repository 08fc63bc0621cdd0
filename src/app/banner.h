/* app/banner.h - the address plan on stdout, as slirp4netns prints it. */
#ifndef APP_BANNER_H
#define APP_BANNER_H

struct settings;

void banner_print(const struct settings *settings);

#endif
