/* SPDX-License-Identifier: Apache-2.0 */
/* One ExportProfilesServiceRequest that grows by a sample at a time. */
#ifndef EXPORT_OTLP_REQUEST_H
#define EXPORT_OTLP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/pprof.h"

struct otlp_request;

/* Of a part of @p, which is borrowed. -ENOMEM. */
int otlp_request_new(const struct pprof *p, struct otlp_request **ret);
void otlp_request_free(struct otlp_request *r); /* NULL is fine */
DEFINE_CLEANUP(struct otlp_request *, otlp_request_free)

/* @s of @p is there @count times, and says when with its timestamps if @times. 0 or -ENOMEM. */
int otlp_request_add(struct otlp_request *r, const struct pprof_sample *s, uint64_t count,
		     bool times);

/* At least as many bytes as the packed request has. */
size_t otlp_request_size(const struct otlp_request *r);

/* How many profiles it has: one or two a resource. */
size_t otlp_request_profiles(const struct otlp_request *r);

/* In fresh memory (the caller frees). 0 or -ENOMEM. */
int otlp_request_pack(struct otlp_request *r, uint8_t **ret, size_t *ret_len);

#endif
