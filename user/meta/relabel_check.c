/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/relabel_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const relabel_action_names[RELABEL_ACTIONS + 1] = {
	[RELABEL_REPLACE] = "replace",	   [RELABEL_KEEP] = "keep",
	[RELABEL_DROP] = "drop",	   [RELABEL_HASHMOD] = "hashmod",
	[RELABEL_LABELMAP] = "labelmap",   [RELABEL_LABELDROP] = "labeldrop",
	[RELABEL_LABELKEEP] = "labelkeep", [RELABEL_LOWERCASE] = "lowercase",
	[RELABEL_UPPERCASE] = "uppercase", [RELABEL_KEEPEQUAL] = "keepequal",
	[RELABEL_DROPEQUAL] = "dropequal",
};

enum {
	FIELD_SOURCE = 1 << 0,
	FIELD_SEPARATOR = 1 << 1,
	FIELD_REGEX = 1 << 2,
	FIELD_TARGET = 1 << 3,
	FIELD_REPLACEMENT = 1 << 4,
	FIELD_MODULUS = 1 << 5,
	FIELDS = 6,
};

static const char *const field_names[FIELDS] = { "source_labels", "separator",	 "regex",
						 "target_label",  "replacement", "modulus" };

/* What makes no sense together. Prometheus bears the other fields that an action does not use. */
static const unsigned forbidden[RELABEL_ACTIONS] = {
	[RELABEL_LABELDROP] = ~(unsigned)FIELD_REGEX,
	[RELABEL_LABELKEEP] = ~(unsigned)FIELD_REGEX,
	[RELABEL_LOWERCASE] = FIELD_REPLACEMENT,
	[RELABEL_UPPERCASE] = FIELD_REPLACEMENT,
	[RELABEL_KEEPEQUAL] = ~(unsigned)(FIELD_SOURCE | FIELD_TARGET),
	[RELABEL_DROPEQUAL] = ~(unsigned)(FIELD_SOURCE | FIELD_TARGET),
};

__attribute__((format(printf, 3, 4))) static int refuse(struct relabel_problem *why,
							const char *key, const char *fmt, ...)
{
	va_list ap;

	why->key = key;
	va_start(ap, fmt);
	vsnprintf(why->why, sizeof(why->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static unsigned fields_of(const struct relabel_rule *r)
{
	return (r->n_source_labels ? FIELD_SOURCE : 0) | (r->separator ? FIELD_SEPARATOR : 0) |
	       (r->regex ? FIELD_REGEX : 0) | (r->target_label ? FIELD_TARGET : 0) |
	       (r->replacement ? FIELD_REPLACEMENT : 0) | (r->modulus ? FIELD_MODULUS : 0);
}

/* Does the action write to target_label? */
static bool has_target(enum relabel_action action)
{
	switch (action) {
	case RELABEL_REPLACE:
	case RELABEL_HASHMOD:
	case RELABEL_LOWERCASE:
	case RELABEL_UPPERCASE:
	case RELABEL_KEEPEQUAL:
	case RELABEL_DROPEQUAL:
		return true;
	default:
		return false;
	}
}

static int check_target(const struct relabel_rule *r, struct relabel_problem *why)
{
	if (!has_target(r->action))
		return 0;
	if (!r->target_label || !*r->target_label)
		return refuse(why, "target_label", "the action %s needs one",
			      relabel_action_names[r->action]);
	if (!label_name_is_valid(r->target_label))
		return refuse(why, "target_label", "no name that a label can have");
	return 0;
}

static int check_sources(const struct relabel_rule *r, struct relabel_problem *why)
{
	if (r->n_source_labels > RELABEL_SOURCES_MAX)
		return refuse(why, "source_labels", "more than %d", RELABEL_SOURCES_MAX);
	for (size_t i = 0; i < r->n_source_labels; i++)
		if (!label_name_is_valid(r->source_labels[i]))
			return refuse(why, "source_labels", "no name that a label can have");
	return 0;
}

static int check_fields(const struct relabel_rule *r, struct relabel_problem *why)
{
	unsigned bad = fields_of(r) & forbidden[r->action];

	for (size_t i = 0; i < FIELDS; i++)
		if (bad & 1u << i)
			return refuse(why, field_names[i], "means nothing to the action %s",
				      relabel_action_names[r->action]);
	return 0;
}

int relabel_check(const struct relabel_rule *rule, struct relabel_problem *why)
{
	int r = check_fields(rule, why);

	if (r == 0)
		r = check_target(rule, why);
	if (r == 0)
		r = check_sources(rule, why);
	if (r < 0)
		return r;
	if (rule->action == RELABEL_HASHMOD && !rule->modulus)
		return refuse(why, "modulus", "the action hashmod needs one");
	if (rule->action == RELABEL_LABELMAP && rule->replacement && !*rule->replacement)
		return refuse(why, "replacement", "no name that a label can have");
	return 0;
}
