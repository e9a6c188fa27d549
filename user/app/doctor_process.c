/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/doctor_context.h"
#include "app/doctor_symbols.h"
#include "app/doctor_watch.h"
#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/process.h"
#include "sym/symbolizer.h"
#include "unwind/unwind_table.h"
#include "worker/worker.h"

#define MAPS_MAX (64u << 20)

/* --- files ------------------------------------------------------------------------------------ */

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

static void report_file(pid_t pid, const struct mapping *m, struct symbolizer *sym,
			enum finding_state *worst)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int fd = dso_open(m->dso, pid, m->start, m->end);
	int r = fd < 0 ? fd : elf_file_open_fd(fd, &ef);

	if (r < 0) {
		finding_print(&(struct finding){ m->dso->path, FINDING_NO,
						 "cannot be read: no names", strerror(-r) },
			      worst);
		return;
	}
	doctor_symbols(ef, m->dso, sym, worst);
	report_unwinding(ef, m->dso, worst);
}

static bool is_first_of_its_file(const struct process *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->maps.data[k].dso == p->maps.data[i].dso)
			return false;
	return true;
}

static void report_files(const struct process *p, struct symbolizer *sym, enum finding_state *worst)
{
	size_t n_anon = 0;

	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		n_anon += m->dso->kind == DSO_ANON && strcmp(m->dso->path, "//anon") == 0;
		if (m->dso->kind == DSO_FILE && is_first_of_its_file(p, i))
			report_file(p->pid, m, sym, worst);
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

static int report_all_files(const struct process *p, enum finding_state *worst)
{
	CLEANUP(symbolizer_freep) struct symbolizer *sym = NULL;
	CLEANUP(worker_freep) struct worker *worker = NULL;
	int r;

	r = symbolizer_new(&sym);
	if (r == 0)
		r = worker_new(NULL, &worker);
	if (r < 0)
		return r;
	symbolizer_use_worker(sym, worker);
	report_files(p, sym, worst);
	return 0;
}

static int examine(struct process_table *t, pid_t pid, const struct context_options *opt,
		   enum finding_state *worst)
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
	r = report_all_files(p, worst);
	if (r == 0)
		r = doctor_context(p, maps, len, opt, worst);
	if (r < 0 && r != -ESRCH)
		return r;
	/* Of a process that has ended since its files were looked at, that is what it says. */
	doctor_watch(pid, opt, worst);
	return 0;
}

void doctor_process(pid_t pid, const struct context_options *opt, enum finding_state *worst)
{
	struct process_table t;
	char what[64];
	int r;

	snprintf(what, sizeof(what), "process %d", pid);
	r = process_table_init(&t);
	if (r == 0)
		r = examine(&t, pid, opt, worst);
	process_table_clear(&t);
	if (r < 0)
		finding_print(&(struct finding){ what, FINDING_FATAL, strerror(-r),
						 finding_remedy_of(r) },
			      worst);
}
