/* app/nstarget.h - what a person calls a network namespace: the word PID|PATH|fd:FD of exec and attach. */
#ifndef APP_NSTARGET_H
#define APP_NSTARGET_H

#include <stdbool.h>
#include <sys/types.h>

struct netns;

struct nstarget {
	pid_t pid;	  /* 0: none */
	const char *path; /* borrowed from the word; NULL: none */
	int fd;		  /* -EBADF: none; of whatever the caller has given us */
};

/* Digits are a PID, "fd:" and digits a descriptor, and all else is a path. False: logged. */
bool nstarget_parse(const char *word, struct nstarget *ret);

/* Open what it names (os/netns.h). 0 or -errno, and the path in @reterr_path (NETNS_PATH_MAX bytes). */
int nstarget_open(const struct nstarget *target, const char *user_path, struct netns *ret,
		  char *reterr_path);

#endif
