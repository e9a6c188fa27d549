/* SPDX-License-Identifier: Apache-2.0 */
/* A sparse file of 64 GiB that says that it is full of whatever a test puts into its headers. */
#ifndef SPARSE_ELF_H
#define SPARSE_ELF_H

#include <elf.h>

#include "elf/elf_file.h"
#include "elf_samples.h"

#define SPARSE_SIZE (64ull << 30)

static inline void sparse_header(const char *name, uint16_t n_segments, uint16_t n_sections)
{
	Elf64_Ehdr eh = { .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof(eh),
			  .e_phoff = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = n_segments,
			  .e_shoff = n_sections ? 4096 : 0,
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = n_sections };

	memcpy(eh.e_ident, "\177ELF\2\1\1", 7);
	sample_write(name, "");
	cr_assert_eq(truncate(sample(name), SPARSE_SIZE), 0);
	patch(name, 0, &eh, sizeof(eh));
}

static inline struct elf_file *sparse_open(const char *name)
{
	int fd = sample_open(name);
	struct elf_file *ef;

	cr_assert_eq(elf_file_open_fd(fd, &ef), 0);
	close(fd);
	return ef;
}

#endif
