/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for bytes in what a file's segments hold. */
#ifndef ELF_ELF_SEARCH_H
#define ELF_ELF_SEARCH_H

#include "elf/elf_file.h"

/*
 * ELF virtual address of the first place in a segment that cannot be written where the string @text
 * stands alone: with a 0 before and behind it. -ENOENT; -ENOMEM. Not more than 64 MiB are looked
 * through.
 */
int elf_search_string(struct elf_file *ef, const char *text, uint64_t *ret_vaddr);

/* Segment number @i of those that can be written, in memory. -ENOENT past the last one. */
struct elf_data_segment {
	uint64_t vaddr, memsz;
};
int elf_search_data_segment(struct elf_file *ef, size_t i, struct elf_data_segment *ret);

#endif
