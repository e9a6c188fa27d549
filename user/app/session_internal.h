/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a session share. */
#ifndef APP_SESSION_INTERNAL_H
#define APP_SESSION_INTERNAL_H

#include "app/session.h"
#include "base/vec.h"
#include "collect/collector.h"
#include "ctx/context_tracker.h"
#include "meta/identity.h"
#include "proc/process.h"
#include "profile/profile.h"
#include "sym/jit_names.h"
#include "unwind/unwinder.h"

struct session {
	struct session_options opt;
	struct collector *collector;
	struct process_table procs;
	struct context_tracker *contexts;
	struct identity_table *identities;
	struct profile *profile;
	struct profile *focused; /* of what is in the focus; NULL: there is none */
	/* Of the interval before, while samples of it may come; or NULL. */
	struct profile *ending, *ending_focused;
	struct sample_focus focus, ending_focus;
	uint64_t boundary_ns;		      /* between these two */
	uint64_t delivered_ns;		      /* samples that were taken before are in */
	VEC(struct session_interval *) taken; /* that are with somebody else */
	struct jit_names *jit;
	struct unwinder *unwinder;
	uint64_t counters[STAT_COUNT]; /* the session's own */
	VEC(pid_t) targets;	       /* that still run */
	uint64_t start_ns, end_ns, swept_ns;
	uint64_t peek_due_ns;  /* no look ahead before */
	uint64_t stuck_before; /* remote_mem_given_up() at the begin */
	bool events_lost;      /* so what is known of processes may be wrong */
	uint64_t rescan_ns;    /* not before that all of them are read again */
};

/* Takes all of a process from /proc. -ESRCH: it is gone. */
int session_load_process(struct session *s, pid_t pid, struct process **ret);

/* Takes all that there are. Logs; negative errno. */
int session_load_all(struct session *s);

/* The processes that alone are sampled. Logs; negative errno. */
int session_load_targets(struct session *s);
void session_drop_ended_targets(struct session *s);

/* Handlers; @ctx is the session. */
void session_on_event(void *ctx, const struct proc_event *ev);
void session_forget_process(void *ctx, const struct process *p);
bool session_visit_young(void *ctx, pid_t pid);

/* The process of a sample, made if it is not known. -ENOMEM. */
int session_find_process(struct session *s, const struct sample_record *rec, struct process **ret);

/* The filter does not want samples of @p: none are taken from now on, if that is for good. */
void session_leave_out(struct session *s, struct process *p);

/* Those that were left out for what may have changed since are so no more. About once a second. */
void session_reconsider(struct session *s, uint64_t now_ns);

/* It may want them again. */
void session_take_in(struct session *s, struct process *p);
void session_take_in_all(struct session *s);

/* Looks again for what @p publishes. */
void session_read_context(struct session *s, struct process *p);

/* @p has a mapping that no event announced: known from the next sample on. */
void session_rescan(struct session *s, struct process *p);

/* @p begins to count every nth tick at @now_ns (CLOCK_MONOTONIC), at the frequency in force. */
void session_profile_begin(const struct session *s, struct profile *p, uint64_t now_ns,
			   unsigned every);

/* What @p counted, as one who names it needs it. -ENOMEM leaves @p alone. */
int session_interval_new(struct session *s, struct profile *p, struct session_interval **ret);
void session_interval_free(struct session_interval *i); /* NULL is fine */
DEFINE_CLEANUP(struct session_interval *, session_interval_free)

#endif
