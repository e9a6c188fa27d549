/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/plain_programs.h"

#include "base/hashmap.h"

#define SEEN_MIN     3
#define PROGRAMS_MAX 4096 /* with more of them all are learned anew */

struct program {
	uint64_t files;
	uint64_t among;	 /* bits of the files' numbers, each of which stands for many */
	unsigned seen;	 /* processes of it that had nothing */
	bool is_fertile; /* one had something */
};

struct plain_programs {
	struct hashmap by_files;
};

int plain_programs_new(struct plain_programs **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void plain_programs_free(struct plain_programs *pp)
{
	if (!pp)
		return;
	hashmap_clear_free(&pp->by_files);
	free(pp);
}

/* In any order: libraries are where the kernel puts them. */
static uint64_t files_of(const struct process *p)
{
	uint64_t all = p->exe ? hash_u64(1, p->exe->id) : 0;

	for (size_t i = 0; i < p->maps.n; i++)
		if (p->maps.data[i].dso->kind == DSO_FILE)
			all += hash_u64(0, p->maps.data[i].dso->id);
	return all;
}

static uint64_t bit_of(const struct dso *dso)
{
	return 1ull << (dso->id % 64);
}

static uint64_t bits_of(const struct process *p)
{
	uint64_t all = p->exe ? bit_of(p->exe) : 0;

	for (size_t i = 0; i < p->maps.n; i++)
		if (p->maps.data[i].dso->kind == DSO_FILE)
			all |= bit_of(p->maps.data[i].dso);
	return all;
}

static bool program_eq(const void *value, const void *key)
{
	return ((const struct program *)value)->files == *(const uint64_t *)key;
}

static struct program *find(const struct plain_programs *pp, uint64_t files)
{
	return hashmap_get(&pp->by_files, files, program_eq, &files);
}

static struct program *add(struct plain_programs *pp, uint64_t files)
{
	struct program *fresh = calloc(1, sizeof(*fresh));

	if (pp->by_files.n >= PROGRAMS_MAX)
		hashmap_clear_free(&pp->by_files);
	if (!fresh)
		return NULL;
	fresh->files = files;
	if (hashmap_put(&pp->by_files, files, fresh) == 0)
		return fresh;
	free(fresh);
	return NULL;
}

void plain_programs_note(struct plain_programs *pp, const struct process *p, bool had_something)
{
	uint64_t files = files_of(p);
	struct program *program;

	if (!p->exe)
		return;
	program = find(pp, files);
	if (!program)
		program = add(pp, files);
	if (!program)
		return;
	program->among = bits_of(p);
	program->is_fertile |= had_something;
	program->seen += !had_something && program->seen < SEEN_MIN;
}

bool plain_programs_has(const struct plain_programs *pp, const struct process *p)
{
	const struct program *program = p->exe ? find(pp, files_of(p)) : NULL;

	return program && program->seen == SEEN_MIN && !program->is_fertile;
}

void plain_programs_forget(struct plain_programs *pp, const struct dso *dso)
{
	struct program *program;
	size_t pos = 0;

	while ((program = hashmap_next(&pp->by_files, &pos))) {
		if (!(program->among & bit_of(dso)))
			continue;
		program->seen = 0;
		program->is_fertile = false;
	}
}
