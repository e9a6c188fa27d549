/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a profile into what Pyroscope takes in one request each. */
#ifndef EXPORT_PYROSCOPE_SPLIT_H
#define EXPORT_PYROSCOPE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "export/pprof.h"

/*
 * Below the server's defaults. The uncompressed profile may be 4 MiB there, but more than the burst
 * of the ingestion rate, 2 MB, is refused with 429 however often it is sent.
 */
#define PYROSCOPE_PROFILE_MAX (3UL << 19) /* 1.5 MiB, uncompressed */
#define PYROSCOPE_SAMPLES_MAX 16000
#define PYROSCOPE_DEPTH_MAX   1000
#define PYROSCOPE_STRING_MAX  65535
#define PYROSCOPE_LABEL_MAX   2048 /* value of a series label */

struct pyroscope_chunk {
	const char *service;  /* valid UTF-8, at most PYROSCOPE_LABEL_MAX bytes */
	const uint8_t *pprof; /* gzip'd; NULL: a single sample that is too large to be sent */
	size_t len;
	uint64_t count;		 /* samples/count */
	const uint32_t *samples; /* which of the profile */
	size_t n_samples;
};

/* A negative return ends the split and is its result. */
typedef int (*pyroscope_chunk_fn)(const struct pyroscope_chunk *chunk, void *arg);

/*
 * Calls @fn for each chunk, services in the order of their names. A chunk's profile has the one
 * sample type cpu/nanoseconds: a second would make a second series of each profile, and the count
 * is nanoseconds / period. Of the labels it keeps span_id and trace_id where they are well formed,
 * pid and tid, and the string labels of @keys, each value of which makes another series; their
 * names become such as the server takes ("http.route": http_route). Samples that are equal then are
 * merged. -EINVAL: @p counts no cpu/nanoseconds; -ENOMEM.
 */
struct pyroscope_keys {
	const char *const *keys;
	size_t n; /* up to PYROSCOPE_KEYS_MAX */
};
#define PYROSCOPE_KEYS_MAX 16 /* the server takes 30 labels in all */
int pyroscope_split(const struct pprof *p, const struct pyroscope_keys *keys, pyroscope_chunk_fn fn,
		    void *arg);

/* Sum of samples/count, which is the number of samples in a profile without that type. */
uint64_t pyroscope_count(const struct pprof *p);

#endif
