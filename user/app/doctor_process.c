/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/distribution.h"
#include "app/doctor_context.h"
#include "app/doctor_jit.h"
#include "app/doctor_symbols.h"
#include "app/doctor_watch.h"
#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/process.h"
#include "sym/symbolizer.h"
#include "unwind/rows_client.h"
#include "worker/worker.h"

#define MAPS_MAX   (64u << 20)
#define OPEN_TRIES 10 /* of ROWS_PATIENCE_MS each */

/* --- files ------------------------------------------------------------------------------------ */

/* Readers of files, each in a process of its own. */
struct readers {
	struct doctor_naming names;
	struct worker *names_worker;
	struct rows_client *rows;
};

static void readers_close(struct readers *r)
{
	symbolizer_free(r->names.sym);
	worker_free(r->names_worker);
	rows_client_free(r->rows);
}

static int readers_open(struct readers *ret)
{
	CLEANUP(worker_freep) struct worker *rows_worker = NULL;
	int r = symbolizer_new(&ret->names.sym);

	if (r == 0)
		r = worker_new(NULL, &ret->names_worker);
	if (r == 0)
		r = rows_worker_new(&rows_worker);
	if (r == 0)
		r = rows_client_new(TAKE_PTR(rows_worker), &ret->rows);
	if (r == 0)
		symbolizer_use_worker(ret->names.sym, ret->names_worker);
	return r;
}

/* As a recording does, but that nobody is in a hurry here. */
static int open_tables(struct rows_client *rows, int fd)
{
	const struct rows_client_file f = { .id = rows_client_number(rows), .fd = fd };
	struct row_extent extent;
	uint64_t bad_fdes;
	int r = -EAGAIN;

	for (int i = 0; i < OPEN_TRIES && r == -EAGAIN; i++)
		r = rows_client_open(rows, &f, &extent, &bad_fdes);
	return r;
}

/* What the table is made from matters to nobody, whether there is one does. */
static void report_unwinding(const struct dso *dso, struct rows_client *rows,
			     enum finding_state *worst)
{
	const struct bad_file *bad;
	char what[512];
	struct finding f = { .what = what };
	int r = open_tables(rows, dso->fd);

	snprintf(what, sizeof(what), "%s: unwind tables", dso->path);
	if (r == 0) {
		f.follows = "whole stacks, whatever it was built with";
	} else {
		f.state = FINDING_NO;
		f.follows = "stacks through it depend on frame pointers (counted as "
			    "frames_by_fallback)";
		f.remedy = "build it with -fasynchronous-unwind-tables";
	}
	if (r == -EREMOTEIO) {
		bad = rows_client_bad_file_of(rows, dso->fd);
		f.remedy = bad ? bad->reason : "what reads them failed";
	} else if (r == -EAGAIN) {
		f.remedy = "what reads them does not start, or does not answer";
	}
	finding_print(&f, worst);
}

static void report_file(pid_t pid, const struct mapping *m, const struct readers *readers,
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
	doctor_symbols(ef, m->dso, &readers->names, worst);
	report_unwinding(m->dso, readers->rows, worst);
}

static bool is_first_of_its_file(const struct process *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->maps.data[k].dso == p->maps.data[i].dso)
			return false;
	return true;
}

static void report_files(const struct process *p, const struct readers *readers,
			 enum finding_state *worst)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		if (m->dso->kind == DSO_FILE && !doctor_is_jit_dump(m->dso) &&
		    is_first_of_its_file(p, i))
			report_file(p->pid, m, readers, worst);
	}
}

static int report_all_files(const struct process *p, enum finding_state *worst)
{
	CLEANUP(readers_close) struct readers readers = { 0 };
	int r = readers_open(&readers);

	if (r < 0)
		return r;
	readers.names.debuginfod = distribution_debuginfod(p->pid);
	report_files(p, &readers, worst);
	doctor_jit(p, worst);
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
