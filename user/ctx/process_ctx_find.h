/* SPDX-License-Identifier: Apache-2.0 */
/* Which mappings of a process may hold its process context. */
#ifndef CTX_PROCESS_CTX_FIND_H
#define CTX_PROCESS_CTX_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/maps.h"

/* Has it the name of a process context, and is it not executable? */
bool process_ctx_is_candidate(const struct map_entry *e);

/*
 * Addresses of the candidates in @len bytes of /proc/PID/maps, at most @max of them, in order. The
 * first that process_ctx_read() accepts is the context. Returns how many were written.
 */
size_t process_ctx_find(const char *maps, size_t len, uint64_t *ret, size_t max);

#endif
