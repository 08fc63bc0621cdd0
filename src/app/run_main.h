/* app/run_main.h - gate4netns run: a program with a network of its own. */
#ifndef APP_RUN_MAIN_H
#define APP_RUN_MAIN_H

/* The exit status: CMD's, or as app/supervise.h has them. */
int run_main(int argc, char **argv);

#endif
