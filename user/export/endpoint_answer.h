/* SPDX-License-Identifier: Apache-2.0 */
/* What came back of a request to a server, whatever is spoken there, as what is to be done. */
#ifndef EXPORT_ENDPOINT_ANSWER_H
#define EXPORT_ENDPOINT_ANSWER_H

#include "export/delivery_stats.h"
#include "export/endpoint_options.h"
#include "export/http.h"
#include "export/verdict.h"

/*
 * @err is what http_post() returned for @resp; @where the server's URL without credentials, for the
 * message. *ret is read, too: its message stays if there is no other one to be told.
 */
void endpoint_judge(enum endpoint_type type, const char *where, int err,
		    const struct http_response *resp, struct verdict_detail *ret);

/* How the same request is counted. */
enum delivery_outcome endpoint_outcome(int err, const struct http_response *resp,
				       const struct verdict_detail *v);

/*
 * The share of a request's @samples in the profiles of it that the server has dropped: which of
 * them it does not say. Never more than all, whatever number it gives.
 */
uint64_t endpoint_rejected(const struct verdict_detail *v, uint64_t n_profiles, uint64_t samples);

#endif
