/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions by way of a worker process. */
#ifndef SYM_NAMES_CLIENT_H
#define SYM_NAMES_CLIENT_H

#include <stdbool.h>

#include "sym/file_source.h"
#include "sym/frame_store.h"
#include "worker/worker.h"

struct names_client {
	struct worker *worker;
	const struct sym_file_source *files; /* for the worker, which can open nothing */
	struct frame_store *store;	     /* what results will point to */
	uint64_t *debug_left_out;	     /* goes up as symbolizer_debug_left_out() */
	bool symbols_only;		     /* nothing but the file's own symbol tables is read */
};

struct names_request {
	const uint64_t *offsets;
	struct sym_result *results;
	size_t n;
};

/*
 * As symbolizer_file(). -EREMOTEIO: the worker failed, and worker_last_failure() says of what. Of
 * more offsets than it takes at once, those that it had done with keep their names.
 */
int names_client_ask(const struct names_client *c, int fd, const struct names_request *q);

#endif
