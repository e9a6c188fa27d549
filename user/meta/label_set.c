/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/label_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Many rules that each rewrite many long values: what they replace stays until the reset. */
#define MEMORY_MAX (1UL << 20)

bool label_name_is_valid(const char *name)
{
	size_t len = strnlen(name, LABEL_NAME_MAX + 1);

	return len > 0 && len <= LABEL_NAME_MAX && utf8_is_printable(name, len);
}

static struct label *find(const struct label_set *s, const char *name)
{
	for (size_t i = 0; i < s->labels.n; i++)
		if (strcmp(s->labels.data[i].name, name) == 0)
			return &s->labels.data[i];
	return NULL;
}

static void take_out(struct label_set *s, struct label *l)
{
	struct label *end = s->labels.data + s->labels.n;

	memmove(l, l + 1, (size_t)(end - (l + 1)) * sizeof(*l));
	s->labels.n--;
}

/* @old: has the same name, or NULL. What a rule sets anew goes to the end, once. */
static int store(struct label_set *s, struct label *old, struct label new)
{
	if (!old && s->labels.n == LABEL_SET_MAX)
		return -E2BIG;
	s->memory.limit = MEMORY_MAX;
	new.name = old ? old->name : arena_strndup(&s->memory, new.name, strlen(new.name));
	new.value = arena_strndup(&s->memory, new.value, strlen(new.value));
	if (!new.name || !new.value)
		return -E2BIG;
	if (vec_reserve(&s->labels, 1) < 0)
		return -ENOMEM;
	old = find(s, new.name); /* the vector may have moved */
	if (old && old->added == new.added) {
		*old = new;
		return 0;
	}
	if (old)
		take_out(s, old);
	return vec_push(&s->labels, new);
}

static int set(struct label_set *s, struct label new)
{
	struct label *old;

	if (!label_name_is_valid(new.name))
		return -EINVAL;
	if (strnlen(new.value, LABEL_VALUE_MAX + 1) > LABEL_VALUE_MAX)
		return -E2BIG;
	old = find(s, new.name);
	if (*new.value)
		return store(s, old, new);
	if (old)
		take_out(s, old);
	return 0;
}

int label_set_put(struct label_set *s, const char *name, const char *value)
{
	return set(s, (struct label){ .name = name, .value = value });
}

int label_set_change(struct label_set *s, const char *name, const char *value)
{
	return set(s, (struct label){ .name = name, .value = value, .added = true });
}

const char *label_set_get(const struct label_set *s, const char *name)
{
	const struct label *l = find(s, name);

	return l ? l->value : "";
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void label_set_sort(struct label_set *s)
{
	if (s->labels.n)
		qsort(s->labels.data, s->labels.n, sizeof(*s->labels.data), by_name);
	for (size_t i = 0; i < s->labels.n; i++)
		s->labels.data[i].added = false;
}

void label_set_reset(struct label_set *s)
{
	s->labels.n = 0;
	arena_reset(&s->memory);
}

void label_set_clear(struct label_set *s)
{
	vec_free(&s->labels);
	arena_clear(&s->memory);
}
