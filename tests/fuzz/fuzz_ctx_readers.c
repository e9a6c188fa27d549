/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side's readers of trace context over a made-up process: the input is its memory, from
 * address BASE on, and behind a first word that chooses the reader. None may take more steps than
 * it promises, or more room than there is; what they find is decoded as the agent does.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "ctx/sample_context.h"
#include "shared/ctx_variable.h"
#include "shared/custom_labels.h"
#include "shared/go_ctx.h"
#include "shared/node_ctx.h"
#include "shared/python_ctx.h"
#include "shared/tls_addr.h"

#define BASE	  4096
#define READS_MAX (16 + 5 * CTX_LABELS_MAX + NODE_CHAIN_MAX)

struct ctx_memory {
	const uint8_t *bytes;
	size_t len;
	unsigned n_reads;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long ctx_read(struct ctx_memory *m, void *dst, __u32 len, __u64 addr)
{
	assert(++m->n_reads <= READS_MAX);
	memset(dst, 0, len);
	if (addr < BASE || len > m->len || addr - BASE > m->len - len)
		return -14;
	memcpy(dst, m->bytes + (addr - BASE), len);
	return 0;
}

static int ctx_label(struct ctx_memory *m, struct ctx_room *r)
{
	return ctx_label_add(m, r);
}

static enum ctx_found look_at_python(struct ctx_memory *mem, const uint8_t *how, uint64_t tp)
{
	static const uint32_t layouts[] = { 0, PYTHON_KEYS_NEW | PYTHON_VALUES_3_11,
					    PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_12,
					    PYTHON_KEYS_NEW | PYTHON_LONG_TAG |
						    PYTHON_VALUES_3_13 };
	struct python_info py = {
		.variable = 1,
		.span_key = 2,
		.py_true = 3,
		.long_type = 9,
		.span_context = 10,
		.node_types = { 4, 5, 6 },
		.spans = { { 7, how[1], 16, 16 }, { 8, how[2], 32, 24 } },
		.hash = how[3],
		.flags = (__u16)(layouts[how[0] % 4] | (how[0] & 4 ? PYTHON_STATE_POINTED : 0) |
				 (how[0] & 16 ? PYTHON_DICT_VERSION : 0)),
		.state = how[4],
		.pointed = how[5],
		.context = 16,
		.tuple_items = how[0] & 8 ? 32 : 24,
	};
	struct python_spans seen = { 0 };
	struct python_ids first, again;
	enum ctx_found found = python_ctx_read(mem, &py, tp, &seen, &first);

	/* What is remembered is what was read. */
	mem->n_reads = 0;
	if (found == CTX_FOUND && (python_ctx_read(mem, &py, tp, &seen, &again) != CTX_FOUND ||
				   memcmp(&first, &again, sizeof(first)) != 0))
		__builtin_trap();
	return found;
}

/* The reader number @which; its format in *@ret. */
static enum ctx_found look(struct ctx_memory *mem, uint8_t which, const uint8_t *how,
			   struct ctx_room *room, enum ctx_format *ret)
{
	struct ctx_variable v = { .n_steps = how[0] % (CTX_STEPS_MAX + 1),
				  .len = 1 + how[1] % CTX_VALUE_MAX,
				  .off = { how[2], (int8_t)how[3], how[4], how[5], 8 } };
	__u64 record = 0;

	switch (which % 5) {
	case 0:
		*ret = CTX_FORMAT_GO;
		room->source.go = (struct go_var){ .g_off = how[0],
						   .form = how[1] % 2,
						   .curg = 8,
						   .labels = 16,
						   .g_in_reg = how[1] / 2 % 2 };
		room->go_g = BASE + how[2];
		return go_ctx_read(mem, room);
	case 1:
		*ret = CTX_FORMAT_CUSTOM_LABELS;
		return custom_labels_read(mem, BASE + how[0], room);
	case 2:
		*ret = CTX_FORMAT_NODE;
		return node_record(mem, BASE + how[0], &record);
	case 3:
		*ret = CTX_FORMAT_PYTHON;
		return look_at_python(mem, how, room->tp);
	default:
		*ret = CTX_FORMAT_VARIABLE;
		return ctx_variable_read(mem, &v, 0, room);
	}
}

static void decode(const struct ctx_room *room, enum ctx_format format)
{
	static const struct user_variable variable = { .value = USER_VALUE_STRING,
						       .role = USER_ROLE_LABEL,
						       .label = (char *)"v" };
	struct sample_context_names names = { .variables = &variable, .n_variables = 1 };
	struct sample_record rec = { .ctx_format = format, .labels_len = room->len };
	struct sample_context ctx;

	assert(room->len <= CTX_LABELS_ROOM);
	sample_context_decode(&rec, room->labels, &names, &ctx);
	/* What the reader collected is of the form that it says. */
	if (format != CTX_FORMAT_VARIABLE)
		assert(ctx.n_labels + ctx.n_malformed + ctx.n_cut <= CTX_LABELS_MAX + 1);
	assert(ctx.text_len <= sizeof(ctx.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_var var = { .model = TLS_MODEL_GLIBC };
	struct ctx_memory mem = { 0 };
	struct ctx_room room = { 0 };
	enum ctx_format format;
	__u64 addr;

	if (size < 8)
		return 0;
	mem.bytes = data + 8;
	mem.len = size - 8;
	room.tp = room.addr = BASE;
	if (look(&mem, data[0], data + 1, &room, &format) == CTX_FOUND && room.len)
		decode(&room, format);

	mem.n_reads = 0;
	var.model = data[1] % 4;
	var.module = data[2];
	var.generation = data[3];
	(void)tls_addr(&mem, &var, BASE + data[4], &addr);
	return 0;
}
