/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a library that holds the thread context, works in a span and has the library go away.
 *
 *   hostile-dl --mode dlclose|unmap --library PATH [--cpu-seconds S]
 *
 * dlclose: again and again loaded, used and closed, while a second thread keeps running.
 * unmap:   the library's pages are unmapped under a thread that is in a span.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "args.h"
#include "otel_ctx.h"
#include "work.h"

#define SPAN_STEPS_MS 200

/* The library's functions, as found in it. */
struct writer {
	void *handle;
	int (*publish)(const struct otel_process *);
	int (*init)(enum otel_style);
	void (*exit)(void);
	void (*attach)(const uint8_t *, const uint8_t *, const char *);
	void (*detach)(void);
};

static const uint8_t trace_id[16] = { 0xd1, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
static const uint8_t span_id[8] = { 0xd1, 0x0c, 1, 2, 3, 4, 5, 6 };
static uint64_t budget_ns; /* of CPU time */
static volatile uint64_t sink;

static bool time_is_up(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= budget_ns;
}

static void *symbol(void *handle, const char *name)
{
	void *p = dlsym(handle, name);

	if (!p) {
		fprintf(stderr, "hostile-dl: %s\n", dlerror());
		exit(1);
	}
	return p;
}

static struct writer writer_load(const char *path)
{
	struct writer w = { .handle = dlopen(path, RTLD_NOW) };

	if (!w.handle) {
		fprintf(stderr, "hostile-dl: %s\n", dlerror());
		exit(1);
	}
	w.publish = symbol(w.handle, "otel_process_publish");
	w.init = symbol(w.handle, "otel_thread_init");
	w.exit = symbol(w.handle, "otel_thread_exit");
	w.attach = symbol(w.handle, "otel_thread_attach");
	w.detach = symbol(w.handle, "otel_thread_detach");
	return w;
}

static void writer_start(const struct writer *w)
{
	struct otel_process process = {
		.service_name = "hostile-dl",
		.schema_version = OTEL_SCHEMA_NATIVE,
	};

	if (w->publish(&process) < 0 || w->init(OTEL_SWAP_POINTER) < 0)
		exit(1);
}

WORK_FUNCTION static void inside_span(void)
{
	sink = work_chain(sink, SPAN_STEPS_MS * work_steps_per_ms);
}

WORK_FUNCTION static void after_library_left(void)
{
	sink = work_chain(sink, SPAN_STEPS_MS * work_steps_per_ms);
}

static void mode_dlclose(const char *path)
{
	while (!time_is_up()) {
		struct writer w = writer_load(path);

		writer_start(&w);
		w.attach(trace_id, span_id, "loaded");
		inside_span();
		w.detach();
		w.exit();
		dlclose(w.handle);
		after_library_left();
	}
}

/* From the first to the last page of the library of @info that the program headers name. */
static int unmap_library(struct dl_phdr_info *info, size_t size, void *name)
{
	uintptr_t end = 0;

	(void)size;
	if (!strstr(info->dlpi_name, name))
		return 0;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz > end)
			end = p->p_vaddr + p->p_memsz;
	}
	munmap((void *)info->dlpi_addr, end);
	return 1;
}

/* The context stays attached: the variable lives in static TLS, the record in the heap. */
static void mode_unmap(const char *path)
{
	struct writer w = writer_load(path);

	writer_start(&w);
	w.attach(trace_id, span_id, "loaded");
	inside_span();
	dl_iterate_phdr(unmap_library, (void *)(uintptr_t) "libotelctx.so");
	while (!time_is_up())
		after_library_left();
	_exit(0);
}

WORK_FUNCTION static void bystander_work(void)
{
	sink = work_chain(sink, work_steps_per_ms);
}

static void *bystander_main(void *arg)
{
	(void)arg;
	while (!time_is_up())
		bystander_work();
	return NULL;
}

int main(int argc, char **argv)
{
	const char *mode = arg_string(argv, "mode", "");
	const char *path = arg_string(argv, "library", "");
	pthread_t bystander;

	(void)argc;
	work_calibrate();
	budget_ns = (uint64_t)(arg_number(argv, "cpu-seconds", 3) * 1e9);
	if (pthread_create(&bystander, NULL, bystander_main, NULL) != 0)
		return 1;

	if (strcmp(mode, "dlclose") == 0) {
		mode_dlclose(path);
	} else if (strcmp(mode, "unmap") == 0) {
		mode_unmap(path);
	} else {
		fprintf(stderr, "hostile-dl: --mode is one of: dlclose unmap\n");
		return 2;
	}
	pthread_join(bystander, NULL);
	return 0;
}
