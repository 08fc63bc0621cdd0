/* app/completion_main.h - gate4netns completion: completions for a shell. */
#ifndef APP_COMPLETION_MAIN_H
#define APP_COMPLETION_MAIN_H

/* The exit status: 0, or 1 for a shell that we do not know. */
int completion_main(int argc, char **argv);

#endif
