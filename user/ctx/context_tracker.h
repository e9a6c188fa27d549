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
#include "ctx/elastic_storage.h"
#include "ctx/process_ctx.h"
#include "ctx/python_source.h"
#include "ctx/user_variable.h"
#include "proc/process.h"
#include "shared/proc_info.h"

/* Why a process has no usable context, or that it has. Pointers of a finding hold until the next
 * look. */
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
	bool sources_left_out; /* it has more of these */
	/* OpenTelemetry's: of the process itself, else of its parent; NULL: none. */
	const struct process_ctx *process_ctx;
	bool is_inherited; /* process_ctx, and all of that */
	/* What Elastic's agent says, or NULL. */
	const struct elastic_storage *elastic;
	bool elastic_is_new; /* it was not there before this look */
	/* Of CTX_FORMAT_PYTHON among the sources; python_error: why it is not, as of
	 * python_source_find(). */
	struct python_info python;
	unsigned python_minor;
	int python_error;
	/* Paths of the files that define the sources' variables. */
	const char *writers[CTX_SOURCES_MAX];
	const char *unsupported; /* of one whose variable cannot be read, or NULL */
	enum ctx_format unsupported_format;
};

struct context_tracker;

/* What is looked for. */
struct context_choice {
	uint32_t formats; /* bits by enum ctx_format */
	/* What the user tells of; borrowed, as long as the tracker lives. */
	const struct user_variable *variables;
	size_t n_variables;
};
#define CONTEXT_FORMATS_ALL (~0U)

int context_tracker_new(const struct context_choice *choice, struct context_tracker **ret);
void context_tracker_free(struct context_tracker *t); /* NULL is fine */
DEFINE_CLEANUP(struct context_tracker *, context_tracker_free)

/*
 * Is it time to look at @p (again)? At once for one never seen; then after half the time that has
 * gone by since the last reason to expect something new, between 20 ms and 10 s. A look that is
 * dear (a process with many mappings) is paid at most 1 % of the time, and all of them together, on
 * a host where processes come and go, 0.5 % of one CPU.
 */
bool context_tracker_due(struct context_tracker *t, const struct process *p, uint64_t now_ns);

/*
 * There is such a reason: at @time_ns, a while ago perhaps, @p was forked, executed a program, or
 * mapped a file. It is due 40 ms after that; 40 ms after the last of several in a row, but at most
 * 80 ms after the first. -ENOMEM.
 */
int context_tracker_hint(struct context_tracker *t, const struct process *p, uint64_t time_ns);

/*
 * A thread's record has a key that the process context in force lacks, so there is a newer one: @p
 * is due at once. If there is none all the same, that was it until there is.
 */
void context_tracker_expect_keys(struct context_tracker *t, const struct process *p);
/* Likewise, of a span of a class that had made none when CPython's objects were looked for. */
void context_tracker_expect_classes(struct context_tracker *t, const struct process *p);

/*
 * @child was forked from @parent: until it publishes a context of its own, its threads publish as
 * those of the parent do, and it is of the same service. -ENOMEM.
 */
int context_tracker_fork(struct context_tracker *t, const struct process *parent,
			 const struct process *child);

/*
 * Calls @fn for each process that is due and had such a reason in the last 2 s: these are looked at
 * whether they are sampled or not, as a service publishes its context before its first request.
 * @fn may look, but not hint or forget. It returns false for a process that has ended: that is not
 * visited again unless there is another hint.
 */
typedef bool (*context_tracker_visit_fn)(void *ctx, pid_t pid);
void context_tracker_visit_young(struct context_tracker *t, uint64_t now_ns,
				 context_tracker_visit_fn fn, void *ctx);

/*
 * The text of /proc/PID/maps, and how much CPU time the calling thread had used when it began to
 * read it: that is part of the cost. (By the clock, a look would be dear whenever CPUs are.)
 */
struct context_maps {
	const char *text;
	size_t len;
	uint64_t began_cpu_ns;
};

/*
 * Instead of a look, for a tenth of its price: had @p nothing, twice, and has mapped nothing since?
 * Who publishes a context maps memory for it, so its address space is larger then. (What is mapped
 * in the moment of a look is found by the next one: that is why twice.)
 */
bool context_tracker_is_unchanged(struct context_tracker *t, const struct process *p,
				  uint64_t began_cpu_ns);

/*
 * May a look at @p, which is due, wait until it has been there for a second? It may if no process
 * of its program, with these libraries, has published anything, and none of its files could.
 */
bool context_tracker_may_wait(struct context_tracker *t, const struct process *p, uint64_t now_ns);

/*
 * Looks. 1: the kernel side must be told ret->info; 0: nothing changed; -ENOMEM, -ESRCH (gone
 * meanwhile). *ret is filled unless negative.
 */
int context_tracker_look(struct context_tracker *t, const struct process *p,
			 const struct context_maps *maps, struct context_finding *ret);

/* What the last look found; state CONTEXT_NONE if there was none. */
struct context_finding context_tracker_last(const struct context_tracker *t,
					    const struct process *p);

/* The file is about to go: whoever had a source in it is looked at again. */
void context_tracker_forget_dso(struct context_tracker *t, const struct dso *dso);

/* The process ended. */
void context_tracker_forget(struct context_tracker *t, pid_t pid);

#endif
