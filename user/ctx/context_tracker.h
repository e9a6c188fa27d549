/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which trace context each process publishes, followed over its life: looks at a process when it is
 * due, remembers what was found, and says when the kernel side must be told. Never logs.
 */
#ifndef CTX_CONTEXT_TRACKER_H
#define CTX_CONTEXT_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "proc/process.h"
#include "shared/proc_info.h"

/* Why a process has no usable context, or that it has. */
enum context_state {
	CONTEXT_NONE,	     /* publishes nothing */
	CONTEXT_UNREADABLE,  /* its memory may not be read: needs CAP_SYS_PTRACE */
	CONTEXT_MALFORMED,   /* publishes one that does not decode */
	CONTEXT_NO_THREAD,   /* process context only, or its thread context is not there yet */
	CONTEXT_UNSUPPORTED, /* thread context in a form that is not read yet */
	CONTEXT_THREAD,	     /* thread context found */
};

struct context_finding {
	enum context_state state;
	struct proc_info info; /* without sources but for CONTEXT_THREAD */
	bool has_process_ctx;  /* OpenTelemetry's */
	const char *service;   /* service.name, or NULL; valid until the next look */
	const char *schema;    /* threadlocal.schema_version, likewise */
	/* Paths of the files that define the sources' variables, likewise. */
	const char *writers[CTX_SOURCES_MAX];
};

struct context_tracker;

int context_tracker_new(struct context_tracker **ret);
void context_tracker_free(struct context_tracker *t); /* NULL is fine */
DEFINE_CLEANUP(struct context_tracker *, context_tracker_free)

/*
 * Is it time to look at @p (again)? At once for one never seen; then after half the time that has
 * gone by since the last reason to expect something new, between 20 ms and 10 s. A look that is
 * dear (a process with many mappings) is paid at most 1 % of the time, and all of them together, on
 * a host where processes come and go, 0.2 % of one CPU.
 */
bool context_tracker_due(struct context_tracker *t, const struct process *p, uint64_t now_ns);

/* There is such a reason: @p was forked, executed a program, or mapped a file. -ENOMEM. */
int context_tracker_hint(struct context_tracker *t, const struct process *p, uint64_t now_ns);

/*
 * @child was forked from @parent: until it publishes a context of its own, its threads publish as
 * those of the parent do, and it is of the same service. -ENOMEM.
 */
int context_tracker_fork(struct context_tracker *t, const struct process *parent,
			 const struct process *child);

/*
 * Calls @fn for each process that is due and had such a reason in the last 2 s: these are looked at
 * whether they are sampled or not, as a service publishes its context before its first request.
 * @fn may look, but not hint or forget.
 */
typedef void (*context_tracker_visit_fn)(void *ctx, pid_t pid);
void context_tracker_visit_young(struct context_tracker *t, uint64_t now_ns,
				 context_tracker_visit_fn fn, void *ctx);

/* The text of /proc/PID/maps, and when (CLOCK_MONOTONIC) reading it began: it is part of the cost.
 */
struct context_maps {
	const char *text;
	size_t len;
	uint64_t began_ns;
};

/*
 * Looks. 1: the kernel side must be told ret->info; 0: nothing changed; -ENOMEM, -ESRCH (gone
 * meanwhile). *ret is filled unless negative.
 */
int context_tracker_look(struct context_tracker *t, const struct process *p,
			 const struct context_maps *maps, struct context_finding *ret);

/* What the last look found; state CONTEXT_NONE if there was none. */
struct context_finding context_tracker_last(const struct context_tracker *t,
					    const struct process *p);

/* The process ended. */
void context_tracker_forget(struct context_tracker *t, pid_t pid);

#endif
