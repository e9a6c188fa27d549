/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every counter of the profiler, in the kernel or in user space, with its public name (JSON of
 * --stats, end of `record`) and what it counts. Nothing is lost without one of these going up.
 *
 *   samples_taken = samples_delivered + samples_unwanted + samples_lost_ring + samples_malformed
 *                   + samples_dropped
 *
 * and each taken sample is in exactly one of the context_* counters.
 */
#ifndef SHARED_STAT_H
#define SHARED_STAT_H

#include "shared/types.h"

enum stat_kind {
	STAT_KIND_INFO,	 /* how things are */
	STAT_KIND_LEVEL, /* how much there is of something now: may fall */
	STAT_KIND_LOSS,	 /* something is missing from the result, or is marked as incomplete */
};

/* X(id, kind, name, help). The kernel's come first, those of user space after them. */
#define STATS_KERNEL(X)                                                                            \
	X(SAMPLE_FILTERED, INFO, "samples_filtered",                                               \
	  "ticks outside -p, --cgroup or the command, or of processes that filters leave out")     \
	X(SAMPLE_OUTSIDE, INFO, "samples_outside_pidns",                                           \
	  "ticks of processes outside our PID namespace, which have no pid in it")                 \
	X(SAMPLE_TAKEN, INFO, "samples_taken", "ticks that became a sample")                       \
	X(SAMPLE_LOST_RING, LOSS, "samples_lost_ring", "samples lost: ring buffer full")           \
	X(KSTACK_FAILED, LOSS, "kernel_stack_failed", "kernel stack could not be read")            \
	X(KSTACK_TRUNCATED, LOSS, "kernel_stack_truncated", "kernel stack deeper than the limit")  \
	X(USTACK_NONE, INFO, "user_stack_none",                                                    \
	  "samples without a user stack: kernel threads, in execve, at exit")                      \
	X(USTACK_ENTRY, INFO, "user_stack_entry", "user stacks unwound to their entry")            \
	X(USTACK_END_ZERO, INFO, "user_stack_end_zero",                                            \
	  "user stacks that ended with a frame pointer or return address of 0")                    \
	X(USTACK_NO_REGS, LOSS, "user_stack_no_registers", "user registers could not be read")     \
	X(USTACK_COMPAT, LOSS, "user_stack_32bit",                                                 \
	  "32-bit code: only the program counter is kept")                                         \
	X(USTACK_NO_CODE, LOSS, "user_stack_no_code", "program counter in no executable mapping")  \
	X(USTACK_UNREADABLE, LOSS, "user_stack_unreadable", "part of the stack not in memory")     \
	X(USTACK_NOT_RISING, LOSS, "user_stack_not_rising", "next frame would not lie above")      \
	X(USTACK_BAD_RETURN, LOSS, "user_stack_bad_return", "return address leads to no code")     \
	X(USTACK_NO_RULE, LOSS, "user_stack_no_rule",                                              \
	  "code without unwind table, and no frame pointer to be believed")                        \
	X(USTACK_UNSUPPORTED, LOSS, "user_stack_rule_unsupported",                                 \
	  "unwind rule of a kind that is not followed")                                            \
	X(USTACK_NOT_LOADED, INFO, "user_stack_rows_not_loaded",                                   \
	  "stacks handed to user space: rows not loaded, or mappings being changed")               \
	X(USTACK_DEPTH, LOSS, "user_stack_too_deep", "user stack deeper than the limit")           \
	X(USTACK_REPLACED, INFO, "user_stack_replaced",                                            \
	  "samples in execve, when the old program's stack is gone")                               \
	X(REST_LEFT_OUT, LOSS, "user_stack_copies_left_out",                                       \
	  "of the stacks handed to user space: cut, as the ring buffer was 3/4 full")              \
	X(FRAME_BY_FALLBACK, INFO, "frames_by_fallback",                                           \
	  "user frames found by frame pointer or by code, for want of an unwind table")            \
	X(CTX_NO_WRITER, INFO, "context_no_writer", "process publishes no trace context")          \
	X(CTX_STALE, INFO, "context_stale", "process has executed another program since")          \
	X(CTX_NO_TLS, INFO, "context_no_tls", "thread has no thread pointer yet")                  \
	X(CTX_ABSENT, INFO, "context_absent", "thread is in no span")                              \
	X(CTX_READ, INFO, "context_read", "a span, or labels of one, read")                        \
	X(CTX_NOT_VALID, INFO, "context_not_valid",                                                \
	  "record's valid flag not set: thread is in no span, or enters or leaves one")            \
	X(CTX_INVALID, LOSS, "context_invalid", "record is not of the specified form")             \
	X(CTX_UNREADABLE, LOSS, "context_unreadable", "record could not be read")                  \
	X(CTX_LABELS_CUT, LOSS, "labels_cut", "contexts some of whose labels are missing")         \
	X(FILTER_FORK_FAILED, LOSS, "filter_fork_failed", "child could not be added to the filter")

#define STATS_USER(X)                                                                              \
	X(SAMPLE_DELIVERED, INFO, "samples_delivered", "samples that are in the profile")          \
	X(SAMPLE_MALFORMED, LOSS, "samples_malformed", "records that do not decode")               \
	X(SAMPLE_UNWANTED, INFO, "samples_unwanted",                                               \
	  "samples of processes that the configuration's filters leave out")                       \
	X(SAMPLE_DROPPED, LOSS, "samples_dropped", "samples dropped: out of memory")               \
	X(UNWIND_FINISHED, INFO, "user_stacks_finished",                                           \
	  "stacks that user space finished unwinding from their copy")                             \
	X(UNWIND_CUT, LOSS, "user_stack_copies_cut",                                               \
	  "of these, truncated: the stack is longer than its copy, or broken")                     \
	X(UNWIND_MISMATCH, LOSS, "unwind_mapping_mismatches",                                      \
	  "of these, cut: the mappings known of the process were not up to date")                  \
	X(UNWIND_FAILED, LOSS, "unwind_rows_not_loadable",                                         \
	  "times that rows could not be read, or had no room")                                     \
	X(UNWIND_WORKER_FAILED, LOSS, "unwind_worker_failed",                                      \
	  "mapped files without unwind tables: the process that reads them failed")                \
	X(UNWIND_LATE, LOSS, "unwind_rows_late",                                                   \
	  "frames whose unwind table had not been read in time")                                   \
	X(UNWIND_ROWS, LEVEL, "unwind_rows_loaded", "rows of unwind tables loaded")                \
	X(UNWIND_BYTES, LEVEL, "unwind_memory_bytes", "kernel memory of unwind tables")            \
	X(UNWIND_EVICTED, INFO, "unwind_pages_evicted",                                            \
	  "pages of rows unloaded to stay within the budget")                                      \
	X(UNWIND_BAD_FDES, LOSS, "unwind_fdes_malformed",                                          \
	  "functions with malformed unwind tables")                                                \
	X(UNWIND_DENSE, LOSS, "unwind_pages_too_dense", "pages of code with too many rows")        \
	X(SAMPLE_TRUNCATED, LOSS, "stacks_truncated", "samples whose stack misses its entry")      \
	X(SAMPLE_NO_PROCESS, LOSS, "samples_unknown_process", "samples of a process gone unseen")  \
	X(FRAME_NO_MAPPING, LOSS, "frames_unknown_mapping", "user addresses in no known mapping")  \
	X(FRAME_NO_SYMBOL, LOSS, "frames_no_symbol", "addresses without a name: [file+0x…]")       \
	X(JIT_REFUSED, LOSS, "code_maps_refused",                                                  \
	  "perf-PID.map or jitdump files that are not used: not readable, or not to be believed")  \
	X(JIT_CUT, LOSS, "code_maps_cut", "of these, used in part: too large")                     \
	X(JIT_MALFORMED, LOSS, "code_map_entries_malformed",                                       \
	  "lines of perf-PID.map, records of jitdump files of no such form")                       \
	X(FILE_UNREADABLE, LOSS, "files_unreadable", "mapped files not to be opened or parsed")    \
	X(FILE_REPLACED, LOSS, "files_replaced", "mapped files that are another file by now")      \
	X(SYMBOL_WORKER_FAILED, LOSS, "symbol_worker_failed",                                      \
	  "mapped files that the process which reads them failed on")                              \
	X(DEBUG_LEFT_OUT, LOSS, "debug_files_left_out",                                            \
	  "files whose debug information is too large to be read, or broken")                      \
	X(EVENT_LOST, LOSS, "process_events_lost", "exec, fork, exit or mmap events lost")         \
	X(EVENT_MALFORMED, LOSS, "process_events_malformed", "perf records that do not decode")    \
	X(EVENT_LATE, LOSS, "events_late", "records that came after their time was over")          \
	X(THROTTLED, LOSS, "sampling_throttled",                                                   \
	  "times the kernel paused an event as too frequent")                                      \
	X(PROC_RESCAN, INFO, "process_rescans", "processes whose mappings were read again")        \
	X(PROC_UNREADABLE, LOSS, "processes_unreadable",                                           \
	  "processes we have no right to look into")                                               \
	X(MEMORY_STUCK, LOSS, "memory_reads_stuck",                                                \
	  "reads of processes' memory given up on: a page that does not come")                     \
	X(IDENTITY_UNKNOWN, INFO, "processes_unidentified",                                        \
	  "processes that ended before their container, unit and environment were read")           \
	X(RESOURCE_MALFORMED, INFO, "resource_attributes_malformed",                               \
	  "processes whose OTEL_RESOURCE_ATTRIBUTES is not as specified")                          \
	X(VALUES_LEFT_OUT, LOSS, "attributes_left_out",                                            \
	  "names and attributes of processes left out: too many different ones")                   \
	X(CTX_PROC_MALFORMED, LOSS, "process_context_malformed", "process contexts not decodable") \
	X(CTX_LABELS_MALFORMED, LOSS, "labels_malformed",                                          \
	  "labels, or ids in them, of no such form")                                               \
	X(CTX_LABELS_DROPPED, LOSS, "contexts_without_labels",                                     \
	  "samples that lost their labels: more than --max-contexts")                              \
	X(CTX_OVERFLOW, LOSS, "contexts_overflow",                                                 \
	  "samples that lost their span: more than twice --max-contexts")                          \
	X(CTX_WRITER_UNSUPPORTED, LOSS, "context_writer_unsupported", "writers of an unread form") \
	X(CTX_SOURCES_LEFT_OUT, LOSS, "thread_variables_left_out",                                 \
	  "processes with more than 4 variables that have a context")                              \
	X(CTX_PYTHON_UNSUPPORTED, INFO, "python_versions_unsupported",                             \
	  "CPython processes of a version whose spans are not read")                               \
	X(ELASTIC_REGISTERED, INFO, "elastic_agents_registered",                                   \
	  "Elastic APM agents told of this profiler: --elastic-register")                          \
	X(ELASTIC_NOT_REGISTERED, LOSS, "elastic_agents_unregistered",                             \
	  "of these, could not be told")                                                           \
	X(CTX_NOT_TOLD, LOSS, "procs_map_full", "contexts the kernel side could not be told of")   \
	X(PUSH_REJECTED, LOSS, "push_samples_rejected", "samples no remote endpoint has taken")

#define STAT_ENUM_(id, kind, name, help) STAT_##id,
enum stat_id { STATS_KERNEL(STAT_ENUM_) STATS_USER(STAT_ENUM_) STAT_COUNT };
#undef STAT_ENUM_

#define STAT_ONE_(id, kind, name, help) +1
enum { STAT_KERNEL_COUNT = 0 STATS_KERNEL(STAT_ONE_) };
#undef STAT_ONE_

/* Of one CPU: a value of the map `stats`. */
struct cpu_stats {
	__u64 run_ns; /* that oncpu_sample() took */
	__u64 runs;   /* of it: all ticks, those that became no sample, too */
	__u64 n[STAT_KERNEL_COUNT];
} __attribute__((aligned(64)));

#endif
