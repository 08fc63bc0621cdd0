/* app/exec_main.h - gate4netns exec: a command in a network namespace that exists. */
#ifndef APP_EXEC_MAIN_H
#define APP_EXEC_MAIN_H

/* The exit status: CMD's, STATUS_TIMED_OUT and the others of app/supervise.h, or OWN_FAILED; what failed has
 * been logged.
 */
int exec_main(int argc, char **argv);

#endif
