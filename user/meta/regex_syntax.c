/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/regex_syntax.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX 1000 /* of RE2 */

struct scan {
	const char *at;
	bool repeated; /* what stands before is an operator of repetition */
	const char *complaint;
};

static void step_escape(struct scan *s, bool in_class)
{
	char c = s->at[1];

	if (c >= '1' && c <= '9')
		s->complaint = "references back (\\1) are not supported";
	else if (c == 'v')
		s->complaint = "\\v has two meanings; write \\x0b";
	else if (c && strchr("cegkoGHhKNRVXZ", c))
		s->complaint = "an escape that RE2 does not have";
	else if (in_class && c && strchr("bBAzQE", c))
		s->complaint = "an escape that RE2 does not have in a class";
	s->at += c ? 2 : 1;
}

/* Behind \Q all is text up to \E, or the end. */
static void step_quoted(struct scan *s)
{
	const char *end = strstr(s->at, "\\E");

	s->at = end ? end + 2 : s->at + strlen(s->at);
}

/* [:alpha:] within a class; its end, or NULL. */
static const char *named_class_end(const char *at)
{
	return at[0] == '[' && at[1] == ':' ? strstr(at, ":]") : NULL;
}

static void step_class(struct scan *s)
{
	s->at++;
	if (*s->at == '^')
		s->at++;
	if (*s->at == ']')
		s->at++;
	while (*s->at && *s->at != ']' && !s->complaint) {
		const char *named = named_class_end(s->at);

		if (*s->at == '\\')
			step_escape(s, true);
		else
			s->at = named ? named + 2 : s->at + 1;
	}
	if (*s->at)
		s->at++;
}

/* "(?i)", "(?i-s:": flags that both have. */
static bool is_flags(const char *at)
{
	size_t n = strspn(at, "imsU-");

	return n > 0 && (at[n] == ')' || at[n] == ':');
}

static bool is_name(const char *at)
{
	return *at == '<' && (isalpha((unsigned char)at[1]) || at[1] == '_');
}

static void step_group(struct scan *s)
{
	const char *kind = s->at + 2;

	s->at++;
	if (*s->at == '*')
		s->complaint = "nothing to repeat before '*'";
	if (*s->at != '?')
		return;
	if (*kind != ':' && !is_flags(kind) && !is_name(kind) &&
	    !(*kind == 'P' && is_name(kind + 1)))
		s->complaint = "looking around, conditions and other (?…) that RE2 does not have";
	s->at++;
}

/* {n}, {n,}, {n,m}: bytes of it; 0: it is text. */
static size_t count_len(const char *at, unsigned long *ret_most)
{
	const char *digits = at + 1;
	char *end;

	if (!isdigit((unsigned char)*digits))
		return 0;
	*ret_most = strtoul(digits, &end, 10);
	if (*end == ',' && isdigit((unsigned char)end[1])) {
		unsigned long second = strtoul(end + 1, &end, 10);

		*ret_most = second > *ret_most ? second : *ret_most;
	} else if (*end == ',') {
		end++;
	}
	return *end == '}' ? (size_t)(end + 1 - at) : 0;
}

static size_t repetition_len(struct scan *s)
{
	unsigned long most = 0;
	size_t n;

	if (*s->at != '{')
		return strchr("*+?", *s->at) != NULL;
	n = count_len(s->at, &most);
	if (n && most > REPEAT_MAX)
		s->complaint = "more than 1000 repetitions";
	return n;
}

static void step_repetition(struct scan *s, size_t n)
{
	if (s->repeated)
		s->complaint = "repetition of a repetition";
	s->at += n;
	if (*s->at == '?') /* as few as possible */
		s->at++;
	s->repeated = true;
}

static void step(struct scan *s)
{
	size_t n = repetition_len(s);

	if (n) {
		step_repetition(s, n);
		return;
	}
	s->repeated = false;
	if (s->at[0] == '\\' && s->at[1] == 'Q')
		step_quoted(s);
	else if (*s->at == '\\')
		step_escape(s, false);
	else if (*s->at == '[')
		step_class(s);
	else if (*s->at == '(')
		step_group(s);
	else
		s->at++;
}

const char *regex_syntax_complaint(const char *pattern)
{
	struct scan s = { .at = pattern };

	while (*s.at && !s.complaint)
		step(&s);
	return s.complaint;
}
