/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/glob.h"

#include <stddef.h>
#include <string.h>

/* Behind the ']' of the class whose '[' is at @p, or NULL. A ']' that comes first is a member. */
static const char *class_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	p = strchr(p, ']');
	return p ? p + 1 : NULL;
}

static bool class_has(const char *p, const char *end, unsigned char c)
{
	bool negated, found = false;

	p++;
	negated = *p == '!' || *p == '^';
	p += negated;
	for (end--; p < end; p++) {
		unsigned char from = (unsigned char)*p, to = from;

		if (p + 2 < end && p[1] == '-') {
			to = (unsigned char)p[2];
			p += 2;
		}
		found |= c >= from && c <= to;
	}
	return found != negated;
}

/* Does the one byte @c match what is at @p, which is no '*'? Then *@ret_next is behind that. */
static bool match_one(const char *p, char c, const char **ret_next)
{
	const char *end = *p == '[' ? class_end(p) : NULL;

	if (end) {
		*ret_next = end;
		return class_has(p, end, (unsigned char)c);
	}
	if (*p == '?') {
		*ret_next = p + 1;
		return true;
	}
	if (*p == '\\' && p[1])
		p++;
	*ret_next = p + 1;
	return *p == c && c;
}

/* Only the last '*' need give up bytes to another match: those before have taken the fewest. */
bool glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *star_text = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			star_text = text;
		} else if (*pattern && match_one(pattern, *text, &pattern)) {
			text++;
		} else if (star) {
			pattern = star;
			text = ++star_text;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}
