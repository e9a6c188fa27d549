/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof_relabel.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"

TestSuite(pprof_relabel, .fini = leak_check);

/* @n samples, of service "s0", "s1", "s0", … and pid 0, 1, …; each stands for two. */
static struct pprof *profile(size_t n)
{
	struct pprof_builder *b;
	struct pprof *p;

	cr_assert(zero(int, pprof_builder_new(&b)));
	pprof_builder_sample_type(b, "samples", "count");
	for (size_t i = 0; i < n; i++) {
		char service[8];
		struct pprof_label labels[] = { { "service.name", service, 0, "" },
						{ "pid", NULL, i, "" } };
		struct pprof_sample s = { NULL, 0, &(int64_t){ 2 }, labels, 2 };

		snprintf(service, sizeof(service), "s%zu", i % 2);
		cr_assert(zero(int, pprof_builder_sample(b, &s)));
	}
	p = pprof_builder_finish(b);
	pprof_builder_free(b);
	return p;
}

static const char *text_of(const struct pprof *p, size_t i, const char *key)
{
	const struct pprof_label *l = pprof_sample_label(&p->samples[i], key);

	return l && l->str ? l->str : "";
}

static uint64_t apply(struct pprof *p, const struct pprof_label *fixed, size_t n_fixed,
		      const struct relabel_rule *rules, size_t n_rules)
{
	struct pprof_relabel how = { fixed, n_fixed, NULL };
	struct relabel_problem why;
	uint64_t dropped = 0;

	if (n_rules)
		cr_assert(zero(int, relabel_new(rules, n_rules, &why, &how.rules)));
	cr_assert(zero(int, pprof_relabel(p, &how, &dropped)));
	relabel_free(how.rules);
	return dropped;
}

Test(pprof_relabel, fixed_labels_do_not_replace)
{
	static const struct pprof_label fixed[] = { { "team", "a", 0, "" },
						    { "service.name", "x", 0, "" },
						    { "pid", "x", 0, "" } };
	struct pprof *p = profile(3);

	cr_expect(zero(u64, apply(p, fixed, 3, NULL, 0)));
	for (size_t i = 0; i < 3; i++) {
		cr_expect(eq(str, (char *)text_of(p, i, "team"), "a"));
		cr_expect(eq(str, (char *)text_of(p, i, "service.name"), i % 2 ? "s1" : "s0"));
		cr_expect(eq(i64, pprof_sample_label(&p->samples[i], "pid")->num, i));
		cr_expect(eq(sz, p->samples[i].n_labels, 3));
	}
	pprof_free(p);
}

Test(pprof_relabel, rules_rewrite_and_drop)
{
	const char *const service[] = { "service.name" };
	const struct relabel_rule rules[] = {
		{ .action = RELABEL_DROP,
		  .source_labels = service,
		  .n_source_labels = 1,
		  .regex = "s1" },
		{ .action = RELABEL_REPLACE,
		  .source_labels = service,
		  .n_source_labels = 1,
		  .regex = "s(.)",
		  .target_label = "number",
		  .replacement = "n$1" },
		{ .action = RELABEL_LABELDROP, .regex = "service.*" },
	};
	struct pprof *p = profile(5);

	cr_expect(eq(u64, apply(p, NULL, 0, rules, 3), 4));
	cr_assert(eq(sz, p->n_samples, 3));
	for (size_t i = 0; i < 3; i++) {
		cr_expect(eq(str, (char *)text_of(p, i, "number"), "n0"));
		cr_expect(eq(str, (char *)text_of(p, i, "service.name"), ""));
		cr_expect(eq(i64, pprof_sample_label(&p->samples[i], "pid")->num, 2 * i));
	}
	pprof_free(p);
}

/* Texts of a profile are numbered by their address. */
Test(pprof_relabel, equal_texts_are_one)
{
	static const struct pprof_label fixed = { "team", "a", 0, "" };
	struct pprof *p = profile(4);

	cr_expect(zero(u64, apply(p, &fixed, 1, NULL, 0)));
	cr_expect(eq(ptr, (void *)text_of(p, 0, "team"), (void *)text_of(p, 3, "team")));
	cr_expect(eq(ptr, (void *)text_of(p, 0, "service.name"),
		     (void *)text_of(p, 2, "service.name")));
	pprof_free(p);
}

/* What is too long for any rule stays as it is. */
Test(pprof_relabel, long_values_pass)
{
	static const struct pprof_label fixed = { "team", "a", 0, "" };
	char text[LABEL_VALUE_MAX + 2];
	struct pprof *p = profile(1);
	struct pprof_label l = { "query", text, 0, "" };

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	p->samples[0].labels = &l;
	p->samples[0].n_labels = 1;
	cr_expect(zero(u64, apply(p, &fixed, 1, NULL, 0)));
	cr_expect(eq(str, (char *)text_of(p, 0, "query"), text));
	cr_expect(eq(str, (char *)text_of(p, 0, "team"), "a"));
	pprof_free(p);
}
