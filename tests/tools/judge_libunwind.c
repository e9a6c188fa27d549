/* SPDX-License-Identifier: Apache-2.0 */
#include "judge_libunwind.h"

#include <errno.h>
#include <libunwind-ptrace.h>
#include <stdio.h>

static void walk(unw_cursor_t *cursor, struct chain *c)
{
	bool exact = true;
	int r;

	c->n = 0;
	for (;;) {
		unw_word_t pc;

		if (unw_get_reg(cursor, UNW_REG_IP, &pc) < 0)
			break;
		/* Its mark of the end: the outermost frame's caller is at 0. */
		if (pc == 0)
			break;
		c->frames[c->n++] = pc | (exact ? FRAME_EXACT : 0);
		if (c->n == CHAIN_MAX) {
			c->end = CHAIN_FULL;
			return;
		}
		exact = unw_is_signal_frame(cursor) > 0;
		r = unw_step(cursor);
		if (r < 0)
			snprintf(c->why, sizeof(c->why), "%s", unw_strerror(r));
		c->end = r < 0 ? CHAIN_FAILED : CHAIN_OUTERMOST;
		if (r <= 0)
			return;
	}
	c->end = CHAIN_OUTERMOST;
}

int judge_libunwind_walk(const struct stop *s, struct chain *ret)
{
	unw_addr_space_t space = unw_create_addr_space(&_UPT_accessors, 0);
	void *upt = _UPT_create(s->tid);
	unw_cursor_t cursor;
	int r = -EIO;

	ret->n = 0;
	ret->why[0] = '\0';
	if (space && upt && unw_init_remote(&cursor, space, upt) == 0) {
		walk(&cursor, ret);
		r = ret->n ? 0 : -ENODATA;
	}
	if (upt)
		_UPT_destroy(upt);
	if (space)
		unw_destroy_addr_space(space);
	return r;
}
