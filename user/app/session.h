/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One profiling session: wires the collector's samples and events to the process table, the trace
 * contexts and the profile. `record` runs one from start to end.
 */
#ifndef APP_SESSION_H
#define APP_SESSION_H

#include <stdbool.h>

#include "app/context_options.h"
#include "app/symbol_options.h"
#include "collect/collector.h"
#include "export/pprof.h"
#include "meta/filter.h"
#include "profile/profile.h"
#include "sym/jit_names.h"

/* A sample as it was counted. Valid during the call. */
struct session_sample {
	const struct sample_record *rec;
	const struct sample_context *context;
	const uint64_t *frames;
	bool finished; /* its stack was completed in user space */
};

/*
 * What was counted in an interval, for one who names it while sampling goes on, in another thread
 * maybe: nobody else uses it until it is given back. Its files stay open so long.
 */
struct session_interval {
	struct profile *profile;
	struct profile_files files;
	struct jit_names *jit;	       /* the session's: only for jit_names_answer() */
	uint64_t counters[STAT_COUNT]; /* what came up with it; the session takes them over */
};

struct session_options {
	struct collector_options collector;
	const pid_t *pids; /* with collector.filter_pids: the processes to begin with */
	size_t n_pids;
	struct context_options context; /* what it points to is borrowed */
	struct symbol_options symbols;
	bool keep_times;	     /* of each sample */
	size_t code_memory;	     /* for names of code made at run time; 0: 512 MiB */
	const struct filter *filter; /* which processes are counted; borrowed; NULL: all */
	/* Is shown each sample; NULL: none. */
	void (*observe)(void *arg, const struct session_sample *s);
	void *observe_arg;
};

/* How often is sampled. */
struct session_rate {
	unsigned frequency; /* ticks a second on each CPU */
	struct sample_focus focus;
};

struct session;

/* Loads the kernel side and reads /proc; samples are not taken yet. Logs; negative errno. */
int session_open(const struct session_options *opt, struct session **ret);
void session_close(struct session *s); /* NULL is fine */
DEFINE_CLEANUP(struct session *, session_close)

/* Begins sampling. Logs; negative errno. */
int session_start(struct session *s);

/* Works for at most one tick (50 ms). Logs; negative errno. */
int session_poll(struct session *s);

/*
 * Ends the interval at hand and begins another one, with samples at @rate (NULL: as before).
 * With a focus two begin: of what is in it, at each tick, and of all else, at its every nth.
 * -EBUSY: the last one that was ended has not been taken yet; others are logged.
 */
int session_rotate(struct session *s, const struct session_rate *rate);

/* From now on; borrowed until the next call. */
void session_set_filter(struct session *s, const struct filter *f);

/* Has an interval been ended that is not taken yet? */
bool session_is_rotating(const struct session *s);

/* 1: *ret is the ended interval, of which all samples are in; 0: there is none yet; -ENOMEM. */
int session_take(struct session *s, struct session_interval **ret);
void session_give_back(struct session *s, struct session_interval *i);

/* Ends sampling and takes in what is left. Logs; negative errno. */
int session_finish(struct session *s);

/* Names everything. Logs; negative errno. */
int session_pprof(struct session *s, struct pprof **ret);

/* All counters up to now, in ret[STAT_COUNT]. */
int session_stats(const struct session *s, uint64_t *ret);

/* How long and how often the kernel side has run. Negative errno. */
int session_run_time(const struct session *s, struct run_time *ret);

/* See collector_map_sizes(). */
struct map_sizes session_map_sizes(struct session *s);

/* The process that reads unwind tables. NULL: they are read right here. */
const struct worker *session_rows_worker(const struct session *s);

/* How many of the processes named at the start still run. */
size_t session_n_targets(const struct session *s);

struct session_totals {
	uint64_t samples;
	uint64_t cpu_ns; /* that they stand for */
	uint64_t lost;	 /* samples */
	size_t processes;
	const char *event; /* what was sampled: "cpu-clock", "cycles" */
};
struct session_totals session_totals(const struct session *s);

#endif
