/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenTelemetry process context (OTEP 4719): the resource attributes that a process publishes in a
 * mapping called OTEL_CTX. The bytes are foreign. Never logs.
 */
#ifndef CTX_PROCESS_CTX_H
#define CTX_PROCESS_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define PROCESS_CTX_PAYLOAD_MAX 65536

/* Strings are UTF-8 (invalid bytes cut off), NULL where absent or empty. */
struct process_ctx {
	unsigned refs;
	uint64_t published_at_ns; /* of the publisher's clock: only equality means something */
	char *service_name;
	char *service_namespace;
	char *service_instance_id;
	char *service_version;
	char *deployment_environment_name;
	char *sdk_language;
	char *schema_version; /* threadlocal.schema_version */
	/* threadlocal.attribute_key_map: index → name, at most 256; NULL: no valid name there */
	char **key_map;
	size_t n_keys;
};

/* Each holder gives its own reference back, the last one frees. NULL is fine. */
struct process_ctx *process_ctx_ref(struct process_ctx *pc);
void process_ctx_free(struct process_ctx *pc);
DEFINE_CLEANUP(struct process_ctx *, process_ctx_free)

/* Is this pathname column of /proc/PID/maps a process context's? */
bool process_ctx_is_mapping(const char *name);

/*
 * Decodes a payload (protobuf ProcessContext: fields may repeat and merge, the last scalar wins,
 * unknown ones are skipped). -EBADMSG if it is not protobuf, -ENOMEM.
 */
int process_ctx_decode(const void *buf, size_t len, struct process_ctx **ret);

/*
 * Reads the context whose header lies at @addr in process @pid. -EAGAIN: being written right now,
 * try later; -EBADMSG: signature, version, size or payload wrong; -ESRCH, -EFAULT: gone;
 * -EALREADY: still the one with @known_published_at_ns (0: none known).
 */
int process_ctx_read(pid_t pid, uint64_t addr, uint64_t known_published_at_ns,
		     struct process_ctx **ret);

/* What schema_version announces of threads' contexts. */
enum process_ctx_schema {
	PROCESS_CTX_NO_THREADS,
	PROCESS_CTX_NATIVE, /* in thread-local storage (OTEP 4947) */
	PROCESS_CTX_NODEJS, /* in V8's asynchronous contexts */
	PROCESS_CTX_UNKNOWN,
};

enum process_ctx_schema process_ctx_schema_of(const struct process_ctx *pc);

#endif
