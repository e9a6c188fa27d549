/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF file behind a mapping of a process, and where in the process it is loaded. */
#ifndef CTX_MAPPED_ELF_H
#define CTX_MAPPED_ELF_H

#include <stdint.h>

#include "elf/elf_file.h"
#include "proc/process.h"

/* What dso_open() or elf_file_open_fd() says. */
int mapped_elf_open(const struct mapping *m, pid_t pid, struct elf_file **ret);

/* Address - ELF virtual address, of @ef at @m. -EBADMSG: no segment of it is mapped there. */
int mapped_elf_bias(struct elf_file *ef, const struct mapping *m, uint64_t *ret);

#endif
