/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an Elastic APM agent says of its process ("universal profiling integration", process
 * storage). The bytes are foreign. Never logs.
 */
#ifndef CTX_ELASTIC_STORAGE_H
#define CTX_ELASTIC_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* Of the agent's native library. */
#define ELASTIC_TLS_SYMBOL     "elastic_apm_profiling_correlation_tls_v1"
#define ELASTIC_STORAGE_SYMBOL "elastic_apm_profiling_correlation_process_storage_v1"

/* Is this the path under which agents unpack it: …/elastic-jvmti-linux-*.so? */
bool elastic_is_library(const char *path);

/* Strings are UTF-8 (invalid bytes cut off), NULL where empty. */
struct elastic_storage {
	char *service_name;
	char *service_environment;
	char *socket_path; /* where the agent listens for a profiler, as the process sees it */
};

void elastic_storage_free(struct elastic_storage *es); /* NULL is fine */
DEFINE_CLEANUP(struct elastic_storage *, elastic_storage_free)

/*
 * Reads the storage whose address lies at @addr of process @pid; it does not change any more.
 * -EAGAIN: there is none yet; -EBADMSG: malformed; -ENOMEM; otherwise what reading the process's
 * memory says.
 */
int elastic_storage_read(pid_t pid, uint64_t addr, struct elastic_storage **ret);

#endif
