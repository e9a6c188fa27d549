/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of debug information of a file, laid out in memory as an ELF file of their own. That
 * is what libdw reads: so compressed sections of all kinds, packages of split units, and sections
 * that are in two files are all the same to it, it has no name of a file to follow, and what is not
 * needed for names takes no memory.
 */
#ifndef ELF_DEBUG_IMAGE_H
#define ELF_DEBUG_IMAGE_H

#include "elf/elf_file.h"

/* Sections that are looked at. Names are without ".dwo" and ".z". */
enum debug_section {
	DEBUG_INFO,
	DEBUG_TYPES,
	DEBUG_ABBREV,
	DEBUG_LINE,
	DEBUG_LINE_STR,
	DEBUG_STR,
	DEBUG_STR_OFFSETS,
	DEBUG_ADDR,
	DEBUG_RANGES,
	DEBUG_RNGLISTS,
	DEBUG_ARANGES,
	DEBUG_CU_INDEX,
	DEBUG_SECTIONS,
};

/*
 * What images may cost. Mapping costs no memory that would count, but a file that is cut short by
 * its owner meanwhile kills who reads it (SIGBUS): it is for processes that may die.
 */
struct debug_budget {
	bool may_map;
	uint64_t left; /* bytes of memory that may still be taken; images give back at their end */
};

struct debug_bytes {
	const uint8_t *data;
	size_t len; /* 0: there is none */
};

struct debug_image {
	struct debug_bytes sections[DEBUG_SECTIONS];
	uint8_t *base;
	size_t len;
	size_t taken; /* of the budget */
	struct debug_budget *budget;
	struct Elf *elf; /* for libdw */
};

/*
 * All debug sections of @ef: those of split units (".dwo") if @split, else the others. It stands on
 * its own, @ef may be closed. -ENODATA: there is no .debug_info; -EFBIG: more than the budget has
 * left; -EBADMSG; -ENOMEM.
 */
int debug_image_open(struct elf_file *ef, bool split, struct debug_budget *budget,
		     struct debug_image **ret);

/* Sections that are parts of other images' sections, which they do not outlive; nothing is copied.
 */
int debug_image_join(const struct debug_bytes parts[DEBUG_SECTIONS], struct debug_image **ret);

void debug_image_close(struct debug_image *img); /* NULL is fine */
DEFINE_CLEANUP(struct debug_image *, debug_image_close)

/* Mapped pages that were read become free; they come back from the file when they are needed. */
void debug_image_forget(struct debug_image *img);

#endif
