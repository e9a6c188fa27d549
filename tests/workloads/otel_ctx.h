/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer of OpenTelemetry process context (OTEP 4719) and thread context (OTEP 4947), as an
 * instrumented runtime has one: what spanprof reads. It is linked into programs or lives in
 * libotelctx.so, whose TLS model the build chooses.
 */
#ifndef WORKLOADS_OTEL_CTX_H
#define WORKLOADS_OTEL_CTX_H

#include <stddef.h>
#include <stdint.h>

#define OTEL_ATTRS_MAX	   612
#define OTEL_HEADER_SIZE   32
#define OTEL_SCHEMA_NATIVE "tlsdesc_v1_dev"

struct otel_record {
	uint8_t trace_id[16]; /* W3C byte order */
	uint8_t span_id[8];
	uint8_t valid;
	uint8_t trace_flags;
	uint16_t attrs_size;
	uint8_t attrs[OTEL_ATTRS_MAX];
} __attribute__((packed));

_Static_assert(offsetof(struct otel_record, attrs) == 28, "OTEP 4947");

/* Both writer styles that the specification allows. */
enum otel_style {
	OTEL_SWAP_POINTER, /* no pointer while there is no span or the record is being written */
	OTEL_FLIP_VALID,   /* pointer always set, the record's valid flag goes 0 and 1 */
};

/* NULL fields are left out. */
struct otel_process {
	const char *service_name;
	const char *service_version;
	const char *service_instance_id;
	const char *deployment_environment_name;
	const char *schema_version; /* OTEL_SCHEMA_NATIVE */
	const char *const *key_map; /* ends with NULL: names of attribute indices */
};

/* The variable that a profiler looks for. NULL: this thread is in no span. */
extern __thread struct otel_record *otel_thread_ctx_v1;

/* Publishes @p, or replaces what was published. 0 or negative errno. */
int otel_process_publish(const struct otel_process *p);

/* Encodes @p as protobuf ProcessContext. -ENOSPC if it is longer than @size. */
int otel_process_encode(const struct otel_process *p, uint8_t *buf, size_t size, size_t *ret_len);

/*
 * Publishes a header with whatever payload pointer, size and time, for tests of readers: nothing
 * is checked. The mapping is returned, for more of the same.
 */
int otel_process_publish_raw(uint64_t payload, uint32_t size, uint64_t time_ns, void **ret);

/* To be called in each thread before the first attach, and at its end. 0 or -ENOMEM. */
int otel_thread_init(enum otel_style style);
void otel_thread_exit(void);

/* The thread enters span @span_id. @name becomes attribute 0 (NULL: none). Never allocates. */
void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name);
void otel_thread_detach(void);

/*
 * Spans that the thread enters from now on have a second attribute: @value (copied, at most
 * 255 bytes), whose key is that of @index in the key map.
 */
void otel_thread_second(uint8_t index, const char *value);

/* The thread's record, attached or not: for those that want to write rubbish into it. */
struct otel_record *otel_thread_record(void);

#endif
