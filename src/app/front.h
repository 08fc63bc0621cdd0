/* app/front.h - the front: gets the link by the settings, then becomes the engine. */
#ifndef APP_FRONT_H
#define APP_FRONT_H

struct settings;

/* The exit status; what failed has been logged. Does not return where a signal ends us: then we
 * die by it.
 */
int front_run(const struct settings *settings);

#endif
