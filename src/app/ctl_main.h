/* app/ctl_main.h - gate4netns ctl: the API (net/api.h) for people and scripts. */
#ifndef APP_CTL_MAIN_H
#define APP_CTL_MAIN_H

/* The exit status: 0 if what was asked for has been done, and the answer printed; 1 if not, and one line on
 * stderr says why.
 */
int ctl_main(int argc, char **argv);

#endif
