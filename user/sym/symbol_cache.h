/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that were found once, by build id: in memory with a budget, and in a folder, so that the
 * next run need not look for them. Nothing in the folder is trusted; what is torn, foreign or of
 * another version counts as not there, and is written anew.
 */
#ifndef SYM_SYMBOL_CACHE_H
#define SYM_SYMBOL_CACHE_H

#include "base/cleanup.h"
#include "sym/symbol_image.h"

struct symbol_cache_limits {
	size_t memory_bytes; /* of what is not in use; the least recently used goes first */
	uint64_t folder_bytes;
	uint16_t rounds; /* for which a name is kept in memory that nobody wants */
};

#define SYMBOL_CACHE_LIMITS_DEFAULT                                                                \
	((struct symbol_cache_limits){                                                             \
		.memory_bytes = 32u << 20, .folder_bytes = 512u << 20, .rounds = 10 })

struct symbol_cache_totals {
	uint64_t loaded;   /* files read from the folder */
	uint64_t rejected; /* that were torn, foreign, or of another version */
	uint64_t saved;
	uint64_t failed; /* that could not be written */
	int error;	 /* negative errno of the last such failure */
};

struct symbol_cache;

/*
 * @folder, made if it is missing; NULL: memory only. -EPERM: others may write to it. -ENOMEM, what
 * mkdir(2) says.
 */
int symbol_cache_new(const char *folder, const struct symbol_cache_limits *limits,
		     struct symbol_cache **ret);
/* What was not saved is lost. NULL is fine. */
void symbol_cache_free(struct symbol_cache *c);
DEFINE_CLEANUP(struct symbol_cache *, symbol_cache_free)

/*
 * What is known of the file of this origin; empty if there is nothing. Without a build id it is
 * kept in memory only. Borrowed until the next call. -ENOMEM.
 */
int symbol_cache_get(struct symbol_cache *c, const struct symbol_origin *origin,
		     struct symbol_image **ret);

/* Writes what was added since, and keeps the folder within its limit. Failures are in the totals.
 */
void symbol_cache_save(struct symbol_cache *c);

/* Drops what is beyond the budget of memory, which entries may have outgrown since they came. */
void symbol_cache_bound(struct symbol_cache *c);

/*
 * Ends a round: names that were not wanted for limits.rounds are dropped, and what the folder has
 * of a file becomes what is left of it when something is added. For who names for ever.
 */
void symbol_cache_end_round(struct symbol_cache *c);

/* Drops all that is in memory, once it is in the folder. */
void symbol_cache_forget(struct symbol_cache *c);

/* Bytes of memory that the names take. */
size_t symbol_cache_memory(const struct symbol_cache *c);

struct symbol_cache_totals symbol_cache_totals(const struct symbol_cache *c);

#endif
