/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a program with the descriptors that it is to have, and no other one of ours. */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SPAWN_FDS_MAX 16

/* In place of a descriptor. */
enum {
	SPAWN_NULL = -1, /* it gets /dev/null */
	SPAWN_SAME = -2, /* it keeps what we have there, if anything */
};

struct spawn_options {
	const char *program; /* a path */
	char *const *argv, *const *envp;
	const int *fds; /* what becomes its descriptor 0, 1, … */
	size_t n_fds;	/* at most SPAWN_FDS_MAX */
	/*
	 * In a process group of its own, so that what a terminal sends to ours (^C, ^Z) does not
	 * reach it, and with no signal ignored.
	 */
	bool apart;
};

/*
 * SIGTERM, SIGINT and SIGHUP are blocked in it, until it says what they mean to it. The caller
 * waits for *ret. -ENOMEM, -EMFILE, and what execve(2) says.
 */
int spawn(const struct spawn_options *opt, pid_t *ret);

#endif
