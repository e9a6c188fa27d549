/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sampled, counted: samples that agree in process, thread, stack and trace context are
 * one. Two that differ in the span id only stay two. Everything is interned and lives as long as
 * the profile.
 */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "proc/process.h"
#include "shared/record.h"

/* A place in a file: that of the instruction itself, so for a caller its return address - 1. */
struct profile_frame {
	const struct dso *dso;
	uint64_t offset; /* as its dso's kind says */
	uint32_t code;	 /* DSO_ANON: which code was there, as jit_code_at() says; else 0 */
};

uint64_t profile_frame_hash(uint64_t seed, const struct profile_frame *f);
bool profile_frame_eq(const struct profile_frame *a, const struct profile_frame *b);

/* Does the user part of a stack reach the outermost frame? */
enum profile_stack_end {
	PROFILE_STACK_WHOLE,
	PROFILE_STACK_MAYBE_WHOLE, /* if its last frame is where a program or thread begins */
	PROFILE_STACK_TRUNCATED,
};

struct profile_stack {
	uint64_t hash;
	uint32_t n;
	enum profile_stack_end end;
	bool kernel_cut;	       /* the kernel part was deeper than the limit */
	uint32_t n_kernel;	       /* the first of the frames */
	struct profile_frame frames[]; /* innermost first */
};

/*
 * Attributes of the resource that a process is part of: X(id, key). Keys are OpenTelemetry's, which
 * has none for a unit of systemd.
 */
#define PROFILE_ATTRIBUTES(X)                                                                      \
	X(SERVICE_NAME, "service.name")                                                            \
	X(SERVICE_NAMESPACE, "service.namespace")                                                  \
	X(SERVICE_INSTANCE_ID, "service.instance.id")                                              \
	X(SERVICE_VERSION, "service.version")                                                      \
	X(DEPLOYMENT_ENVIRONMENT_NAME, "deployment.environment.name")                              \
	X(CONTAINER_ID, "container.id")                                                            \
	X(CONTAINER_NAME, "container.name")                                                        \
	X(CONTAINER_RUNTIME_NAME, "container.runtime.name")                                        \
	X(K8S_NAMESPACE_NAME, "k8s.namespace.name")                                                \
	X(K8S_POD_NAME, "k8s.pod.name")                                                            \
	X(K8S_POD_UID, "k8s.pod.uid")                                                              \
	X(K8S_CONTAINER_NAME, "k8s.container.name")                                                \
	X(K8S_NODE_NAME, "k8s.node.name")                                                          \
	X(SYSTEMD_UNIT, "systemd.unit")                                                            \
	X(EXECUTABLE_PATH, "process.executable.path")                                              \
	X(HOST_NAME, "host.name")

#define PROFILE_ATTRIBUTE_ID_(id, key) PROFILE_##id,
enum profile_resource { PROFILE_ATTRIBUTES(PROFILE_ATTRIBUTE_ID_) PROFILE_RESOURCES };
#undef PROFILE_ATTRIBUTE_ID_

const char *profile_resource_key(enum profile_resource which);

/* The names are those at the last sample: a service is known only when its context was found. */
struct profile_process {
	uint64_t id; /* struct process.id */
	pid_t pid;
	/* Clean text (base/clean_text.h), the profile's own; equal ones are one; NULL: not known.
	 */
	const char *name;
	const char *resource[PROFILE_RESOURCES];
};

/* Different names and attributes of processes that are told apart. */
#define PROFILE_VALUES_MAX     16384
#define PROFILE_VALUE_OVERFLOW "[other]"

struct profile_label {
	const char *key, *value;
};

/* What a thread worked for. Ids of zeroes are not known. */
struct profile_context {
	uint8_t trace_id[TRACE_ID_LEN];
	uint8_t span_id[SPAN_ID_LEN];
	uint8_t local_root_id[SPAN_ID_LEN];
	bool overflow; /* there were too many to tell them apart: stands for all others */
	size_t n_labels;
	const struct profile_label *labels;
};

struct profile_sample {
	const struct profile_process *process;
	const struct profile_stack *stack;
	const struct profile_context *context; /* NULL: none */
	pid_t tid;
	char thread[COMM_LEN];
	uint64_t count;
	VEC(uint64_t) times; /* CLOCK_REALTIME, ns; with profile.keep_times that of each */
};

struct profile {
	struct hashmap samples, stacks, processes, contexts;
	struct arena context_memory;
	size_t contexts_max;
	struct hashmap values; /* names and attributes of processes */
	struct arena value_memory;
	uint64_t values_left_out; /* times that there were too many of these */
	uint64_t n_samples;	  /* sum of counts */
	uint64_t period_ns;	  /* of CPU time that one sample stands for */
	uint64_t start_realtime_ns;
	uint64_t duration_ns;
	bool keep_times;
	int64_t clock_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

/* A stack to be interned. */
struct profile_stack_key {
	const struct profile_frame *frames;
	uint32_t n, n_kernel;
	enum profile_stack_end end;
	bool kernel_cut;
};

int profile_new(struct profile **ret);
void profile_free(struct profile *p); /* NULL is fine */
DEFINE_CLEANUP(struct profile *, profile_free)

/*
 * @p's entry for this process; @resource[PROFILE_RESOURCES] may have NULLs, which change nothing.
 * Beyond PROFILE_VALUES_MAX different texts in all, a new name is PROFILE_VALUE_OVERFLOW, and a new
 * attribute left out. -ENOMEM.
 */
int profile_get_process(struct profile *p, const struct process *process,
			const char *const *resource, const struct profile_process **ret);

/* Bounds how much memory, and how many series of a server, labels can take. */
#define PROFILE_CONTEXTS_DEFAULT 20000

/*
 * @p's entry for a context equal to @key, of which nothing is kept. Only @p->contexts_max different
 * ones are told apart; of as many that come later only the ids are, and all further ones become one
 * that is marked as overflow. -ENOMEM.
 */
int profile_get_context(struct profile *p, const struct profile_context *key,
			const struct profile_context **ret);

int profile_get_stack(struct profile *p, const struct profile_stack_key *key,
		      const struct profile_stack **ret);

/*
 * Counts one sample, taken at @time_ns (CLOCK_MONOTONIC), that agrees with @s, whose process, stack
 * and context are @p's. -ENOMEM.
 */
int profile_add(struct profile *p, const struct profile_sample *s, uint64_t time_ns);

/*
 * The files of @p's frames, each once, as they are open now: for whoever names them while sampling
 * goes on, and opens others.
 */
struct profile_file {
	const struct dso *dso;
	int fd;	   /* the dso's; -1: not open */
	int error; /* why it is not; 0: it was not tried */
	int root;  /* dso_root() */
};
struct profile_files {
	VEC(struct profile_file) list; /* ordered by dso */
};
int profile_files_collect(const struct profile *p, struct profile_files *ret); /* -ENOMEM */
void profile_files_clear(struct profile_files *files);

/* NULL: @p has no frame in it. */
const struct profile_file *profile_files_find(const struct profile_files *files,
					      const struct dso *dso);

#endif
