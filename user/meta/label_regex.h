/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of relabel rules: of RE2's syntax, which Prometheus has, and matched against
 * the whole text. What RE2 lacks (references back, looking around) or understands otherwise is
 * refused. A match is bounded in steps and memory, whatever the expression and the text.
 */
#ifndef META_LABEL_REGEX_H
#define META_LABEL_REGEX_H

#include <stddef.h>

#include "base/cleanup.h"

#define LABEL_REGEX_MAX	    4096 /* bytes of an expression */
#define LABEL_REGEX_WHY_MAX 160

struct label_regex;

/* -EINVAL: *@why says what is wrong with it; -ENOMEM. */
int label_regex_new(const char *pattern, struct label_regex **ret, char why[LABEL_REGEX_WHY_MAX]);
void label_regex_free(struct label_regex *re); /* NULL is fine */
DEFINE_CLEANUP(struct label_regex *, label_regex_free)

/*
 * 1: @text matches, 0: it does not, or is no valid UTF-8; -E2BIG: not known within the bounds;
 * -ENOMEM. @text must stay until the groups have been asked for. Not for two threads at a time.
 */
int label_regex_match(struct label_regex *re, const char *text, size_t len);

/*
 * Writes @template to @out with $1, $name, ${1}, ${name} replaced by groups of the last match, and
 * $$ by $; a group that is not there is empty. -E2BIG: does not fit.
 */
int label_regex_expand(const struct label_regex *re, const char *template, char *out, size_t size);

#endif
