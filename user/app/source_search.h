/* SPDX-License-Identifier: Apache-2.0 */
/* Where the source files of a profile are on this machine. */
#ifndef APP_SOURCE_SEARCH_H
#define APP_SOURCE_SEARCH_H

#include <stddef.h>

#include "view/source_text.h"

#define SOURCE_MAPS_MAX 16

struct source_search {
	const char *maps[SOURCE_MAPS_MAX]; /* FROM=TO */
	size_t n_maps;
	const char *dirs; /* separated by ':'; NULL: none */
};

/* Adds a FROM=TO. -EINVAL: it is none; -ENOSPC. */
int source_search_add_map(struct source_search *s, const char *map);

/*
 * Where @file is without the folders: its path, whose start the first map that fits replaces. Fresh
 * text. -ENAMETOOLONG, -ENOMEM.
 */
int source_search_path(const struct source_search *s, const char *file, char **ret);

/*
 * Opens the source file that a profile calls @file: below the folders under any of the ends of its
 * path, longest first; else at source_search_path(). Else what source_text_open() says of that.
 */
int source_search_open(const struct source_search *s, const char *file, struct source_text **ret);

#endif
