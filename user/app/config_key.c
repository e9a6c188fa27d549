/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_key.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64 /* longer ones are like nothing that we know */

const struct config_key *config_key_find(const struct config_schema *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->keys[i].name, name) == 0)
			return &s->keys[i];
	return NULL;
}

bool config_key_applies(const struct config_key *key, int type)
{
	return !key->only || (type >= 0 && key->only & 1u << type);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Row by row of the matrix of distances between beginnings, two rows back for swapped letters. */
unsigned config_edit_distance(const char *a, const char *b, unsigned max)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t n = strnlen(a, WORD_MAX + 1), m = strnlen(b, WORD_MAX + 1);
	unsigned d;

	if (n > WORD_MAX || m > WORD_MAX)
		return max + 1;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3],
			 *before = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	d = rows[n % 3][m];
	return least(d, max + 1);
}

const char *config_key_nearest(const struct config_schema *s, const char *name)
{
	unsigned max = 1 + (unsigned)(strnlen(name, WORD_MAX) / 4), best = max + 1;
	const char *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		unsigned d = config_edit_distance(name, s->keys[i].name, max);

		if (d < best) {
			best = d;
			found = s->keys[i].name;
		}
	}
	/* "bearer_token" for "bearer_token_file". */
	for (size_t i = 0; i < s->n && !found; i++)
		if (strlen(name) > 3 && strstr(s->keys[i].name, name))
			found = s->keys[i].name;
	return found;
}

const char *config_type_name(enum config_type type)
{
	static const char *const names[] = {
		[CONFIG_BOOL] = "true or false", [CONFIG_NUMBER] = "number",
		[CONFIG_DURATION] = "duration",	 [CONFIG_BYTES] = "bytes",
		[CONFIG_PERCENT] = "percent",	 [CONFIG_STRING] = "string",
		[CONFIG_PATH] = "path",		 [CONFIG_ENUM] = "word",
		[CONFIG_SET] = "list of words",	 [CONFIG_STRINGS] = "list of strings",
		[CONFIG_LABELS] = "map",	 [CONFIG_HEADERS] = "map",
		[CONFIG_SECTION] = "section",	 [CONFIG_LIST] = "list of maps",
	};

	return names[type];
}

bool config_type_is_scalar(enum config_type type)
{
	return type <= CONFIG_ENUM;
}

void config_path_join(char out[CONFIG_PATH_MAX], const char *path, const char *name)
{
	snprintf(out, CONFIG_PATH_MAX, "%s%s%.64s", path, *path ? "." : "", name);
}
