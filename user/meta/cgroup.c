/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/cgroup.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean_text.h"
#include "base/cleanup.h"
#include "base/parse.h"

#define UUID_LEN 36
#define HEX_LEN	 64 /* of a container id */
#define HEX_HALF 32

struct part {
	const char *at;
	size_t len;
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_hex(at[i]))
			return false;
	return true;
}

static bool begins(struct part p, const char *with)
{
	return p.len >= strlen(with) && memcmp(p.at, with, strlen(with)) == 0;
}

static bool ends(struct part p, const char *with)
{
	size_t len = strlen(with);

	return p.len >= len && memcmp(p.at + p.len - len, with, len) == 0;
}

static bool is(struct part p, const char *what)
{
	return p.len == strlen(what) && begins(p, what);
}

static bool contains(struct part p, const char *what)
{
	return memmem(p.at, p.len, what, strlen(what));
}

static struct part without_end(struct part p, const char *end)
{
	if (ends(p, end))
		p.len -= strlen(end);
	return p;
}

static void copy(struct part from, char *to, size_t size)
{
	snprintf(to, size, "%.*s", (int)from.len, from.at);
}

/* --- containers ------------------------------------------------------------------------------- */

/* Amazon ECS: 32 digits of the task, a number. */
static bool is_ecs_id(struct part p)
{
	if (p.len < HEX_HALF + 2 || p.len > CONTAINER_ID_MAX || p.at[HEX_HALF] != '-' ||
	    !all_hex(p.at, HEX_HALF))
		return false;
	for (size_t i = HEX_HALF + 1; i < p.len; i++)
		if (!isdigit((unsigned char)p.at[i]))
			return false;
	return true;
}

/* "ID", "docker-ID.scope", "…:cri-containerd:ID": the part that is the id; empty: none. */
static struct part container_id(struct part p)
{
	struct part id = without_end(p, ".scope");

	if (is_ecs_id(id))
		return id;
	if (id.len < HEX_LEN || contains(p, "conmon")) /* podman's and CRI-O's monitors */
		return (struct part){ 0 };
	if (id.len > HEX_LEN && !memchr("-:", id.at[id.len - HEX_LEN - 1], 2))
		return (struct part){ 0 };
	id.at += id.len - HEX_LEN;
	id.len = HEX_LEN;
	return all_hex(id.at, HEX_LEN) ? id : (struct part){ 0 };
}

/* By what stands before the id, or by the folder above. */
static const char *runtime_of(struct part p, struct part above)
{
	static const struct {
		const char *word, *runtime;
	} known[] = {
		{ "cri-containerd", "containerd" },
		{ "nerdctl", "containerd" },
		{ "crio", "cri-o" },
		{ "libpod", "podman" },
		{ "docker", "docker" },
	};
	struct part before = { p.at, p.len - HEX_LEN };

	if (is_ecs_id(p))
		return NULL;
	if (ends(p, ".scope"))
		before.len -= strlen(".scope");
	if (!before.len)
		before = above;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (contains(before, known[i].word))
			return known[i].runtime;
	return NULL;
}

/* --- pods ------------------------------------------------------------------------------------- */

/* With dashes, or underscores as systemd's slices have them. */
static bool is_uuid(const char *at)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? at[i] != '-' && at[i] != '_' : !is_hex(at[i]))
			return false;
	}
	return true;
}

static size_t pod_uid_len(struct part p)
{
	bool ended;

	if (p.len >= UUID_LEN && is_uuid(p.at))
		return UUID_LEN;
	/* Of a static pod: the hash of its file. */
	ended = p.len == HEX_HALF || (p.len > HEX_HALF && memchr(".:", p.at[HEX_HALF], 2));
	return ended && all_hex(p.at, HEX_HALF) ? HEX_HALF : 0;
}

/* "podUID", "kubepods-burstable-podUID.slice", and with ":cri-containerd:ID" behind it. */
static void take_pod(struct part p, struct cgroup_facts *ret)
{
	for (size_t i = 0; i + 3 < p.len; i++) {
		struct part rest = { p.at + i + 3, p.len - i - 3 };
		size_t len;

		if (memcmp(p.at + i, "pod", 3) != 0 || (i && p.at[i - 1] != '-'))
			continue;
		len = pod_uid_len(rest);
		if (!len)
			continue;
		copy((struct part){ rest.at, len }, ret->pod_uid, sizeof(ret->pod_uid));
		for (char *c = ret->pod_uid; *c; c++)
			if (*c == '_')
				*c = '-';
	}
}

/* --- units ------------------------------------------------------------------------------------ */

static bool is_unit(struct part p)
{
	if (p.len > UNIT_NAME_MAX || !(ends(p, ".service") || ends(p, ".scope")))
		return false;
	for (size_t i = 0; i < p.len; i++)
		if (!isalnum((unsigned char)p.at[i]) && !memchr(":-_.\\@", p.at[i], 6))
			return false;
	return true;
}

/* One whose processes are another manager's, which has units of its own. */
static bool has_manager(const char *unit)
{
	struct part p = { unit, strlen(unit) };

	return begins(p, "user@") || begins(p, "machine-") || begins(p, "systemd-nspawn@");
}

static void take_unit(struct part p, struct cgroup_facts *ret)
{
	if (p.len && *p.at == '_') { /* systemd's escape of names that the kernel uses */
		p.at++;
		p.len--;
	}
	if (!is_unit(p) || (*ret->unit && (!has_manager(ret->unit) || is(p, "init.scope"))))
		return;
	copy(p, ret->unit, sizeof(ret->unit));
}

/* --- paths ------------------------------------------------------------------------------------ */

static struct part next_part(const char **pos, const char *end)
{
	struct part p = { .at = *pos };
	const char *slash;

	while (p.at < end && *p.at == '/')
		p.at++;
	slash = memchr(p.at, '/', end - p.at);
	p.len = (slash ? slash : end) - p.at;
	*pos = p.at + p.len;
	return p;
}

/* Containers may be nested: the innermost one counts. */
static void identify_path(const char *path, const char *end, struct cgroup_facts *ret)
{
	struct part whole = without_end((struct part){ path, end - path }, " (deleted)");
	struct part p, id, above = { "", 0 };

	end = path + whole.len;
	for (p = next_part(&path, end); p.len; above = p, p = next_part(&path, end)) {
		take_pod(p, ret);
		id = container_id(p);
		if (!id.len) {
			take_unit(p, ret);
			continue;
		}
		copy(id, ret->container_id, sizeof(ret->container_id));
		ret->container_runtime = runtime_of(p, above);
		/* The unit outside is that of the engine, unless the container was made for it. */
		if (!begins(p, "libpod-payload-"))
			*ret->unit = '\0';
	}
}

static void merge(const struct cgroup_facts *of_path, bool is_systemd, struct cgroup_facts *all)
{
	bool knows_container = *of_path->container_id;

	if (knows_container && !*all->container_id) {
		memcpy(all->container_id, of_path->container_id, sizeof(all->container_id));
		all->container_runtime = of_path->container_runtime;
		*all->unit = '\0';
	}
	if (*of_path->pod_uid && !*all->pod_uid)
		memcpy(all->pod_uid, of_path->pod_uid, sizeof(all->pod_uid));
	/* Who does not know of the container tells the unit of its engine. */
	if (knows_container || !*all->container_id)
		if (*of_path->unit && (is_systemd || !*all->unit))
			memcpy(all->unit, of_path->unit, sizeof(all->unit));
}

/* "hierarchy:controllers:path", cgroups(7). */
static void identify_line(const char *line, const char *end, struct cgroup_facts *all)
{
	struct cgroup_facts facts = { 0 };
	const char *first = memchr(line, ':', end - line), *second;
	struct part controllers;

	second = first ? memchr(first + 1, ':', end - first - 1) : NULL;
	if (!second)
		return;
	controllers = (struct part){ first + 1, second - first - 1 };
	identify_path(second + 1, end, &facts);
	merge(&facts, !controllers.len || is(controllers, "name=systemd"), all);
}

void cgroup_identify(const char *text, size_t len, struct cgroup_facts *ret)
{
	const char *end = text + len, *line_end;

	*ret = (struct cgroup_facts){ 0 };
	for (const char *line = text; line < end; line = line_end + 1) {
		line_end = memchr(line, '\n', end - line);
		if (!line_end)
			line_end = end;
		identify_line(line, line_end, ret);
	}
}

/* "/a/b" and "/../c" are "/a/c". */
static char *join(const char *root, const char *path)
{
	char *ret = malloc(strlen(root) + strlen(path) + 1), *end;

	if (!ret)
		return NULL;
	end = stpcpy(ret, root);
	while (*path) {
		size_t len = 1 + strcspn(path + 1, "/");

		if (len == 3 && memcmp(path, "/..", 3) == 0) {
			while (end > ret && *--end != '/')
				;
		} else if (len > 1) {
			end = mempcpy(end, path, len);
		}
		path += len;
	}
	if (end == ret)
		*end++ = '/';
	*end = '\0';
	return ret;
}

static char *path_in(const char *text, size_t len)
{
	static const char prefix[] = "0::";
	const char *end = text + len, *line_end;

	for (const char *line = text; line < end; line = line_end + 1) {
		line_end = memchr(line, '\n', end - line);
		if (!line_end)
			line_end = end;
		if (line_end - line > 3 && memcmp(line, prefix, 3) == 0)
			return clean_text_dup(line + 3, line_end - line - 3, CGROUP_PATH_MAX);
	}
	return NULL;
}

char *cgroup_path(const char *text, size_t len, const char *root)
{
	CLEANUP(freep) char *path = path_in(text, len);

	return path && *root && *path == '/' ? join(root, path) : TAKE_PTR(path);
}

/* --- names ------------------------------------------------------------------------------------ */

/* "\x2d" becomes "-". What is no printable ASCII stays as it is. */
static void unescape(char *text)
{
	char *to = text;
	uint8_t byte;

	for (const char *from = text; *from; from++) {
		char digits[3] = { 0 };

		if (from[0] == '\\' && from[1] == 'x' && from[2] && from[3]) {
			memcpy(digits, from + 2, 2);
			if (parse_hex(digits, &byte, 1) == 0 && byte > 0x20 && byte < 0x7f) {
				*to++ = (char)byte;
				from += 3;
				continue;
			}
		}
		*to++ = *from;
	}
	*to = '\0';
}

/* "run-u12.service", "run-rb8…f.service", "run-p12-i13.service". */
static bool is_named_by_systemd_run(struct part p)
{
	if (!begins(p, "run-") || p.len < 6 || !memchr("urp", p.at[4], 3))
		return false;
	for (size_t i = 5; i < p.len; i++)
		if (!is_hex(p.at[i]) && p.at[i] != '-' && p.at[i] != 'i')
			return false;
	return true;
}

void cgroup_unit_service(const char *unit, char ret[UNIT_NAME_MAX + 1])
{
	struct part p = { unit, strlen(unit) };

	*ret = '\0';
	if (!ends(p, ".service") || has_manager(unit))
		return;
	p = without_end(p, ".service");
	if (!p.len || is_named_by_systemd_run(p))
		return;
	copy(p, ret, UNIT_NAME_MAX + 1);
	unescape(ret);
}
