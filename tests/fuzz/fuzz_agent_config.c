/* SPDX-License-Identifier: Apache-2.0 */
/* The file of `spanprof agent`: what is taken is printed as something that means the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "app/agent_config.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const config_texts *texts)
{
	assert(texts->n <= CONFIG_PROBLEMS_MAX);
	for (size_t i = 0; i < texts->n; i++)
		assert(utf8_is_printable(texts->data[i], strlen(texts->data[i])));
}

/* 0 and a configuration, or -EINVAL and at least one error. */
static struct agent_config *parse(const char *text, size_t len)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	int r = agent_config_parse("a.yaml", text, len, &p, &c);

	/* The limit of the memory for it counts as none. */
	assert(r == 0 || (r == -EINVAL && p.errors.n) || r == -ENOMEM);
	assert((r == 0) == (c != NULL));
	check_texts(&p.errors);
	check_texts(&p.warnings);
	return c;
}

static void check(const struct agent_config *c)
{
	CLEANUP(agent_config_freep) struct agent_config *again = NULL;
	CLEANUP(freep) char *text = NULL;
	struct config_change change;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert(f && agent_config_print(c, f) == 0);
	fclose(f);
	if (strstr(text, "<hidden>"))
		return;
	again = parse(text, len);
	assert(again);
	assert(agent_config_compare(c, again, &change, 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(agent_config_freep) struct agent_config *c = parse((const char *)data, size);

	if (c)
		check(c);
	return 0;
}
