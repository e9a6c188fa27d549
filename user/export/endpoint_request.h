/* SPDX-License-Identifier: Apache-2.0 */
/* A profile in requests: those that are still to be sent of it. Inside of endpoint.c. */
#ifndef EXPORT_ENDPOINT_REQUEST_H
#define EXPORT_ENDPOINT_REQUEST_H

#include "export/endpoint_options.h"
#include "export/spool_queue.h"

struct endpoint_request {
	uint8_t *body; /* NULL: one sample, larger than the server takes */
	size_t len;
	uint64_t samples;
	size_t n_pprof_samples;
	uint64_t n_profiles; /* OTLP's: what a partial success counts in */
	unsigned halvings;   /* how often it was too large so far */
	VEC(struct spool_range) ranges;
};

struct endpoint_requests {
	VEC(struct endpoint_request) all; /* the last one is sent first */
};

void endpoint_request_clear(struct endpoint_request *r);
void endpoint_requests_clear(struct endpoint_requests *r);

/*
 * Adds what is not settled yet; of @only (NULL: all of the profile). One profile is decoded at a
 * time, whichever endpoints want one. -EBADMSG: it is no profile that can be sent; -ENOMEM.
 */
int endpoint_requests_make(const struct endpoint_options *opt, const struct spool_entry *entry,
			   const struct spool_range *only, size_t n_only,
			   struct endpoint_requests *ret);

/* The ranges of its first and its second half, to be made again. 0 or -ENOMEM. */
int endpoint_request_halve(const struct endpoint_request *r, struct endpoint_request *ret_first,
			   struct endpoint_request *ret_second);

#endif
