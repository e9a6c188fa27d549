/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_rows.h"

#include <string.h>

#include "unwind/code_flow.h"

#define NONE	 UNWIND_RULE_SPECIAL(UNWIND_NONE)
#define CONFLICT UINT32_MAX /* two functions do not agree about an instruction of both */

#define PASSES_MAX 4 /* functions are found by others' addresses in them */
#define EXT_MAX	   4096
#define SHARED_MAX 64 /* of these are looked at for one that is the same: neighbours are alike */

/* A function whose callees come first. */
struct pending {
	uint32_t at;
	enum code_start kind;
	bool is_scanned;
};

struct builder {
	struct code_map map;
	struct code_flow *flow;
	struct code_rows *rows;
	VEC(struct pending) pending;
};

static void builder_clear(struct builder *b)
{
	code_flow_free(b->flow);
	code_map_clear(&b->map);
	vec_free(&b->pending);
}

void code_rows_clear(struct code_rows *rows)
{
	vec_free(&rows->rows);
	vec_free(&rows->ext);
}

/* --- rules of instructions -------------------------------------------------------------------- */

static bool is_ext(const struct code_rows *rows, uint32_t rule, const struct unwind_ext *ext)
{
	return (rule & 3) == UNWIND_BASE_EXT && rule >> 2 < rows->ext.n &&
	       memcmp(&rows->ext.data[rule >> 2], ext, sizeof(*ext)) == 0;
}

/* @old is what another function says of the instruction: the same must not look like a conflict. */
static int share_ext(struct code_rows *rows, const struct unwind_ext *ext, uint32_t old,
		     uint32_t *ret)
{
	size_t end = rows->ext.n > SHARED_MAX ? rows->ext.n - SHARED_MAX : 0;

	*ret = old;
	if (is_ext(rows, old, ext))
		return 0;
	for (size_t i = rows->ext.n; i-- > end;) {
		*ret = UNWIND_RULE_EXT(i);
		if (is_ext(rows, *ret, ext))
			return 0;
	}
	*ret = NONE;
	if (rows->ext.n == EXT_MAX)
		return 0;
	*ret = UNWIND_RULE_EXT(rows->ext.n);
	return vec_push(&rows->ext, *ext);
}

static int set_rule(void *arg, uint32_t at, const struct stack_state *s)
{
	struct builder *b = arg;
	struct unwind_ext ext;
	uint32_t rule = stack_state_rule(s, &ext);
	uint32_t *old = &b->map.rules.data[b->map.op_at[at] - 1];
	int r = 0;

	if ((rule & 3) == UNWIND_BASE_EXT)
		r = share_ext(b->rows, &ext, *old, &rule);
	if (*old == NONE && !(b->map.marks[at] & CODE_DONE))
		*old = rule;
	else if (*old != rule)
		*old = CONFLICT;
	b->map.marks[at] |= CODE_DONE;
	return r;
}

/* --- functions -------------------------------------------------------------------------------- */

static int plan(struct builder *b, uint32_t at, enum code_start kind)
{
	if (code_map_is(&b->map, at, CODE_TRIED))
		return 0;
	b->map.marks[at] |= CODE_TRIED;
	return vec_push(&b->pending, (struct pending){ at, kind, false });
}

static int plan_callee(void *arg, uint32_t target)
{
	struct builder *b = arg;

	b->map.marks[target] |= CODE_START;
	return plan(b, target, CODE_START_SURE);
}

static int look_at(struct builder *b, const struct pending *p)
{
	struct code_flow_result result;
	int r = code_flow_run(b->flow, p->at, p->kind, &result);

	if (r < 0)
		return r;
	b->rows->functions++;
	if (!result.accepted)
		return 0;
	b->rows->accepted++;
	if (!result.returns)
		b->map.marks[p->at] |= CODE_NO_RETURN;
	return code_flow_each_op(b->flow, set_rule, b);
}

/* One function, and before it those that it calls: it ends at a call that never returns. */
static int add_function(struct builder *b, uint32_t at, enum code_start kind)
{
	int r = plan(b, at, kind);

	while (r == 0 && b->pending.n) {
		struct pending *p = &b->pending.data[b->pending.n - 1];

		if (!p->is_scanned) {
			p->is_scanned = true;
			r = code_flow_scan(b->flow, p->at);
			if (r == 0)
				r = code_flow_each_call(b->flow, plan_callee, b);
		} else {
			const struct pending copy = *p;

			b->pending.n--;
			r = look_at(b, &copy);
		}
	}
	return r;
}

static int add_known(struct builder *b, const struct code_rows_input *in)
{
	int r = 0;

	for (size_t i = 0; i < in->n_starts; i++)
		if (in->starts[i] < in->len)
			b->map.marks[in->starts[i]] |= CODE_START;
	if (in->has_entry && in->entry < in->len) {
		b->map.marks[in->entry] |= CODE_START;
		r = add_function(b, in->entry, CODE_START_PROGRAM);
	}
	for (size_t i = 0; r == 0 && i < in->n_starts; i++)
		if (in->starts[i] < in->len)
			r = add_function(b, in->starts[i], CODE_START_SURE);
	return r;
}

/* Whose address others take. 1: there were some. */
static int add_referred(struct builder *b)
{
	bool found = false;
	int r = 0;

	for (uint32_t at = 0; r == 0 && at < b->map.len; at++) {
		if ((b->map.marks[at] & (CODE_ADDRESS | CODE_DONE | CODE_TRIED)) != CODE_ADDRESS)
			continue;
		found = true;
		r = add_function(b, at, CODE_START_ADDRESS);
	}
	return r < 0 ? r : found;
}

/* What is left, wherever a function may begin by its position. */
static int add_by_position(struct builder *b, bool begins)
{
	bool may_begin = begins, is_done = false;
	uint32_t at = 0;
	int r = 0;

	while (r == 0 && at < b->map.len && code_map_pay(&b->map)) {
		uint32_t behind = code_map_skip_padding(&b->map, at);
		const struct code_op *op;

		may_begin |= behind > at && is_done;
		at = behind;
		if (at >= b->map.len)
			break;
		may_begin |= is_done && !code_map_is(&b->map, at, CODE_DONE);
		if (may_begin && !code_map_is(&b->map, at, CODE_DONE))
			r = add_function(b, at, CODE_START_POSITION);
		is_done = code_map_is(&b->map, at, CODE_DONE);
		op = code_map_op(&b->map, at);
		if (!op)
			return -ENOMEM;
		may_begin = code_op_is_end(op);
		at += op->len;
	}
	return r;
}

/* Addresses of functions, before anything depends on where they begin. */
static int mark_addresses(struct builder *b)
{
	for (uint32_t at = 0; at < b->map.len;) {
		const struct code_op *op = code_map_op(&b->map, at);

		if (!op)
			return -ENOMEM;
		if (op->kind == CODE_OP_ADDRESS)
			b->map.marks[op->target] |= CODE_ADDRESS;
		at += op->len;
	}
	return 0;
}

static int add_functions(struct builder *b, const struct code_rows_input *in)
{
	int r = mark_addresses(b);

	if (r == 0)
		r = add_known(b, in);
	for (unsigned i = 0; r == 0 && i < PASSES_MAX; i++) {
		r = add_referred(b);
		if (r == 0)
			break;
		r = r < 0 ? r : 0;
	}
	if (r == 0)
		r = add_by_position(b, in->begins);
	if (r == 0)
		r = add_referred(b);
	return r < 0 ? r : 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

static int push_row(struct code_rows *rows, uint32_t at, uint32_t rule)
{
	if (rows->rows.n ? rows->rows.data[rows->rows.n - 1].rule == rule : rule == NONE)
		return 0;
	return vec_push(&rows->rows, (struct code_row){ at, rule });
}

static int make_rows(struct builder *b)
{
	uint32_t end = 0;
	int r = 0;

	for (uint32_t at = 0; r == 0 && at < b->map.len; at++) {
		uint32_t i = b->map.op_at[at];
		uint32_t rule = i ? b->map.rules.data[i - 1] : NONE;

		if (rule != NONE) {
			r = push_row(b->rows, at, rule == CONFLICT ? NONE : rule);
			end = at + b->map.ops.data[i - 1].len;
		} else if (at >= end) {
			r = push_row(b->rows, at, NONE);
		}
	}
	return r == 0 ? push_row(b->rows, b->map.len, NONE) : r;
}

int code_rows_build(const struct code_rows_input *in, struct code_rows *ret)
{
	CLEANUP(builder_clear) struct builder b = { .rows = ret };
	int r;

	*ret = (struct code_rows){ 0 };
	if (in->len > CODE_ROWS_MAX)
		return -EFBIG;
	r = code_map_init(&b.map, in->bytes, in->len, in->vaddr);
	if (r == 0)
		r = code_flow_new(&b.map, &b.flow);
	if (r == 0)
		r = add_functions(&b, in);
	return r == 0 ? make_rows(&b) : r;
}
