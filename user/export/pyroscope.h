/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grafana Pyroscope's Push API: POST /push.v1.PusherService/Push, Connect unary, protobuf. A
 * profile is split by service and to the server's limits; one series a request, as requests are not
 * idempotent. Never logs: what happened is in the result.
 */
#ifndef EXPORT_PYROSCOPE_H
#define EXPORT_PYROSCOPE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "export/pyroscope_split.h"

struct pyroscope_options {
	const char *url; /* http(s)://[user:password@]host[:port][/prefix] */
	/* For a request with all its tries; for all requests together ten times that. */
	unsigned timeout_ms;
	struct pyroscope_keys labels; /* string labels to be kept, besides span_id and trace_id */
	const atomic_int *stop;	      /* not NULL: gives up soon after this becomes non-zero */
};

struct pyroscope_result {
	size_t series;		 /* requests that were taken by the server */
	uint64_t samples_sent;	 /* sum of samples/count in those */
	uint64_t samples_failed; /* sum of samples/count in the others */
	long http_status;	 /* of the first failed request; 0: no answer */
	char message[512]; /* why it failed, with the server's own words; "" if nothing failed */
};

/* -EINVAL, with a message in ret->message, if @url is not one that we can push to. */
int pyroscope_check_url(const char *url, struct pyroscope_result *ret);

/*
 * Sends @p. *ret is always filled. 0: all of it arrived. -EIO: something did not (see *ret);
 * -EINVAL: the URL, or a profile without cpu/nanoseconds; -ENOMEM. Retried within the time limit
 * where that may help: nobody to connect to (a few times), 408, 429, 5xx but for code "unknown". A
 * request that was sent and got no answer is not repeated: it may have been counted. After a
 * failure that the next request would meet as well the rest is not tried.
 */
int pyroscope_push(const struct pyroscope_options *opt, const struct pprof *p,
		   struct pyroscope_result *ret);

#endif
