/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof_edit.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "leak_check.h"
#include "lines_fixture.h"

TestSuite(pprof_edit, .fini = leak_check);

struct names {
	const char *name, *system_name, *want[3]; /* by style */
};

static struct pprof *profile_of(const struct names *n)
{
	struct fixture fx = fixture_new(100);
	struct pprof_function f = { n->name, n->system_name, "", 0 };
	const struct pprof_function *unused;

	fixture_check(pprof_builder_function(fx.builder, &f, &unused));
	return fixture_finish(&fx);
}

Test(pprof_edit, names_follow_from_the_linkers)
{
	static const struct names all[] = {
		/* of our own recordings */
		{ "f(int)", "_Z1fi", { "f(int)", "f()", "_Z1fi" } },
		{ "main", "main", { "main", "main", "main" } },
		{ "drv::f [mod]",
		  "_RNvCs1234_3drv1f [mod]",
		  { "drv::f [mod]", "drv::f [mod]", "_RNvCs1234_3drv1f [mod]" } },
		/* of tools that do not demangle */
		{ "_Z1fi", "_Z1fi", { "f(int)", "f()", "_Z1fi" } },
		{ "", "_Z1fi", { "f(int)", "f()", "_Z1fi" } },
		{ "_Z1fi", "", { "_Z1fi", "_Z1fi", "_Z1fi" } },
		/* of tools that demangle in their own way, and of languages that do not mangle */
		{ "f", "_Z1fi", { "f", "f()", "_Z1fi" } },
		{ "main.(*T).F", "main.(*T).F", { "main.(*T).F", "main.(*T).F", "main.(*T).F" } },
		{ "Foo::bar(int)",
		  "Foo::bar(int)",
		  { "Foo::bar(int)", "Foo::bar(int)", "Foo::bar(int)" } },
		{ "x", "_Zebra", { "x", "x", "_Zebra" } },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (int style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++) {
			struct pprof *p = profile_of(&all[i]);

			cr_assert(zero(int, pprof_demangle(p, style)));
			cr_expect(
				eq(str, (char *)p->functions[0]->name, (char *)all[i].want[style]),
				"%s, style %d", all[i].system_name, style);
			cr_expect(eq(str, (char *)p->functions[0]->system_name,
				     (char *)all[i].system_name));
			pprof_free(p);
		}
}

/* 1 MB each: not read, or cut, and nothing of it takes long. */
Test(pprof_edit, long_names, .timeout = 10)
{
	static char mangled[1 << 20], spaces[1 << 20];

	memset(mangled, 'A', sizeof(mangled) - 1);
	memcpy(mangled, "_ZN1", 4);
	memset(spaces, ' ', sizeof(spaces) - 1);
	memcpy(spaces, "_Z1fv", 5);
	for (int style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++) {
		struct pprof *p = profile_of(&(struct names){ mangled, mangled, { 0 } });
		struct pprof *q = profile_of(&(struct names){ spaces, spaces, { 0 } });

		cr_assert(zero(int, pprof_demangle(p, style)));
		cr_assert(zero(int, pprof_demangle(q, style)));
		cr_expect(eq(str, (char *)p->functions[0]->name, mangled));
		if (style != DEMANGLE_NONE)
			cr_expect(zero(int, strncmp(q->functions[0]->name, "f()  ", 5)));
		pprof_free(p);
		pprof_free(q);
	}
}

/* The new names are in what is written, once more beside the linker's. */
Test(pprof_edit, changes_reach_the_file)
{
	struct pprof *p = lines_profile("/src/hot.c"), *back;
	size_t n, deepest = 0;
	uint8_t *bytes;

	pprof_fold_inlined(p);
	cr_assert(zero(int, pprof_encode(p, true, &bytes, &n)));
	cr_assert(zero(int, pprof_decode(bytes, n, &back)));
	for (size_t i = 0; i < back->n_locations; i++)
		if (back->locations[i]->n_lines > deepest)
			deepest = back->locations[i]->n_lines;
	cr_expect(eq(sz, deepest, 1));
	cr_expect(eq(int, back->mappings[0]->has_inline_frames, false));
	pprof_free(back);
	pprof_free(p);
	free(bytes);

	p = profile_of(&(struct names){ "f(int)", "_Z1fi", { 0 } });
	cr_assert(zero(int, pprof_demangle(p, DEMANGLE_SIMPLE)));
	cr_assert(zero(int, pprof_encode(p, false, &bytes, &n)));
	cr_assert(zero(int, pprof_decode(bytes, n, &back)));
	cr_expect(eq(str, (char *)back->functions[0]->name, "f()"));
	cr_expect(eq(str, (char *)back->functions[0]->system_name, "_Z1fi"));
	pprof_free(back);
	pprof_free(p);
	free(bytes);
}
