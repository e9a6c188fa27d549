/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded decompression of foreign gzip data. */
#ifndef EXPORT_GUNZIP_H
#define EXPORT_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does it begin like gzip? */
bool gunzip_is(const void *buf, size_t len);

/*
 * All members of @buf, one after the other, in fresh memory (the caller frees). -EBADMSG: damaged
 * or cut off; -EFBIG: more than @max bytes; -ENOMEM.
 */
int gunzip(const void *buf, size_t len, size_t max, uint8_t **ret, size_t *ret_len);

#endif
