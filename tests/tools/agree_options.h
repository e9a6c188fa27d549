/* SPDX-License-Identifier: Apache-2.0 */
/* What unwind_agree is asked for. */
#ifndef AGREE_OPTIONS_H
#define AGREE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracee.h"

struct agree_options {
	uint64_t stops, seed, steps, pause_us, skip_ms;
	pid_t pids[64];
	size_t n_pids;
	const char *programs[TRACEE_PROGRAMS];
	size_t n_programs;
	uint64_t min_depth, copy;
	bool with_children, json, quiet, cut, disputed;
	const char *record, *title, *name;
	const char *frames[4]; /* globs, each of which a frame must match */
	size_t n_frames;
	const char *rule; /* text that one of the rules must have */
	char **argv;
};

extern const char agree_usage[];

/* -EINVAL */
int agree_options_parse(int argc, char **argv, struct agree_options *ret);

#endif
