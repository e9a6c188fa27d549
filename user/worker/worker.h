/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of ours without rights, for work on foreign bytes: what it may do wrong costs it, and
 * not us. It starts with the first request, works on one at a time, and is started again after it
 * has failed. Never logs. For one thread, whose end is the worker's end.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "worker/message.h"

/* First argument of a worker; main() hands those behind it to worker_main(). */
#define WORKER_ARGUMENT	      "worker"
#define WORKER_MORE_ARGUMENTS 3

/* 0 or NULL: the default. */
struct worker_options {
	const char *program;   /* that is started with WORKER_ARGUMENT: this program */
	const char *name;      /* of its process: "spanprof-worker" */
	bool prompt;	       /* somebody waits for it: it does not stand back from others */
	uint64_t memory_bytes; /* beyond what it has when it starts: 1 GiB */
	unsigned cpu_s;	       /* CPU time that a request may take: 30 */
	unsigned wall_s;       /* time until its answer, but for its start and our share: 120 */
};

enum worker_failure_kind {
	WORKER_NO_FAILURE,
	WORKER_NOT_STARTED, /* number: negative errno, status of exit(3), or 128 + signal */
	WORKER_KILLED,	    /* number: the signal */
	WORKER_EXITED,	    /* number: the status */
	WORKER_NO_MEMORY,
	WORKER_CPU_TIME,
	WORKER_TIMEOUT,
	WORKER_MALFORMED, /* its answer broke the protocol */
};

struct worker_failure {
	enum worker_failure_kind kind;
	int number;
};

#define WORKER_TEXT_MAX 160

/* "killed by signal 11 (Segmentation fault)" */
void worker_failure_print(const struct worker_failure *f, char ret[WORKER_TEXT_MAX]);

struct worker;

/* Starts nothing yet. @opt: NULL: defaults. -ENOMEM. */
int worker_new(const struct worker_options *opt, struct worker **ret);

/* For one that was started in another way: @sock is taken over, @pid killed in the end. */
int worker_adopt(const struct worker_options *opt, int sock, pid_t pid, struct worker **ret);

void worker_free(struct worker *w); /* NULL is fine */
DEFINE_CLEANUP(struct worker *, worker_free)

/*
 * Starts it ahead of the first request, without waiting until it is ready. What fails is said by
 * the first request.
 */
void worker_start(struct worker *w);

/*
 * One exchange of messages with a service of the worker, whose clocks run from worker_begin() on.
 * All give -EREMOTEIO when the worker has failed: then it is dead, and worker_last_failure() says
 * of what. A message stays valid until the next one.
 */
int worker_begin(struct worker *w, enum worker_service_id service);
int worker_send(struct worker *w, unsigned kind, const void *payload, size_t len, int fd);
int worker_receive(struct worker *w, const struct worker_message **ret);

/* The same, but -EAGAIN if there is none within @ns: it may come yet. */
int worker_receive_within(struct worker *w, uint64_t ns, const struct worker_message **ret);

/* Time that we have used ourselves, and that is not held against it. */
void worker_excuse(struct worker *w, uint64_t ns);

/* Its answer was of @kind: ends it. Returns -EREMOTEIO. */
int worker_reject(struct worker *w, enum worker_failure_kind kind);

const struct worker_failure *worker_last_failure(const struct worker *w);

/* 0: does not run. */
pid_t worker_pid(const struct worker *w);

/* CPU time of its process, and of those that ended before. */
uint64_t worker_cpu_ns(const struct worker *w);

/* What its sandbox lacks (enum worker_gap), once it has run, as text: "" if nothing. */
void worker_gaps_print(const struct worker *w, char ret[WORKER_TEXT_MAX]);

#endif
