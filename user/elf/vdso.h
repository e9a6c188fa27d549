/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO: code that the kernel maps into every process, the same for all of one ABI. */
#ifndef ELF_VDSO_H
#define ELF_VDSO_H

#include "elf/elf_file.h"

/* The image in our own process. -ENOENT if the kernel gave us none. */
int vdso_open(struct elf_file **ret);

#endif
