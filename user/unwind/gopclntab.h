/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's table of functions (.gopclntab, runtime.pclntab): for each its code, its name, and how far
 * the stack pointer is from where it was on entry at each place (pcsp). Every Go program has it,
 * also a stripped one. Of Go 1.2 and later, with 8-byte pointers. Foreign bytes: every offset is
 * checked, every loop bounded. Layout: $GOROOT/src/debug/gosym, src/runtime/symtab.go.
 */
#ifndef UNWIND_GOPCLNTAB_H
#define UNWIND_GOPCLNTAB_H

#include "unwind/byte_window.h"

enum gopclntab_version {
	GOPCLNTAB_12,  /* Go 1.2 to 1.15 */
	GOPCLNTAB_116, /* 1.16 and 1.17 */
	GOPCLNTAB_118, /* 1.18 and 1.19: addresses are offsets from runtime.text */
	GOPCLNTAB_120,
};

struct gopclntab {
	enum gopclntab_version version;
	uint8_t quantum; /* of code: 1 for x86_64, 4 for aarch64 */
	uint64_t n_funcs;
	uint64_t text;		      /* what entries are relative to; 0 before Go 1.18 */
	uint64_t names, pctab, funcs; /* offsets in the table */
	struct byte_window window;
};

#define GOPCLNTAB_HEADER 72 /* bytes that gopclntab_open() looks at, at most */

/*
 * Reads the header at the source's first byte. @src is borrowed. t->text is what the header says:
 * 0 from Go 1.26 on, and in files to be relocated. -EBADMSG: there is no such table; -EIO.
 */
int gopclntab_open(const struct byte_source *src, struct gopclntab *t);

/* FuncFlag of $GOROOT/src/internal/abi/symtab.go; none is set before Go 1.17. */
enum gofunc_flag {
	GOFUNC_TOP_FRAME = 1, /* outermost */
	GOFUNC_SP_WRITE = 2,  /* sets the stack pointer to something that pcsp does not tell */
};

struct gofunc {
	uint64_t start, end; /* ELF virtual addresses; end: where the next function starts */
	uint64_t at;	     /* offset in the table, of its struct _func */
	uint32_t name;	     /* offset among the names */
	uint32_t pcsp;	     /* offset in pctab; 0: there is none */
	uint8_t flags;	     /* enum gofunc_flag */
};

/* Function number @i. -ENOENT past the last one, -EBADMSG, -EIO. */
int gopclntab_func(struct gopclntab *t, uint64_t i, struct gofunc *ret);
/* The last function that starts at or before @vaddr: -ENOENT if there is none. */
int gopclntab_find(struct gopclntab *t, uint64_t vaddr, uint64_t *ret);

#define GOFUNC_NAME_MAX 64 /* longer ones are cut */

int gopclntab_name(struct gopclntab *t, const struct gofunc *f, char ret[GOFUNC_NAME_MAX]);

/* The places of a function, in order: value holds in [from, to). */
struct gopcsp {
	uint64_t from, to; /* ELF virtual addresses */
	int64_t value;	   /* bytes pushed since entry */
	uint64_t next;	   /* offset of what follows in the table */
	uint64_t start;
};

void gopcsp_begin(const struct gopclntab *t, const struct gofunc *f, struct gopcsp *ret);
/* 1, or 0 at the end, or -EBADMSG, -EIO. */
int gopcsp_next(struct gopclntab *t, struct gopcsp *s);

#endif
