/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that rewrite labels, in the form and with the meaning of Prometheus's relabel_config. */
#ifndef META_RELABEL_H
#define META_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "meta/label_set.h"

#define RELABEL_RULES_MAX   256
#define RELABEL_SOURCES_MAX 32

enum relabel_action {
	RELABEL_REPLACE,
	RELABEL_KEEP,
	RELABEL_DROP,
	RELABEL_HASHMOD,
	RELABEL_LABELMAP,
	RELABEL_LABELDROP,
	RELABEL_LABELKEEP,
	RELABEL_LOWERCASE,
	RELABEL_UPPERCASE,
	RELABEL_KEEPEQUAL,
	RELABEL_DROPEQUAL,
	RELABEL_ACTIONS,
};

extern const char *const relabel_action_names[RELABEL_ACTIONS + 1]; /* NULL behind the last */

/* Plain data, borrowed. NULL or 0: not said. */
struct relabel_rule {
	enum relabel_action action;
	const char *const *source_labels;
	size_t n_source_labels;
	const char *separator;	  /* ";" */
	const char *regex;	  /* "(.*)" */
	const char *target_label; /* of RELABEL_REPLACE with $1, ${name} */
	const char *replacement;  /* "$1" */
	uint64_t modulus;
};

/* What is wrong with a rule. */
struct relabel_problem {
	size_t rule;
	const char *key; /* the field of the rule */
	char why[192];
};

/* What the rules could not do as they say. */
struct relabel_counts {
	uint64_t match_limit; /* an expression took too many steps: counts as no match */
	uint64_t
		too_large; /* a label that was not set, as it was too long or there were too many */
};

struct relabel; /* for one thread at a time */

/* -EINVAL: *@why says which and what; -ENOMEM. What the rules point to must outlive *@ret. */
int relabel_new(const struct relabel_rule *rules, size_t n, struct relabel_problem *why,
		struct relabel **ret);
void relabel_free(struct relabel *r); /* NULL is fine */
DEFINE_CLEANUP(struct relabel *, relabel_free)

/*
 * Applies all rules in their order. Values should be valid UTF-8: what is not is matched by no
 * expression. *@ret_keep: false if a rule drops what has these labels, which then are anything.
 * Otherwise labels whose names begin with "__" are gone, and the others in the order of names.
 * -ENOMEM.
 */
int relabel_apply(struct relabel *r, struct label_set *labels, bool *ret_keep);

const struct relabel_counts *relabel_get_counts(const struct relabel *r);

#endif
