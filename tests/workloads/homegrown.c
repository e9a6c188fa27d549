/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of otel_ctx.h over what a company's own framework may have had for years: a
 * thread-local pointer to the request at hand, and no standard. Linked into a program, or opened as
 * libhomegrown.so.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "otel_ctx.h"

struct trace {
	uint32_t flags;
	uint8_t id[16];
};

struct request {
	uint32_t kind;
	char name[20];
	struct trace *trace;
	uint64_t span; /* a number: its digits are those of the id */
};

/* The tests' --tls-var say so, too. */
_Static_assert(offsetof(struct trace, id) == 4, "path");
_Static_assert(offsetof(struct request, kind) == 0, "path");
_Static_assert(offsetof(struct request, name) == 4, "path");
_Static_assert(offsetof(struct request, trace) == 24, "path");
_Static_assert(offsetof(struct request, span) == 32, "path");

/* Two of each: the next request is made up while the last one is at hand. */
struct room {
	struct request request[2];
	struct trace trace[2];
	unsigned int next;
};

/* NULL: none. Only a profiler reads it, which the compiler knows nothing of. */
__attribute__((used)) static __thread struct request *current_request;
/* Of a second framework, which has none. */
__attribute__((used)) static __thread uint64_t *own_tracing;
static __thread struct room *room;

#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

int otel_process_publish(const struct otel_process *p)
{
	(void)p;
	return 0;
}

int otel_thread_init(enum otel_style style)
{
	(void)style;
	room = calloc(1, sizeof(*room));
	return room ? 0 : -ENOMEM;
}

void otel_thread_exit(void)
{
	current_request = NULL;
	COMPILER_BARRIER();
	free(room);
}

void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	unsigned int i = room->next++ & 1;
	struct request *r = &room->request[i];
	uint64_t span;

	name = name ? name : "";
	memcpy(&span, span_id, sizeof(span));
	r->span = be64toh(span);
	r->kind = (uint32_t)strlen(name);
	strncpy(r->name, name, sizeof(r->name) - 1);
	r->trace = &room->trace[i];
	memcpy(r->trace->id, trace_id, sizeof(r->trace->id));
	COMPILER_BARRIER();
	current_request = r;
	COMPILER_BARRIER();
}

void otel_thread_detach(void)
{
	COMPILER_BARRIER();
	current_request = NULL;
	COMPILER_BARRIER();
}

void otel_thread_second(uint8_t index, const char *value)
{
	(void)index;
	(void)value;
}
