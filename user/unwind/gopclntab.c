/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/gopclntab.h"

#include <string.h>

#include "base/load.h"

#define MAGIC_12  0xfffffffbu
#define MAGIC_116 0xfffffffau
#define MAGIC_118 0xfffffff0u
#define MAGIC_120 0xfffffff1u

#define POINTER 8

/* Bytes of a struct _func that are looked at: up to its flags. */
#define FUNC_HEAD 44

#define VARINT32_MAX 5 /* bytes */

/* --- header ----------------------------------------------------------------------------------- */

static int version_of(uint32_t magic, enum gopclntab_version *ret)
{
	switch (magic) {
	case MAGIC_12:
		*ret = GOPCLNTAB_12;
		return 0;
	case MAGIC_116:
		*ret = GOPCLNTAB_116;
		return 0;
	case MAGIC_118:
		*ret = GOPCLNTAB_118;
		return 0;
	case MAGIC_120:
		*ret = GOPCLNTAB_120;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* An entry of the table of functions: where one starts, and where its struct _func is. */
static size_t entry_size(const struct gopclntab *t)
{
	return t->version >= GOPCLNTAB_118 ? 8 : 16;
}

/* The words behind the first 8 bytes. */
static void read_layout(struct gopclntab *t, const uint8_t *words)
{
	t->n_funcs = load_u64(words);
	t->text = 0;
	switch (t->version) {
	case GOPCLNTAB_12:
		t->names = t->pctab = 0;
		t->funcs = 8 + POINTER;
		break;
	case GOPCLNTAB_116:
		t->names = load_u64(words + 2 * POINTER);
		t->pctab = load_u64(words + 5 * POINTER);
		t->funcs = load_u64(words + 6 * POINTER);
		break;
	default:
		t->text = load_u64(words + 2 * POINTER);
		t->names = load_u64(words + 3 * POINTER);
		t->pctab = load_u64(words + 6 * POINTER);
		t->funcs = load_u64(words + 7 * POINTER);
		break;
	}
}

/* The table of functions is inside, with the end of the last one. */
static bool layout_fits(const struct gopclntab *t, uint64_t size)
{
	if (t->names >= size || t->pctab >= size || t->funcs >= size)
		return false;
	return t->n_funcs > 0 && t->n_funcs < (size - t->funcs) / entry_size(t);
}

int gopclntab_open(const struct byte_source *src, struct gopclntab *t)
{
	const uint8_t *head;
	int r;

	byte_window_init(&t->window, src);
	r = byte_window_get(&t->window, 0, GOPCLNTAB_HEADER, &head);
	if (r < 0)
		return r;
	r = version_of(load_u32(head), &t->version);
	if (r < 0)
		return r;
	t->quantum = head[6];
	if (head[4] || head[5] || (t->quantum != 1 && t->quantum != 4) || head[7] != POINTER)
		return -EBADMSG;
	read_layout(t, head + 8);
	return layout_fits(t, src->span.size) ? 0 : -EBADMSG;
}

/* --- functions -------------------------------------------------------------------------------- */

/* Entry @i; that behind the last one has only a start. */
static int read_entry(struct gopclntab *t, uint64_t i, uint64_t *ret_start, uint64_t *ret_func)
{
	const uint8_t *e;
	int r = byte_window_get(&t->window, t->funcs + i * entry_size(t), entry_size(t) / 2, &e);

	if (r < 0)
		return r;
	*ret_start = t->version >= GOPCLNTAB_118 ? t->text + load_u32(e) : load_u64(e);
	if (!ret_func)
		return 0;
	r = byte_window_get(&t->window, t->funcs + i * entry_size(t), entry_size(t), &e);
	if (r < 0)
		return r;
	*ret_func = t->version >= GOPCLNTAB_118 ? load_u32(e + 4) : load_u64(e + 8);
	return 0;
}

/* Go 1.18 made the first field 4 bytes of 8, 1.16 put one before the flags, 1.20 another. */
static void read_func(const struct gopclntab *t, const uint8_t *p, struct gofunc *f)
{
	size_t first = t->version >= GOPCLNTAB_118 ? 4 : 8;

	f->name = load_u32(p + first);
	f->pcsp = load_u32(p + first + 12);
	f->flags = 0;
	if (t->version == GOPCLNTAB_118)
		f->flags = p[37];
	else if (t->version != GOPCLNTAB_12)
		f->flags = p[41];
}

int gopclntab_func(struct gopclntab *t, uint64_t i, struct gofunc *ret)
{
	uint64_t base = t->version == GOPCLNTAB_12 ? 0 : t->funcs;
	struct gofunc f;
	const uint8_t *p;
	uint64_t off;
	int r;

	if (i >= t->n_funcs)
		return -ENOENT;
	r = read_entry(t, i, &f.start, &off);
	if (r == 0)
		r = read_entry(t, i + 1, &f.end, NULL);
	if (r < 0)
		return r;
	if (off > t->window.src->span.size)
		return -EBADMSG;
	r = byte_window_get(&t->window, base + off, FUNC_HEAD, &p);
	if (r < 0)
		return r;
	read_func(t, p, &f);
	f.at = base + off;
	*ret = f;
	return 0;
}

int gopclntab_find(struct gopclntab *t, uint64_t vaddr, uint64_t *ret)
{
	uint64_t lo = 0, hi = t->n_funcs, start;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		int r = read_entry(t, mid, &start, NULL);

		if (r < 0)
			return r;
		if (start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return -ENOENT;
	*ret = lo - 1;
	return 0;
}

int gopclntab_name(struct gopclntab *t, const struct gofunc *f, char ret[GOFUNC_NAME_MAX])
{
	const uint8_t *p;
	size_t len;
	int r = byte_window_peek(&t->window, t->names + f->name, &p, &len);

	if (r < 0)
		return r;
	if (len > GOFUNC_NAME_MAX - 1)
		len = GOFUNC_NAME_MAX - 1;
	memcpy(ret, p, len);
	ret[len] = '\0';
	return 0;
}

/* --- pcsp ------------------------------------------------------------------------------------- */

void gopcsp_begin(const struct gopclntab *t, const struct gofunc *f, struct gopcsp *ret)
{
	*ret = (struct gopcsp){ .from = f->start, .to = f->start, .value = -1, .start = f->start };
	/* The last value: none follows. */
	ret->next = f->pcsp ? t->pctab + f->pcsp : UINT64_MAX;
}

static int read_varint(struct gopclntab *t, uint64_t *off, uint32_t *ret)
{
	const uint8_t *p;
	uint32_t v = 0;
	size_t len;
	int r = byte_window_peek(&t->window, *off, &p, &len);

	if (r < 0)
		return r;
	for (size_t i = 0; i < len && i < VARINT32_MAX; i++) {
		v |= (uint32_t)(p[i] & 0x7f) << 7 * i;
		if (!(p[i] & 0x80)) {
			*off += i + 1;
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

/* A change of the value, zigzag; 0 ends the function unless it is the first. Then bytes of code. */
int gopcsp_next(struct gopclntab *t, struct gopcsp *s)
{
	uint32_t delta, step;
	int r;

	if (s->next == UINT64_MAX)
		return 0;
	r = read_varint(t, &s->next, &delta);
	if (r < 0)
		return r;
	if (delta == 0 && s->to != s->start) {
		s->next = UINT64_MAX;
		return 0;
	}
	r = read_varint(t, &s->next, &step);
	if (r < 0)
		return r;
	/* Without a step the end would not be told from a first value: zeros would go on for ever.
	 */
	if (step == 0 || (uint64_t)step * t->quantum > UINT64_MAX - s->to)
		return -EBADMSG;
	s->value += (int32_t)(delta >> 1 ^ -(delta & 1));
	s->from = s->to;
	s->to += (uint64_t)step * t->quantum;
	return 1;
}
