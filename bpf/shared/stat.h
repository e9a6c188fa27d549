/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every counter of the profiler, in the kernel or in user space, with its public name (JSON of
 * --stats, end of `record`) and what it counts. Nothing is lost without one of these going up.
 *
 *   taken = delivered + lost_ring
 *
 * holds for samples; filtered ones are not taken.
 */
#ifndef SHARED_STAT_H
#define SHARED_STAT_H

/* X(id, name, help). The kernel's come first; those of user space after STATS_USER. */
#define STATS_KERNEL(X)                                                                            \
	X(SAMPLE_FILTERED, "samples_filtered", "ticks outside -p, --cgroup or the command")        \
	X(SAMPLE_TAKEN, "samples_taken", "ticks that became a sample")                             \
	X(SAMPLE_LOST_RING, "samples_lost_ring", "samples lost: ring buffer full")                 \
	X(KSTACK_FAILED, "kernel_stack_failed", "kernel stack could not be read")                  \
	X(KSTACK_TRUNCATED, "kernel_stack_truncated", "kernel stack deeper than the limit")        \
	X(USTACK_NO_REGS, "user_stack_no_registers", "user registers could not be read")           \
	X(USTACK_COMPAT, "user_stack_32bit", "32-bit process: only the program counter is kept")   \
	X(USTACK_END_ZERO, "user_stack_end_zero", "frame pointer chain ended with 0")              \
	X(USTACK_UNREADABLE, "user_stack_unreadable", "frame pointer chain left readable memory")  \
	X(USTACK_NOT_RISING, "user_stack_not_rising", "frame pointer did not rise: not a frame")   \
	X(USTACK_BAD_RETURN, "user_stack_bad_return", "return address is no user address")         \
	X(USTACK_DEPTH, "user_stack_too_deep", "user stack deeper than the limit")                 \
	X(CTX_NO_WRITER, "context_no_writer", "process publishes no trace context")                \
	X(CTX_STALE, "context_stale", "process has executed another program since")                \
	X(CTX_NO_TLS, "context_no_tls", "thread has no thread pointer yet")                        \
	X(CTX_ABSENT, "context_absent", "thread is in no span")                                    \
	X(CTX_READ, "context_read", "trace and span id read")                                      \
	X(CTX_TORN, "context_torn", "record being written: valid flag not set")                    \
	X(CTX_INVALID, "context_invalid", "record is not of the specified form")                   \
	X(CTX_UNREADABLE, "context_unreadable", "record could not be read")                        \
	X(FILTER_FORK_FAILED, "filter_fork_failed", "child could not be added to the filter")

#define STATS_USER(X)                                                                              \
	X(SAMPLE_DELIVERED, "samples_delivered", "samples that reached user space")                \
	X(SAMPLE_MALFORMED, "samples_malformed", "records that do not decode")                     \
	X(SAMPLE_TRUNCATED, "stacks_truncated", "samples whose stack does not reach its entry")    \
	X(SAMPLE_NO_PROCESS, "samples_unknown_process", "samples of a process nobody announced")   \
	X(FRAME_NO_MAPPING, "frames_unknown_mapping", "user addresses in no known mapping")        \
	X(FRAME_NO_SYMBOL, "frames_no_symbol", "addresses with no name, shown as [file+0x…]")      \
	X(FILE_UNREADABLE, "files_unreadable", "mapped files that could not be opened or parsed")  \
	X(FILE_REPLACED, "files_replaced", "files that are no longer the one that was mapped")     \
	X(EVENT_LOST, "process_events_lost", "exec, fork, exit or mmap events lost by the kernel") \
	X(EVENT_MALFORMED, "process_events_malformed", "perf records that do not decode")          \
	X(EVENT_LATE, "process_events_late", "events that came after their time was processed")    \
	X(THROTTLED, "sampling_throttled", "times the kernel paused an event: too frequent")       \
	X(PROC_RESCAN, "process_rescans", "processes whose mappings were read again")              \
	X(PROC_UNREADABLE, "processes_unreadable",                                                 \
	  "processes whose /proc entry could not be read")                                         \
	X(CTX_PROC_MALFORMED, "process_context_malformed", "process contexts that do not decode")  \
	X(CTX_WRITER_UNSUPPORTED, "context_writer_unsupported", "writers of a form not read yet")  \
	X(PUSH_REJECTED, "push_samples_rejected", "samples that a remote endpoint did not take")

#define STAT_ENUM_(id, name, help) STAT_##id,
enum stat_id { STATS_KERNEL(STAT_ENUM_) STATS_USER(STAT_ENUM_) STAT_COUNT };
#undef STAT_ENUM_

#define STAT_ONE_(id, name, help) +1
enum { STAT_KERNEL_COUNT = 0 STATS_KERNEL(STAT_ONE_) };
#undef STAT_ONE_

#endif
