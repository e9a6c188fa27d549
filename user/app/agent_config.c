/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_config.h"

#include <string.h>

#include "app/agent_config_check.h"
#include "app/config_overlay.h"
#include "app/config_print.h"
#include "app/config_read.h"
#include "app/config_value.h"
#include "base/io.h"
#include "base/log.h"

#define MEMORY_MAX    (16UL << 20)
#define LOG_RATE      30 /* lines a minute of each kind */
#define PREFIX	      "SPANPROF"
#define FILE_VARIABLE "SPANPROF_CONFIG"

void agent_config_free(struct agent_config *c)
{
	if (!c)
		return;

	arena_clear(&c->memory);
	free(c);
}

static struct agent_config *new_config(void)
{
	struct agent_config *c = calloc(1, sizeof(*c));

	if (c)
		c->memory.limit = MEMORY_MAX;
	return c;
}

/* --- names of endpoints -------------------------------------------------------------------------
 */

static bool has_name(const struct config_node *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct config_node *n = config_node_get(list->entries[i].value, "name");

		if (n && n->kind == CONFIG_NODE_SCALAR && strcmp(n->text, name) == 0)
			return true;
	}
	return false;
}

/* The type, with "-2" and so on behind it. NULL: there is a name, or no type that we know. */
static const char *default_name(const struct config_node *list, const struct config_node *endpoint,
				char *out, size_t size)
{
	const struct config_key *key = config_key_find(&agent_config_schema, "endpoints");
	const char *const *names = config_key_find(key->schema, "type")->names;
	const struct config_node *name = config_node_get(endpoint, "name");
	const struct config_node *type = config_node_get(endpoint, "type");
	int i = type && type->kind == CONFIG_NODE_SCALAR ? config_name_index(names, type->text)
							 : -1;

	if (i < 0 || (name && !config_node_is_null(name)))
		return NULL;
	snprintf(out, size, "%s", names[i]);
	for (size_t n = 2; has_name(list, out); n++)
		snprintf(out, size, "%s-%zu", names[i], n);
	return out;
}

/* NULL: no memory. Each name is in the list that the next one is chosen by. */
static const struct config_node *named(struct arena *a, const struct config_node *list)
{
	struct config_node *copy = arena_memdup(a, list, sizeof(*list));
	struct config_entry *entries = arena_memdup(a, list->n ? (const void *)list->entries : "",
						    list->n * sizeof(*entries));
	char text[48];

	if (!copy || !entries)
		return NULL;
	copy->entries = entries;
	for (size_t i = 0; i < list->n; i++) {
		const char *name = default_name(copy, entries[i].value, text, sizeof(text));
		const struct config_node *scalar;

		if (!name)
			continue;
		scalar = config_node_scalar(a, NULL, name);
		entries[i].value =
			scalar ? config_node_with(a, entries[i].value, "name", scalar) : NULL;
		if (!entries[i].value)
			return NULL;
	}
	return copy;
}

static int name_endpoints(struct arena *a, const struct config_node **root)
{
	const struct config_node *list = config_node_get(*root, "endpoints");

	if (!list || list->kind != CONFIG_NODE_LIST || list->n > AGENT_ENDPOINTS_MAX)
		return 0;
	list = named(a, list);
	if (list)
		*root = config_node_with(a, *root, "endpoints", list);
	return list && *root ? 0 : -ENOMEM;
}

/* --- from the tree ------------------------------------------------------------------------------
 */

static int finish(struct agent_config *c, struct config_problems *p)
{
	int r = name_endpoints(&c->memory, &c->root);

	if (r == 0)
		r = config_read(&c->memory, &agent_config_schema, c->root, p, c);
	if (r == 0)
		r = agent_config_check(c, p);
	return r < 0 ? r : config_problems_result(p);
}

int agent_config_parse(const char *source, const char *text, size_t len, struct config_problems *p,
		       struct agent_config **ret)
{
	CLEANUP(agent_config_freep) struct agent_config *c = new_config();
	int r;

	if (!c)
		return -ENOMEM;
	r = config_tree_parse(&c->memory, source, text, len, p, &c->root);
	if (r == 0)
		r = finish(c, p);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

/* --- the sources --------------------------------------------------------------------------------
 */

static int empty_tree(struct agent_config *c)
{
	struct config_node *root = arena_alloc(&c->memory, sizeof(*root));

	if (!root)
		return -ENOMEM;
	*root = (struct config_node){ .kind = CONFIG_NODE_MAP };
	c->root = root;
	return 0;
}

static int read_file(struct agent_config *c, const struct agent_sources *sources,
		     struct config_problems *p)
{
	const char *file = sources->file;
	CLEANUP(freep) char *text = NULL;
	size_t len;
	int r;

	if (!file)
		file = config_variable_of(sources->environment, FILE_VARIABLE);
	r = read_whole_file(file && *file ? file : AGENT_CONFIG_FILE, CONFIG_TEXT_MAX, &text, &len);
	if (r == -ENOENT && !(file && *file))
		return empty_tree(c);
	file = file && *file ? file : AGENT_CONFIG_FILE;
	if (r == 0)
		r = config_tree_parse(&c->memory, file, text, len, p, &c->root);
	else if (r != -ENOMEM) {
		config_error(p, (struct config_origin){ .source = file }, "cannot be read: %s",
			     strerror(-r));
		r = -EINVAL;
	}
	if (r == 0 && c->root->kind != CONFIG_NODE_MAP) {
		config_error(p, c->root->origin, "all of it must be a map");
		r = -EINVAL;
	}
	/* What the other sources say can still be looked at. */
	return r == -EINVAL ? empty_tree(c) : r;
}

/* NAME=VALUE */
static int take_label(struct config_overlay *o, const char *source, const char *text)
{
	const char *equals = strchr(text, '=');
	struct config_pair entry;

	if (!equals || equals == text) {
		config_error(o->problems, (struct config_origin){ .source = source },
			     "wants NAME=VALUE");
		return 0;
	}
	entry.name = arena_strndup(o->arena, text, (size_t)(equals - text));
	entry.value = equals + 1;
	return entry.name ? config_overlay_entry(o, source, "labels", &entry) : -ENOMEM;
}

/* TYPE+URL */
static int take_endpoint(struct config_overlay *o, const char *source, const char *text)
{
	const char *plus = strchr(text, '+');
	const struct config_node *type, *where, *map;
	char *name;

	if (!plus || plus == text) {
		config_error(o->problems, (struct config_origin){ .source = source },
			     "wants TYPE+URL, such as pyroscope+http://localhost:4040, or "
			     "directory+/PATH");
		return 0;
	}
	name = arena_strndup(o->arena, text, (size_t)(plus - text));
	type = name ? config_node_scalar(o->arena, source, name) : NULL;
	where = config_node_scalar(o->arena, source, plus + 1);
	map = type ? config_node_with(o->arena, NULL, "type", type) : NULL;
	if (!map || !where)
		return -ENOMEM;
	map = config_node_with(o->arena, map, strcmp(name, "directory") == 0 ? "path" : "url",
			       where);
	return map ? config_overlay_append(o, "endpoints", map) : -ENOMEM;
}

/* The key whose option this is: its path to @out. */
static bool find_flag(const struct config_schema *s, const char *name, const char *path,
		      char out[CONFIG_PATH_MAX])
{
	for (size_t i = 0; i < s->n; i++) {
		const struct config_key *key = &s->keys[i];
		char inner[CONFIG_PATH_MAX];

		config_path_join(inner, path, key->name);
		if (key->type == CONFIG_SECTION && find_flag(key->schema, name, inner, out))
			return true;
		if (key->flag && strcmp(key->flag, name) == 0) {
			memcpy(out, inner, sizeof(inner));
			return true;
		}
	}
	return false;
}

static int take_flag(struct config_overlay *o, const struct agent_flag *f)
{
	size_t size = strlen(f->name) + sizeof("--");
	char *source = arena_alloc(o->arena, size), path[CONFIG_PATH_MAX];

	if (!source)
		return -ENOMEM;
	snprintf(source, size, "--%s", f->name);
	if (strcmp(f->name, "label") == 0)
		return take_label(o, source, f->value);
	if (strcmp(f->name, "endpoint") == 0)
		return take_endpoint(o, source, f->value);
	if (!find_flag(&agent_config_schema, f->name, "", path))
		return -EINVAL;
	return config_overlay_set(o, source, path, f->value);
}

static int lay_over(struct agent_config *c, const struct agent_sources *sources,
		    struct config_problems *p)
{
	struct config_overlay o = { &c->memory, p, &agent_config_schema, c->root };
	static char *none[] = { NULL };
	char **environment = sources->environment ? sources->environment : none;
	int r = config_overlay_environment(&o, PREFIX, environment);

	if (r == 0)
		r = config_overlay_element(&o, PREFIX "_ENDPOINT", "endpoints", environment);
	for (size_t i = 0; i < sources->n_flags && r == 0; i++)
		r = take_flag(&o, &sources->flags[i]);
	c->root = o.root;
	return r;
}

int agent_config_load(const struct agent_sources *sources, struct config_problems *p,
		      struct agent_config **ret)
{
	CLEANUP(agent_config_freep) struct agent_config *c = new_config();
	int r;

	if (!c)
		return -ENOMEM;
	r = read_file(c, sources, p);
	if (r == 0)
		r = lay_over(c, sources, p);
	if (r == 0)
		r = finish(c, p);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

/* --- what can be done with it -------------------------------------------------------------------
 */

int agent_config_print(const struct agent_config *c, FILE *out)
{
	config_print(&agent_config_schema, c->root, agent_header_is_secret, out);
	return ferror(out) || fflush(out) != 0 ? -EIO : 0;
}

static int write_all(const struct agent_config *c, FILE *out)
{
	config_print(&agent_config_schema, c->root, NULL, out);
	if (ferror(out) || fflush(out) != 0)
		return -EIO;
	return ftell(out) > (long)CONFIG_TEXT_MAX ? -EFBIG : 0;
}

int agent_config_send(const struct agent_config *c, int *ret_fd)
{
	CLEANUP(closep) int fd = -1;
	CLEANUP(fclosep) FILE *out = NULL;
	int r = memory_file_new("spanprof-config", &fd), own;

	if (r < 0)
		return r;
	own = dup(fd);
	out = own < 0 ? NULL : fdopen(own, "w");
	if (!out) {
		r = -errno;
		closep(&own);
		return r;
	}
	r = write_all(c, out);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int agent_config_receive(int fd, struct config_problems *p, struct agent_config **ret)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = read_whole_fd(fd, CONFIG_TEXT_MAX, &text, &len);
	return r < 0 ? r : agent_config_parse("configuration", text, len, p, ret);
}

void agent_config_set_log(const struct agent_config *c)
{
	static const enum log_format formats[] = {
		[AGENT_LOG_TEXT] = LOG_FORMAT_TEXT,
		[AGENT_LOG_LOGFMT] = LOG_FORMAT_LOGFMT,
		[AGENT_LOG_JSON] = LOG_FORMAT_JSON,
	};

	log_set_format(formats[c->log.format]);
	log_set_level(c->log.level);
	log_set_rate(LOG_RATE);
}

size_t agent_config_compare(const struct agent_config *old, const struct agent_config *new,
			    struct config_change *ret, size_t max)
{
	return config_compare(&agent_config_schema, old, new, ret, max);
}
