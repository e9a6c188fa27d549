/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/user_variable.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

void user_variable_clear(struct user_variable *v)
{
	free(v->module);
	free(v->symbol);
	free(v->label);
	*v = (struct user_variable){ 0 };
}

static int bad(char *why, const char *what, const char *value)
{
	snprintf(why, USER_VARIABLE_WHY_MAX, what, value);
	return -EINVAL;
}

/* Decimal or 0x…, with a sign. */
static int parse_offset(const char *text, char **end, int64_t *ret)
{
	errno = 0;
	*ret = strtoll(text, end, 0);
	return *end == text || errno || *ret != (int32_t)*ret ? -EINVAL : 0;
}

static int parse_path(const char *text, struct ctx_variable *how)
{
	char *end;

	for (how->n_steps = 0;; how->n_steps++, text = end + 1) {
		int64_t off;

		if (how->n_steps > CTX_STEPS_MAX || parse_offset(text, &end, &off) < 0)
			return -EINVAL;
		how->off[how->n_steps] = (int32_t)off;
		if (*end == '\0')
			return 0;
		if (*end != ':')
			return -EINVAL;
	}
}

static int parse_type(const char *text, struct user_variable *v)
{
	static const struct {
		const char *name;
		enum user_value value;
		uint16_t len;
	} types[] = {
		{ "bytes8", USER_VALUE_BYTES, 8 },   { "bytes16", USER_VALUE_BYTES, 16 },
		{ "hex16", USER_VALUE_HEX, 16 },     { "hex32", USER_VALUE_HEX, 32 },
		{ "u32", USER_VALUE_UINT, 4 },	     { "u64", USER_VALUE_UINT, 8 },
		{ "string", USER_VALUE_STRING, 63 },
	};
	uint64_t len;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(text, types[i].name) != 0)
			continue;
		v->value = types[i].value;
		v->how.len = types[i].len;
		return 0;
	}
	if (strncmp(text, "string", 6) != 0 || parse_u64(text + 6, 1, CTX_VALUE_MAX, &len) < 0)
		return -EINVAL;
	v->value = USER_VALUE_STRING;
	v->how.len = len;
	return 0;
}

static int parse_role(const char *text, struct user_variable *v)
{
	static const char *const names[] = {
		[USER_ROLE_TRACE_ID] = "trace_id",
		[USER_ROLE_SPAN_ID] = "span_id",
		[USER_ROLE_LOCAL_ROOT] = "local_root_span_id",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			v->role = i;
			return 0;
		}
	if (strncmp(text, "label:", 6) != 0 || !text[6])
		return -EINVAL;
	v->role = USER_ROLE_LABEL;
	free(v->label);
	v->label = strdup(text + 6);
	return v->label ? 0 : -ENOMEM;
}

static int set(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field ? 0 : -ENOMEM;
}

/* Which of the required fields were there. */
struct given {
	bool offset, type, role;
};

static int parse_tls_offset(const char *value, struct user_variable *v)
{
	char *end;
	int r = parse_offset(value, &end, &v->tls_off);

	return r < 0 || *end ? -EINVAL : 0;
}

enum field { FIELD_MODULE, FIELD_SYMBOL, FIELD_OFFSET, FIELD_PATH, FIELD_TYPE, FIELD_AS };

static int parse_field(enum field field, const char *value, struct user_variable *v,
		       struct given *given)
{
	switch (field) {
	case FIELD_MODULE:
		return set(&v->module, value);
	case FIELD_SYMBOL:
		return set(&v->symbol, value);
	case FIELD_OFFSET:
		given->offset = true;
		return parse_tls_offset(value, v);
	case FIELD_PATH:
		return parse_path(value, &v->how);
	case FIELD_TYPE:
		given->type = true;
		return parse_type(value, v);
	case FIELD_AS:
		given->role = true;
		return parse_role(value, v);
	}
	return -EINVAL;
}

/* Does a value of this type make such an id? */
static bool suits(const struct user_variable *v)
{
	uint16_t bytes = v->value == USER_VALUE_HEX ? v->how.len / 2 : v->how.len;

	if (v->role == USER_ROLE_LABEL)
		return true;
	if (v->value == USER_VALUE_STRING || (v->value == USER_VALUE_UINT && bytes != SPAN_ID_LEN))
		return false;
	return bytes == (v->role == USER_ROLE_TRACE_ID ? TRACE_ID_LEN : SPAN_ID_LEN);
}

static int check(const struct user_variable *v, const struct given *given, char *why)
{
	if (!v->module)
		return bad(why, "%s is missing", "module=");
	if (!v->symbol == !given->offset)
		return bad(why, "%s", "it needs one of symbol= and offset=");
	if (!given->type)
		return bad(why, "%s is missing", "type=");
	if (!given->role)
		return bad(why, "%s is missing", "as=");
	if (!suits(v))
		return bad(why, "%s", "that type is no such id: trace_id is 16 bytes, span ids 8");
	return 0;
}

int user_variable_parse(const char *text, struct user_variable *ret,
			char why[USER_VARIABLE_WHY_MAX])
{
	/* getsubopt(3) takes char * but changes none. */
	static char names[][8] = {
		[FIELD_MODULE] = "module", [FIELD_SYMBOL] = "symbol", [FIELD_OFFSET] = "offset",
		[FIELD_PATH] = "path",	   [FIELD_TYPE] = "type",     [FIELD_AS] = "as"
	};
	char *const fields[] = { names[0], names[1], names[2], names[3], names[4], names[5], NULL };
	CLEANUP(freep) char *copy = strdup(text);
	struct given given = { false };
	char *at = copy;

	*ret = (struct user_variable){ 0 };
	if (!copy)
		return -ENOMEM;
	while (*at) {
		char *value, *field = at;
		int which = getsubopt(&at, fields, &value), r;

		if (which < 0 || !value || !*value)
			return bad(why, "'%s' is no field with a value", field);
		r = parse_field(which, value, ret, &given);
		if (r == -EINVAL)
			return bad(why, "'%s' is not what that field may say", value);
		if (r < 0)
			return r;
	}
	return check(ret, &given, why);
}

bool user_variable_matches(const struct user_variable *v, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!strchr(v->module, '/') && slash)
		path = slash + 1;
	return fnmatch(v->module, path, 0) == 0;
}
