/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/python_source.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hashmap.h"
#include "ctx/mapped_elf.h"
#include "ctx/python_process.h"

struct known_file {
	const struct dso *dso;
	int error; /* of python_file_find() */
	struct python_file file;
	uint64_t nodes[PYTHON_NODES]; /* ELF virtual addresses; 0: not looked for yet */
};

struct python_files {
	struct hashmap files;
};

int python_files_new(struct python_files **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void python_files_free(struct python_files *f)
{
	if (!f)
		return;
	hashmap_clear_free(&f->files);
	free(f);
}

static bool known_eq(const void *value, const void *key)
{
	return ((const struct known_file *)value)->dso == key;
}

void python_files_forget(struct python_files *f, const struct dso *dso)
{
	free(hashmap_remove(&f->files, hash_u64(0, dso->id), known_eq, dso));
}

static int examine(const struct mapping *m, pid_t pid, struct known_file *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r = mapped_elf_open(m, pid, &ef);

	if (r < 0 && r != -ENOEXEC)
		return r; /* perhaps it can be opened the next time */
	if (r == 0)
		r = python_file_find(ef, m->dso->name, &ret->file);
	if (r == -ENOMEM)
		return r;
	ret->error = r;
	return 0;
}

static int get_file(struct python_files *f, const struct mapping *m, pid_t pid,
		    struct known_file **ret)
{
	uint64_t hash = hash_u64(0, m->dso->id);
	CLEANUP(freep) struct known_file *fresh = NULL;
	int r;

	*ret = hashmap_get(&f->files, hash, known_eq, m->dso);
	if (*ret)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->dso = m->dso;
	r = examine(m, pid, fresh);
	if (r == 0)
		r = hashmap_put(&f->files, hash, fresh);
	if (r == 0)
		*ret = TAKE_PTR(fresh);
	return r;
}

/* --- the interpreter -------------------------------------------------------------------------- */

static bool may_be(const struct process *p, const struct mapping *m)
{
	return m->dso->kind == DSO_FILE &&
	       (m->dso == p->exe || python_file_is_library(m->dso->name));
}

/* Where they were in another process, if they are in this one, too: that saves a search. */
static int find_nodes(struct known_file *known, struct elf_file *ef,
		      const struct python_process *where, uint64_t ret[PYTHON_NODES])
{
	int r;

	for (int i = 0; i < PYTHON_NODES; i++)
		ret[i] = where->bias + known->nodes[i];
	if (known->nodes[0] && python_are_nodes(&known->file, where, ret))
		return 0;
	r = python_find_nodes(ef, &known->file, where, ret);
	for (int i = 0; r == 0 && i < PYTHON_NODES; i++)
		known->nodes[i] = ret[i] - where->bias;
	return r;
}

static int find_in(struct known_file *known, const struct process *p, const struct mapping *m,
		   struct python_source *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct python_process where = { .pid = p->pid };
	uint64_t nodes[PYTHON_NODES];
	int r = mapped_elf_open(m, p->pid, &ef);

	ret->dso = m->dso;
	if (r == 0)
		r = mapped_elf_bias(ef, m, &where.bias);
	if (r < 0)
		return r;
	python_version(&known->file, &where, &ret->minor);
	r = thread_values_find(p, &where.values);
	if (r == 0)
		r = python_find_objects(&known->file, &where, &ret->info);
	if (r == 0)
		r = find_nodes(known, ef, &where, nodes);
	for (int i = 0; r == 0 && i < PYTHON_NODES; i++)
		ret->info.node_types[i] = nodes[i];
	return r;
}

int python_source_find(struct python_files *f, const struct process *p, struct python_source *ret)
{
	*ret = (struct python_source){ 0 };
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];
		struct known_file *known;
		int r;

		if (!may_be(p, m))
			continue;
		r = get_file(f, m, p->pid, &known);
		if (r < 0)
			return r;
		if (known->error == 0)
			return find_in(known, p, m, ret);
	}
	return -ENOENT;
}
