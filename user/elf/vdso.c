/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/vdso.h"

#include <elf.h>
#include <errno.h>
#include <sys/auxv.h>

/* The kernel made these headers: they are believed. All parts of the image are mapped as in a file.
 */
static size_t image_size(const Elf64_Ehdr *eh)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((const char *)eh + eh->e_phoff);
	size_t size = eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize;

	for (size_t i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset + ph[i].p_filesz > size)
			size = ph[i].p_offset + ph[i].p_filesz;
	return size;
}

int vdso_open(struct elf_file **ret)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	if (!eh)
		return -ENOENT;
	return elf_file_open_memory(eh, image_size(eh), ret);
}
