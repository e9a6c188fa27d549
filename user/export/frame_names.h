/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of a profile, each distinct one once, with the pprof location it became. */
#ifndef EXPORT_FRAME_NAMES_H
#define EXPORT_FRAME_NAMES_H

#include <stdbool.h>

#include "export/pprof.h"
#include "profile/profile.h"
#include "sym/jit_names.h"
#include "sym/symbolizer.h"

struct frame_name {
	struct profile_frame frame;
	const struct pprof_location *location;
	bool is_entry; /* the outermost frame that a process or thread can have */
};

/* Where names come from. */
struct name_sources {
	const struct profile_files *files; /* of the profile */
	struct symbolizer *sym; /* NULL: nothing has a name, jit and servers are not asked */
	struct debuginfod_files *servers; /* of debug files; NULL: none */
	struct jit_names *jit;
};

struct frame_names {
	struct hashmap by_frame;
};

/* Collects the frames of all stacks. -ENOMEM. */
int frame_names_collect(struct frame_names *fn, const struct profile *p);

/* Names them, file by file, and makes their locations. -ENOMEM. */
int frame_names_resolve(struct frame_names *fn, const struct name_sources *from,
			struct pprof_builder *builder, uint64_t *counters);

/* Never NULL for a frame that was collected. */
const struct frame_name *frame_names_find(const struct frame_names *fn,
					  const struct profile_frame *frame);

void frame_names_clear(struct frame_names *fn);

#endif
