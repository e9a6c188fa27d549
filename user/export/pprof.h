/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof profiles (google/pprof proto/profile.proto) on protobuf-c: building, writing and reading.
 * `struct pprof` is the form in which a profile is shown, filtered and shipped: `record` makes one
 * from what was sampled, `report` reads one from a file.
 *
 * Conventions of our profiles, which a reader of foreign ones must not rely on:
 *   sample_type  samples/count, cpu/nanoseconds (values in this order); period_type cpu/nanoseconds
 *   labels       span_id, local_root_span_id (16 hex), trace_id (32 hex), service.name and other
 *                attributes of the resource, process.executable.name, thread.name, those of the
 *                program's own: strings; pid, tid: numbers; timestamp: numbers, as many as samples
 *                were counted, or none
 *   frames       an unresolved one has a function "[file+0x…]"; a stack that does not reach its
 *                entry has "[truncated]" as its outermost frame
 */
#ifndef EXPORT_PPROF_H
#define EXPORT_PPROF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define PPROF_LABEL_SPAN_ID		   "span_id"
#define PPROF_LABEL_TRACE_ID		   "trace_id"
#define PPROF_LABEL_LOCAL_ROOT		   "local_root_span_id"
#define PPROF_LABEL_OVERFLOW		   "spanprof.context.overflow"
#define PPROF_LABEL_SERVICE		   "service.name"
#define PPROF_LABEL_SERVICE_NAMESPACE	   "service.namespace"
#define PPROF_LABEL_SERVICE_INSTANCE_ID	   "service.instance.id"
#define PPROF_LABEL_SERVICE_VERSION	   "service.version"
#define PPROF_LABEL_DEPLOYMENT_ENVIRONMENT "deployment.environment.name"
#define PPROF_LABEL_PROCESS		   "process.executable.name"
#define PPROF_LABEL_THREAD		   "thread.name"
#define PPROF_LABEL_PID			   "pid"
#define PPROF_LABEL_TID			   "tid"
#define PPROF_LABEL_TIMESTAMP		   "timestamp" /* CLOCK_REALTIME; one of each sample */
#define PPROF_UNIT_TIMESTAMP		   "nanoseconds"
#define PPROF_FRAME_TRUNCATED		   "[truncated]"

/* All strings and arrays belong to the struct pprof. Strings are never NULL ("" for absent). */
struct pprof_value_type {
	const char *type;
	const char *unit;
};

struct pprof_mapping {
	uint64_t start, limit, offset;
	const char *filename;
	const char *build_id; /* hex */
	const char *htlhash;  /* hex: elf_file_htlhash() */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct pprof_function {
	const char *name;
	const char *system_name;
	const char *filename;
	int64_t start_line;
};

struct pprof_line {
	const struct pprof_function *function;
	int64_t line;
};

struct pprof_location {
	const struct pprof_mapping *mapping; /* NULL: none */
	uint64_t address;
	const struct pprof_line *lines; /* innermost inlined function first */
	size_t n_lines;
};

struct pprof_label {
	const char *key;
	const char *str; /* NULL: numeric */
	int64_t num;
	const char *num_unit;
};

struct pprof_sample {
	const struct pprof_location **locations; /* innermost (leaf) first */
	size_t n_locations;
	const int64_t *values; /* one per sample type */
	const struct pprof_label *labels;
	size_t n_labels;
};

struct pprof {
	struct pprof_value_type *sample_types;
	size_t n_sample_types;
	struct pprof_sample *samples;
	size_t n_samples;
	struct pprof_mapping **mappings;
	size_t n_mappings;
	struct pprof_location **locations;
	size_t n_locations;
	struct pprof_function **functions;
	size_t n_functions;
	struct pprof_value_type period_type;
	int64_t period;
	int64_t time_nanos; /* CLOCK_REALTIME */
	int64_t duration_nanos;
	const char **comments;
	size_t n_comments;
	size_t default_value; /* index into sample_types of what to show: the last one if not said
			       */
};

struct pprof_builder;

/*
 * Building: everything that is added is copied; mappings, functions, locations and strings that are
 * equal become one (mappings that differ only in has_… flags as well: it gets the flags of both).
 * Samples stay as many as were added, but share equal stacks and label sets. All calls return 0 or
 * -ENOMEM.
 */
int pprof_builder_new(struct pprof_builder **ret);
void pprof_builder_free(struct pprof_builder *b); /* NULL is fine */
DEFINE_CLEANUP(struct pprof_builder *, pprof_builder_free)

int pprof_builder_sample_type(struct pprof_builder *b, const char *type, const char *unit);
int pprof_builder_period(struct pprof_builder *b, const char *type, const char *unit,
			 int64_t period);
int pprof_builder_time(struct pprof_builder *b, int64_t time_nanos, int64_t duration_nanos);
int pprof_builder_comment(struct pprof_builder *b, const char *text);
int pprof_builder_mapping(struct pprof_builder *b, const struct pprof_mapping *m,
			  const struct pprof_mapping **ret);
int pprof_builder_function(struct pprof_builder *b, const struct pprof_function *f,
			   const struct pprof_function **ret);
/* Location's mapping and functions must come from this builder. */
int pprof_builder_location(struct pprof_builder *b, const struct pprof_location *l,
			   const struct pprof_location **ret);
/* Locations must come from this builder; as many values as there are sample types. */
int pprof_builder_sample(struct pprof_builder *b, const struct pprof_sample *s);

/* Hands over the finished profile; the builder is empty and only to be freed afterwards. */
struct pprof *pprof_builder_finish(struct pprof_builder *b);

void pprof_free(struct pprof *p); /* NULL is fine */
DEFINE_CLEANUP(struct pprof *, pprof_free)

/* Samples of @p with the same stack and labels become one, which has the sum of their values. */
int pprof_merge_samples(struct pprof *p); /* 0 or -ENOMEM */

/*
 * Serialized profile in fresh memory (the caller frees), gzip'd if @gzip. String labels of no text
 * are left out: the format cannot tell them from the number 0. Strings become UTF-8, with '?' for
 * each other byte. -ENOMEM.
 */
int pprof_encode(const struct pprof *p, bool gzip, uint8_t **ret, size_t *ret_len);

/*
 * The reverse, of foreign bytes, gzip'd or not. -EBADMSG: neither gzip nor a pprof, cut off, or an
 * index or id leads nowhere; -EFBIG: inflates to more than 1 GiB, or has more than 32 million
 * samples or strings; -ENOMEM: no memory, or the profile would take more than about 2 GiB.
 */
int pprof_decode(const void *buf, size_t len, struct pprof **ret);

/* The label of this key, or NULL. */
const struct pprof_label *pprof_sample_label(const struct pprof_sample *s, const char *key);

#endif
