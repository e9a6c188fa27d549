/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only door to the kernel side: loads the BPF programs, opens the perf events, and delivers
 * samples and process events in one order of time. Logs what fails, with the remedy.
 */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/proc_event.h"
#include "ctx/user_variable.h"
#include "shared/focus.h"
#include "shared/proc_info.h"
#include "shared/python_info.h"
#include "shared/record.h"
#include "shared/stat.h"
#include "unwind/row_store.h"

enum collector_event {
	COLLECTOR_EVENT_AUTO, /* cycles where the machine counts them, else cpu-clock */
	COLLECTOR_EVENT_CPU_CLOCK,
	COLLECTOR_EVENT_CYCLES,
};

struct collector_options {
	unsigned frequency; /* Hz, per CPU */
	enum collector_event event;
	bool filter_pids;     /* only the processes named by collector_add_target() */
	bool follow;	      /* … and the children they make from now on */
	int cgroup_fd;	      /* only tasks below this cgroup v2 folder; -1: all */
	size_t unwind_budget; /* bytes of kernel memory for unwind tables */
	bool no_contexts;     /* processes are not asked for trace context */
	const struct user_variable *variables; /* borrowed while it is opened */
	size_t n_variables;		       /* up to CTX_VARIABLES_MAX */
	const char *obi_map;		       /* where OBI has pinned its map, or NULL */
};

/* See struct sample_record. */
struct collector_sample {
	const struct sample_record *rec;
	const uint64_t *frames;
	const uint8_t *labels;
	const struct sample_rest *rest; /* NULL: there is none */
};

/*
 * Called by collector_poll() and collector_finish(), in the order of time. Pointers are valid
 * during the call.
 */
struct collector_handlers {
	void *ctx;
	void (*on_sample)(void *ctx, const struct collector_sample *sample);
	void (*on_event)(void *ctx, const struct proc_event *ev);
	/* Of a sample with a rest, as soon as it comes in: ahead of its turn. */
	void (*on_rows_missing)(void *ctx, const struct sample_record *rec,
				const struct sample_rest *rest);
};

/* A record is in its buffer within this time of its time stamp; one that is not is counted late. */
#define COLLECTOR_DELAY_NS (20 * NSEC_PER_MSEC)

struct collector;

/*
 * Loads everything; process events are collected from here on, samples are not yet. On failure a
 * message has been logged and a negative errno is returned.
 */
int collector_open(const struct collector_options *opt, const struct collector_handlers *handlers,
		   struct collector **ret);
void collector_close(struct collector *c); /* NULL is fine; leaves nothing in the kernel */
DEFINE_CLEANUP(struct collector *, collector_close)

/* Begins sampling on all CPUs. Logs; negative errno. */
int collector_start(struct collector *c);

/* Samples that often from now on, Hz. Logs; negative errno. */
int collector_set_frequency(struct collector *c, unsigned frequency);

/* From now on; @focus with `every` 0: there is none. Samples may have SAMPLE_EXTRA. */
void collector_set_focus(struct collector *c, const struct sample_focus *focus);

/*
 * Waits until something is worth fetching, at most one tick (50 ms), then delivers what is ready.
 * Also takes in CPUs that came online. Logs; negative errno; a signal is no error.
 */
int collector_poll(struct collector *c);

/* Ends sampling and delivers all that is left. */
int collector_finish(struct collector *c);

/* Adds to the filter. -EPERM, -ENOSPC (65,536 at most), … */
int collector_add_target(struct collector *c, pid_t pid);

/* When it has ended: its pid may be another's soon. */
void collector_drop_target(struct collector *c, pid_t pid);

/* Tells the kernel side where this process keeps its trace context; forget when it ends. */
int collector_set_proc(struct collector *c, pid_t pid, const struct proc_info *info);
void collector_forget_proc(struct collector *c, pid_t pid);
/* What a source of CTX_FORMAT_PYTHON with this @number, below PYTHONS_MAX, needs; before that. */
int collector_set_python(struct collector *c, uint32_t number, const struct python_info *info);

/* Where the kernel side looks for unwind tables; valid until the collector is closed. */
struct row_store_backing collector_unwind_backing(struct collector *c);

/* Adds the kernel's counters and the collector's own to @counters[STAT_COUNT]. */
int collector_read_stats(const struct collector *c, uint64_t *counters);

/* What the sampling program has taken so far, on all CPUs; all its ticks count. */
struct run_time {
	uint64_t ns, runs;
};
/* Negative errno. */
int collector_run_time(const struct collector *c, struct run_time *ret);

struct map_sizes {
	uint64_t kernel; /* bytes of all our BPF maps */
	uint64_t mapped; /* by us, and so part of our resident memory; ring buffers count twice
			    there */
};
/* Of tables and ring buffers as it is now, of all others as it was a minute ago at most. */
struct map_sizes collector_map_sizes(struct collector *c);

/* What is being sampled: COLLECTOR_EVENT_CPU_CLOCK or COLLECTOR_EVENT_CYCLES. */
enum collector_event collector_event(const struct collector *c);

/* "cpu-clock", "cycles". */
const char *collector_event_name(enum collector_event event);

/* Opens and closes a sampling event on @cpu; what perf_event_open(2) says (for doctor). */
int collector_probe_event(enum collector_event event, int cpu);

/* lockdown=confidentiality: no BPF program may read memory. */
bool collector_kernel_is_locked_down(void);

#endif
