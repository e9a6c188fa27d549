/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relabel rules on labels. Input: lines; those that begin with an action's number are rules, of
 * fields separated by tabs: action, source labels (commas), separator, regex, target, replacement,
 * modulus; "~" is a field that is not said. The others are labels, NAME=VALUE.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "meta/relabel.h"

#define RULES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *next_field(char **rest)
{
	char *field = strsep(rest, "\t");

	return field && strcmp(field, "~") != 0 ? field : NULL;
}

static void read_rule(char *line, struct relabel_rule *r, const char **sources)
{
	char *list;

	r->action = (enum relabel_action)((unsigned char)(line[0] - '0') % RELABEL_ACTIONS);
	strsep(&line, "\t");
	list = (char *)next_field(&line);
	r->source_labels = sources;
	while (list && r->n_source_labels < 4)
		sources[r->n_source_labels++] = strsep(&list, ",");
	r->separator = next_field(&line);
	r->regex = next_field(&line);
	r->target_label = next_field(&line);
	r->replacement = next_field(&line);
	r->modulus = line ? strtoull(line, NULL, 10) : 0;
}

static void put_label(char *line, struct label_set *labels)
{
	char *value = strchr(line, '=');

	if (!value)
		return;
	*value++ = '\0';
	(void)label_set_put(labels, line, value);
}

static void check(const struct label_set *labels)
{
	assert(labels->labels.n <= LABEL_SET_MAX);
	for (size_t i = 0; i < labels->labels.n; i++) {
		const struct label *l = &labels->labels.data[i];

		assert(label_name_is_valid(l->name) && strncmp(l->name, "__", 2) != 0);
		assert(*l->value && strlen(l->value) <= LABEL_VALUE_MAX);
		assert(i == 0 || strcmp(l[-1].name, l->name) < 0);
	}
}

static void apply(const struct relabel_rule *rules, size_t n, struct label_set *labels)
{
	CLEANUP(relabel_freep) struct relabel *r = NULL;
	struct relabel_problem why = { 0 };
	bool keep;
	int err = relabel_new(rules, n, &why, &r);

	if (err < 0) {
		assert(why.rule < n && why.key && *why.why);
		return;
	}
	assert(relabel_apply(r, labels, &keep) == 0);
	check(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = malloc(size + 1);
	struct relabel_rule rules[RULES_MAX] = { 0 };
	const char *sources[RULES_MAX][4];
	struct label_set labels = { 0 };
	char *rest = text, *line;
	size_t n = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (*line < '0' || *line > '0' + RELABEL_ACTIONS)
			put_label(line, &labels);
		else if (n < RULES_MAX) {
			read_rule(line, &rules[n], sources[n]);
			n++;
		}
	}
	apply(rules, n, &labels);
	label_set_clear(&labels);
	return 0;
}
