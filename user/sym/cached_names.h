/* SPDX-License-Identifier: Apache-2.0 */
/* Names of a file's places from the symbol cache, and those that are new into it. */
#ifndef SYM_CACHED_NAMES_H
#define SYM_CACHED_NAMES_H

#include "sym/file_source.h"
#include "sym/frame_store.h"
#include "sym/names_client.h"
#include "sym/symbol_cache.h"

/* A string of the image that has been kept. */
struct cached_string {
	uint32_t at; /* in the image; 0: none */
	const char *kept;
};

#define CACHED_STRINGS 1024

struct cached_names {
	struct symbol_image *image;
	struct frame_store *store; /* what results will point to */
	size_t n_missing;
	uint64_t *offsets; /* the missing ones */
	size_t *index;	   /* of each in the request */
	struct sym_result *results;
	struct cached_string *strings; /* some of those that were met, by hash of their place */
};

/* A zeroed one holds nothing. */
void cached_names_clear(struct cached_names *c);

/*
 * Which contents of @cache belong to @fd, whose other files @files opens: its build id, which
 * anybody may claim, if it has one, and which file it is, which debug file and package of split
 * units there are for it, and which servers would be asked. What open(2) and fstat(2) say.
 */
int cached_names_origin(int fd, const struct sym_file_source *files, struct symbol_origin *ret);

/*
 * Fills the results of @q that are known. The others are in ret->offsets and, once ret->results are
 * filled, for cached_names_take(). -ENOMEM.
 */
int cached_names_look(struct symbol_cache *cache, const struct symbol_origin *origin,
		      struct frame_store *store, const struct names_request *q,
		      struct cached_names *ret);

/* The missing results of @q from c->results; with @keep into the cache, too. */
void cached_names_take(struct cached_names *c, const struct names_request *q, bool keep);

#endif
