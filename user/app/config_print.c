/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_print.h"

#include <inttypes.h>
#include <string.h>

#include "app/config_value.h"

#define INDENT	       2
#define COMMENT_COLUMN 40
#define ORIGIN_MAX     600

struct printer {
	FILE *out;
	config_secret_fn is_secret;
};

static void print_map(const struct printer *p, const struct config_schema *s,
		      const struct config_node *map, unsigned depth, bool element);

/* The character at *@text, which is valid UTF-8, and *@text behind it. */
static uint32_t next_char(const unsigned char **text)
{
	const unsigned char *t = *text;
	unsigned more = *t < 0xc0 ? 0 : *t < 0xe0 ? 1 : *t < 0xf0 ? 2 : 3;
	uint32_t c = more ? *t & (0x3fu >> more) : *t;

	for (unsigned i = 1; i <= more; i++)
		c = c << 6 | (t[i] & 0x3f);
	*text += 1 + more;
	return c;
}

/* YAML calls these breaks of lines, or not printable. */
static bool needs_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c >= 0xd800;
}

static bool is_plain(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_-./%+";

	if (!*text || strcasecmp(text, "null") == 0)
		return false;
	return (strchr(letters, *text) || strchr("/0123456789", *text)) &&
	       text[strspn(text, others)] == '\0';
}

void config_print_scalar(const char *text, FILE *out)
{
	const unsigned char *at = (const unsigned char *)text;

	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	while (*at) {
		const unsigned char *begin = at;
		uint32_t c = next_char(&at);

		if (needs_escape(c))
			fprintf(out, "\\U%08" PRIX32, c);
		else
			fprintf(out, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)(at - begin),
				(const char *)begin);
	}
	fputc('"', out);
}

/* A line of a key: what is behind its colon is in memory first, to know how wide it is. */
struct line {
	char *text;
	size_t len;
	FILE *f;
};

static void begin_line(struct line *l, unsigned depth, bool first_of_element)
{
	l->f = open_memstream(&l->text, &l->len);
	if (!l->f)
		return;
	fprintf(l->f, "%*s", (int)(depth * INDENT) - (first_of_element ? 2 : 0), "");
	if (first_of_element)
		fputs("- ", l->f);
}

static void end_line(const struct printer *p, struct line *l, const struct config_node *n)
{
	struct config_origin origin = n ? n->origin : (struct config_origin){ 0 };
	char where[ORIGIN_MAX];

	if (!l->f)
		return;
	fclose(l->f);
	fprintf(p->out, "%-*s # %s\n", COMMENT_COLUMN, l->text ? l->text : "",
		config_origin_text(origin, where, sizeof(where)));
	free(l->text);
}

static void print_element(const struct printer *p, const struct config_node *n, unsigned depth)
{
	struct line l;

	begin_line(&l, depth + 2, true);
	if (l.f)
		config_print_scalar(n->text, l.f);
	end_line(p, &l, n);
}

/* "NAME: value", or "NAME: {value_file: path}". */
static void print_entry(const struct printer *p, const struct config_key *key,
			const struct config_entry *e, unsigned depth)
{
	bool hidden = key->type == CONFIG_HEADERS && p->is_secret && p->is_secret(e->key);
	const struct config_node *n = e->value;
	const struct config_node *file = config_node_get(n, "value_file");
	const struct config_node *value = config_node_get(n, "value");
	const char *text = n->kind == CONFIG_NODE_SCALAR	  ? n->text
			   : value && !config_node_is_null(value) ? value->text
								  : NULL;
	struct line l;

	begin_line(&l, depth + 1, false);
	if (!l.f)
		return;
	config_print_scalar(e->key, l.f);
	fputs(": ", l.f);
	if (text) {
		config_print_scalar(hidden ? "<hidden>" : text, l.f);
	} else if (file) {
		fputs("{value_file: ", l.f);
		config_print_scalar(file->text, l.f);
		fputc('}', l.f);
	}
	end_line(p, &l, n);
}

static void print_inner(const struct printer *p, const struct config_key *key,
			const struct config_node *n, unsigned depth)
{
	for (size_t i = 0; i < n->n; i++) {
		if (key->type == CONFIG_LIST)
			print_map(p, key->schema, n->entries[i].value, depth + 2, true);
		else if (n->kind == CONFIG_NODE_MAP)
			print_entry(p, key, &n->entries[i], depth);
		else
			print_element(p, n->entries[i].value, depth);
	}
}

static void print_key(const struct printer *p, const struct config_key *key,
		      const struct config_node *n, unsigned depth, bool first)
{
	bool is_map = key->type == CONFIG_LABELS || key->type == CONFIG_HEADERS;
	struct line l;

	begin_line(&l, depth, first);
	if (!l.f)
		return;
	fprintf(l.f, "%s:", key->name);
	if (n && n->kind == CONFIG_NODE_SCALAR) {
		fputc(' ', l.f);
		config_print_scalar(n->text, l.f);
	} else if (!n && key->def) {
		fputc(' ', l.f);
		config_print_scalar(key->def, l.f);
	} else if (!n || !n->n) {
		fputs(n && is_map ? " {}" : n ? " []" : " null", l.f);
	}
	end_line(p, &l, n);
	if (n && n->kind != CONFIG_NODE_SCALAR)
		print_inner(p, key, n, depth);
}

static void print_section(const struct printer *p, const struct config_key *key,
			  const struct config_node *n, unsigned depth)
{
	fprintf(p->out, "%*s%s:\n", (int)(depth * INDENT), "", key->name);
	print_map(p, key->schema, n, depth + 1, false);
}

static bool is_said(const struct config_schema *s, const struct config_node *map)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct config_node *n = config_node_get(map, s->keys[i].name);

		if (n && !config_node_is_null(n))
			return true;
	}
	return false;
}

/* The number of what the key `type` says; -1: there is none. */
static int type_of(const struct config_schema *s, const struct config_node *map)
{
	const struct config_key *key = config_key_find(s, "type");
	const struct config_node *n = key && map ? config_node_get(map, "type") : NULL;

	return n && n->kind == CONFIG_NODE_SCALAR ? config_name_index(key->names, n->text) : -1;
}

/* Of an element of a list: what is said, and the defaults that there are. */
static bool is_shown(const struct config_key *key, const struct config_node *n, int type)
{
	if (key->type == CONFIG_SECTION)
		return n && is_said(key->schema, n);
	return n || (key->def && config_key_applies(key, type));
}

static void print_map(const struct printer *p, const struct config_schema *s,
		      const struct config_node *map, unsigned depth, bool element)
{
	int type = type_of(s, map);
	bool first = element;

	for (size_t i = 0; i < s->n; i++) {
		const struct config_key *key = &s->keys[i];
		const struct config_node *n = map ? config_node_get(map, key->name) : NULL;

		if (n && config_node_is_null(n))
			n = NULL;
		if (element && !is_shown(key, n, type))
			continue;
		if (key->type == CONFIG_SECTION)
			print_section(p, key, n, depth);
		else
			print_key(p, key, n, depth, first);
		first = false;
	}
}

void config_print(const struct config_schema *s, const struct config_node *map,
		  config_secret_fn is_secret, FILE *out)
{
	struct printer p = { out, is_secret };

	print_map(&p, s, map, 0, false);
}
