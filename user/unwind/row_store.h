/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind tables that are loaded: packed pages, directories and the tables of files in the
 * arenas that the kernel side reads (shared/unwind_arena.h). Kept within a budget; at it, the pages
 * that were not used for longest make room, then the directories of files of which none is left,
 * whose keys the kernel side has to ask for again.
 */
#ifndef UNWIND_ROW_STORE_H
#define UNWIND_ROW_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "shared/unwind_arena.h"
#include "unwind/unwind_table.h"

/* Memory that the kernel side sees. */
struct row_store_backing {
	void *ctx;
	struct unwind_control *control;
	/* Arena number @index, zeroed; it stays mapped as long as @ctx lives. Negative errno. */
	int (*add_arena)(void *ctx, uint32_t index, void **ret);
	/* Returns when no BPF program runs any more that was running when it was called. */
	int (*wait_readers)(void *ctx);
};

struct row_store;
struct row_file; /* one version of a file's contents, and what of it is loaded */

/* @budget: bytes of arenas, at least two of them. -ENOMEM, or what the backing says. */
int row_store_new(const struct row_store_backing *backing, size_t budget, struct row_store **ret);
void row_store_free(struct row_store *s); /* NULL is fine */
DEFINE_CLEANUP(struct row_store *, row_store_free)

/* Where a file has code. */
struct row_extent {
	uint64_t first_page, n_pages;
	uint64_t code_off; /* file offset of its first executable segment */
};

/* Nothing is loaded yet. -ENOMEM, -ENOSPC. */
int row_store_add_file(struct row_store *s, const struct row_extent *code, struct row_file **ret);

/*
 * Unloads it, takes it off every key; it is gone. @forget: the kernel side asks for it again when
 * it meets it; else it is told that there are no rows. NULL is fine. -ENOMEM: it stays as it was.
 */
int row_store_drop_file(struct row_store *s, struct row_file *file, bool forget);

/*
 * What was dropped can be used again, which else is so when there is no other room. Waits until the
 * kernel side has left it; what the backing's wait_readers() says.
 */
int row_store_settle(struct row_store *s);

/*
 * From now on the kernel side finds under @key what is loaded of @file; NULL: it need not ask for
 * this one, there are no rows. What was under the key is replaced. -ENOMEM, -ENOSPC.
 */
int row_store_set_key(struct row_store *s, const struct unwind_file_key *key,
		      struct row_file *file);

/* The same for the vDSO, which has no key. */
void row_store_set_vdso(struct row_store *s, const struct row_file *file);

/* The page is outside of the file, or loaded. */
bool row_store_has(const struct row_store *s, const struct row_file *file, uint64_t page);

/*
 * Loads a page that row_store_has() not. @now: CLOCK_MONOTONIC, ns. May unload others.
 * -ENOSPC: the budget has no room at all; -ENOMEM.
 */
int row_store_put(struct row_store *s, struct row_file *file, uint64_t page,
		  const struct unwind_page *rows, uint64_t now);

/* Where the kernel side's walk would find itself at byte @off of the file. */
int row_store_find(struct row_store *s, const struct row_file *file, uint64_t off, uint64_t now,
		   struct unwind_found_rule *ret);

struct row_store_stats {
	uint64_t rows;		/* loaded now */
	uint64_t pages;		/* loaded now */
	uint64_t bytes;		/* of arenas */
	uint64_t lines_bytes;	/* of these, in use */
	uint64_t pages_evicted; /* since the start */
};
struct row_store_stats row_store_stats(const struct row_store *s);

#endif
