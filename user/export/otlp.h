/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP profiles (v1development, as opentelemetry-proto 1.10 and 1.11 have them): a profile in
 * requests of bounded size, each of which stands alone.
 *
 *   resource   one a process: service.…, process.…, container.id, host.name, systemd.unit
 *              (export/otlp_label.c); scope "spanprof" and its version
 *   profile    samples/count, period_type cpu/nanoseconds. Where times are known, timestamps only;
 *              what was counted without (the list was cut) is in a second profile of the resource,
 *              a value a sample
 *   sample     thread.name, thread.id, labels of the program's own. A trace and a span id make a
 *              Link; one without the other makes none, and is the attribute trace_id or span_id
 *   location   profile.frame.type where it is known
 *   mapping    process.executable.build_id.htlhash of each file, and .gnu or .go where the profile
 *              has a build id
 */
#ifndef EXPORT_OTLP_H
#define EXPORT_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/pprof.h"

/* gRPC servers take 4 MiB unless configured otherwise. */
#define OTLP_REQUEST_MAX (3UL << 20)
/* A profile in Pyroscope, which takes OTLP too, has up to 16,000, and grows on its way in. */
#define OTLP_SAMPLES_MAX 8000

struct otlp_options {
	size_t max_bytes;    /* of a request, not compressed; 0: OTLP_REQUEST_MAX */
	size_t max_samples;  /* of the pprof, in a request; 0: OTLP_SAMPLES_MAX */
	const uint8_t *skip; /* bit i % 8 of byte i / 8: sample i is left out; NULL: none is */
};

struct otlp_chunk {
	const uint8_t *request; /* ExportProfilesServiceRequest; NULL: one sample, too large */
	size_t len;
	uint64_t count;		 /* samples/count */
	const uint32_t *samples; /* which of the pprof */
	size_t n_samples;
	size_t n_profiles; /* in the request: what a partial success counts */
};

/* 0: go on. Negative: ends the split and is its result. */
typedef int (*otlp_chunk_fn)(const struct otlp_chunk *chunk, void *arg);

/*
 * Calls @fn for each chunk; the same chunks each time for the same arguments. A sample whose count
 * is not positive is in none. A sample that is too large with its timestamps goes without.
 * -EINVAL: @p does not count samples/count at a period of cpu/nanoseconds; -ENOMEM.
 */
int otlp_split(const struct pprof *p, const struct otlp_options *opt, otlp_chunk_fn fn, void *arg);

#endif
