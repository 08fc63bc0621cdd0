/* app/tap_main.h - the command `tap`: the guest's end of a link, made by a program in the guest's own
 * namespaces, while it is still being set up or beside it.
 */
#ifndef APP_TAP_MAIN_H
#define APP_TAP_MAIN_H

/* The status to exit with. */
int tap_main(int argc, char **argv);

#endif
