/* SPDX-License-Identifier: Apache-2.0 */
/* A stop as a text that the walk can be replayed from: the format is in tests/unit/snapshot.h. */
#ifndef SNAPSHOT_WRITE_H
#define SNAPSHOT_WRITE_H

#include "judge_dwfl.h"
#include "live_walk.h"
#include "stop.h"

struct snapshot {
	const char *title;
	const struct stop *stop;
	const struct process *process;
	const struct walk_trace *trace;
	const struct chain *expected;
	const char *end; /* of the walk */
	struct judge_dwfl *places;
};

/* Negative errno. */
int snapshot_write(const char *path, const struct snapshot *s);

#endif
