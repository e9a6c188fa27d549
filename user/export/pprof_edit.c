/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof_edit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "export/pprof_internal.h"

#define NAME_MAX_BYTES 1024
#define LINKAGE_MAX    16384 /* longer ones are not looked at */

/* Functions that get other names, and the mangled words of those that they have. */
struct renaming {
	VEC(struct pprof_function *) functions;
	VEC(const char *) words;
	struct arena *memory;
};

static void renaming_clear(struct renaming *r)
{
	vec_free(&r->functions);
	vec_free(&r->words);
}

static bool is_wanted(const struct pprof_function *f, enum demangle_style style)
{
	if (!demangle_may_read(f->system_name, style))
		return false;
	return style != DEMANGLE_FULL || !f->name[0] || strcmp(f->name, f->system_name) == 0;
}

/* In "name [module]", which kernel modules have, only the first word is mangled. */
static size_t word_len(const char *linkage)
{
	return strcspn(linkage, " ");
}

static int add_function(struct renaming *r, struct pprof_function *f)
{
	size_t len = word_len(f->system_name);
	char *word;
	int err;

	if (len >= LINKAGE_MAX)
		return 0;
	word = arena_strndup(r->memory, f->system_name, len);
	if (!word)
		return -ENOMEM;
	err = vec_push(&r->functions, f);
	return err < 0 ? err : vec_push(&r->words, word);
}

static int rename_function(struct arena *memory, struct pprof_function *f, const char *read)
{
	const char *module = f->system_name + word_len(f->system_name);
	size_t len = strlen(read), module_len = strlen(module);
	char *name = arena_alloc(memory, len + module_len + 1);

	if (!name)
		return -ENOMEM;
	memcpy(name, read, len);
	memcpy(name + len, module, module_len + 1);
	f->name = name;
	return 0;
}

static int read_and_rename(struct renaming *todo, enum demangle_style style,
			   pprof_read_names_fn read, void *ctx)
{
	size_t n = todo->words.n;
	CLEANUP(freep) const char **names = calloc(n + 1, sizeof(*names));
	int r, err = names ? 0 : -ENOMEM;

	if (err < 0)
		return err;
	r = n ? read(ctx, style, todo->words.data, n, todo->memory, names) : 0;
	for (size_t i = 0; r != -ENOMEM && err == 0 && i < n; i++)
		if (names[i])
			err = rename_function(todo->memory, todo->functions.data[i], names[i]);
	return err < 0 ? err : r;
}

static void use_linkage(struct pprof *p)
{
	for (size_t i = 0; i < p->n_functions; i++)
		if (p->functions[i]->system_name[0])
			p->functions[i]->name = p->functions[i]->system_name;
}

int pprof_demangle_by(struct pprof *p, enum demangle_style style, pprof_read_names_fn read,
		      void *ctx)
{
	CLEANUP(renaming_clear)
	struct renaming todo = { .memory = &((struct pprof_owned *)p)->arena };
	int r = 0;

	if (style == DEMANGLE_NONE) {
		use_linkage(p);
		return 0;
	}
	for (size_t i = 0; r == 0 && i < p->n_functions; i++)
		if (is_wanted(p->functions[i], style))
			r = add_function(&todo, p->functions[i]);
	return r < 0 ? r : read_and_rename(&todo, style, read, ctx);
}

static int read_here(void *ctx, enum demangle_style style, const char *const *names, size_t n,
		     struct arena *memory, const char **ret)
{
	char buf[NAME_MAX_BYTES];

	for (size_t i = 0; i < n; i++) {
		if (!demangle_styled(names[i], style, buf, sizeof(buf)))
			continue;
		ret[i] = arena_strndup(memory, buf, strlen(buf));
		if (!ret[i])
			return -ENOMEM;
	}
	return 0;
}

int pprof_demangle(struct pprof *p, enum demangle_style style)
{
	return pprof_demangle_by(p, style, read_here, NULL);
}

void pprof_fold_inlined(struct pprof *p)
{
	for (size_t i = 0; i < p->n_locations; i++) {
		struct pprof_location *l = p->locations[i];

		if (l->n_lines < 2)
			continue;
		l->lines += l->n_lines - 1;
		l->n_lines = 1;
	}
	for (size_t i = 0; i < p->n_mappings; i++)
		p->mappings[i]->has_inline_frames = false;
}
