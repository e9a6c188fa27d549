/* SPDX-License-Identifier: Apache-2.0 */
/* The record that two forms share. */
#include <stdio.h>
#include <string.h>

#include "liar.h"
#include "otel_ctx.h"

/* Two labels of one value: attributes 0 and 1. */
void *liar_record_build(struct liar_graph *g, uint32_t number)
{
	struct otel_record *r = liar_node(g, 64);
	char value[16];
	uint8_t len = (uint8_t)snprintf(value, sizeof(value), "v%u", number);

	liar_trace_id(number, r->trace_id);
	liar_span_id(number, r->span_id);
	r->valid = 1;
	r->trace_flags = 1;
	r->attrs_size = (uint16_t)(2 * (len + 2));
	for (uint8_t i = 0; i < 2; i++) {
		uint8_t *attr = r->attrs + i * (len + 2);

		attr[0] = i;
		attr[1] = len;
		memcpy(attr + 2, value, len);
	}
	liar_id(g, r->trace_id, sizeof(r->trace_id) + sizeof(r->span_id));
	return r;
}
