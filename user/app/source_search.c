/* SPDX-License-Identifier: Apache-2.0 */
#include "app/source_search.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PARTS_MAX 64 /* folders in a path; of a deeper one the last so many */

int source_search_add_map(struct source_search *s, const char *map)
{
	if (!strchr(map, '=') || *map == '=')
		return -EINVAL;
	if (s->n_maps == SOURCE_MAPS_MAX)
		return -ENOSPC;
	s->maps[s->n_maps++] = map;
	return 0;
}

/* Is @path in the folder FROM? Then the rest of it, without '/' at its begin; else NULL. */
static const char *behind(const char *path, const char *from, size_t len)
{
	while (len > 1 && from[len - 1] == '/')
		len--;
	if (strncmp(path, from, len) != 0)
		return NULL;
	if (path[len] && path[len] != '/' && from[len - 1] != '/')
		return NULL;
	path += len;
	return path + strspn(path, "/");
}

int source_search_path(const struct source_search *s, const char *file, char **ret)
{
	const char *to = "", *rest = NULL;
	char *path;

	if (strlen(file) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < s->n_maps && !rest; i++) {
		to = strchr(s->maps[i], '=') + 1;
		rest = behind(file, s->maps[i], (size_t)(to - s->maps[i]) - 1);
	}
	if (rest ? asprintf(&path, "%s%s%s", to, *to && *rest ? "/" : "", rest) < 0
		 : asprintf(&path, "%s", file) < 0)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/* The last parts of @path that have no ".." among them, each up to the end; returns their number.
 */
static size_t find_ends(const char *path, const char *ends[PARTS_MAX])
{
	size_t n = 0;

	for (const char *p = path + strlen(path); p > path && n < PARTS_MAX;) {
		const char *end = p;

		while (p > path && p[-1] != '/')
			p--;
		if (end - p == 2 && p[0] == '.' && p[1] == '.')
			break;
		if (end > p)
			ends[n++] = p;
		while (p > path && p[-1] == '/')
			p--;
	}
	return n;
}

static int open_below(const char *dir, int dir_len, const char *file, struct source_text **ret)
{
	const char *ends[PARTS_MAX];
	char path[PATH_MAX];

	for (size_t n = find_ends(file, ends); n-- > 0;) {
		int len = snprintf(path, sizeof(path), "%.*s/%s", dir_len, dir, ends[n]);

		if (len < (int)sizeof(path) && source_text_open(path, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

int source_search_open(const struct source_search *s, const char *file, struct source_text **ret)
{
	CLEANUP(freep) char *path = NULL;
	int r;

	for (const char *dir = s->dirs; dir && *dir;) {
		size_t len = strcspn(dir, ":");

		if (len && open_below(dir, (int)len, file, ret) == 0)
			return 0;
		dir += len + (dir[len] == ':');
	}
	r = source_search_path(s, file, &path);
	return r < 0 ? r : source_text_open(path, ret);
}
