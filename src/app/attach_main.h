/* app/attach_main.h - gate4netns attach: a network for a namespace or a sandbox that exists. */
#ifndef APP_ATTACH_MAIN_H
#define APP_ATTACH_MAIN_H

/* The exit status: 0 after an end that was asked for, or 1; what failed has been logged. */
int attach_main(int argc, char **argv);

#endif
