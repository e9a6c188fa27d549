/* SPDX-License-Identifier: Apache-2.0 */
/* What a BPF map costs. */
#ifndef COLLECT_MAP_MEMORY_H
#define COLLECT_MAP_MEMORY_H

#include <stdint.h>

/* Bytes of kernel memory, as the kernel says in /proc/self/fdinfo; 0: it does not. */
uint64_t map_memory(int fd);

#endif
