/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of files by way of a worker process, which costs at most a moment: what has not come by then
 * is asked for again, and taken when it is there. Never logs.
 */
#ifndef UNWIND_ROWS_CLIENT_H
#define UNWIND_ROWS_CLIENT_H

#include "unwind/row_store.h"
#include "worker/bad_files.h"
#include "worker/worker.h"

#define ROWS_PATIENCE_MS 500 /* for one question, altogether */

/* What rows are worth: a question takes some ms. */
#define ROWS_CPU_S	  3
#define ROWS_WALL_S	  3
#define ROWS_MEMORY_BYTES (128u << 20)

/* One that answers with those limits. */
int rows_worker_new(struct worker **ret);

struct rows_client;

/* @w is taken over, also on failure. -ENOMEM. */
int rows_client_new(struct worker *w, struct rows_client **ret);
void rows_client_free(struct rows_client *c); /* NULL is fine */
DEFINE_CLEANUP(struct rows_client *, rows_client_free)

/* Where pages go; after an error no others do. */
struct rows_sink {
	unwind_page_fn take; /* NULL: nowhere */
	void *arg;
};

/* A version of a file's contents. */
struct rows_client_file {
	uint64_t id;	       /* of rows_client_number() */
	int fd;		       /* stays open until the answer has come, or rows_client_forget() */
	struct rows_sink late; /* takes pages that come when nobody waits for them any more */
};

uint64_t rows_client_number(struct rows_client *c);

/*
 * Where it has code, and how many FDEs were bad. -EAGAIN: no answer yet, or the worker is busy with
 * another file; -EREMOTEIO: the worker failed on this one, now or before; what elf_file_open_fd()
 * and unwind_table_open() say.
 */
int rows_client_open(struct rows_client *c, const struct rows_client_file *f,
		     struct row_extent *ret, uint64_t *ret_bad_fdes);

/* As struct unwind_group, of no more than 64 pages. */
struct rows_client_group {
	uint64_t first, wanted; /* page; bit i: page first + i */
	uint64_t page;
};

/*
 * As unwind_table_compile_group(), but that an error of @sink comes after all pages; -EAGAIN and
 * -EREMOTEIO as above. What was met is added to @stats.
 */
int rows_client_compile(struct rows_client *c, const struct rows_client_file *f,
			const struct rows_client_group *group, const struct rows_sink *sink,
			struct unwind_table_stats *stats);

/* Pages of it that still come are nobody's. */
void rows_client_forget(struct rows_client *c, uint64_t id);

/* Closes files that were kept for a while. Now and then. */
void rows_client_tidy(const struct rows_client *c);

/* Files that the worker failed on, oldest first. NULL: there are no more. */
const struct bad_file *rows_client_bad_file(const struct rows_client *c, size_t i);

/* Which of them @fd is; NULL: none. */
const struct bad_file *rows_client_bad_file_of(struct rows_client *c, int fd);

const struct worker *rows_client_worker(const struct rows_client *c);

#endif
