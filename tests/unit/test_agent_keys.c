/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of docs/agent.md are those that the program goes by. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <string.h>

#include "app/agent_config.h"
#include "app/config_value.h"
#include "base/io.h"
#include "leak_check.h"

TestSuite(agent_keys, .fini = leak_check);

#define DOCS		 "docs/agent.md"
#define EXPECTED	 "build/tests/agent-keys.md"
#define ROW_BEGIN	 "| `"
#define CONFIG_BYTES_MAX (1UL << 20)

static void write_values(const struct config_key *key, FILE *f)
{
	char range[96];

	config_range_text(key, range, sizeof(range));
	fputs(config_type_name(key->type), f);
	if (*range)
		fprintf(f, ", %s", range);
	for (size_t i = 0; key->names && key->names[i]; i++)
		fprintf(f, "%s`%s`", i ? ", " : ": ", key->names[i]);
	if (!key->names && key->max && !*range)
		fprintf(f, ", up to %" PRIu64, key->max);
}

static void write_default(const struct config_key *key, FILE *f)
{
	if (key->def && *key->def)
		fprintf(f, "`%s`", key->def);
	else if (key->def)
		fputs("empty", f);
}

/* "(`directory`)" behind what is for one type only. */
static void write_only(const struct config_schema *s, const struct config_key *key, FILE *f)
{
	const struct config_key *type = config_key_find(s, "type");

	if (type && key->only && !(key->only & (key->only - 1)))
		fprintf(f, " (`%s`)", type->names[__builtin_ctz(key->only)]);
}

/* Rows of one table; elements of lists have tables of their own. */
static void write_rows(const struct config_schema *s, const char *path, bool top, FILE *f)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct config_key *key = &s->keys[i];
		char inner[CONFIG_PATH_MAX];

		config_path_join(inner, path, key->name);
		if (key->type == CONFIG_SECTION) {
			write_rows(key->schema, inner, top, f);
			continue;
		}
		fprintf(f, ROW_BEGIN "%s` | ", inner);
		write_values(key, f);
		fputs(" | ", f);
		write_default(key, f);
		if (top)
			fprintf(f, " | %s", key->reload ? "yes" : "");
		if (top)
			fprintf(f, " | %s%s%s", key->flag ? "`--" : "", key->flag ? key->flag : "",
				key->flag ? "`" : "");
		fprintf(f, " | %s", key->help);
		write_only(s, key, f);
		fputs(" |\n", f);
	}
}

static const struct config_schema *list_schema(const char *section, const char *name)
{
	const struct config_schema *s = &agent_config_schema;

	if (section)
		s = config_key_find(s, section)->schema;
	return config_key_find(s, name)->schema;
}

static char *expected(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	write_rows(&agent_config_schema, "", true, f);
	write_rows(list_schema(NULL, "endpoints"), "", false, f);
	write_rows(list_schema(NULL, "relabel_configs"), "", false, f);
	write_rows(list_schema("filters", "include"), "", false, f);
	fclose(f);
	return text;
}

/* All lines of the file that are rows of a key. */
static char *documented(void)
{
	char *file = NULL, *text = NULL;
	size_t len, n;
	FILE *f;

	cr_assert(zero(int, read_whole_file(DOCS, CONFIG_BYTES_MAX, &file, &n)));
	f = open_memstream(&text, &len);
	for (char *line = strtok(file, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, ROW_BEGIN, strlen(ROW_BEGIN)) == 0)
			fprintf(f, "%s\n", line);
	fclose(f);
	free(file);
	return text;
}

static void save(const char *text)
{
	FILE *f = fopen(EXPECTED, "w");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

Test(agent_keys, docs_have_the_keys_and_no_others)
{
	char *want = expected(), *got = documented();

	if (strcmp(want, got) != 0)
		save(want);
	cr_expect(zero(int, strcmp(want, got)),
		  "rows of " DOCS " are not those that the program goes by: see " EXPECTED);
	free(want);
	free(got);
}

static void check_schema(const struct config_schema *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct config_key *key = &s->keys[i];

		cr_expect(key->type == CONFIG_SECTION || key->help != NULL, "%s", key->name);
		cr_expect(key->def || !key->flag, "%s", key->name);
		cr_expect(config_key_find(s, key->name) == key, "%s is there twice", key->name);
		if (key->schema)
			check_schema(key->schema);
	}
}

Test(agent_keys, the_table_is_whole)
{
	check_schema(&agent_config_schema);
}
