/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/relabel.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <md5.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "meta/label_regex.h"
#include "meta/relabel_check.h"

#define JOINED_MAX 65536 /* bytes of all source labels of a rule */

struct compiled_rule {
	const struct relabel_rule *rule;
	struct label_regex *regex;
};

struct relabel {
	struct relabel_rule *rules; /* our own copy of what they say */
	struct compiled_rule *compiled;
	size_t n;
	locale_t locale; /* of Unicode's letters; 0: there is none, only ASCII has cases */
	struct relabel_counts counts;
	char joined[JOINED_MAX];
	char value[LABEL_VALUE_MAX + 1];
	char name[LABEL_NAME_MAX + 1];
};

void relabel_free(struct relabel *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < r->n; i++)
		label_regex_free(r->compiled[i].regex);
	if (r->locale)
		freelocale(r->locale);
	free(r->compiled);
	free(r->rules);
	free(r);
}

const struct relabel_counts *relabel_get_counts(const struct relabel *r)
{
	return &r->counts;
}

static int compile(struct relabel *r, size_t i, struct relabel_problem *why)
{
	const struct relabel_rule *rule = &r->rules[i];
	char text[LABEL_REGEX_WHY_MAX];
	int err;

	r->compiled[i].rule = rule;
	why->rule = i;
	err = relabel_check(rule, why);
	if (err < 0)
		return err;
	err = label_regex_new(rule->regex ? rule->regex : "(.*)", &r->compiled[i].regex, text);
	if (err == -EINVAL) {
		why->key = "regex";
		snprintf(why->why, sizeof(why->why), "%s", text);
	}
	return err;
}

int relabel_new(const struct relabel_rule *rules, size_t n, struct relabel_problem *why,
		struct relabel **ret)
{
	CLEANUP(relabel_freep) struct relabel *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->rules = calloc(n + 1, sizeof(*rules));
	r->compiled = calloc(n + 1, sizeof(*r->compiled));
	if (!r->rules || !r->compiled)
		return -ENOMEM;
	r->n = n;
	r->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	for (size_t i = 0; i < n; i++) {
		int err;

		r->rules[i] = rules[i];
		err = compile(r, i, why);
		if (err < 0)
			return err;
	}
	*ret = TAKE_PTR(r);
	return 0;
}

/* Does not fit: -E2BIG. */
static int join_sources(struct relabel *r, const struct relabel_rule *rule,
			const struct label_set *labels, size_t *ret_len)
{
	const char *separator = rule->separator ? rule->separator : ";";
	size_t at = 0;

	for (size_t i = 0; i < rule->n_source_labels; i++) {
		const char *value = label_set_get(labels, rule->source_labels[i]);
		int n = snprintf(r->joined + at, JOINED_MAX - at, "%s%s", i ? separator : "",
				 value);

		if (n < 0 || (size_t)n >= JOINED_MAX - at)
			return -E2BIG;
		at += (size_t)n;
	}
	r->joined[at] = '\0';
	*ret_len = at;
	return 0;
}

/* A negative result other than no memory is counted, and counts as no match. */
static int match(struct relabel *r, struct label_regex *re, const char *text, size_t len)
{
	int m = label_regex_match(re, text, len);

	if (m != -E2BIG)
		return m;
	r->counts.match_limit++;
	return 0;
}

/* What cannot be a label is left as it was: so does Prometheus where it looks. */
static int change(struct relabel *r, struct label_set *labels, const char *name, const char *value)
{
	int err = label_set_change(labels, name, value);

	if (err == -E2BIG)
		r->counts.too_large++;
	return err == -ENOMEM ? err : 0;
}

static const char *replacement_of(const struct relabel_rule *rule)
{
	return rule->replacement ? rule->replacement : "$1";
}

static int replace(struct relabel *r, const struct compiled_rule *c, struct label_set *labels,
		   size_t len)
{
	int m = match(r, c->regex, r->joined, len);

	if (m <= 0)
		return m;
	if (label_regex_expand(c->regex, c->rule->target_label, r->name, sizeof(r->name)) < 0 ||
	    label_regex_expand(c->regex, replacement_of(c->rule), r->value, sizeof(r->value)) < 0) {
		r->counts.too_large++;
		return 0;
	}
	return change(r, labels, r->name, r->value);
}

static int hashmod(struct relabel *r, const struct relabel_rule *rule, struct label_set *labels,
		   size_t len)
{
	uint8_t digest[MD5_DIGEST_LENGTH];
	uint64_t hash = 0;
	MD5_CTX ctx;

	MD5Init(&ctx);
	MD5Update(&ctx, (const uint8_t *)r->joined, len);
	MD5Final(digest, &ctx);
	for (size_t i = 8; i < sizeof(digest); i++)
		hash = hash << 8 | digest[i];
	snprintf(r->value, sizeof(r->value), "%" PRIu64, hash % rule->modulus);
	return change(r, labels, rule->target_label, r->value);
}

/* In the locale of the thread. -EILSEQ: no valid UTF-8; -E2BIG. */
static int change_letters(const char *text, bool upper, char *out, size_t size)
{
	mbstate_t in = { 0 }, from = { 0 };
	size_t at = 0, n, written;
	wchar_t c;

	for (; (n = mbrtowc(&c, text, strnlen(text, MB_LEN_MAX) + 1, &in)) != 0; text += n) {
		if (n == (size_t)-1 || n == (size_t)-2)
			return -EILSEQ;
		if (at + MB_LEN_MAX >= size)
			return -E2BIG;
		written = wcrtomb(out + at, (wchar_t)(upper ? towupper(c) : towlower(c)), &from);
		if (written == (size_t)-1)
			return -EILSEQ;
		at += written;
	}
	out[at] = '\0';
	return 0;
}

/* For what has no letters but those, as there is no locale. */
static void change_ascii(char *text, bool upper)
{
	const char first = upper ? 'a' : 'A';

	for (; *text; text++)
		if (*text >= first && *text < first + 26)
			*text ^= 'a' ^ 'A';
}

static int change_case(struct relabel *r, const struct relabel_rule *rule, struct label_set *labels)
{
	bool upper = rule->action == RELABEL_UPPERCASE;
	int err = -EILSEQ;

	if (r->locale) {
		locale_t before = uselocale(r->locale);

		err = change_letters(r->joined, upper, r->value, sizeof(r->value));
		uselocale(before);
	}
	if (err == -E2BIG) {
		r->counts.too_large++;
		return 0;
	}
	if (err == 0)
		return change(r, labels, rule->target_label, r->value);
	change_ascii(r->joined, upper);
	return change(r, labels, rule->target_label, r->joined);
}

/* The labels that there were before the rule: those that it makes are not mapped again. */
static int labelmap(struct relabel *r, const struct compiled_rule *c, struct label_set *labels)
{
	struct label before[LABEL_SET_MAX];
	size_t n = labels->labels.n;

	if (!n)
		return 0;
	memcpy(before, labels->labels.data, n * sizeof(*before));
	for (size_t i = 0; i < n; i++) {
		int err = match(r, c->regex, before[i].name, strlen(before[i].name));

		if (err < 0)
			return err;
		if (!err)
			continue;
		if (label_regex_expand(c->regex, replacement_of(c->rule), r->name,
				       sizeof(r->name)) < 0) {
			r->counts.too_large++;
			continue;
		}
		err = change(r, labels, r->name, before[i].value);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Removes the labels whose names match, or those that do not. */
static int remove_labels(struct relabel *r, const struct compiled_rule *c, struct label_set *labels)
{
	bool matching = c->rule->action == RELABEL_LABELDROP;
	size_t kept = 0;

	for (size_t i = 0; i < labels->labels.n; i++) {
		struct label l = labels->labels.data[i];
		int m = match(r, c->regex, l.name, strlen(l.name));

		if (m < 0)
			return m;
		if ((m == 1) != matching)
			labels->labels.data[kept++] = l;
	}
	labels->labels.n = kept;
	return 0;
}

static int keep_or_drop(struct relabel *r, const struct compiled_rule *c, size_t len,
			bool *ret_keep)
{
	int m = match(r, c->regex, r->joined, len);

	if (m < 0)
		return m;
	*ret_keep = (m == 1) == (c->rule->action == RELABEL_KEEP);
	return 0;
}

static int apply_rule(struct relabel *r, const struct compiled_rule *c, struct label_set *labels,
		      bool *ret_keep)
{
	const struct relabel_rule *rule = c->rule;
	size_t len;

	if (join_sources(r, rule, labels, &len) < 0) {
		r->counts.too_large++;
		return 0;
	}
	switch (rule->action) {
	case RELABEL_REPLACE:
		return replace(r, c, labels, len);
	case RELABEL_KEEP:
	case RELABEL_DROP:
		return keep_or_drop(r, c, len, ret_keep);
	case RELABEL_KEEPEQUAL:
	case RELABEL_DROPEQUAL:
		*ret_keep = (strcmp(label_set_get(labels, rule->target_label), r->joined) == 0) ==
			    (rule->action == RELABEL_KEEPEQUAL);
		return 0;
	case RELABEL_HASHMOD:
		return hashmod(r, rule, labels, len);
	case RELABEL_LABELMAP:
		return labelmap(r, c, labels);
	case RELABEL_LABELDROP:
	case RELABEL_LABELKEEP:
		return remove_labels(r, c, labels);
	default:
		return change_case(r, rule, labels);
	}
}

static void remove_temporary(struct label_set *labels)
{
	size_t kept = 0;

	for (size_t i = 0; i < labels->labels.n; i++)
		if (strncmp(labels->labels.data[i].name, "__", 2) != 0)
			labels->labels.data[kept++] = labels->labels.data[i];
	labels->labels.n = kept;
}

int relabel_apply(struct relabel *r, struct label_set *labels, bool *ret_keep)
{
	bool keep = true;

	label_set_sort(labels);
	for (size_t i = 0; i < r->n && keep; i++) {
		int err = apply_rule(r, &r->compiled[i], labels, &keep);

		if (err < 0)
			return err;
	}
	remove_temporary(labels);
	label_set_sort(labels);
	*ret_keep = keep;
	return 0;
}
