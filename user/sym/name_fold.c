/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/name_fold.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Deeper brackets than these are cut off: demanglers have limits of their own. */
#define DEPTH_MAX 1024

struct fold {
	const char *in;
	char *begin, *out; /* never ahead of @in */
	unsigned depth, hidden;
	char closers[DEPTH_MAX]; /* of the brackets that are open */
};

static void copy(struct fold *f, size_t n)
{
	if (!f->hidden) {
		memmove(f->out, f->in, n);
		f->out += n;
	}
	f->in += n;
}

static bool starts_with(const char *str, const char *start)
{
	return strncmp(str, start, strlen(start)) == 0;
}

static bool is_identifier(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

/* Length of "operator" with a sign that looks like a bracket; 0: none is here. */
static size_t operator_length(const char *name, const char *at)
{
	static const char *const signs[] = { "<=>", "<<=", ">>=", "->*", "<<", ">>",
					     "<=",  ">=",  "->",  "()",	 "<",  ">" };
	size_t word = strlen("operator");

	if (!starts_with(at, "operator") || (at > name && is_identifier(at[-1])))
		return 0;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (starts_with(at + word, signs[i]))
			return word + strlen(signs[i]);
	return 0;
}

/* "<" that begins a path of Rust, rather than arguments of what stands before it. */
static bool begins_path(const struct fold *f)
{
	char before = f->out > f->begin ? f->out[-1] : ' ';

	return *f->in == '<' && !is_identifier(before) && !strchr(":)]}>", before);
}

static void open_bracket(struct fold *f)
{
	bool hides = !begins_path(f);

	f->closers[f->depth++] = *f->in == '<' ? '>' : ')';
	copy(f, 1);
	/* What is open is hidden from the first bracket on that hides. */
	if (f->hidden || hides)
		f->hidden++;
}

/* Inside of parentheses signs of comparison are no brackets: what is open there ends with them. */
static void close_bracket(struct fold *f)
{
	unsigned depth = f->depth;

	if (*f->in == ')')
		while (depth && f->closers[depth - 1] != ')')
			depth--;
	if (depth && f->closers[depth - 1] == *f->in) {
		unsigned closed = f->depth - (depth - 1);

		f->depth -= closed;
		f->hidden -= closed < f->hidden ? closed : f->hidden;
	}
	copy(f, 1);
}

static void step(struct fold *f, const char *name)
{
	size_t n = operator_length(name, f->in);

	if (n) {
		copy(f, n);
		if (f->in[0] == ' ' && f->in[1] == '<') /* "operator< <int>" */
			copy(f, 1);
		if (f->in[0] == '<' && !f->hidden && f->depth < DEPTH_MAX) {
			f->closers[f->depth++] = '>';
			copy(f, 1);
			f->hidden++;
		}
	} else if (starts_with(f->in, "(anonymous namespace)")) {
		copy(f, strlen("(anonymous namespace)"));
	} else if (starts_with(f->in, "->")) {
		copy(f, 2);
	} else if ((*f->in == '<' || *f->in == '(') && f->depth < DEPTH_MAX) {
		open_bracket(f);
	} else if (*f->in == '>' || *f->in == ')') {
		close_bracket(f);
	} else {
		copy(f, 1);
	}
}

void name_fold(char *name)
{
	struct fold f = { .in = name, .begin = name, .out = name };

	while (*f.in)
		step(&f, name);
	*f.out = '\0';
}
