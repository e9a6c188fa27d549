/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of lines of a unit: which line of which file each address comes from. It is run once,
 * and only what is asked for is kept; libdw keeps all of it, sorted, at 60 bytes a line.
 */
#ifndef SYM_LINE_PROGRAM_H
#define SYM_LINE_PROGRAM_H

#include "elf/elf_code.h"
#include "sym/dwarf_unit.h"
#include "sym/unit_index.h"

struct line_file {
	const char *name;
	uint64_t folder;      /* index in folders */
	const char *interned; /* for who asks: its path, once that was made; else NULL */
};

struct line_program {
	const struct debug_image *img;
	const char *comp_dir; /* NULL: not known */
	struct dwarf_format format;
	uint8_t min_length, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *lengths; /* of the standard opcodes, from 1 */
	const uint8_t *pos, *end;
	VEC(const char *) folders;
	VEC(struct line_file) files; /* before version 5 the first one is none */
};

/* Where an address comes from. */
struct line_place {
	uint64_t addr; /* from which on this holds */
	uint32_t file; /* index in files; it may be too high */
	uint32_t line; /* 0: not known */
	bool known;
};

/* The program at @u->lines. -ENODATA: there is none; -EBADMSG: it is broken; -ENOMEM. */
int line_program_open(const struct dwarf_unit *u, struct line_program *ret);
void line_program_clear(struct line_program *p);

/*
 * Runs it: fills places[0..n) for @hits, which are sorted by address. Of sequences that begin
 * outside @code, as the linker threw their functions away, none counts. Broken programs end where
 * they break; and each answer takes of @effort, as a program that goes up and down can answer the
 * same hits again and again: it ends with that. -ENOMEM.
 */
int line_program_run(struct line_program *p, const struct unit_hit *hits, size_t n,
		     const struct elf_code *code, struct dwarf_effort *effort,
		     struct line_place *places);

#define LINE_PATH_MAX 4096

/* The path of a file, from comp_dir on if it is relative. False: there is no such file. */
bool line_program_path(const struct line_program *p, uint64_t file, char ret[LINE_PATH_MAX]);

#endif
