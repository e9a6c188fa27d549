/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbolizer.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "elf/elf_file.h"
#include "elf/vdso.h"
#include "sym/cached_names.h"
#include "sym/elf_names.h"
#include "sym/file_names.h"
#include "sym/kallsyms.h"
#include "sym/names_client.h"
#include "sym/sym_batch.h"

/* So long the names of modules and BPF programs are believed that are known. */
#define KERNEL_AGE_MAX (60 * NSEC_PER_SEC)

struct symbolizer {
	struct name_table names;    /* that were read here */
	struct frame_store frames;  /* that came from the worker */
	struct worker *worker;	    /* borrowed; NULL: none */
	struct symbol_cache *cache; /* likewise */
	struct bad_files bad;
	struct kallsyms *kernel; /* NULL: not read yet */
	uint64_t kernel_read_ns;
	int kernel_error; /* 0: none so far */
	bool may_map;
	enum symbolizer_detail detail;
	struct symbolizer_counts counts;
};

int symbolizer_new(struct symbolizer **ret)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	s->cache = NULL; /* it may be gone */
	symbolizer_forget(s);
	bad_files_clear(&s->bad);
	kallsyms_free(s->kernel);
	free(s);
}

void symbolizer_forget(struct symbolizer *s)
{
	name_table_clear(&s->names);
	frame_store_clear(&s->frames);
	if (s->cache)
		symbol_cache_bound(s->cache);
}

size_t symbolizer_memory(const struct symbolizer *s)
{
	return name_table_size(&s->names) + frame_store_size(&s->frames);
}

void symbolizer_set_detail(struct symbolizer *s, enum symbolizer_detail detail)
{
	s->detail = detail;
}

void symbolizer_use_worker(struct symbolizer *s, struct worker *w)
{
	s->worker = w;
}

void symbolizer_use_cache(struct symbolizer *s, struct symbol_cache *c)
{
	s->cache = c;
}

void symbolizer_allow_mapping(struct symbolizer *s)
{
	s->may_map = true;
}

struct symbolizer_counts symbolizer_take_counts(struct symbolizer *s)
{
	struct symbolizer_counts counts = s->counts;

	s->counts = (struct symbolizer_counts){ 0 };
	return counts;
}

static void no_names(const uint64_t *addrs, size_t n, struct sym_result *results)
{
	for (size_t i = 0; i < n; i++)
		results[i] = (struct sym_result){ .vaddr = addrs[i] };
}

/* --- files ------------------------------------------------------------------------------------ */

/*
 * What goes wrong does so in debug information nearly always: then the file's own symbol tables are
 * read without it.
 */
static int by_worker(struct symbolizer *s, int fd, const struct sym_file_source *files,
		     const struct names_request *q)
{
	bool symbols_only = s->detail == SYMBOLIZER_SYMBOLS_ONLY;
	struct names_client client = { s->worker, files, &s->frames, &s->counts.debug_left_out,
				       symbols_only };
	const struct worker_failure *why = worker_last_failure(s->worker);
	const struct bad_file *bad = bad_files_find(&s->bad, fd);
	char reason[WORKER_TEXT_MAX];
	bool hopeless;
	int r;

	if (!bad) {
		r = names_client_ask(&client, fd, q);
		s->counts.worker_failed += r == -EREMOTEIO;
		/* That it does not start has nothing to do with the file. */
		if (r != -EREMOTEIO || why->kind == WORKER_NOT_STARTED)
			return r;
		worker_failure_print(why, reason);
	}
	client.symbols_only = true;
	hopeless = bad ? bad->hopeless : symbols_only;
	if (!hopeless)
		hopeless = names_client_ask(&client, fd, q) < 0;
	if (!bad) {
		r = bad_files_add(&s->bad, fd, reason, hopeless);
		return r == -ENOMEM ? r : -EREMOTEIO;
	}
	if (hopeless)
		bad_files_give_up(&s->bad, bad);
	return -EREMOTEIO;
}

static int in_this_process(struct symbolizer *s, int fd, const struct sym_file_source *files,
			   const struct names_request *q)
{
	const struct file_reader reader = {
		.names = &s->names,
		.files = files,
		.may_map = s->may_map,
		.symbols_only = s->detail == SYMBOLIZER_SYMBOLS_ONLY,
		.debug_left_out = &s->counts.debug_left_out,
	};

	return file_names(&reader, fd, q->results, q->n);
}

static int ask(struct symbolizer *s, int fd, const struct sym_file_source *files,
	       const struct names_request *q)
{
	if (s->detail == SYMBOLIZER_KNOWN_ONLY)
		return 0;
	return s->worker ? by_worker(s, fd, files, q) : in_this_process(s, fd, files, q);
}

/* Hands on what is asked for, and remembers whether something was not to be had for now. */
struct observed_source {
	const struct sym_file_source *files;
	bool has_servers;
	bool failed;
};

static int open_observed(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	struct observed_source *o = arg;
	int fd = o->files ? o->files->open(o->files->arg, wanted, nth) : -ENOENT;

	/* Servers that are not asked for now are not part of what the cache takes the names for. */
	if (wanted->kind != SYM_FILE_FETCHED || o->has_servers)
		o->failed |= fd < 0 && fd != -ENOENT;
	return fd;
}

/* What the cache does not know. */
static int ask_beside_cache(struct symbolizer *s, int fd, const struct sym_file_source *files,
			    const struct names_request *q)
{
	struct observed_source observed = {
		.files = files,
		.has_servers = files && files->servers && files->servers(files->arg),
	};
	const struct sym_file_source source = { open_observed, NULL, &observed };
	CLEANUP(cached_names_clear) struct cached_names c = { 0 };
	struct symbol_origin origin;
	struct names_request rest;
	int r = cached_names_origin(fd, files, &origin);

	if (r < 0)
		return ask(s, fd, files, q);
	r = cached_names_look(s->cache, &origin, &s->frames, q, &c);
	if (r < 0 || c.n_missing == 0)
		return r;
	rest = (struct names_request){ c.offsets, c.results, c.n_missing };
	r = ask(s, fd, &source, &rest);
	cached_names_take(&c, q, r == 0 && !observed.failed && s->detail == SYMBOLIZER_FULL);
	return r;
}

/* Their addresses at least, by the segments. */
static void note_not_read(int fd, const struct names_request *q)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;

	(void)elf_file_open_fd(fd, &ef);
	for (size_t i = 0; i < q->n; i++) {
		struct sym_result *res = &q->results[i];

		if (res->n_frames)
			continue;
		res->not_read = true;
		if (ef)
			(void)elf_file_offset_to_vaddr(ef, q->offsets[i], &res->vaddr);
	}
}

int symbolizer_file(struct symbolizer *s, int fd, const struct sym_file_source *files,
		    const uint64_t *offsets, size_t n, struct sym_result *results)
{
	const struct names_request q = { offsets, results, n };
	struct stat st;
	int r;

	no_names(offsets, n, results);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	r = s->cache ? ask_beside_cache(s, fd, files, &q) : ask(s, fd, files, &q);
	if (r == -EREMOTEIO || s->detail == SYMBOLIZER_KNOWN_ONLY)
		note_not_read(fd, &q);
	return r;
}

const struct bad_file *symbolizer_bad_file(const struct symbolizer *s, size_t i)
{
	return bad_files_get(&s->bad, i);
}

const struct bad_file *symbolizer_bad_file_of(struct symbolizer *s, int fd)
{
	return bad_files_find(&s->bad, fd);
}

/* --- what is the kernel's, and so ours ---------------------------------------------------------
 */

int symbolizer_vdso(struct symbolizer *s, const uint64_t *offsets, size_t n,
		    struct sym_result *results)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r;

	no_names(offsets, n, results);
	r = vdso_open(&ef);
	if (r == 0)
		r = sym_batch_init(&b, &s->names, n);
	if (r < 0)
		return r;

	sym_batch_add(&b, ef, results, n);
	return elf_names_answer(ef, NULL, NULL, &b);
}

static int read_kernel(struct symbolizer *s)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/kallsyms", "re");
	CLEANUP(fclosep) FILE *modules = NULL;
	CLEANUP(kallsyms_freep) struct kallsyms *fresh = NULL;
	int r;

	if (!f)
		return -errno;
	r = kallsyms_read(f, &fresh);
	if (r < 0)
		return r;
	modules = fopen("/proc/modules", "re"); /* a kernel may have none */
	if (modules)
		r = kallsyms_read_modules(fresh, modules);
	if (r < 0)
		return r;
	kallsyms_free(s->kernel);
	s->kernel = TAKE_PTR(fresh);
	s->kernel_read_ns = monotonic_ns();
	return 0;
}

/* Modules and BPF programs come and go; what is of the kernel proper and has no name never has. */
static bool is_outdated(const struct symbolizer *s, const struct sym_result *results, size_t n)
{
	bool is_old = monotonic_ns() - s->kernel_read_ns > KERNEL_AGE_MAX;

	for (size_t i = 0; i < n; i++)
		if (!kallsyms_is_fixed(s->kernel, results[i].vaddr) &&
		    (is_old || !results[i].n_frames))
			return true;
	return false;
}

static int answer_kernel(struct symbolizer *s, const uint64_t *addrs, size_t n,
			 struct sym_result *results)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	int r = sym_batch_init(&b, &s->names, n);

	if (r < 0)
		return r;
	no_names(addrs, n, results);
	for (size_t i = 0; i < n; i++)
		b.queries[b.n++] = (struct sym_query){ .vaddr = addrs[i], .res = &results[i] };
	sym_batch_sort(&b);
	return kallsyms_answer(s->kernel, &b);
}

static int ask_kernel(struct symbolizer *s, const uint64_t *addrs, size_t n,
		      struct sym_result *results)
{
	bool is_fresh = !s->kernel;
	int r = 0;

	no_names(addrs, n, results);
	if (!s->kernel)
		r = read_kernel(s);
	if (r == 0)
		r = answer_kernel(s, addrs, n, results);
	if (r < 0 || is_fresh || !is_outdated(s, results, n))
		return r;
	r = read_kernel(s);
	return r < 0 ? r : answer_kernel(s, addrs, n, results);
}

int symbolizer_kernel(struct symbolizer *s, const uint64_t *addrs, size_t n,
		      struct sym_result *results)
{
	int r = ask_kernel(s, addrs, n, results);

	if (r < 0 && r != -ENOMEM)
		s->kernel_error = r;
	return r;
}

int symbolizer_kernel_error(const struct symbolizer *s)
{
	return s->kernel_error;
}
