/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_map.h"

/* Steps for each byte: an instruction has four, and functions are gone through several times. */
#define STEPS_PER_BYTE 16

#define PADDING_MAX 64 /* bytes; functions are aligned to 16 or 32 */

int code_map_init(struct code_map *m, const void *bytes, size_t len, uint64_t vaddr)
{
	*m = (struct code_map){ .len = len, .budget = len * STEPS_PER_BYTE };
	x86_decoder_init(&m->decoder, bytes, len, vaddr);
	m->marks = calloc(len + 1, sizeof(*m->marks));
	m->op_at = calloc(len + 1, sizeof(*m->op_at));
	if (m->marks && m->op_at)
		return 0;
	code_map_clear(m);
	return -ENOMEM;
}

void code_map_clear(struct code_map *m)
{
	free(m->marks);
	free(m->op_at);
	m->marks = NULL;
	m->op_at = NULL;
	vec_free(&m->ops);
	vec_free(&m->rules);
}

const struct code_op *code_map_op(struct code_map *m, uint32_t at)
{
	struct code_op op;

	if (m->op_at[at])
		return &m->ops.data[m->op_at[at] - 1];
	x86_decode(&m->decoder, at, &op);
	if (vec_push(&m->rules, 0) < 0 || vec_push(&m->ops, op) < 0)
		return NULL;
	m->op_at[at] = m->ops.n;
	return &m->ops.data[m->ops.n - 1];
}

/* Zero bytes, int3 and instructions without effect. */
uint32_t code_map_skip_padding(struct code_map *m, uint32_t at)
{
	const uint32_t end = at < m->len && m->len - at > PADDING_MAX ? at + PADDING_MAX : m->len;

	while (at < end) {
		uint8_t byte = m->decoder.bytes[at];
		const struct code_op *op;

		if (byte == 0 || byte == 0xcc) {
			at++;
			continue;
		}
		op = code_map_op(m, at);
		if (!op || op->kind != CODE_OP_PADDING)
			break;
		at += op->len;
	}
	return at;
}

static unsigned ender_slot(int32_t callee)
{
	return ((uint32_t)callee * 2654435761u >> 16) % CODE_ENDERS;
}

void code_map_add_ender(struct code_map *m, int32_t callee)
{
	m->enders[ender_slot(callee)] = callee;
}

bool code_map_is_ender(const struct code_map *m, int32_t callee)
{
	return callee && m->enders[ender_slot(callee)] == callee;
}
