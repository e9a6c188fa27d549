/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a Push request. */
#ifndef EXPORT_PYROSCOPE_BODY_H
#define EXPORT_PYROSCOPE_BODY_H

#include "export/pyroscope_split.h"

/* A PushRequest of one series, in fresh memory (the caller frees). -ENOMEM. */
int pyroscope_pack(const struct pyroscope_chunk *chunk, uint8_t **ret, size_t *ret_len);

#endif
