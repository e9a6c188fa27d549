/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of otel_ctx.h from a library that is opened while the program runs:
 * OTEL_LIBRARY=path, at once, or, with OTEL_LATE=1, by the first thread that wants to be in a span,
 * when others have been started before. Then it says when that was, and waits for OTEL_SETTLE_MS
 * (400), until a profiler has seen it.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "otel_ctx.h"
#include "work.h"

#define SETTLE_MS "400"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct otel_process *process;
static int result;

static struct {
	int (*publish)(const struct otel_process *p);
	int (*init)(enum otel_style style);
	void (*exit)(void);
	void (*attach)(const uint8_t *trace_id, const uint8_t *span_id, const char *name);
	void (*detach)(void);
	void (*second)(uint8_t index, const char *value);
} lib;

static void *find(void *handle, const char *name)
{
	void *ret = dlsym(handle, name);

	if (!ret) {
		fprintf(stderr, "otel_dl: %s\n", dlerror());
		exit(1);
	}
	return ret;
}

static void *open_library(const char *path)
{
	void *ret = path ? dlopen(path, RTLD_NOW) : NULL;

	if (!ret) {
		fprintf(stderr, "otel_dl: %s\n", path ? dlerror() : "OTEL_LIBRARY is not set");
		exit(1);
	}
	return ret;
}

static void settle(void)
{
	const char *ms = getenv("OTEL_SETTLE_MS");

	usleep(1000 * (useconds_t)atoi(ms ? ms : SETTLE_MS));
}

static void load(void)
{
	uint64_t before = clock_ns(CLOCK_MONOTONIC);
	void *handle = open_library(getenv("OTEL_LIBRARY"));

	lib.publish = find(handle, "otel_process_publish");
	lib.init = find(handle, "otel_thread_init");
	lib.exit = find(handle, "otel_thread_exit");
	lib.attach = find(handle, "otel_thread_attach");
	lib.detach = find(handle, "otel_thread_detach");
	lib.second = find(handle, "otel_thread_second");
	result = lib.publish(process);
	if (!getenv("OTEL_LATE"))
		return;
	printf("opened at %" PRIu64 "\n", before);
	settle();
}

int otel_process_publish(const struct otel_process *p)
{
	process = p;
	if (!getenv("OTEL_LATE"))
		pthread_once(&once, load);
	return result;
}

int otel_thread_init(enum otel_style style)
{
	pthread_once(&once, load);
	return result < 0 ? result : lib.init(style);
}

void otel_thread_exit(void)
{
	lib.exit();
}

void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	lib.attach(trace_id, span_id, name);
}

void otel_thread_detach(void)
{
	lib.detach();
}

void otel_thread_second(uint8_t index, const char *value)
{
	lib.second(index, value);
}
