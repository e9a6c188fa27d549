/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/relabel.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "leak_check.h"
#include "meta/label_regex.h"

TestSuite(relabel, .fini = leak_check, .timeout = 120);

/* --- one rule at a time ------------------------------------------------------------------------
 */

static const char *const source_a[] = { "a" };
#define SOURCE_A .source_labels = source_a, .n_source_labels = 1

#define SOURCES(...)                                                                               \
	.source_labels = (const char *const[]){ __VA_ARGS__ },                                     \
	.n_source_labels = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

/* "a=1,b=2" as Prometheus would print it; the caller frees. */
static char *text_of(const struct label_set *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < s->labels.n; i++)
		fprintf(f, "%s%s=%s", i ? "," : "", s->labels.data[i].name,
			s->labels.data[i].value);
	fclose(f);
	return text;
}

static void put_text(struct label_set *s, const char *text)
{
	char *copy = strdup(text), *rest = copy, *part;

	while ((part = strsep(&rest, ","))) {
		char *value = strchr(part, '=');

		if (!value)
			continue;
		*value++ = '\0';
		cr_assert(zero(int, label_set_put(s, part, value)));
	}
	free(copy);
}

static struct relabel *compile(const struct relabel_rule *rules, size_t n)
{
	struct relabel_problem why;
	struct relabel *r = NULL;

	cr_assert(zero(int, relabel_new(rules, n, &why, &r)), "%s: %s", why.key, why.why);
	return r;
}

/* @want NULL: dropped. */
static void assert_result(const struct relabel_rule *rules, size_t n, const char *labels,
			  const char *want)
{
	CLEANUP(relabel_freep) struct relabel *r = compile(rules, n);
	struct label_set s = { 0 };
	bool keep;
	char *got;

	put_text(&s, labels);
	cr_assert(zero(int, relabel_apply(r, &s, &keep)));
	cr_expect(eq(int, keep, want != NULL));
	got = text_of(&s);
	if (want)
		cr_expect(eq(str, got, (char *)want));
	free(got);
	label_set_clear(&s);
}

#define RESULT(labels, want, ...)                                                                  \
	assert_result((const struct relabel_rule[]){ __VA_ARGS__ },                                \
		      sizeof((const struct relabel_rule[]){ __VA_ARGS__ }) /                       \
			      sizeof(struct relabel_rule),                                         \
		      labels, want)

Test(relabel, labels_with_dots_are_replaced)
{
	RESULT("container.id=abc,pid=7", "container.id=abc,k8s.id=id-abc,pid=7",
	       { SOURCES("container.id"), .target_label = "k8s.id", .replacement = "id-$1" });
}

Test(relabel, temporary_labels_are_gone_at_the_end)
{
	RESULT("a=x", "a=x,b=x!", { SOURCE_A, .target_label = "__tmp", .replacement = "$1!" },
	       { SOURCES("__tmp"), .target_label = "b" });
}

Test(relabel, the_whole_text_must_match)
{
	RESULT("a=xyz", NULL, { .action = RELABEL_KEEP, SOURCE_A, .regex = "y" });
	RESULT("a=xyz", NULL, { .action = RELABEL_KEEP, SOURCE_A, .regex = "x|xy" });
	RESULT("a=xyz", "a=xyz", { .action = RELABEL_KEEP, SOURCE_A, .regex = "x|xyz" });
}

Test(relabel, an_empty_result_removes_the_label)
{
	RESULT("a=1,b=2", "b=2", { SOURCES("b"), .target_label = "a", .replacement = "" });
}

Test(relabel, a_long_result_is_counted_and_not_set)
{
	struct relabel_rule rules[16];
	CLEANUP(relabel_freep) struct relabel *r = NULL;
	struct label_set s = { 0 };
	bool keep;

	for (size_t i = 0; i < 16; i++)
		rules[i] = (struct relabel_rule){ SOURCE_A, .target_label = "a",
						  .replacement = "$1$1" };
	r = compile(rules, 16);
	cr_assert(zero(int, label_set_put(&s, "a", "x")));
	cr_assert(zero(int, relabel_apply(r, &s, &keep)));
	cr_expect(eq(sz, strlen(label_set_get(&s, "a")), 4096));
	cr_expect(eq(u64, relabel_get_counts(r)->too_large, 4));
	label_set_clear(&s);
}

/* A rule can double the labels. */
Test(relabel, too_many_labels_are_counted_and_not_set)
{
	struct relabel_rule rules[16];
	CLEANUP(relabel_freep) struct relabel *r = NULL;
	struct label_set s = { 0 };
	bool keep;

	for (size_t i = 0; i < 16; i++)
		rules[i] = (struct relabel_rule){ .action = RELABEL_LABELMAP,
						  .replacement = i % 2 ? "a$1" : "b$1" };
	r = compile(rules, 16);
	cr_assert(zero(int, label_set_put(&s, "a", "x")));
	cr_assert(zero(int, relabel_apply(r, &s, &keep)));
	cr_expect(s.labels.n <= LABEL_SET_MAX);
	cr_expect(gt(u64, relabel_get_counts(r)->too_large, 0));
	label_set_clear(&s);
}

/* Exponential in a backtracking engine: 2^40 steps. */
Test(relabel, an_evil_expression_ends_and_is_counted)
{
	CLEANUP(relabel_freep) struct relabel *r = NULL;
	struct relabel_rule rule = { .action = RELABEL_DROP, SOURCE_A, .regex = "(?:(a+)+)+[bd]" };
	struct label_set s = { 0 };
	uint64_t start = thread_cpu_ns();
	bool keep;

	r = compile(&rule, 1);
	cr_assert(zero(int, label_set_put(&s, "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac")));
	cr_assert(zero(int, relabel_apply(r, &s, &keep)));
	cr_expect(eq(int, keep, true));
	cr_expect(eq(u64, relabel_get_counts(r)->match_limit, 1));
	cr_expect(thread_cpu_ns() - start < NSEC_PER_SEC);
	label_set_clear(&s);
}

Test(relabel, invalid_text_is_matched_by_nothing)
{
	RESULT("a=x\xff", NULL, { .action = RELABEL_KEEP, SOURCE_A, .regex = ".*" });
	RESULT("a=X\xff", "a=X\xff,b=x\xff",
	       { .action = RELABEL_LOWERCASE, SOURCE_A, .target_label = "b" });
}

static void assert_refused(const struct relabel_rule *rule, const char *key, const char *word)
{
	struct relabel_problem why;
	struct relabel *r;

	cr_assert(eq(int, relabel_new(rule, 1, &why, &r), -EINVAL), "%s: %s", key, word);
	cr_expect(eq(str, (char *)why.key, (char *)key));
	cr_expect(strstr(why.why, word) != NULL, "no '%s' in: %s", word, why.why);
}

#define REFUSED(key, word, ...)                                                                    \
	assert_refused(&(const struct relabel_rule){ __VA_ARGS__ }, key, word)

Test(relabel, refusals_name_the_field)
{
	REFUSED("target_label", "needs one", SOURCE_A);
	REFUSED("target_label", "no name", .target_label = "a\nb");
	REFUSED("modulus", "needs one", .action = RELABEL_HASHMOD, .target_label = "a");
	REFUSED("source_labels", "labeldrop", .action = RELABEL_LABELDROP, SOURCE_A);
	REFUSED("replacement", "lowercase", .action = RELABEL_LOWERCASE, .target_label = "a",
		.replacement = "x");
	REFUSED("regex", "parenthesis", .action = RELABEL_DROP, .regex = "a(");
	REFUSED("regex", "looking around", .action = RELABEL_DROP, .regex = "a(?=b)");
	REFUSED("regex", "references back", .action = RELABEL_DROP, .regex = "(a)\\1");
	REFUSED("regex", "repetition", .action = RELABEL_DROP, .regex = "a++");
}

/* --- against Prometheus ------------------------------------------------------------------------
 */

#define SEED  20261129
#define CASES 30000

static const char *string_field(const json_t *rule, const char *key)
{
	return json_string_value(json_object_get(rule, key));
}

static enum relabel_action action_of(const json_t *rule)
{
	for (size_t i = 0; i < RELABEL_ACTIONS; i++)
		if (strcmp(relabel_action_names[i], string_field(rule, "action")) == 0)
			return (enum relabel_action)i;
	cr_assert(false, "an action that we do not know");
	return RELABEL_ACTIONS;
}

/* @sources has room for all. */
static struct relabel_rule rule_of(const json_t *rule, const char **sources)
{
	const json_t *list = json_object_get(rule, "source_labels");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++)
		sources[i] = json_string_value(json_array_get(list, i));
	return (struct relabel_rule){
		.action = action_of(rule),
		.source_labels = sources,
		.n_source_labels = n,
		.separator = string_field(rule, "separator"),
		.regex = string_field(rule, "regex"),
		.target_label = string_field(rule, "target_label"),
		.replacement = string_field(rule, "replacement"),
		.modulus = (uint64_t)json_integer_value(json_object_get(rule, "modulus")),
	};
}

static bool same_labels(const struct label_set *s, json_t *want)
{
	const char *name;
	json_t *value;

	if (s->labels.n != json_object_size(want))
		return false;
	json_object_foreach(want, name, value)
	{
		if (strcmp(label_set_get(s, name), json_string_value(value)) != 0)
			return false;
	}
	return true;
}

static bool applies_alike(struct relabel *r, const json_t *c)
{
	struct label_set s = { 0 };
	const char *name;
	json_t *value;
	bool keep, same;

	json_object_foreach(json_object_get(c, "labels"), name, value)
		cr_assert(zero(int, label_set_put(&s, name, json_string_value(value))));
	cr_assert(zero(int, relabel_apply(r, &s, &keep)));
	same = keep == json_is_true(json_object_get(c, "keep")) &&
	       (!keep || same_labels(&s, json_object_get(c, "result")));
	if (!same) {
		char *text = text_of(&s);

		cr_log_error("ours: %s {%s}", keep ? "keep" : "drop", text);
		free(text);
	}
	label_set_clear(&s);
	return same;
}

static bool is_alike(const json_t *c)
{
	bool invalid = json_is_true(json_object_get(c, "invalid"));
	const json_t *list = json_object_get(c, "rules");
	CLEANUP(relabel_freep) struct relabel *r = NULL;
	struct relabel_problem why = { 0 };
	struct relabel_rule rules[4];
	const char *sources[4][4];
	int err;

	for (size_t i = 0; i < json_array_size(list); i++)
		rules[i] = rule_of(json_array_get(list, i), sources[i]);
	err = relabel_new(rules, json_array_size(list), &why, &r);
	if ((err < 0) != invalid) {
		cr_log_error("ours: %d %s: %s", err, why.key ? why.key : "", why.why);
		return false;
	}
	return invalid || applies_alike(r, c);
}

Test(relabel, does_what_prometheus_does)
{
	size_t n = 0, unlike = 0, applied = 0, size = 0;
	char command[96], *line = NULL;
	FILE *p;

	snprintf(command, sizeof(command), "build/relabel/relabel -seed %d -n %d", SEED, CASES);
	p = popen(command, "r");
	cr_assert(p != NULL);
	for (; getline(&line, &size, p) > 0; n++) {
		json_t *c = json_loads(line, 0, NULL);

		cr_assert(c != NULL, "%s", line);
		applied += !json_is_true(json_object_get(c, "invalid"));
		if (!is_alike(c) && ++unlike)
			cr_log_error("case: %s", line);
		json_decref(c);
	}
	free(line);
	cr_assert(zero(int, pclose(p)), "build/relabel/relabel does not run: make relabel");
	cr_expect(eq(sz, n, CASES));
	cr_expect(gt(sz, applied, CASES / 3));
	cr_expect(zero(sz, unlike));
}
