/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker answers, checked message by message: whoever wrote it may have been taken over by
 * the file that it read. Any string that comes through is UTF-8 without control characters.
 */
#ifndef SYM_NAMES_ANSWER_H
#define SYM_NAMES_ANSWER_H

#include "base/vec.h"
#include "sym/file_source.h"
#include "sym/frame_store.h"

struct names_answer {
	struct frame_store *store;
	struct sym_result *results; /* those of the request */
	size_t n_results;
	size_t n_filled;
	VEC(const char *) strings;
	size_t bytes; /* of them */
	struct names_list {
		struct sym_frame *frames;
		size_t n;
	} * lists;
	size_t n_lists, lists_cap;
	VEC(struct sym_frame) open; /* the list that is not at its end yet */
	size_t n_frames;
	bool done;
	/* Once done. */
	int error; /* of the file */
	bool debug_left_out;
};

/* @a->store and @a->results are borrowed; all else begins as 0. */
void names_answer_clear(struct names_answer *a);

/* One message of kind NAMES_STRINGS and above. -EBADMSG, after which @a is of no use; -ENOMEM. */
int names_answer_take(struct names_answer *a, unsigned kind, const void *payload, size_t len);

/*
 * A message of kind NAMES_WANTED: another file that the worker needs. Points into @payload.
 * -EBADMSG.
 */
int names_wanted_decode(const void *payload, size_t len, struct sym_file_wanted *ret,
			unsigned *ret_nth);

#endif
