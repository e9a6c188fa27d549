/* SPDX-License-Identifier: Apache-2.0 */
/* liar.h's form: Node.js, whose addon has the variable; V8's objects are made up. */
#include "liar.h"
#include "otel_ctx.h"

#define HASH	  5
#define BUCKETS	  8
#define RECORD	  32 /* in the object */
#define KEY	  0x7001u
#define UNDEFINED 0x7101u
#define BARRIER() __asm__ volatile("" ::: "memory")

uint64_t *liar_variable(void);

static uint64_t tagged(const void *p)
{
	return (uintptr_t)p | 1;
}

static uint64_t small(int32_t n)
{
	return (uint64_t)(uint32_t)n << 32;
}

const unsigned int liar_form_tag = 1;

int liar_form_init(void)
{
	static const char *const keys[] = { "k", "again", NULL };
	struct otel_process process = {
		.service_name = "liar",
		.schema_version = "nodejs_v1_dev",
		.key_map = keys,
	};

	return otel_process_publish(&process);
}

/* Two entries of one bucket; the second one is ours. */
static uint64_t *build_table(struct liar_graph *g, const uint64_t *object)
{
	uint64_t *table = liar_node(g, 40 + 8 * (BUCKETS + 6)), *entry = table + 5 + BUCKETS;

	table[2] = small(2);
	table[3] = small(0);
	table[4] = small(BUCKETS);
	for (int i = 0; i < BUCKETS; i++)
		table[5 + i] = small(i == HASH ? 1 : -1);
	entry[0] = KEY;
	entry[1] = tagged(object);
	entry[2] = small(-1);
	entry[3] = KEY + 8;
	entry[4] = tagged(table);
	entry[5] = small(0);
	return table;
}

void *liar_form_build(struct liar_graph *g, uint32_t number)
{
	uint64_t *slot = liar_node(g, 8), *handle = liar_node(g, 8), *map = liar_node(g, 32),
		 *object = liar_node(g, RECORD + 8);

	object[RECORD / 8] = (uintptr_t)liar_record_build(g, number);
	liar_id(g, object + RECORD / 8, 8); /* one byte further on it may look like one, too */
	map[3] = tagged(build_table(g, object));
	*handle = KEY;
	*slot = tagged(map);
	return slot;
}

void liar_form_publish(const struct liar_graph *g, void *root)
{
	volatile uint64_t *v = liar_variable();

	v[0] = 0;
	BARRIER();
	v[1] = (uintptr_t)g->nodes[1].at;
	v[2] = HASH | (uint64_t)RECORD << 32;
	v[3] = UNDEFINED;
	BARRIER();
	v[0] = (uintptr_t)root;
}
