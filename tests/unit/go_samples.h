/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of Go functions made by hand, of each version, and the code that they are of. */
#ifndef GO_SAMPLES_H
#define GO_SAMPLES_H

#include <string.h>

#include "unwind/gopclntab.h"

#define GO_TEXT	     0x401000
#define GO_TABLE_MAX 4096

struct go_sample_func {
	const char *name;
	uint64_t start; /* from GO_TEXT on */
	uint8_t flags;
	const char *pcsp; /* as it is in the table */
	size_t pcsp_len;
};

#define GO_FUNC(n, s, f, p)                                                                        \
	{                                                                                          \
		.name = n, .start = s, .flags = f, .pcsp = p, .pcsp_len = sizeof(p)                \
	}

struct go_sample {
	uint8_t bytes[GO_TABLE_MAX];
	size_t len;
	struct byte_source source;
};

static inline void go_put(struct go_sample *t, size_t at, uint64_t value, size_t size)
{
	memcpy(t->bytes + at, &value, size);
	if (at + size > t->len)
		t->len = at + size;
}

/* A struct _func at @at of a table whose names and values begin at @names and @pctab. */
static inline void go_put_func(struct go_sample *t, enum gopclntab_version v, size_t at,
			       const struct go_sample_func *f, size_t name, size_t pcsp)
{
	size_t first = v >= GOPCLNTAB_118 ? 4 : 8;

	go_put(t, at, v >= GOPCLNTAB_118 ? f->start : GO_TEXT + f->start, first);
	go_put(t, at + first, name, 4);
	go_put(t, at + first + 12, pcsp, 4);
	go_put(t, at + (v == GOPCLNTAB_118 ? 37 : 41), v == GOPCLNTAB_12 ? 0 : f->flags, 1);
	go_put(t, at + 47, 0, 1);
}

/*
 * The header, then from 128 on names, from 1024 on values, from 2048 on functions; before Go 1.16
 * functions follow the header. @end is where the last function ends.
 */
static inline void go_sample_make(struct go_sample *t, enum gopclntab_version v, uint8_t quantum,
				  const struct go_sample_func *f, size_t n, uint64_t end)
{
	static const uint32_t magic[] = { 0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	bool is_old = v == GOPCLNTAB_12;
	size_t base[] = { is_old ? 600 : 128, 1024, is_old ? 16 : 2048 },
	       word = v >= GOPCLNTAB_118 ? 3 : 2;
	size_t entry = v >= GOPCLNTAB_118 ? 4 : 8, name = base[0], pcsp = base[1] + 1;

	memset(t, 0, sizeof(*t));
	go_put(t, 0, magic[v], 4);
	go_put(t, 6, quantum, 1);
	go_put(t, 7, 8, 1);
	go_put(t, 8, n, 8);
	for (size_t i = 0; !is_old && i < 5; i++)
		go_put(t, 8 + 8 * (word + i), base[i < 3 ? 0 : i - 2], 8);
	for (size_t i = 0; i < n; i++) {
		size_t at = 3000 + 64 * i, origin = is_old ? 0 : base[2];

		go_put(t, base[2] + 2 * entry * i,
		       v >= GOPCLNTAB_118 ? f[i].start : GO_TEXT + f[i].start, entry);
		go_put(t, base[2] + 2 * entry * i + entry, at - origin, entry);
		go_put_func(t, v, at, &f[i], name - (is_old ? 0 : base[0]),
			    pcsp - (is_old ? 0 : base[1]));
		memcpy(t->bytes + name, f[i].name, strlen(f[i].name));
		memcpy(t->bytes + pcsp, f[i].pcsp, f[i].pcsp_len);
		name += strlen(f[i].name) + 1;
		pcsp += f[i].pcsp_len;
	}
	go_put(t, base[2] + 2 * entry * n, v >= GOPCLNTAB_118 ? end : GO_TEXT + end, entry);
	t->source = (struct byte_source){ .mem = t->bytes, .span = { .size = t->len } };
}

#endif
