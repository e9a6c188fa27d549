/* SPDX-License-Identifier: Apache-2.0 */
/* liar.h's form: the thread context of OTEP 4947. */
#include "liar.h"
#include "otel_ctx.h"

const unsigned int liar_form_tag = 0;

int liar_form_init(void)
{
	static const char *const keys[] = { "k", "again", NULL };
	struct otel_process process = {
		.service_name = "liar",
		.schema_version = OTEL_SCHEMA_NATIVE,
		.key_map = keys,
	};

	return otel_process_publish(&process);
}

void *liar_form_build(struct liar_graph *g, uint32_t number)
{
	return liar_record_build(g, number);
}

void liar_form_publish(const struct liar_graph *g, void *root)
{
	(void)g;
	*(struct otel_record *volatile *)&otel_thread_ctx_v1 = root;
}
