/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf_image.h"

#define PIECE	   (1u << 20)
#define SEARCH_MAX (64u << 20)
#define TEXT_MAX   256

/* @text with a 0 before and behind it. */
struct needle {
	char bytes[TEXT_MAX + 2];
	size_t len;
};

/* -ENOENT, or where in the segment. Pieces overlap by less than the needle. */
static int search_segment(struct elf_file *ef, const Elf64_Phdr *ph, const struct needle *n,
			  uint8_t *buf, uint64_t *left, uint64_t *ret)
{
	uint64_t size = ph->p_filesz < *left ? ph->p_filesz : *left;

	*left -= size;
	for (uint64_t at = 0; at + n->len <= size; at += PIECE - n->len + 1) {
		size_t len = size - at < PIECE ? size - at : PIECE;
		const uint8_t *found;

		if (elf_image_read(ef, ph->p_offset + at, buf, len) < 0)
			return -ENOENT;
		found = memmem(buf, len, n->bytes, n->len);
		if (!found)
			continue;
		*ret = ph->p_vaddr + at + (found - buf) + 1;
		return 0;
	}
	return -ENOENT;
}

int elf_search_string(struct elf_file *ef, const char *text, uint64_t *ret_vaddr)
{
	CLEANUP(freep) uint8_t *buf = malloc(PIECE);
	struct needle n = { .len = strlen(text) + 2 };
	uint64_t left = SEARCH_MAX;

	if (!buf)
		return -ENOMEM;
	if (n.len > sizeof(n.bytes))
		return -ENOENT;
	memcpy(n.bytes + 1, text, n.len - 2);
	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_W) &&
		    search_segment(ef, ph, &n, buf, &left, ret_vaddr) == 0)
			return 0;
	}
	return -ENOENT;
}

int elf_search_data_segment(struct elf_file *ef, size_t i, struct elf_data_segment *ret)
{
	for (size_t k = 0; k < ef->n_phdrs; k++) {
		const Elf64_Phdr *ph = &ef->phdrs[k];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_W) || i--)
			continue;
		*ret = (struct elf_data_segment){ ph->p_vaddr, ph->p_memsz };
		return 0;
	}
	return -ENOENT;
}
