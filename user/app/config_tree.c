/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_tree.h"

#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "base/utf8.h"

#define DEPTH_MAX   16
#define EVENTS_MAX  20000 /* entries that are merged count, too */
#define ENTRIES_MAX 1024  /* of one list or map */
#define ANCHORS_MAX 256

/* Key of what is to be merged: the pointer counts, as '<<' in quotes is a key like others. */
static const char merge_key[] = "<<";

struct frame {
	struct config_node *node;
	VEC(struct config_entry) entries;
	const char *key; /* whose value comes next */
	unsigned key_line;
	const char *anchor;
};

struct anchor {
	const char *name;
	const struct config_node *node;
};

struct reader {
	struct arena *arena;
	const char *source;
	struct config_problems *problems;
	struct frame frames[DEPTH_MAX];
	size_t depth;
	VEC(struct anchor) anchors;
	size_t n_events, n_documents;
	const struct config_node *root;
};

static struct config_origin at_line(const struct reader *r, unsigned line)
{
	return (struct config_origin){ .source = r->source, .line = line };
}

__attribute__((format(printf, 3, 4))) static int refuse(struct reader *r, unsigned line,
							const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_error(r->problems, at_line(r, line), "%s", text);
	return -EINVAL;
}

const struct config_node *config_node_get(const struct config_node *map, const char *key)
{
	if (!map || map->kind != CONFIG_NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->entries[i].key, key) == 0)
			return map->entries[i].value;
	return NULL;
}

bool config_node_is_null(const struct config_node *n)
{
	return n->kind == CONFIG_NODE_SCALAR && n->plain &&
	       (!*n->text || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
}

static struct config_node *new_node(struct arena *a, enum config_node_kind kind,
				    struct config_origin origin)
{
	struct config_node *n = arena_alloc(a, sizeof(*n));

	if (n)
		*n = (struct config_node){ .kind = kind, .origin = origin };
	return n;
}

const struct config_node *config_node_scalar(struct arena *a, const char *source, const char *text)
{
	struct config_origin origin = { .source = source };
	struct config_node *n = new_node(a, CONFIG_NODE_SCALAR, origin);

	if (!n)
		return NULL;
	n->text = arena_strndup(a, text, strlen(text));
	return n->text ? n : NULL;
}

const struct config_node *config_node_with(struct arena *a, const struct config_node *node,
					   const char *key, const struct config_node *value)
{
	struct config_node *copy = new_node(a, key ? CONFIG_NODE_MAP : CONFIG_NODE_LIST,
					    node ? node->origin : value->origin);
	size_t n = node ? node->n : 0, at = 0;
	struct config_entry *entries = arena_alloc(a, (n + 1) * sizeof(*entries));

	if (!copy || !entries)
		return NULL;
	if (n)
		memcpy(entries, node->entries, n * sizeof(*entries));
	while (at < n && (!key || strcmp(entries[at].key, key) != 0))
		at++;
	entries[at] = (struct config_entry){ .key = key, .value = value };
	copy->entries = entries;
	copy->n = at == n ? n + 1 : n;
	return copy;
}

static const struct config_entry *find_entry(const struct frame *f, const char *key)
{
	for (size_t i = 0; i < f->entries.n; i++)
		if (strcmp(f->entries.data[i].key, key) == 0)
			return &f->entries.data[i];
	return NULL;
}

static int add_entry(struct reader *r, struct frame *f, const struct config_entry *e)
{
	if (f->entries.n == ENTRIES_MAX)
		return refuse(r, e->line, "more than %d entries", ENTRIES_MAX);
	if (++r->n_events > EVENTS_MAX)
		return refuse(r, e->line, "too much; is that a configuration?");
	return vec_push(&f->entries, *e);
}

static int add_to_map(struct reader *r, struct frame *f, const struct config_node *value)
{
	struct config_entry e = { f->key, f->key_line, value };
	const struct config_entry *other;

	if (!f->key) {
		if (value->kind != CONFIG_NODE_SCALAR)
			return refuse(r, value->origin.line, "a key must be a word");
		f->key = value->plain && strcmp(value->text, merge_key) == 0 ? merge_key
									     : value->text;
		f->key_line = value->origin.line;
		return 0;
	}
	f->key = NULL;
	other = find_entry(f, e.key);
	if (!other)
		return add_entry(r, f, &e);
	/* What else is wrong is said, too. */
	(void)refuse(r, e.line, "'%.64s' stands twice; first in line %u", e.key, other->line);
	return 0;
}

static int note_anchor(struct reader *r, const char *name, const struct config_node *node)
{
	if (r->anchors.n == ANCHORS_MAX)
		return refuse(r, node->origin.line, "more than %d anchors", ANCHORS_MAX);
	return vec_push(&r->anchors, (struct anchor){ name, node });
}

/* @node is whole. */
static int add_node(struct reader *r, const struct config_node *node, const char *anchor)
{
	struct frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;
	int err = anchor ? note_anchor(r, anchor, node) : 0;

	if (err < 0)
		return err;
	if (!f) {
		r->root = node;
		return 0;
	}
	if (f->node->kind == CONFIG_NODE_MAP)
		return add_to_map(r, f, node);
	return add_entry(r, f, &(struct config_entry){ .value = node });
}

static int copy_anchor(struct reader *r, const yaml_char_t *anchor, const char **ret)
{
	*ret = NULL;
	if (!anchor)
		return 0;
	*ret = arena_strndup(r->arena, (const char *)anchor, strlen((const char *)anchor));
	return *ret ? 0 : -ENOMEM;
}

static unsigned line_of(const yaml_event_t *e)
{
	return (unsigned)e->start_mark.line + 1;
}

/* "!include x" is not to become "x" in silence. */
static int check_tag(struct reader *r, const yaml_event_t *e, const yaml_char_t *tag)
{
	static const char *const plain[] = { YAML_NULL_TAG,  YAML_BOOL_TAG,
					     YAML_STR_TAG,   YAML_INT_TAG,
					     YAML_FLOAT_TAG, YAML_SEQ_TAG,
					     YAML_MAP_TAG,   "!" };

	for (size_t i = 0; tag && i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp((const char *)tag, plain[i]) == 0)
			return 0;
	return tag ? refuse(r, line_of(e), "the tag '%.64s' means nothing here", (const char *)tag)
		   : 0;
}

static int take_scalar(struct reader *r, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value, *anchor;
	struct config_node *n = new_node(r->arena, CONFIG_NODE_SCALAR, at_line(r, line_of(e)));

	if (!n || copy_anchor(r, e->data.scalar.anchor, &anchor) < 0)
		return -ENOMEM;
	(void)check_tag(r, e, e->data.scalar.tag);
	if (!utf8_is_printable(text, e->data.scalar.length)) {
		(void)refuse(r, line_of(e), "a value with a control character%s",
			     memchr(text, '\n', e->data.scalar.length) ? " (end of line)" : "");
		text = "";
	}
	n->text = arena_strndup(r->arena, text, strlen(text));
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return n->text ? add_node(r, n, anchor) : -ENOMEM;
}

static int take_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;

	for (size_t i = r->anchors.n; i > 0; i--)
		if (strcmp(r->anchors.data[i - 1].name, name) == 0)
			return add_node(r, r->anchors.data[i - 1].node, NULL);
	return refuse(r, line_of(e), "no anchor '%.64s' before its alias", name);
}

static int begin(struct reader *r, const yaml_event_t *e, enum config_node_kind kind,
		 const yaml_char_t *anchor)
{
	struct frame *f = &r->frames[r->depth];

	if (r->depth == DEPTH_MAX)
		return refuse(r, line_of(e), "nested deeper than %d", DEPTH_MAX);
	*f = (struct frame){ .node = new_node(r->arena, kind, at_line(r, line_of(e))) };
	if (!f->node || copy_anchor(r, anchor, &f->anchor) < 0)
		return -ENOMEM;
	r->depth++;
	return 0;
}

static int merge_map(struct reader *r, struct frame *f, const struct config_node *map,
		     unsigned line)
{
	if (map->kind != CONFIG_NODE_MAP)
		return refuse(r, line, "'<<' takes maps only");
	for (size_t i = 0; i < map->n; i++) {
		int err =
			find_entry(f, map->entries[i].key) ? 0 : add_entry(r, f, &map->entries[i]);

		if (err < 0)
			return err;
	}
	return 0;
}

/* What the map itself says counts, then what is merged first. */
static int merge(struct reader *r, struct frame *f)
{
	const struct config_entry *found = find_entry(f, merge_key);
	struct config_entry e;
	size_t at;
	int err = 0;

	if (!found || found->key != merge_key)
		return 0;
	e = *found;
	at = (size_t)(found - f->entries.data);
	f->entries.n--;
	memmove(f->entries.data + at, f->entries.data + at + 1,
		(f->entries.n - at) * sizeof(*f->entries.data));
	if (e.value->kind != CONFIG_NODE_LIST)
		return merge_map(r, f, e.value, e.line);
	for (size_t i = 0; i < e.value->n && err == 0; i++)
		err = merge_map(r, f, e.value->entries[i].value, e.line);
	return err;
}

static int finish(struct reader *r)
{
	struct frame *f = &r->frames[r->depth - 1];
	int err = f->node->kind == CONFIG_NODE_MAP ? merge(r, f) : 0;

	if (err < 0)
		return err;
	f->node->n = f->entries.n;
	f->node->entries = arena_memdup(r->arena, f->entries.data ? (void *)f->entries.data : "",
					f->entries.n * sizeof(*f->entries.data));
	vec_free(&f->entries);
	r->depth--;
	return f->node->entries ? add_node(r, f->node, f->anchor) : -ENOMEM;
}

static int take_event(struct reader *r, const yaml_event_t *e)
{
	if (++r->n_events > EVENTS_MAX)
		return refuse(r, line_of(e), "too much; is that a configuration?");
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->n_documents++)
			return refuse(r, line_of(e), "a second document");
		return 0;
	case YAML_SCALAR_EVENT:
		return take_scalar(r, e);
	case YAML_ALIAS_EVENT:
		return take_alias(r, e);
	case YAML_SEQUENCE_START_EVENT:
		(void)check_tag(r, e, e->data.sequence_start.tag);
		return begin(r, e, CONFIG_NODE_LIST, e->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		(void)check_tag(r, e, e->data.mapping_start.tag);
		return begin(r, e, CONFIG_NODE_MAP, e->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return finish(r);
	default:
		return 0;
	}
}

/* libyaml's words. */
static int refuse_syntax(struct reader *r, const yaml_parser_t *yaml)
{
	unsigned line = (unsigned)(yaml->problem_mark.line ? yaml->problem_mark.line
							   : yaml->context_mark.line);

	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (yaml->error == YAML_READER_ERROR)
		return refuse(r, (unsigned)yaml->mark.line + 1, "no YAML: %s (byte %zu)",
			      yaml->problem ? yaml->problem : "", yaml->problem_offset);
	return refuse(r, line + 1, "no YAML: %s%s%s, column %zu",
		      yaml->context ? yaml->context : "", yaml->context ? ": " : "",
		      yaml->problem ? yaml->problem : "", yaml->problem_mark.column + 1);
}

static int read_events(struct reader *r, yaml_parser_t *yaml)
{
	bool more = true;

	while (more) {
		yaml_event_t e;
		int err;

		if (!yaml_parser_parse(yaml, &e))
			return refuse_syntax(r, yaml);
		more = e.type != YAML_STREAM_END_EVENT;
		err = take_event(r, &e);
		yaml_event_delete(&e);
		if (err < 0)
			return err;
	}
	return 0;
}

static int read_text(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t yaml;
	int err;

	if (!yaml_parser_initialize(&yaml))
		return -ENOMEM;
	yaml_parser_set_encoding(&yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&yaml, (const unsigned char *)text, len);
	err = read_events(r, &yaml);
	yaml_parser_delete(&yaml);
	for (size_t i = 0; i < r->depth; i++)
		vec_free(&r->frames[i].entries);
	vec_free(&r->anchors);
	return err;
}

int config_tree_parse(struct arena *a, const char *source, const char *text, size_t len,
		      struct config_problems *p, const struct config_node **ret)
{
	struct reader r = { .arena = a, .problems = p };
	int err;

	r.source = arena_strndup(a, source, strlen(source));
	if (!r.source)
		return -ENOMEM;
	if (len > CONFIG_TEXT_MAX)
		return refuse(&r, 0, "larger than 1 MiB");
	err = read_text(&r, text, len);
	if (err < 0)
		return err;
	if (!r.root || config_node_is_null(r.root)) {
		r.root = new_node(a, CONFIG_NODE_MAP, at_line(&r, 1));
		if (!r.root)
			return -ENOMEM;
	}
	*ret = r.root;
	return 0;
}
