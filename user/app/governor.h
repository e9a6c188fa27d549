/* SPDX-License-Identifier: Apache-2.0 */
/* How often is sampled: as configured, less if that costs too much, more if somebody asks for it.
 */
#ifndef APP_GOVERNOR_H
#define APP_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "app/agent_config.h"
#include "app/session.h"

/* A zeroed one is to be started. */
struct governor {
	unsigned wanted;     /* configured, Hz */
	unsigned frequency;  /* in force */
	unsigned affordable; /* by the budget, at most what is wanted */
	unsigned raised;     /* asked for, until: */
	uint64_t raised_until_ns;
	struct sample_focus focus; /* of what; `every` counts only here below */
	bool has_focus;
	uint64_t cpu_ns, since_ns; /* what sampling and its kernel side had used, and when */
};

void governor_start(struct governor *g, unsigned frequency);

/*
 * Called by the thread that samples at the end of an interval: the rate of the next one.
 * @kernel_ns: what the kernel side has run so far.
 */
struct session_rate governor_decide(struct governor *g, const struct agent_config *c,
				    uint64_t kernel_ns);

/* The pure part of it: what is affordable, if @frequency took @share of one CPU. */
unsigned governor_afford(unsigned wanted, unsigned frequency, double share, double budget);

/*
 * @hz until @until_ns (CLOCK_MONOTONIC), whatever it costs; of what is in @focus only, or of all
 * (NULL).
 */
void governor_raise(struct governor *g, unsigned hz, const struct sample_focus *focus,
		    uint64_t until_ns);
/* True once: when its time is up, or the only process that it is of has ended. Logs which. */
bool governor_raise_is_over(struct governor *g, uint64_t now_ns);

unsigned governor_frequency(const struct governor *g);

#endif
