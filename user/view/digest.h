/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selected samples of a profile in the form that views count with: labels, frames and names as
 * small numbers. Number 0 is always the empty string: a label that is absent.
 */
#ifndef VIEW_DIGEST_H
#define VIEW_DIGEST_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "view/intern.h"
#include "view/metric.h"
#include "view/select.h"

enum digest_label {
	DIGEST_SPAN,
	DIGEST_TRACE,
	DIGEST_SERVICE,
	DIGEST_PROCESS,
	DIGEST_PID,
	DIGEST_THREAD,
	DIGEST_TID,
	DIGEST_LABELS,
};

enum frame_kind {
	FRAME_PROGRAM,
	FRAME_LIBRARY,
	FRAME_KERNEL,
	FRAME_UNRESOLVED,
	FRAME_TRUNCATED, /* stands for callers that are not known */
	FRAME_PROCESS,	 /* no function: the process as the root of its stacks */
};

/* How much tells frames apart. */
enum digest_detail {
	DIGEST_FUNCTIONS, /* of a module, whichever file its lines are in: no file, no line */
	DIGEST_LINES,
	DIGEST_CALLS, /* lines, and whether they were inlined */
};

/* Layout of a tuple of digest.frames: the first three are strings. */
enum digest_frame {
	DIGEST_FRAME_NAME,
	DIGEST_FRAME_MODULE, /* path of the executable or library */
	DIGEST_FRAME_FILE,   /* source */
	DIGEST_FRAME_LINE,   /* where the function begins; 0: not known */
	DIGEST_FRAME_KIND,
	DIGEST_FRAME_AT,      /* line of the code or call; 0: not known, or not told apart */
	DIGEST_FRAME_INLINED, /* 1: into the frame behind it; 0: not, or not told apart */
	DIGEST_FRAME_FIELDS,
};

struct digest_sample {
	const struct pprof_sample *sample;
	int64_t value, count;
	uint32_t label[DIGEST_LABELS]; /* strings */
	bool truncated;
};

struct digest {
	enum digest_detail detail;
	struct metric metric;
	struct intern_strings strings;
	struct intern_tuples frames;
	VEC(struct digest_sample) samples;
	int64_t value, count;	  /* sums of the selected samples */
	int64_t all_value;	  /* sum of all samples */
	int64_t truncated_count;  /* of the selected samples */
	VEC(uint32_t) line_frame; /* frames of all locations */
	struct digest_location *locations;
	struct hashmap location_of; /* struct pprof_location * to struct digest_location */
};

typedef VEC(uint32_t) frame_list;

/* @p must outlive the digest. -ENOMEM. */
int digest_new(const struct pprof *p, const struct view_select *sel, enum digest_detail detail,
	       struct digest **ret);
/* In the detail that @sel asks for: functions or lines. */
int digest_new_selected(const struct pprof *p, const struct view_select *sel, struct digest **ret);
void digest_free(struct digest *d); /* NULL is fine */
DEFINE_CLEANUP(struct digest *, digest_free)

/* Replaces what is in @ret by the frames of @s, innermost first. -ENOMEM. */
int digest_frames(const struct digest *d, const struct digest_sample *s, frame_list *ret);

const char *digest_string(const struct digest *d, uint32_t i);
/* The string that field @what of a frame names. */
const char *digest_frame_string(const struct digest *d, uint32_t frame, enum digest_frame what);
enum frame_kind digest_frame_kind(const struct digest *d, uint32_t frame);
/* The number that field @what of a frame is. */
uint32_t digest_frame_number(const struct digest *d, uint32_t frame, enum digest_frame what);

/*
 * What a reader calls a frame: its function and, where lines are told apart, "file:line". Fresh
 * text (the caller frees), not cleaned. -ENOMEM.
 */
int digest_frame_text(const struct digest *d, uint32_t frame, char **ret);

/* Behind the last '/'. */
const char *path_base(const char *path);

#endif
