/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/label_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "meta/regex_syntax.h"

/* A match of a sane expression takes some hundred steps; these are done in a few milliseconds. */
#define STEPS_MAX      100000
#define HEAP_KIB_MAX   1024
#define PARENS_MAX     64
#define GROUP_NAME_MAX 32

#define OPTIONS                                                                                    \
	(PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_UTF |    \
	 PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP | PCRE2_ALT_CIRCUMFLEX | PCRE2_DUPNAMES)

struct label_regex {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	const char *text; /* of the last match */
	uint32_t n_groups;
};

void label_regex_free(struct label_regex *re)
{
	if (!re)
		return;

	pcre2_match_context_free(re->limits);
	pcre2_match_data_free(re->match);
	pcre2_code_free(re->code);
	free(re);
}

static void compile_contextp(pcre2_compile_context **ctx)
{
	pcre2_compile_context_free(*ctx);
}

static int compile(const char *pattern, pcre2_code **ret, char why[LABEL_REGEX_WHY_MAX])
{
	CLEANUP(compile_contextp) pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at;
	int error;
	size_t len;

	if (!ctx)
		return -ENOMEM;
	pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(ctx, PARENS_MAX);
	*ret = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, OPTIONS, &error, &at, ctx);
	if (*ret)
		return 0;
	if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	len = 0;
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)why, LABEL_REGEX_WHY_MAX - 32) > 0)
		len = strlen(why);
	snprintf(why + len, LABEL_REGEX_WHY_MAX - len, ", at byte %zu", (size_t)at + 1);
	return -EINVAL;
}

static int complain(const char *pattern, char why[LABEL_REGEX_WHY_MAX])
{
	const char *complaint = NULL;
	size_t len = strnlen(pattern, LABEL_REGEX_MAX + 1);

	if (len > LABEL_REGEX_MAX)
		complaint = "too long";
	else if (utf8_valid_len(pattern, len) < len)
		complaint = "no valid UTF-8";
	else
		complaint = regex_syntax_complaint(pattern);
	if (!complaint)
		return 0;
	snprintf(why, LABEL_REGEX_WHY_MAX, "%s", complaint);
	return -EINVAL;
}

int label_regex_new(const char *pattern, struct label_regex **ret, char why[LABEL_REGEX_WHY_MAX])
{
	CLEANUP(label_regex_freep) struct label_regex *re = NULL;
	int r = complain(pattern, why);

	if (r < 0)
		return r;
	re = calloc(1, sizeof(*re));
	if (!re)
		return -ENOMEM;
	r = compile(pattern, &re->code, why);
	if (r < 0)
		return r;
	re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (!re->match || !re->limits)
		return -ENOMEM;
	pcre2_set_match_limit(re->limits, STEPS_MAX);
	pcre2_set_heap_limit(re->limits, HEAP_KIB_MAX);
	*ret = TAKE_PTR(re);
	return 0;
}

int label_regex_match(struct label_regex *re, const char *text, size_t len)
{
	int r;

	re->text = text;
	re->n_groups = 0;
	if (utf8_valid_len(text, len) < len)
		return 0;
	r = pcre2_match(re->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, re->match,
			re->limits);
	re->n_groups = r > 0 ? (uint32_t)r : 0;
	if (r > 0)
		return 1;
	switch (r) {
	case PCRE2_ERROR_NOMEMORY:
		return -ENOMEM;
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
		return -E2BIG;
	default:
		return 0;
	}
}

struct output {
	char *out;
	size_t len, size; /* of the text, without its NUL; of the buffer */
	bool full;
};

static void append(struct output *o, const char *text, size_t len)
{
	if (len >= o->size - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->out + o->len, text, len);
	o->len += len;
}

static void append_group(const struct label_regex *re, uint32_t n, struct output *o)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(re->match);

	if (n < re->n_groups && ends[2 * n] != PCRE2_UNSET)
		append(o, re->text + ends[2 * n], ends[2 * n + 1] - ends[2 * n]);
}

/* Of groups that share the name, the first that took part. */
static void append_group_named(const struct label_regex *re, const char *name, struct output *o)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(re->match);
	PCRE2_SPTR entry, last;
	int size = pcre2_substring_nametable_scan(re->code, (PCRE2_SPTR)name, &entry, &last);

	for (; size > 0 && entry <= last; entry += size) {
		uint32_t n = (uint32_t)entry[0] << 8 | entry[1];

		if (n >= re->n_groups || ends[2 * n] == PCRE2_UNSET)
			continue;
		append_group(re, n, o);
		return;
	}
}

static bool is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

/* A number without a leading zero, else a name. */
static void append_named(const struct label_regex *re, const char *name, size_t len,
			 struct output *o)
{
	char text[GROUP_NAME_MAX + 1];

	if (len > GROUP_NAME_MAX)
		return;
	memcpy(text, name, len);
	text[len] = '\0';
	if (strspn(text, "0123456789") < len)
		append_group_named(re, text, o);
	else if ((*text != '0' || len == 1) && len <= 8)
		append_group(re, (uint32_t)atoi(text), o);
}

/* @at is behind a '$'. What it is up to; NULL if no group follows: then the '$' is text. */
static const char *expand_group(const struct label_regex *re, const char *at, struct output *o)
{
	bool brace = *at == '{';
	size_t len = 0;

	at += brace;
	while (is_name_byte(at[len]))
		len++;
	if (len == 0 || (brace && at[len] != '}'))
		return NULL;
	append_named(re, at, len, o);
	return at + len + brace;
}

int label_regex_expand(const struct label_regex *re, const char *template, char *out, size_t size)
{
	struct output o = { .out = out, .size = size };
	const char *at = template;

	while (*at && !o.full) {
		size_t plain = strcspn(at, "$");
		const char *behind;

		append(&o, at, plain);
		at += plain;
		if (!*at)
			break;
		behind = at[1] == '$' ? NULL : expand_group(re, at + 1, &o);
		if (!behind)
			append(&o, "$", 1);
		at = behind ? behind : at + 1 + (at[1] == '$');
	}
	out[o.len] = '\0';
	return o.full ? -E2BIG : 0;
}
