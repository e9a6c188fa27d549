/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of every form, as bytes that the kernel side would never send, too. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "ctx/sample_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct user_variable variables[CTX_VARIABLES_MAX];
static char label[] = "own";

/* All types and uses; what makes no sense together is refused where it comes from. */
static void make_variables(void)
{
	for (unsigned i = 0; i < CTX_VARIABLES_MAX; i++)
		variables[i] = (struct user_variable){ .value = i % 4,
						       .role = i < 4 ? USER_ROLE_LABEL : i - 4,
						       .label = label };
}

static void check(const struct sample_context *c)
{
	assert(c->n_labels <= SAMPLE_LABELS_MAX);
	for (size_t i = 0; i < c->n_labels; i++) {
		const struct sample_label *l = &c->labels[i];

		assert(l->key[0]);
		assert(utf8_valid_len(l->value, strlen(l->value)) == strlen(l->value));
		if (i)
			assert(strcmp(l[-1].key, l->key) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *keys[] = { (char *)"datadog.local_root_span_id", NULL, (char *)"route" };
	struct sample_context_names names = { keys, 3, variables, CTX_VARIABLES_MAX, "t", "s" };
	struct sample_record rec = { 0 };
	struct sample_context ctx;

	if (size < 1 || size > CTX_LABELS_ROOM)
		return 0;
	make_variables();
	rec.ctx_format = data[0];
	rec.labels_len = size - 1;
	sample_context_decode(&rec, data + 1, &names, &ctx);
	check(&ctx);
	return 0;
}
