/* SPDX-License-Identifier: Apache-2.0 */
/* A command that is started but held back until sampling runs: `record -- CMD`. */
#ifndef APP_CHILD_H
#define APP_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;	/* 0: none */
	int release_fd; /* write end of the pipe that the child waits at */
	int error_fd;	/* where it says why it could not be executed */
	bool over;
	int wait_status; /* of waitpid(2), once over */
};

/* Forks; the child waits before it executes @argv (NULL-terminated). Negative errno. */
int child_start(struct child *c, char **argv);

/*
 * Lets it go. 0, or what execvp(3) said, as a negative errno: the child is over then.
 */
int child_release(struct child *c);

/* Looks, without waiting, whether it is over. */
bool child_is_over(struct child *c);

/* SIGTERM, and waits for the end; after a second SIGKILL. Nothing if it is over. */
void child_stop(struct child *c);

/* What a shell would say: exit status, or 128 + signal. */
int child_exit_status(const struct child *c);

#endif
