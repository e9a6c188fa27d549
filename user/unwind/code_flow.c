/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_flow.h"

#include <string.h>

#define BLOCKS_MAX   4096
#define RESTARTS_MAX 32
#define JUMPS_MAX    8		/* indirect ones that are remembered */
#define PASSES_MAX   16		/* evidence goes along chains, mostly of one or two */
#define EXTENT_MAX   (64 << 10) /* bytes between a function's begin and any place of it */

/*
 * Marks that are for one function only; CODE_LEADER as well could be, but does no harm: a block
 * more changes nothing.
 */
#define OWN_MARKS (CODE_CUT | CODE_DOUBT | CODE_NOT_HERE)

/* Ends that speak for the way that led there. */
enum evidence {
	SAW_RETURN = 1, /* a return, or a jump to another function */
	SAW_END = 2,	/* a trap, a call that never returns, a jump through a pointer, a loop */
};

/*
 * What is reached by one assumption: that a certain call returns, or that a jump table leads to a
 * certain place. Number 0 is what the function's begin reaches without.
 */
struct region {
	uint32_t at; /* the call, or the place */
	uint32_t parent;
	bool is_table; /* a place in a jump table */
	bool in_doubt; /* it, or what it depends on, needs evidence */
	bool is_proven;
	uint8_t seen; /* enum evidence */
};

/* A way from one region into another that was there already: both agree about the stack. */
struct joint {
	uint32_t from, to;
};

struct block {
	uint32_t at;
	uint32_t region;
	bool is_queued;
	struct stack_state in;
};

/* A way that waits for its assumption's turn. */
struct soft_edge {
	uint32_t call, to, region;
	struct stack_state state;
};

struct table_jump {
	uint32_t at, region;
	struct stack_state state;
};

struct code_flow {
	struct code_map *map;
	uint32_t start;
	uint32_t at;	    /* the instruction at hand */
	uint32_t *block_at; /* per byte: index + 1 */
	uint8_t *seen;	    /* per byte: an instruction that the scan has met */
	VEC(uint32_t) seen_list;
	VEC(uint32_t) todo;
	VEC(struct block) blocks;
	VEC(uint32_t) hard;
	VEC(struct soft_edge) soft;
	size_t next_soft;
	VEC(struct region) regions;
	VEC(struct joint) joints;
	VEC(uint32_t) marked; /* bytes with OWN_MARKS */
	VEC(uint32_t) roots;  /* places that jump tables may lead to */
	struct table_jump jumps[JUMPS_MAX];
	unsigned n_jumps;
	bool is_guess; /* it is not sure that a function begins at ->start */
	bool failed, restart, leaves_map;
};

void code_flow_free(struct code_flow *f)
{
	if (!f)
		return;

	free(f->block_at);
	free(f->seen);
	vec_free(&f->seen_list);
	vec_free(&f->todo);
	vec_free(&f->blocks);
	vec_free(&f->hard);
	vec_free(&f->soft);
	vec_free(&f->regions);
	vec_free(&f->joints);
	vec_free(&f->marked);
	vec_free(&f->roots);
	free(f);
}

int code_flow_new(struct code_map *map, struct code_flow **ret)
{
	CLEANUP(code_flow_freep) struct code_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->map = map;
	f->block_at = calloc(map->len + 1, sizeof(*f->block_at));
	f->seen = calloc(map->len + 1, sizeof(*f->seen));
	if (!f->block_at || !f->seen)
		return -ENOMEM;
	*ret = TAKE_PTR(f);
	return 0;
}

/* --- scanning --------------------------------------------------------------------------------- */

static bool is_near(const struct code_flow *f, uint32_t at)
{
	return at < f->map->len && (at > f->start ? at - f->start : f->start - at) < EXTENT_MAX;
}

static bool is_other_function(const struct code_flow *f, uint32_t at)
{
	return at != f->start && code_map_is(f->map, at, CODE_START);
}

static bool calls_ender(const struct code_flow *f, const struct code_op *op)
{
	return op->kind == CODE_OP_CALL && (code_map_is(f->map, op->target, CODE_NO_RETURN) ||
					    code_map_is_ender(f->map, op->disp));
}

/* Does the call at @at, which ends at @next, return? No if another function follows on it. */
static bool may_return(struct code_flow *f, uint32_t at, const struct code_op *op, uint32_t next)
{
	if (code_map_is(f->map, at, CODE_CUT) || calls_ender(f, op))
		return false;
	next = code_map_skip_padding(f->map, next);
	if (op->kind == CODE_OP_CALL && code_map_is(f->map, next, CODE_START))
		code_map_add_ender(f->map, op->disp);
	return !code_map_is(f->map, next, CODE_START | CODE_ADDRESS);
}

static int scan_target(struct code_flow *f, uint32_t target)
{
	if (!is_near(f, target))
		return 0;
	f->map->marks[target] |= CODE_LEADER;
	return is_other_function(f, target) ? 0 : vec_push(&f->todo, target);
}

/* Goes on behind the instruction? Remembers where else it goes. */
static int scan_op(struct code_flow *f, uint32_t at, const struct code_op *op)
{
	uint32_t next = at + op->len;
	int r;

	switch (op->kind) {
	case CODE_OP_ADDRESS:
		f->map->marks[op->target] |= CODE_ADDRESS;
		return 1;
	case CODE_OP_BRANCH:
		r = scan_target(f, op->target);
		return r < 0 ? r : 1;
	case CODE_OP_JUMP:
		return scan_target(f, op->target);
	case CODE_OP_CALL:
	case CODE_OP_CALL_INDIRECT:
		if (next < f->map->len)
			f->map->marks[next] |= CODE_LEADER;
		return may_return(f, at, op, next);
	default:
		return !code_op_is_end(op);
	}
}

static int scan_line(struct code_flow *f, uint32_t at)
{
	int r = 1;

	while (r > 0 && is_near(f, at) && !f->seen[at] && !is_other_function(f, at) &&
	       code_map_pay(f->map)) {
		const struct code_op *op = code_map_op(f->map, at);
		struct code_op copy;

		if (!op || vec_push(&f->seen_list, at) < 0)
			return -ENOMEM;
		copy = *op;
		f->seen[at] = 1;
		r = scan_op(f, at, &copy);
		at += copy.len;
	}
	return r < 0 ? r : 0;
}

static int scan_from(struct code_flow *f, uint32_t at)
{
	int r = scan_line(f, at);

	while (r == 0 && f->todo.n)
		r = scan_line(f, f->todo.data[--f->todo.n]);
	return r;
}

static void forget_scan(struct code_flow *f)
{
	for (size_t i = 0; i < f->seen_list.n; i++)
		f->seen[f->seen_list.data[i]] = 0;
	f->seen_list.n = f->todo.n = 0;
}

int code_flow_scan(struct code_flow *f, uint32_t start)
{
	forget_scan(f);
	f->start = start;
	return scan_from(f, start);
}

int code_flow_each_call(struct code_flow *f, code_flow_call_fn fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->seen_list.n; i++) {
		const struct code_op *op = code_map_op(f->map, f->seen_list.data[i]);

		if (op && op->kind == CODE_OP_CALL && op->target != CODE_OP_NOWHERE)
			r = fn(arg, op->target);
	}
	return r;
}

/* --- assumptions ------------------------------------------------------------------------------ */

static int mark_own(struct code_flow *f, uint32_t at, uint16_t mark)
{
	if (!(f->map->marks[at] & OWN_MARKS) && vec_push(&f->marked, at) < 0)
		return -ENOMEM;
	f->map->marks[at] |= mark;
	return 0;
}

static void forget_marks(struct code_flow *f)
{
	for (size_t i = 0; i < f->marked.n; i++)
		f->map->marks[f->marked.data[i]] &= ~OWN_MARKS;
	f->marked.n = 0;
}

static void saw(struct code_flow *f, uint32_t region, enum evidence what)
{
	f->regions.data[region].seen |= what;
}

/* Withdraws the assumption of a region. */
static int withdraw(struct code_flow *f, uint32_t region)
{
	const struct region *g = &f->regions.data[region];

	f->restart = true;
	return mark_own(f, g->at, g->is_table ? CODE_NOT_HERE : CODE_CUT);
}

/* What was found in @region cannot be. What led to it as well has to prove itself better. */
static int contradict(struct code_flow *f, uint32_t region)
{
	int r = 0;

	if (region)
		r = withdraw(f, region);
	else
		f->failed = true;
	for (uint32_t p = f->regions.data[region].parent; r == 0 && p;
	     p = f->regions.data[p].parent)
		if (!f->regions.data[p].is_table)
			r = mark_own(f, f->regions.data[p].at, CODE_DOUBT);
	return r;
}

/* --- following -------------------------------------------------------------------------------- */

static int new_block(struct code_flow *f, uint32_t at, uint32_t region, const struct stack_state *s)
{
	if (f->blocks.n >= BLOCKS_MAX) {
		f->failed = true;
		return 0;
	}
	if (vec_push(&f->blocks, (struct block){ at, region, true, *s }) < 0 ||
	    vec_push(&f->hard, f->blocks.n - 1) < 0)
		return -ENOMEM;
	f->block_at[at] = f->blocks.n;
	return 0;
}

/* Another way leads to a block that is known. */
static int join_block(struct code_flow *f, struct block *b, uint32_t region,
		      const struct stack_state *s)
{
	int changed;

	/* The last system call of an outermost frame does not return: what follows is another's. */
	if (s->outermost && !b->in.outermost) {
		saw(f, region, SAW_END);
		return 0;
	}
	changed = stack_state_join(&b->in, s);
	/* What is reached by fewer assumptions is the better known. */
	if (changed < 0)
		return contradict(f, region ? region : b->region);
	if (b->region == region && b->at <= f->at)
		saw(f, region, SAW_END);
	if (b->region != region && vec_push(&f->joints, (struct joint){ region, b->region }) < 0)
		return -ENOMEM;
	if (!changed || b->is_queued)
		return 0;
	b->is_queued = true;
	return vec_push(&f->hard, b - f->blocks.data);
}

/* To somewhere that is not part of this function. */
static int leave(struct code_flow *f, uint32_t region, const struct stack_state *s, uint32_t to)
{
	bool is_function = code_map_is(f->map, to, CODE_START);

	if (s->outermost)
		return 0;
	if (stack_state_may_leave(s)) {
		saw(f, region, is_function ? SAW_RETURN : SAW_END);
		f->leaves_map |= !code_map_is(f->map, to, CODE_NO_RETURN);
		return 0;
	}
	f->leaves_map = true;
	return is_function ? contradict(f, region) : 0;
}

static int follow(struct code_flow *f, uint32_t to, uint32_t region, const struct stack_state *s)
{
	if (!is_near(f, to) || is_other_function(f, to))
		return leave(f, region, s, to);
	if (f->block_at[to])
		return join_block(f, &f->blocks.data[f->block_at[to] - 1], region, s);
	return new_block(f, to, region, s);
}

/* Is it a guess that the code at hand belongs to the function? Then it has to behave. */
static bool is_checked(const struct code_flow *f, uint32_t region)
{
	return f->is_guess || region;
}

/*
 * At a call the stack is aligned to 16 bytes (psABI 3.2.2), as it was at the call that led here.
 * Hand written code need not keep to it.
 */
static bool is_misaligned(const struct stack_state *s)
{
	const struct stack_value sp = s->reg[UNWIND_X86_RSP];

	return !s->outermost && sp.symbol == STACK_CFA && sp.off % 16 != 0;
}

static int take_call(struct code_flow *f, uint32_t at, const struct code_op *op, uint32_t region,
		     const struct stack_state *s)
{
	uint32_t next = at + op->len;

	if ((f->is_guess || f->regions.data[region].in_doubt) && is_misaligned(s))
		return contradict(f, region);
	if (next >= f->map->len)
		return 0;
	if (!may_return(f, at, op, next)) {
		if (!code_map_is(f->map, at, CODE_CUT))
			saw(f, region, SAW_END);
		return 0;
	}
	return vec_push(&f->soft, (struct soft_edge){ at, next, region, *s });
}

static int take_indirect_jump(struct code_flow *f, uint32_t at, uint32_t region,
			      const struct stack_state *s)
{
	if (s->outermost)
		return 0;
	f->leaves_map = true;
	if (stack_state_may_leave(s))
		saw(f, region, SAW_END);
	else if (f->n_jumps < JUMPS_MAX)
		f->jumps[f->n_jumps++] = (struct table_jump){ at, region, *s };
	return 0;
}

/* The end of a way. */
static int take_end(struct code_flow *f, uint32_t at, const struct code_op *op, uint32_t region,
		    const struct stack_state *s)
{
	switch (op->kind) {
	case CODE_OP_JUMP:
		return follow(f, op->target, region, s);
	case CODE_OP_JUMP_INDIRECT:
		return take_indirect_jump(f, at, region, s);
	case CODE_OP_STOP:
		saw(f, region, SAW_END);
		return 0;
	case CODE_OP_RETURN:
		if (!stack_state_may_leave(s) && !s->outermost)
			return contradict(f, region);
		saw(f, region, SAW_RETURN);
		f->leaves_map = true;
		return 0;
	default:
		return contradict(f, region);
	}
}

/* 1: the way goes on behind the instruction. */
static int take_op(struct code_flow *f, uint32_t at, const struct code_op *op, uint32_t region,
		   struct stack_state *s)
{
	int r;

	if (is_checked(f, region) && stack_state_is_misused(s, op))
		return contradict(f, region);
	if (code_op_is_end(op))
		return take_end(f, at, op, region, s);
	stack_state_step(s, op);
	switch (op->kind) {
	case CODE_OP_BRANCH:
		r = follow(f, op->target, region, s);
		return r < 0 ? r : 1;
	case CODE_OP_CALL:
	case CODE_OP_CALL_INDIRECT:
		return take_call(f, at, op, region, s);
	default:
		return 1;
	}
}

static int run_block(struct code_flow *f, uint32_t index)
{
	struct stack_state s = f->blocks.data[index].in;
	uint32_t at = f->blocks.data[index].at, region = f->blocks.data[index].region;
	uint32_t begin = at;
	int r = 1;

	f->blocks.data[index].is_queued = false;
	while (r > 0 && !f->restart && !f->failed) {
		struct code_op op;

		if (!is_near(f, at) || (at != begin && code_map_is(f->map, at, CODE_LEADER)) ||
		    is_other_function(f, at))
			return follow(f, at, region, &s);
		if (!code_map_pay(f->map)) {
			f->failed = true;
			return 0;
		}
		if (!code_map_op(f->map, at))
			return -ENOMEM;
		op = *code_map_op(f->map, at);
		f->at = at;
		r = take_op(f, at, &op, region, &s);
		at += op.len;
	}
	return r < 0 ? r : 0;
}

/* --- by assumption ---------------------------------------------------------------------------- */

static int assume(struct code_flow *f, const struct region *g, uint32_t to,
		  const struct stack_state *s)
{
	if (f->block_at[to]) {
		/* Others lead there as well: if that cannot be, only this way is not one. */
		struct block *b = &f->blocks.data[f->block_at[to] - 1];
		struct stack_state joined = b->in;

		if (stack_state_join(&joined, s) < 0)
			return mark_own(f, g->at, g->is_table ? CODE_NOT_HERE : CODE_CUT);
		return join_block(f, b, g->parent, s);
	}
	if (vec_push(&f->regions, *g) < 0)
		return -ENOMEM;
	f->regions.data[f->regions.n - 1].in_doubt |= f->regions.data[g->parent].in_doubt;
	return new_block(f, to, f->regions.n - 1, s);
}

static int take_soft_edge(struct code_flow *f, const struct soft_edge *e)
{
	struct region g = { .at = e->call, .parent = e->region };
	const struct code_op *next = code_map_op(f->map, e->to);

	if (!next)
		return -ENOMEM;
	if (!is_near(f, e->to))
		return 0;
	g.in_doubt = next->kind == CODE_OP_PADDING || code_map_is(f->map, e->call, CODE_DOUBT);
	return assume(f, &g, e->to, &e->state);
}

static int follow_all(struct code_flow *f)
{
	int r = 0;

	while (r == 0 && !f->restart && !f->failed) {
		if (f->hard.n) {
			r = run_block(f, f->hard.data[--f->hard.n]);
		} else if (f->next_soft < f->soft.n) {
			const struct soft_edge e = f->soft.data[f->next_soft++];

			r = take_soft_edge(f, &e);
		} else {
			break;
		}
	}
	return r;
}

/* --- jump tables ------------------------------------------------------------------------------ */

/*
 * Jump tables are not read: where else code is that nothing leads to, right behind an end of a way,
 * a table may lead. It has to prove itself with the state that the stack has at the jump before it.
 */
static const struct table_jump *jump_before(const struct code_flow *f, uint32_t at)
{
	const struct table_jump *best = &f->jumps[0];

	for (unsigned i = 1; i < f->n_jumps; i++)
		if (f->jumps[i].at < at && (best->at >= at || f->jumps[i].at > best->at))
			best = &f->jumps[i];
	return best;
}

static int take_root(struct code_flow *f, uint32_t at)
{
	const struct table_jump *j = jump_before(f, at);
	const struct region g = { at, j->region, .is_table = true, .in_doubt = true };

	if (code_map_is(f->map, at, CODE_NOT_HERE) || f->block_at[at])
		return 0;
	return assume(f, &g, at, &j->state);
}

/* Places behind ends, up to the next function. 1: new ones were found. */
static int find_roots(struct code_flow *f)
{
	uint32_t at = f->start;
	bool is_behind_end = false, found = false;

	while (is_near(f, at) && !is_other_function(f, at) && code_map_pay(f->map)) {
		const struct code_op *op;

		if (is_behind_end)
			at = code_map_skip_padding(f->map, at);
		if (!is_near(f, at) || code_map_is(f->map, at, CODE_DONE) ||
		    is_other_function(f, at))
			break;
		if (is_behind_end && !f->seen[at]) {
			f->map->marks[at] |= CODE_LEADER;
			if (vec_push(&f->roots, at) < 0 || scan_from(f, at) < 0)
				return -ENOMEM;
			found = true;
		}
		op = code_map_op(f->map, at);
		if (!op)
			return -ENOMEM;
		is_behind_end = code_op_is_end(op);
		at += op->len;
	}
	return found;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool prove(struct region *g, bool proven)
{
	bool is_new = proven && !g->is_proven;

	g->is_proven |= proven;
	return is_new;
}

/*
 * What is in doubt has to return, or to lead to what is not in doubt, by whatever it leads to:
 * further assumptions, or places that others led to.
 */
static void pass_evidence_on(struct code_flow *f)
{
	struct region *g = f->regions.data;
	bool again = true;

	for (size_t i = 0; i < f->regions.n; i++)
		g[i].is_proven = i == 0 || (g[i].seen & SAW_RETURN) ||
				 ((g[i].seen & SAW_END) && !g[i].in_doubt);
	for (unsigned n = 0; again && n < PASSES_MAX; n++) {
		again = false;
		for (size_t i = f->joints.n; i-- > 0;)
			again |= prove(&g[f->joints.data[i].from],
				       g[f->joints.data[i].to].is_proven);
		for (size_t i = f->regions.n; i-- > 1;)
			again |= prove(&g[g[i].parent], g[i].is_proven);
	}
	for (size_t i = f->regions.n; i-- > 1;)
		g[g[i].parent].seen |= g[i].seen;
}

static int withdraw_unproven(struct code_flow *f)
{
	pass_evidence_on(f);
	for (size_t i = f->regions.n; i-- > 1;)
		if (!f->regions.data[i].is_proven)
			return withdraw(f, i);
	return 0;
}

static void begin(struct code_flow *f)
{
	for (size_t i = 0; i < f->blocks.n; i++)
		f->block_at[f->blocks.data[i].at] = 0;
	f->blocks.n = f->hard.n = f->soft.n = f->next_soft = f->regions.n = f->joints.n = 0;
	f->n_jumps = 0;
	f->failed = f->restart = f->leaves_map = false;
}

/* One attempt with what is known so far. */
static int attempt(struct code_flow *f, const struct stack_state *s)
{
	int r;

	begin(f);
	if (vec_push(&f->regions, (struct region){ .at = f->start }) < 0)
		return -ENOMEM;
	r = new_block(f, f->start, 0, s);
	if (r == 0)
		r = follow_all(f);
	if (r == 0 && !f->restart && !f->failed && f->n_jumps) {
		r = f->roots.n ? 0 : find_roots(f);
		f->restart |= r > 0;
		for (size_t i = 0; r == 0 && !f->restart && i < f->roots.n; i++)
			r = take_root(f, f->roots.data[i]);
		if (r == 0)
			r = follow_all(f);
	}
	if (r < 0)
		return r;
	return f->restart || f->failed ? 0 : withdraw_unproven(f);
}

static bool is_convincing(const struct code_flow *f, enum code_start kind)
{
	unsigned seen = f->regions.data[0].seen;

	switch (kind) {
	case CODE_START_POSITION:
		return seen & SAW_RETURN;
	case CODE_START_ADDRESS:
		return seen & (SAW_RETURN | SAW_END);
	default:
		return true;
	}
}

int code_flow_run(struct code_flow *f, uint32_t start, enum code_start kind,
		  struct code_flow_result *ret)
{
	struct stack_state s;
	int r;

	stack_state_enter(&s);
	s.outermost = kind == CODE_START_PROGRAM;
	f->is_guess = kind == CODE_START_POSITION || kind == CODE_START_ADDRESS;
	f->roots.n = 0;
	r = code_flow_scan(f, start);
	for (unsigned i = 0; r == 0; i++) {
		r = attempt(f, &s);
		if (r < 0 || f->failed || !f->restart)
			break;
		f->failed = i == RESTARTS_MAX;
	}
	/* A call that was found not to return is no proof that the function does not. */
	f->leaves_map |= f->marked.n > 0;
	forget_marks(f);
	if (r < 0)
		return r;
	ret->accepted = !f->failed && is_convincing(f, kind);
	ret->returns = !ret->accepted || f->leaves_map;
	return 0;
}

int code_flow_each_op(struct code_flow *f, code_flow_op_fn fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->blocks.n; i++) {
		struct stack_state s = f->blocks.data[i].in;
		uint32_t at = f->blocks.data[i].at;

		for (bool first = true; r == 0 && is_near(f, at); first = false) {
			const struct code_op *op = code_map_op(f->map, at);

			if (!op)
				return -ENOMEM;
			if ((!first && code_map_is(f->map, at, CODE_LEADER)) ||
			    (!first && is_other_function(f, at)) || op->kind == CODE_OP_BAD)
				break;
			r = fn(arg, at, &s);
			if (code_op_is_end(op) || op->kind == CODE_OP_CALL ||
			    op->kind == CODE_OP_CALL_INDIRECT)
				break;
			stack_state_step(&s, op);
			at += op->len;
		}
	}
	return r;
}
