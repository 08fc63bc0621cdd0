/* app/check_main.h - gate4netns check: what a configuration file would do. */
#ifndef APP_CHECK_MAIN_H
#define APP_CHECK_MAIN_H

/* The exit status: 0 if the file is right, and its effect has been printed in its own syntax; else 1. */
int check_main(int argc, char **argv);

#endif
