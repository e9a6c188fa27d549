/* SPDX-License-Identifier: Apache-2.0 */
/* How an ELF file refers to others that hold its debug information, and whether one is the right
 * one. */
#ifndef ELF_DEBUG_LINK_H
#define ELF_DEBUG_LINK_H

#include <limits.h>

#include "elf/elf_image.h"

/* .gnu_debuglink */
struct debug_link {
	char name[NAME_MAX + 1]; /* of a file, without a folder */
	uint32_t crc;
};

/* -ENOENT if there is none. */
int debug_link_read(struct elf_file *ef, struct debug_link *ret);

/*
 * Is @debug what was stripped from @ef? They have the same build id, or, if one of them has none,
 * @link (NULL: no link) has the checksum of @debug.
 */
bool debug_link_fits(struct elf_file *ef, struct elf_file *debug, const struct debug_link *link);

/* .gnu_debugaltlink, or DWARF 5's .debug_sup: what several files have in common, as dwz makes. */
struct alt_link {
	char name[PATH_MAX];
	uint8_t id[ELF_BUILD_ID_MAX];
	size_t id_len;
};

int alt_link_read(struct elf_file *ef, struct alt_link *ret); /* -ENOENT */
bool alt_link_fits(const struct alt_link *link, struct elf_file *alt);

/* Has the file anything to tell: a symbol table, or DWARF? */
bool debug_file_is_useful(struct elf_file *ef);
bool debug_file_has_dwarf(struct elf_file *ef);

/*
 * The file of .gnu_debugdata: symbols of functions that .dynsym does not have. *ret_mem backs the
 * result and is freed after it. -ENOENT: there is none; -EFBIG; -EBADMSG.
 */
int mini_debug_open(struct elf_file *ef, uint8_t **ret_mem, struct elf_file **ret);

#endif
