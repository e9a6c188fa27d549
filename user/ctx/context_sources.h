/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which thread-local variables a process publishes trace context: looks through its mapped files
 * for those of each mechanism. What a file says is remembered, as most processes map the same ones.
 */
#ifndef CTX_CONTEXT_SOURCES_H
#define CTX_CONTEXT_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "ctx/user_variable.h"
#include "proc/process.h"
#include "shared/proc_info.h"

struct context_files;

int context_files_new(struct context_files **ret);
void context_files_free(struct context_files *f); /* NULL is fine */
DEFINE_CLEANUP(struct context_files *, context_files_free)

/* Nothing of @dso, which is about to go, is remembered. */
void context_files_forget(struct context_files *f, const struct dso *dso);

/*
 * 1: a file of @p has a variable by which OpenTelemetry's threads publish (whether they do, its
 * process context says); 0: none; negative: it cannot be known now, as the process has gone.
 */
int context_files_may_write(struct context_files *f, const struct process *p);

struct context_sources {
	struct ctx_source sources[CTX_SOURCES_MAX]; /* the one to be believed first */
	const struct dso *writers[CTX_SOURCES_MAX]; /* borrowed: whose variables these are */
	size_t n;
	bool is_full;		       /* there are more */
	const struct dso *unsupported; /* has a variable that cannot be read, or NULL */
	enum ctx_format unsupported_format;
	uint64_t elastic_storage; /* address of ELASTIC_STORAGE_SYMBOL, or 0 */
};

/*
 * Adds what @p has of the variables of @format to *@ret. 0, or -ENOMEM. What cannot be found now
 * may be so the next time: a library that is not relocated yet, a file that cannot be opened.
 */
int context_sources_find(struct context_files *f, const struct process *p, enum ctx_format format,
			 struct context_sources *ret);

/* Likewise, of the user's variable @v with this @number. */
int context_sources_find_variable(struct context_files *f, const struct process *p,
				  const struct user_variable *v, unsigned number,
				  struct context_sources *ret);

/* For people: the mechanism, and where it is; borrowed. */
const char *context_format_name(enum ctx_format format);
#define CONTEXT_PLACE_MAX 64
void context_place_print(const struct ctx_source *source, char ret[CONTEXT_PLACE_MAX]);

#endif
