/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/environ.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/utf8.h"

#define LIST_MAX 8192 /* bytes of OTEL_RESOURCE_ATTRIBUTES */

struct text {
	const char *at;
	size_t len;
};

/* --- variables -------------------------------------------------------------------------------- */

static bool is_variable(struct text entry, const char *name, struct text *ret_value)
{
	size_t len = strlen(name);

	if (entry.len <= len || memcmp(entry.at, name, len) != 0 || entry.at[len] != '=')
		return false;
	if (ret_value->at) /* as getenv(3): the first one */
		return true;
	*ret_value = (struct text){ entry.at + len + 1, entry.len - len - 1 };
	return true;
}

static void find_variables(const char *text, size_t len, struct text *ret_name,
			   struct text *ret_attributes)
{
	const char *end = text + len, *next;

	for (const char *at = text; at < end; at = next + 1) {
		struct text entry;

		next = memchr(at, '\0', end - at);
		if (!next)
			return; /* cut off, here or by whom it belongs to */
		entry = (struct text){ at, next - at };
		if (!is_variable(entry, "OTEL_SERVICE_NAME", ret_name))
			is_variable(entry, "OTEL_RESOURCE_ATTRIBUTES", ret_attributes);
	}
}

/* --- attributes ------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	enum profile_resource which;
} taken[] = {
	{ "service.name", PROFILE_SERVICE_NAME },
	{ "service.namespace", PROFILE_SERVICE_NAMESPACE },
	{ "service.version", PROFILE_SERVICE_VERSION },
	{ "service.instance.id", PROFILE_SERVICE_INSTANCE_ID },
	{ "deployment.environment.name", PROFILE_DEPLOYMENT_ENVIRONMENT_NAME },
	{ "deployment.environment", PROFILE_DEPLOYMENT_ENVIRONMENT_NAME }, /* its old name */
	{ "k8s.namespace.name", PROFILE_K8S_NAMESPACE_NAME },
	{ "k8s.pod.name", PROFILE_K8S_POD_NAME },
	{ "k8s.container.name", PROFILE_K8S_CONTAINER_NAME },
	{ "k8s.node.name", PROFILE_K8S_NODE_NAME },
};

static struct text trimmed(struct text t)
{
	while (t.len && (*t.at == ' ' || *t.at == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* %XX to bytes, which must be UTF-8; @ret has room for as many as @t has. */
static int decode(struct text t, char *ret, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < t.len; i++) {
		char digits[3] = { 0 };

		if (t.at[i] != '%') {
			ret[n++] = t.at[i];
			continue;
		}
		if (t.len - i < 3)
			return -EBADMSG;
		memcpy(digits, t.at + i + 1, 2);
		if (parse_hex(digits, (uint8_t *)&ret[n++], 1) < 0)
			return -EBADMSG;
		i += 2;
	}
	*ret_len = n;
	return utf8_valid_len(ret, n) == n ? 0 : -EBADMSG;
}

static int take_pair(const char *key, size_t key_len, struct text value, struct attributes *to)
{
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strlen(taken[i].key) != key_len || memcmp(taken[i].key, key, key_len) != 0)
			continue;
		/* The newer name wins. */
		if (strcmp(taken[i].key, "deployment.environment") == 0 &&
		    to->value[taken[i].which])
			return 0;
		return attributes_set(to, taken[i].which, value.at, value.len);
	}
	return 0;
}

/* "key=value"; @room: for as many bytes as it has. */
static int take_item(struct text item, char *room, struct attributes *to)
{
	const char *equals = memchr(item.at, '=', item.len);
	struct text key, value;
	size_t key_len, value_len;
	int r;

	if (!equals)
		return -EBADMSG;
	key = trimmed((struct text){ item.at, equals - item.at });
	value = trimmed((struct text){ equals + 1, item.at + item.len - equals - 1 });
	r = key.len ? decode(key, room, &key_len) : -EBADMSG;
	if (r == 0)
		r = decode(value, room + key_len, &value_len);
	if (r < 0)
		return r;
	return take_pair(room, key_len, (struct text){ room + key_len, value_len }, to);
}

/* Items between commas; a list that is not as specified counts as none. */
static int take_list(struct text list, struct attributes *to)
{
	const char *end = list.at + list.len, *next;
	char room[LIST_MAX];

	if (list.len > sizeof(room))
		return -EBADMSG;
	for (const char *at = list.at; at < end; at = next + 1) {
		struct text item;
		int r;

		next = memchr(at, ',', end - at) ?: end;
		item = trimmed((struct text){ at, next - at });
		r = item.len ? take_item(item, room, to) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static void move_all(struct attributes *from, struct attributes *to)
{
	for (int i = 0; i < PROFILE_RESOURCES; i++) {
		if (!from->value[i])
			continue;
		free(to->value[i]);
		to->value[i] = TAKE_PTR(from->value[i]);
	}
}

int environ_take(const char *text, size_t len, struct attributes *to)
{
	struct text name = { 0 }, list = { 0 };
	struct attributes said = { 0 };
	int r, named = 0;

	find_variables(text, len, &name, &list);
	r = take_list(list, &said);
	if (r == 0)
		move_all(&said, to);
	attributes_clear(&said);
	if (name.len)
		named = attributes_set(to, PROFILE_SERVICE_NAME, name.at, name.len);
	return named < 0 ? named : r;
}
