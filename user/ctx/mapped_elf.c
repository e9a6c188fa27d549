/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/mapped_elf.h"

#include <errno.h>

int mapped_elf_open(const struct mapping *m, pid_t pid, struct elf_file **ret)
{
	int fd = dso_open(m->dso, pid, m->start, m->end);

	return fd < 0 ? fd : elf_file_open_fd(fd, ret);
}

int mapped_elf_bias(struct elf_file *ef, const struct mapping *m, uint64_t *ret)
{
	uint64_t vaddr;

	if (elf_file_offset_to_vaddr(ef, m->offset, &vaddr) < 0)
		return -EBADMSG;
	*ret = m->start - vaddr;
	return 0;
}
