/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much CPU time names may take in the long run, with unwind tables, and in what detail they are
 * to be had for what is left of it.
 */
#ifndef APP_NAMING_BUDGET_H
#define APP_NAMING_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "sym/symbolizer.h"

struct naming_budget {
	int64_t left_ns;      /* less than 0: debts */
	uint64_t refilled_ns; /* up to when, CLOCK_MONOTONIC */
};

/* With a credit of 30 s: a host's programs are all new at first. */
void naming_budget_start(struct naming_budget *b, uint64_t now_ns);

/* @cpu_percent of one CPU since the last time; no more than the credit can be saved up. */
void naming_budget_refill(struct naming_budget *b, uint64_t now_ns, double cpu_percent);
void naming_budget_spend(struct naming_budget *b, uint64_t ns);

/*
 * Symbols only once nothing is left, or while profiles pile up (@behind); with both, or with debts
 * of 5 s, only what is known already.
 */
enum symbolizer_detail naming_budget_detail(const struct naming_budget *b, bool behind);

#endif
