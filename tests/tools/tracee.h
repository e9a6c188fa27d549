/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads under ptrace that run freely, but for the one that is stopped to be looked at: at a
 * random moment, and then some single steps on. Threads and child processes that come later are
 * taken in.
 */
#ifndef TRACEE_H
#define TRACEE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/vec.h"

struct tracee_thread {
	pid_t tid;
	pid_t pid;
	bool is_wanted; /* to be stopped: runs one of the programs */
};

#define TRACEE_PROGRAMS 4

/* A zeroed struct traces nothing. */
struct tracee {
	VEC(struct tracee_thread) threads;
	bool with_children;		       /* child processes as well */
	const char *programs[TRACEE_PROGRAMS]; /* base names of those that are to be stopped */
	size_t n_programs;		       /* 0: all */
	bool owns;			       /* what it traces is killed in the end */
	bool is_ready;			       /* has executed the program */
	uint64_t random;		       /* state of xorshift; not 0 */
};

/* Starts a program. Negative errno. */
int tracee_spawn(struct tracee *t, char **argv);
int tracee_attach(struct tracee *t, pid_t pid); /* also to several */

/* Lets it run for @ns and takes care of what happens meanwhile. */
void tracee_run(struct tracee *t, uint64_t ns);

/*
 * Stops a thread, by preference one that is running, and makes up to @max_steps single steps.
 * -EAGAIN: none could be stopped this time; -ESRCH: there is none any more.
 */
int tracee_stop(struct tracee *t, unsigned max_steps, struct tracee_thread *ret);
/* One instruction further. Negative: the thread is not at hand any more. */
int tracee_step(struct tracee *t, pid_t tid);
int tracee_regs(pid_t tid, struct user_regs_struct *ret);
void tracee_continue(struct tracee *t, pid_t tid);

/* Leaves a process that was attached running; kills one that was started. */
void tracee_end(struct tracee *t);

uint64_t tracee_random(struct tracee *t, uint64_t below);

#endif
