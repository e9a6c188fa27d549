/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_process.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctx/context_sources.h"
#include "ctx/context_tracker.h"
#include "elf/debug_file.h"
#include "elf/elf_facts.h"
#include "proc/maps.h"
#include "proc/process.h"
#include "unwind/unwind_table.h"

#define MAPS_MAX (64u << 20)

static const char *remedy_of(int err)
{
	if (err == -ESRCH)
		return "there is no such process";
	if (geteuid() == 0)
		return "needs CAP_SYS_PTRACE, in the user namespace of the process too";
	return "run as root";
}

/* --- files ------------------------------------------------------------------------------------ */

static bool has_debug_symbols(struct elf_file *ef, const char *path)
{
	CLEANUP(elf_file_closep) struct elf_file *debug = NULL;

	return debug_file_open(ef, path, &debug) == 0;
}

static void report_symbols(struct elf_file *ef, const struct dso *dso,
			   const struct elf_facts *facts, enum finding_state *worst)
{
	struct finding f = { .what = dso->path };

	if (facts->symtab) {
		f.follows = "names from .symtab";
	} else if (has_debug_symbols(ef, dso->path)) {
		f.follows = "names from its separate debug file";
	} else if (facts->debug_info) {
		f.follows = "names from DWARF";
	} else if (facts->dynsym) {
		f.state = FINDING_NO;
		f.follows = "stripped: exported functions only, the others are [file+0x…]";
		f.remedy = "install its debug symbols";
	} else {
		f.state = FINDING_NO;
		f.follows = "stripped: no names, only [file+0x…]";
		f.remedy = "install its debug symbols";
	}
	finding_print(&f, worst);
}

/* What the table is made from matters to nobody, whether there is one does. */
static void report_unwinding(struct elf_file *ef, const struct dso *dso, enum finding_state *worst)
{
	CLEANUP(unwind_table_closep) struct unwind_table *table = NULL;
	char what[512];
	struct finding f = { .what = what };

	snprintf(what, sizeof(what), "%s: unwind tables", dso->path);
	if (unwind_table_open(ef, &table) == 0) {
		f.follows = "whole stacks, whatever it was built with";
	} else {
		f.state = FINDING_NO;
		f.follows = "stacks through it depend on frame pointers (counted as "
			    "frames_by_fallback)";
		f.remedy = "build it with -fasynchronous-unwind-tables";
	}
	finding_print(&f, worst);
}

static void report_file(pid_t pid, const struct mapping *m, enum finding_state *worst)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_facts facts;
	int fd = dso_open(m->dso, pid, m->start, m->end);
	int r = fd < 0 ? fd : elf_file_open_fd(fd, &ef);

	if (r < 0) {
		finding_print(&(struct finding){ m->dso->path, FINDING_NO,
						 "cannot be read: no names", strerror(-r) },
			      worst);
		return;
	}
	elf_facts_read(ef, &facts);
	report_symbols(ef, m->dso, &facts, worst);
	report_unwinding(ef, m->dso, worst);
}

static bool is_first_of_its_file(const struct process *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->maps.data[k].dso == p->maps.data[i].dso)
			return false;
	return true;
}

static void report_files(const struct process *p, enum finding_state *worst)
{
	size_t n_anon = 0;

	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		n_anon += m->dso->kind == DSO_ANON && strcmp(m->dso->path, "//anon") == 0;
		if (m->dso->kind == DSO_FILE && is_first_of_its_file(p, i))
			report_file(p->pid, m, worst);
	}
	if (!n_anon)
		return;
	finding_print(&(struct finding){ "names of code made at run time (JIT)", FINDING_NO,
					 "anonymous executable memory shows as [anon+0x…]", NULL },
		      worst);
	finding_print(
		&(struct finding){ "unwind tables of code made at run time", FINDING_NO,
				   "stacks through it depend on frame pointers (counted as "
				   "frames_by_fallback)",
				   "java: -XX:+PreserveFramePointer; node keeps them anyway" },
		worst);
}

/* --- trace context ---------------------------------------------------------------------------- */

static void report_process_context(const struct context_finding *ctx, enum finding_state *worst)
{
	struct finding f = { .what = "process context (OpenTelemetry OTEL_CTX)" };
	char detail[512];

	if (ctx->state == CONTEXT_UNREADABLE) {
		f.state = FINDING_NO;
		f.follows = "its memory may not be read; no spans";
		f.remedy = remedy_of(-EACCES);
	} else if (ctx->has_process_ctx) {
		snprintf(detail, sizeof(detail), "service.name=%s, thread context schema %s",
			 ctx->service ? ctx->service : "(none)",
			 ctx->schema ? ctx->schema : "(none)");
		f.follows = detail;
	} else {
		f.state = FINDING_NO;
		f.follows = ctx->state == CONTEXT_MALFORMED
				    ? "published, but it does not decode"
				    : "service name is the program's, unless an agent tells it";
		f.remedy = "use a tracing library that publishes it for profilers";
	}
	finding_print(&f, worst);
}

static void report_source(const struct context_finding *ctx, size_t i, enum finding_state *worst)
{
	const struct ctx_source *source = &ctx->info.sources[i];
	char what[128], detail[512], place[CONTEXT_PLACE_MAX];

	context_place_print(source, place);
	snprintf(what, sizeof(what), "thread context (%s)", context_format_name(source->format));
	snprintf(detail, sizeof(detail), "in %s, at %s", ctx->writers[i], place);
	finding_print(&(struct finding){ what, FINDING_YES, detail, NULL }, worst);
}

static void report_thread_context(const struct context_finding *ctx, enum finding_state *worst)
{
	struct finding f = { "thread context", FINDING_NO,
			     "none that is read: no otel_thread_ctx_v1 with a process context, no "
			     "Elastic APM correlation, no Go pprof labels; no spans",
			     "a tracing library that publishes it; see README.md" };

	for (size_t i = 0; i < CTX_SOURCES_MAX && ctx->info.sources[i].format; i++)
		report_source(ctx, i, worst);
	if (ctx->state == CONTEXT_THREAD)
		return;
	if (ctx->state == CONTEXT_UNSUPPORTED) {
		f.follows = "written in a way that this version does not read (another schema, "
			    "dynamic TLS of an unknown libc, an unknown release of Go); no spans";
		f.remedy = "a newer spanprof";
	}
	finding_print(&f, worst);
}

static int report_context(const struct process *p, const char *maps, size_t len,
			  enum finding_state *worst)
{
	CLEANUP(context_tracker_freep) struct context_tracker *tracker = NULL;
	struct context_maps text = { .text = maps, .len = len };
	struct context_finding ctx;
	int r;

	r = context_tracker_new(&tracker);
	if (r == 0)
		r = context_tracker_look(tracker, p, &text, &ctx);
	if (r < 0)
		return r;
	report_process_context(&ctx, worst);
	report_thread_context(&ctx, worst);
	return 0;
}

static int examine(struct process_table *t, pid_t pid, enum finding_state *worst)
{
	CLEANUP(freep) char *maps = NULL;
	struct process *p;
	size_t len;
	int r;

	r = maps_read(pid, MAPS_MAX, &maps, &len);
	if (r == 0)
		r = process_load(t, pid, maps, len, &p);
	if (r < 0)
		return r;
	if (!len) {
		finding_print(&(struct finding){ "user space", FINDING_NO,
						 "a kernel thread, or a process that has ended: "
						 "kernel stacks only",
						 NULL },
			      worst);
		return 0;
	}
	report_files(p, worst);
	return report_context(p, maps, len, worst);
}

void doctor_process(pid_t pid, enum finding_state *worst)
{
	struct process_table t;
	char what[64];
	int r;

	snprintf(what, sizeof(what), "process %d", pid);
	r = process_table_init(&t);
	if (r == 0)
		r = examine(&t, pid, worst);
	process_table_clear(&t);
	if (r < 0)
		finding_print(&(struct finding){ what, FINDING_FATAL, strerror(-r), remedy_of(r) },
			      worst);
}
