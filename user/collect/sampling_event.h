/* SPDX-License-Identifier: Apache-2.0 */
/* The perf event whose overflow is a tick. */
#ifndef COLLECT_SAMPLING_EVENT_H
#define COLLECT_SAMPLING_EVENT_H

#include <stdint.h>

#include "collect/collector.h"

struct sampling_event {
	enum collector_event event; /* never COLLECTOR_EVENT_AUTO */
	uint64_t period;	    /* between two ticks of a busy CPU: ns, or cycles */
	uint64_t per_second;	    /* in the same unit */
};

/*
 * Decides what COLLECTOR_EVENT_AUTO means here, and the period for @frequency ticks a second.
 * Always a fixed period: in the kernel's frequency mode a CPU that idles most of the time ticks as
 * often as a busy one, and begins with a burst, so that a tick would stand for no known time. For
 * cycles, how many a second has is measured (10 ms of CPU time): where the clock speed changes,
 * shares are of cycles, and the sum is that of the speed at the start. What perf_event_open(2) says
 * if the event cannot be had.
 */
int sampling_event_choose(enum collector_event wanted, unsigned frequency,
			  struct sampling_event *ret);

/* The descriptor of an event on @cpu that is not switched on yet, or a negative errno. */
int sampling_event_open(const struct sampling_event *how, int cpu);

#endif
