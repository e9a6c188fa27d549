/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof_edit.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "export/pprof_internal.h"

#define NAME_MAX_BYTES 1024
#define LINKAGE_MAX    16384 /* longer ones are not looked at */

/* In "name [module]", which kernel modules have, only the first word is mangled. */
static bool read_linkage(const char *linkage, enum demangle_style style, char *out, size_t size)
{
	size_t word = strcspn(linkage, " ");
	char raw[LINKAGE_MAX];
	bool read;

	if (word >= sizeof(raw))
		return false;
	memcpy(raw, linkage, word);
	raw[word] = '\0';
	read = demangle_styled(raw, style, out, NAME_MAX_BYTES);
	strncat(out, linkage + word, size - strlen(out) - 1);
	return read;
}

static bool is_wanted(const struct pprof_function *f, enum demangle_style style)
{
	if (!f->system_name[0])
		return false;
	return style != DEMANGLE_FULL || !f->name[0] || strcmp(f->name, f->system_name) == 0;
}

static int rename_function(struct arena *a, struct pprof_function *f, enum demangle_style style)
{
	char name[2 * NAME_MAX_BYTES];
	const char *own;

	if (!is_wanted(f, style))
		return 0;
	if (style == DEMANGLE_NONE) {
		f->name = f->system_name;
		return 0;
	}
	if (!read_linkage(f->system_name, style, name, sizeof(name)))
		return 0;

	own = arena_strndup(a, name, strlen(name));
	if (!own)
		return -ENOMEM;
	f->name = own;
	return 0;
}

int pprof_demangle(struct pprof *p, enum demangle_style style)
{
	struct pprof_owned *o = (struct pprof_owned *)p;
	int r = 0;

	for (size_t i = 0; i < p->n_functions && r == 0; i++)
		r = rename_function(&o->arena, p->functions[i], style);
	return r;
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
