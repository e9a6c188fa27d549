/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rows_answer.h"

#include <errno.h>
#include <string.h>

#define ERRNO_MAX    4095
#define PAGES_MAX    (INT64_MAX >> UNWIND_PAGE_SHIFT)
#define BAD_FDES_MAX (1ULL << 32) /* a lie about them may not make the counter useless */

#if defined(UNWIND_ARCH_AARCH64)
#define REGS	    UNWIND_A64_REGS
#define EXT_CFA_MAX UNWIND_CFA_GO_CALL
#else
#define REGS	    UNWIND_X86_REGS
#define EXT_CFA_MAX UNWIND_CFA_GO_STACK
#endif

/* The two that the client has a meaning of its own for do not come from reading a file. */
static bool is_error(int32_t error)
{
	return error <= 0 && error >= -ERRNO_MAX && error != -EAGAIN && error != -EREMOTEIO;
}

int rows_opened_decode(const void *payload, size_t len, struct rows_opened *ret)
{
	struct rows_opened o;

	if (len != sizeof(o))
		return -EBADMSG;
	memcpy(&o, payload, sizeof(o));
	if (!is_error(o.error) || o.first_page > PAGES_MAX || o.n_pages > PAGES_MAX ||
	    o.code_off > INT64_MAX || o.bad_fdes > BAD_FDES_MAX)
		return -EBADMSG;
	*ret = o;
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

static bool is_special(uint32_t what)
{
#if defined(UNWIND_ARCH_AARCH64)
	if (what >= UNWIND_PLT && what <= UNWIND_PLT_IBT)
		return false;
#endif
	return what <= UNWIND_UNSUPPORTED;
}

/* Where the bits of a rule leave no room for others, all of them are rules. */
static bool is_rule(uint32_t rule, unsigned n_ext)
{
	switch (rule & 3) {
	case UNWIND_BASE_SPECIAL:
		return is_special(rule >> 2);
	case UNWIND_BASE_EXT:
		return rule >> 2 < n_ext;
	default:
#if defined(UNWIND_ARCH_AARCH64)
		return rule >> (UNWIND_A64_AT_SHIFT + UNWIND_A64_AT_BITS) == 0;
#else
		return true;
#endif
	}
}

static bool is_place(const struct unwind_place *p)
{
	return p->where <= UNWIND_UNKNOWN && p->reg < REGS;
}

static bool is_ext(const struct unwind_ext *ext)
{
	if (ext->cfa > EXT_CFA_MAX || ext->cfa_reg >= REGS || ext->cfa_index > REGS ||
	    (ext->flags & ~(UNWIND_EXT_EXACT | UNWIND_EXT_BY_CODE)) || !is_place(&ext->ra))
		return false;
	for (int i = 0; i < UNWIND_EXT_SAVED_MAX; i++)
		if (!is_place(&ext->saved[i]))
			return false;
	return true;
}

static bool is_page(const struct unwind_page *p)
{
	for (unsigned i = 0; i < p->n_ext; i++)
		if (!is_ext(&p->ext[i]))
			return false;
	for (unsigned i = 0; i < p->n_rows; i++)
		if (p->pc[i] >= UNWIND_PAGE_SIZE || (i > 0 && p->pc[i] <= p->pc[i - 1]) ||
		    !is_rule(p->rule[i], p->n_ext))
			return false;
	return p->pc[0] == 0;
}

/* --- pages ------------------------------------------------------------------------------------ */

static bool is_wanted(const struct rows_answer *a, uint64_t page)
{
	return page >= a->first && page - a->first < ROWS_PAGES_MAX && page >= a->next &&
	       (a->wanted >> (page - a->first) & 1);
}

/* The page at the begin of @payload; its bytes. 0: there is none. */
static size_t decode_page(const unsigned char *payload, size_t len, struct rows_page *ret_head,
			  struct unwind_page *ret)
{
	const unsigned char *pos = payload + sizeof(*ret_head);
	size_t ext, rules, pcs;

	if (len < sizeof(*ret_head))
		return 0;
	memcpy(ret_head, payload, sizeof(*ret_head));
	if (ret_head->n_rows < 1 || ret_head->n_rows > UNWIND_PAGE_ROWS_MAX ||
	    ret_head->n_ext > UNWIND_PAGE_EXT_MAX ||
	    ROWS_PAGE_SIZE(ret_head->n_rows, ret_head->n_ext) > len)
		return 0;
	ext = ret_head->n_ext * sizeof(ret->ext[0]);
	rules = ret_head->n_rows * sizeof(ret->rule[0]);
	pcs = ret_head->n_rows * sizeof(ret->pc[0]);
	ret->n_rows = ret_head->n_rows;
	ret->n_ext = ret_head->n_ext;
	memcpy(ret->ext, pos, ext);
	memcpy(ret->rule, pos + ext, rules);
	memcpy(ret->pc, pos + ext + rules, pcs);
	return ROWS_PAGE_SIZE(ret_head->n_rows, ret_head->n_ext);
}

static int take_page(struct rows_answer *a, const unsigned char *payload, size_t len,
		     size_t *ret_len)
{
	struct unwind_page page;
	struct rows_page head;
	size_t n = decode_page(payload, len, &head, &page);

	if (n == 0 || !is_wanted(a, head.page) || !is_page(&page))
		return -EBADMSG;
	a->next = head.page + 1;
	if (a->fn && a->fn_error == 0)
		a->fn_error = a->fn(a->arg, head.page, &page);
	*ret_len = n;
	return 0;
}

/* At least one: nobody keeps us busy with messages of nothing. */
static int take_pages(struct rows_answer *a, const unsigned char *payload, size_t len)
{
	int r = len ? 0 : -EBADMSG;
	size_t n;

	for (; r == 0 && len; payload += n, len -= n)
		r = take_page(a, payload, len, &n);
	return r;
}

static int take_done(struct rows_answer *a, const void *payload, size_t len)
{
	struct rows_done d;

	if (len != sizeof(d))
		return -EBADMSG;
	memcpy(&d, payload, sizeof(d));
	if (!is_error(d.error) || d.dense_pages > ROWS_PAGES_MAX || d.bad_fdes > BAD_FDES_MAX ||
	    d.unsupported_rows > ROWS_PAGES_MAX * UNWIND_PAGE_ROWS_MAX)
		return -EBADMSG;
	a->end = d;
	a->done = true;
	return 0;
}

int rows_answer_take(struct rows_answer *a, unsigned kind, const void *payload, size_t len)
{
	if (a->done)
		return -EBADMSG;
	switch (kind) {
	case ROWS_PAGES:
		return take_pages(a, payload, len);
	case ROWS_DONE:
		return take_done(a, payload, len);
	default:
		return -EBADMSG;
	}
}
