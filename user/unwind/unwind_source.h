/* SPDX-License-Identifier: Apache-2.0 */
/* Files as sources of unwind tables: which table of which contents, loaded when it is needed. */
#ifndef UNWIND_UNWIND_SOURCE_H
#define UNWIND_UNWIND_SOURCE_H

#include "base/hashmap.h"
#include "elf/elf_file.h"
#include "proc/dso.h"
#include "unwind/row_store.h"
#include "unwind/rows_client.h"

struct unwind_source;

/* Of an ELF image, which is taken over, also on failure. -ENOMEM. */
int unwind_source_new(struct row_store *store, struct elf_file *ef, struct unwind_source **ret);
void unwind_source_free(struct unwind_source *src); /* NULL is fine */
DEFINE_CLEANUP(struct unwind_source *, unwind_source_free)

/*
 * The kernel side knows it by @key from now on. A key that differs from the one before in the
 * change time means that the contents may have changed: they are read anew, once a second at most.
 * @now: CLOCK_MONOTONIC, ns. -ENOMEM, -ENOSPC; -EAGAIN: too early, what is known is not of this
 * key.
 */
int unwind_source_set_key(struct unwind_source *src, struct row_store *store,
			  const struct unwind_file_key *key, uint64_t now);

/*
 * The rule at byte @off of the file, loading what is around it. -ENOMEM, -ENOSPC: not loaded;
 * -EAGAIN: not yet.
 */
int unwind_source_find(struct unwind_source *src, struct row_store *store, uint64_t off,
		       uint64_t now, struct unwind_found_rule *ret);

/* Loads all of it. */
int unwind_source_load_all(struct unwind_source *src, struct row_store *store, uint64_t now);

/* File offset of the first executable segment; 0: there is none. */
uint64_t unwind_source_code_offset(const struct unwind_source *src);

/* NULL: it has no rows. */
struct row_file *unwind_source_file(const struct unwind_source *src);

/* What could not be had of files. */
struct unwind_source_failures {
	uint64_t tables; /* files that had some which could not be used, how often */
	uint64_t reader; /* files that their reader failed on, likewise */
	uint64_t late;	 /* places whose rule was not known in time */
};

/* By file; a zeroed struct is empty, and reads files right here. */
struct unwind_sources {
	struct hashmap by_dso;
	struct rows_client *reader; /* borrowed; not NULL: reads them in another process */
	/* Of those that were forgotten. */
	struct unwind_table_stats gone_stats;
	struct unwind_source_failures gone_failures;
};

/*
 * The source of @dso, opened by dso_open() before; one without rows if it was not, or if they have
 * no room, or as long as its reader has not answered. -ENOMEM, …
 */
int unwind_sources_get(struct unwind_sources *s, struct row_store *store, const struct dso *dso,
		       struct unwind_source **ret);

/* @dso goes: so do its rows. */
void unwind_sources_forget(struct unwind_sources *s, struct row_store *store,
			   const struct dso *dso);

/* Of all of them together. */
struct unwind_table_stats unwind_sources_stats(const struct unwind_sources *s);

struct unwind_source_failures unwind_sources_failures(const struct unwind_sources *s);

void unwind_sources_clear(struct unwind_sources *s);

#endif
