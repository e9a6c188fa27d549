/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker answers to questions for rows, checked message by message: whoever wrote it may
 * have been taken over by the file that it read. What comes through is as unwind_table.h promises.
 */
#ifndef UNWIND_ROWS_ANSWER_H
#define UNWIND_ROWS_ANSWER_H

#include "unwind/rows_protocol.h"
#include "unwind/unwind_table.h"

/* -EBADMSG. What it says of pages is no more than a file can have. */
int rows_opened_decode(const void *payload, size_t len, struct rows_opened *ret);

/* An answer to ROWS_COMPILE on its way. */
struct rows_answer {
	uint64_t first, wanted; /* of the question */
	uint64_t next;		/* pages below are past; begins as 0 */
	unwind_page_fn fn;	/* NULL: nobody wants them any more */
	void *arg;
	bool done;
	int fn_error;	      /* after one, fn is not called again */
	struct rows_done end; /* once done */
};

/* One message of kind ROWS_PAGES or ROWS_DONE. -EBADMSG, after which @a is of no use. */
int rows_answer_take(struct rows_answer *a, unsigned kind, const void *payload, size_t len);

#endif
