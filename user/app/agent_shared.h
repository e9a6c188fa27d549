/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of an agent tell each other in numbers: memory that they share, of a fixed
 * size and without pointers. Who reads takes each number for itself, and for possibly wrong.
 */
#ifndef APP_AGENT_SHARED_H
#define APP_AGENT_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/agent_config.h"
#include "base/cleanup.h"
#include "export/delivery_stats.h"
#include "shared/stat.h"

enum agent_number_kind {
	AGENT_GAUGE,	   /* as it is now */
	AGENT_COUNTER,	   /* only grows */
	AGENT_TIME_GAUGE,  /* ns, shown in seconds */
	AGENT_TIME_COUNTER /* likewise, only grows */
};

/* X(id, kind, name, help) */
#define AGENT_NUMBERS(X)                                                                           \
	X(FREQUENCY, GAUGE, "sampling_frequency_hertz", "samples a second on each CPU")            \
	X(FREQUENCY_WANTED, GAUGE, "sampling_frequency_configured_hertz",                          \
	  "the same as configured: more than there are if the budget of CPU time is used up")      \
	X(INTERVAL, TIME_GAUGE, "interval_seconds", "how long each profile is")                    \
	X(INTERVALS, COUNTER, "intervals", "profiles that were taken")                             \
	X(INTERVALS_LATE, COUNTER, "intervals_late",                                               \
	  "profiles that are longer than an interval, as naming was behind")                       \
	X(INTERVALS_BRIEF, COUNTER, "intervals_named_briefly",                                     \
	  "profiles named by symbol tables only, as naming had used up its CPU time or was "       \
	  "behind")                                                                                \
	X(INTERVALS_KNOWN, COUNTER, "intervals_named_by_cache",                                    \
	  "profiles whose new addresses have no names, as naming was far beyond that")             \
	X(INTERVALS_WAITING, GAUGE, "intervals_waiting", "profiles that wait to be named")         \
	X(INTERVALS_FAILED, COUNTER, "intervals_failed",                                           \
	  "profiles that could not be named or put into the spool")                                \
	X(INTERVALS_NOT_KEPT, COUNTER, "intervals_not_kept",                                       \
	  "profiles that a kill of the agent would have cost while they had no names")             \
	X(SAMPLES, COUNTER, "samples_profiled", "samples in profiles that were taken")             \
	X(SAMPLES_DROPPED, COUNTER, "samples_dropped_by_rules", "by relabel_configs")              \
	X(SAMPLES_FAILED, COUNTER, "samples_failed", "samples in intervals_failed")                \
	X(SAMPLES_RECOVERED, COUNTER, "samples_recovered",                                         \
	  "samples that an earlier process had not named when it was killed")                      \
	X(SAMPLES_EXPIRED_ELSEWHERE, COUNTER, "samples_expired_elsewhere",                         \
	  "samples for endpoints that are not configured any more, dropped as the spool's "        \
	  "limits say, or to make room on a full disk")                                            \
	X(RELABEL_LIMIT, COUNTER, "relabel_match_limit",                                           \
	  "matches of relabel_configs that took too many steps")                                   \
	X(RELABEL_TOO_LARGE, COUNTER, "relabel_labels_too_large",                                  \
	  "labels that relabel_configs did not set: too long, or too many")                        \
	X(PROFILE_BYTES, GAUGE, "profile_bytes", "size of the last profile")                       \
	X(NAMING_TIME, TIME_COUNTER, "naming_seconds", "time that naming took")                    \
	X(NAMING_CPU, TIME_COUNTER, "naming_cpu_seconds",                                          \
	  "CPU time of naming, of its worker, too")                                                \
	X(SAMPLER_CPU, TIME_COUNTER, "process_sampler_cpu_seconds",                                \
	  "CPU time of the process that samples and names")                                        \
	X(COURIER_CPU, TIME_COUNTER, "process_courier_cpu_seconds",                                \
	  "CPU time of the process that delivers")                                                 \
	X(WORKER_CPU, TIME_COUNTER, "process_worker_cpu_seconds",                                  \
	  "CPU time of the process that reads files, while it names")                              \
	X(SAMPLER_MEMORY, GAUGE, "process_sampler_resident_memory_bytes",                          \
	  "memory of the process that samples and names")                                          \
	X(COURIER_MEMORY, GAUGE, "process_courier_resident_memory_bytes",                          \
	  "memory of the process that delivers")                                                   \
	X(WORKER_MEMORY, GAUGE, "process_worker_resident_memory_bytes",                            \
	  "memory of the process that reads files")                                                \
	X(ROWS_CPU, TIME_COUNTER, "process_rows_worker_cpu_seconds",                               \
	  "CPU time of the process that reads unwind tables")                                      \
	X(ROWS_MEMORY, GAUGE, "process_rows_worker_resident_memory_bytes",                         \
	  "memory of the process that reads unwind tables")                                        \
	X(MAPS_MEMORY, GAUGE, "bpf_maps_memory_bytes",                                             \
	  "kernel memory of BPF maps: unwind tables, ring buffers and others")                     \
	X(MAPS_MAPPED, GAUGE, "bpf_maps_resident_memory_bytes",                                    \
	  "of the sampler's memory: these maps, ring buffers twice")                               \
	X(UNWIND_MAX, GAUGE, "unwind_memory_budget_bytes",                                         \
	  "kernel memory that unwind tables may take")                                             \
	X(MEMORY, GAUGE, "memory_bytes", "memory of all processes and BPF maps")                   \
	X(MEMORY_MAX, GAUGE, "memory_budget_bytes", "what it may be")                              \
	X(SYMBOL_MEMORY, GAUGE, "symbols_memory_bytes", "memory that names take")                  \
	X(MEMORY_OVER, COUNTER, "memory_budget_exceeded",                                          \
	  "times that the budget of memory was exceeded and names were forgotten")                 \
	X(BPF_TIME, TIME_COUNTER, "bpf_run_seconds", "time that the kernel side ran")              \
	X(BPF_RUNS, COUNTER, "bpf_runs",                                                           \
	  "how often the kernel side ran: ticks, those that became no sample, too")                \
	X(COURIER_STARTS, COUNTER, "courier_starts", "starts of the process that delivers")        \
	X(COURIER_STUCK, COUNTER, "courier_stuck",                                                 \
	  "times that the process that delivers was ended, as an endpoint's thread hung")          \
	X(RELOADS, COUNTER, "config_reloads", "times that the configuration was read again")       \
	X(RELOADS_REFUSED, COUNTER, "config_reloads_refused", "of these, those that had errors")

#define AGENT_NUMBER_ID_(id, kind, name, help) AGENT_NUMBER_##id,
enum agent_number { AGENT_NUMBERS(AGENT_NUMBER_ID_) AGENT_NUMBER_COUNT };
#undef AGENT_NUMBER_ID_

struct agent_number_info {
	enum agent_number_kind kind;
	const char *name, *help;
};
const struct agent_number_info *agent_number_info(enum agent_number which);

/* Of endpoints that were removed some stay known. */
#define AGENT_ENDPOINT_PLACES (2 * AGENT_ENDPOINTS_MAX)

struct agent_shared {
	_Atomic uint64_t counters[STAT_COUNT];
	_Atomic uint64_t numbers[AGENT_NUMBER_COUNT];
	_Atomic uint64_t sampler_beat_ns; /* CLOCK_MONOTONIC: it went round; 0: not begun */
	_Atomic uint64_t naming_since_ns; /* likewise: naming began; 0: there is nothing to name */
	_Atomic uint64_t endpoint_timeout_ns; /* the longest of all endpoints */
	_Atomic bool sampling;
	struct delivery_stats endpoints[AGENT_ENDPOINT_PLACES];
};

/*
 * Zeroed memory, and the file that it is of, for another process to map: a file whose size nobody
 * can change. Negative errno.
 */
int agent_shared_new(struct agent_shared **ret, int *ret_fd);

/* The memory of such a file; @fd may be closed then. -EBADMSG: it is too small for that. */
int agent_shared_map(int fd, struct agent_shared **ret);

void agent_shared_free(struct agent_shared *s); /* NULL is fine */
DEFINE_CLEANUP(struct agent_shared *, agent_shared_free)

/* Relaxed: each number is for itself. */
void agent_shared_set(struct agent_shared *s, enum agent_number which, uint64_t value);
void agent_shared_add(struct agent_shared *s, enum agent_number which, uint64_t by);
uint64_t agent_shared_get(const struct agent_shared *s, enum agent_number which);

/* Memory of a process, 0: of this one. 0: it is not known. */
uint64_t agent_resident_bytes(pid_t pid);

/* CPU time and memory of this process. */
void agent_shared_note_process(struct agent_shared *s, enum agent_number cpu,
			       enum agent_number memory);

/* Memory of all processes and BPF maps, each counted once; sets AGENT_NUMBER_MEMORY. */
uint64_t agent_shared_sum_memory(struct agent_shared *s);

/* Why the agent is not healthy; NULL: it is. Static text. @now_ns: CLOCK_MONOTONIC. */
const char *agent_shared_illness(const struct agent_shared *s, uint64_t now_ns);

/* Of that what only a new start of all of it would cure: it samples, or names, no more. */
const char *agent_shared_sampler_illness(const struct agent_shared *s, uint64_t now_ns);

/* A thread of an endpoint hangs: for 20 s and twice the time limit of a request. */
bool agent_shared_delivery_is_stuck(const struct agent_shared *s, uint64_t now_ns);

#endif
