/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwinder.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "elf/elf_file.h"
#include "elf/vdso.h"
#include "shared/unwind_walk.h"
#include "unwind/unwind_source.h"

struct unwinder {
	struct row_store *store;
	struct unwind_sources sources;
	struct unwind_source *vdso;
	struct rows_client *reader; /* NULL: files are read right here */
	struct unwind_walk walk;
	uint64_t frames[USER_FRAMES_MAX]; /* that nobody wants */
	uint64_t counters[STAT_COUNT];
};

/* What unwind_memory.h asks of: a copy of a stack, and the files of its process. */
struct unwind_memory {
	struct unwinder *u;
	const struct process *process;
	const uint8_t *stack;
	uint64_t stack_addr, stack_len;
	uint32_t absent; /* as in struct sample_rest */
	uint64_t now;
	uint64_t code_start, code_end; /* of the program, at exec; 0: not asked for yet */
	struct unwind_file_key key; /* of the file that the kernel side does not know; zero: none */
	struct unwind_backing backing;
};

static bool is_in_stack(const struct unwind_memory *mem, uint64_t addr, uint64_t len)
{
	return addr >= mem->stack_addr && len <= mem->stack_len &&
	       addr - mem->stack_addr <= mem->stack_len - len;
}

/* Has the kernel side read all of it? */
static bool is_present(const struct unwind_memory *mem, uint64_t addr, uint64_t len)
{
	uint64_t base = mem->stack_addr / REST_CHUNK;
	uint64_t first = addr / REST_CHUNK - base, last = (addr + len - 1) / REST_CHUNK - base;

	for (uint64_t i = first; i <= last; i++)
		if (mem->absent >> i & 1)
			return false;
	return true;
}

static long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr)
{
	const struct mapping *m;

	if (is_in_stack(mem, addr, len) && is_present(mem, addr, len)) {
		memcpy(dst, mem->stack + (addr - mem->stack_addr), len);
		return 0;
	}
	m = process_find_mapping(mem->process, addr);
	if (!m || m->dso->fd < 0 || addr + len > m->end)
		return -1;
	return pread(m->dso->fd, dst, len, addr - m->start + m->offset) == (ssize_t)len ? 0 : -1;
}

static int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end)
{
	return sp <= end && is_in_stack(mem, sp, end - sp);
}

/*
 * Is this code of the program that was copied to anonymous memory, and lies where the file's code
 * was? As the kernel side has it (bpf/unwind_rows.bpf.h).
 */
static bool is_moved_code(struct unwind_memory *mem, const struct mapping *m)
{
	if (m->dso->kind != DSO_ANON || !mem->process->exe)
		return false;
	if (!mem->code_end &&
	    process_code_range(mem->process->pid, &mem->code_start, &mem->code_end) < 0)
		return false;
	return m->start >= mem->code_start / UNWIND_PAGE_SIZE * UNWIND_PAGE_SIZE &&
	       m->start < mem->code_end;
}

static int unwind_is_jit(struct unwind_memory *mem, __u64 addr)
{
	const struct mapping *m = process_find_mapping(mem->process, addr);

	return m && m->dso->kind == DSO_ANON && !is_moved_code(mem, m);
}

static struct dso *file_of(struct unwind_memory *mem, const struct mapping *m)
{
	return is_moved_code(mem, m) ? mem->process->exe : m->dso;
}

/* NULL: it has no table that can be used. */
static struct unwind_source *source_of(struct unwind_memory *mem, const struct mapping *m)
{
	struct dso *dso = file_of(mem, m);
	struct unwinder *u = mem->u;
	struct unwind_source *src;

	if (dso->kind == DSO_VDSO)
		return u->vdso;
	if (dso->kind != DSO_FILE)
		return NULL;
	dso_open(dso, mem->process->pid, m->start, m->end);
	if (unwind_sources_get(&u->sources, u->store, dso, &src) < 0) {
		u->counters[STAT_UNWIND_FAILED]++;
		return NULL;
	}
	return src;
}

static bool is_asked(const struct unwind_file_key *key)
{
	return key->ino || key->dev || key->ctime_sec;
}

static bool is_inode(const struct dso *dso, uint64_t ino, uint32_t dev)
{
	return dso->ino == ino && major(dso->dev) == dev >> 20 &&
	       minor(dso->dev) == (dev & 0xfffff);
}

/*
 * Is the mapping that is known here the one that the kernel saw? An event may have been lost. What
 * is known comes from perf or from /proc, which differ on overlayfs.
 */
static bool is_file_of(const struct unwind_memory *mem, const struct dso *dso)
{
	return is_inode(dso, mem->key.ino, mem->key.dev) ||
	       is_inode(dso, mem->backing.ino, mem->backing.dev);
}

/*
 * The kernel side asked under a key that it did not know. It is answered for good: not while
 * another process may yet bring the file within reach. False: the source is of older contents.
 */
static bool answer_key(struct unwind_memory *mem, const struct dso *dso, struct unwind_source *src)
{
	int r = dso_may_open(dso) ? 0
				  : unwind_source_set_key(src, mem->u->store, &mem->key, mem->now);

	if (r < 0 && r != -EAGAIN)
		mem->u->counters[STAT_UNWIND_FAILED]++;
	memset(&mem->key, 0, sizeof(mem->key));
	return r != -EAGAIN;
}

static uint64_t file_offset(struct unwind_memory *mem, const struct mapping *m,
			    const struct unwind_source *src, uint64_t addr)
{
	if (is_moved_code(mem, m))
		return addr - mem->code_start + unwind_source_code_offset(src);
	return addr - m->start + (m->dso->kind == DSO_VDSO ? 0 : m->offset);
}

static int unwind_find(struct unwind_memory *mem, __u64 addr, struct unwind_found_rule *ret)
{
	const struct mapping *m = process_find_mapping(mem->process, addr);
	struct unwind_source *src;
	int r;

	ret->rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	if (!m)
		return UNWIND_NOT_CODE;
	if (is_asked(&mem->key) && !is_file_of(mem, file_of(mem, m)))
		return UNWIND_NOT_LOADED;
	src = source_of(mem, m);
	if (!src)
		return UNWIND_FOUND;
	if (is_asked(&mem->key) && !answer_key(mem, file_of(mem, m), src))
		return UNWIND_NOT_LOADED;
	r = unwind_source_find(src, mem->u->store, file_offset(mem, m, src, addr), mem->now, ret);
	if (r < 0 && r != -EAGAIN)
		mem->u->counters[STAT_UNWIND_FAILED]++;
	return UNWIND_FOUND;
}

static struct unwind_memory memory_of(struct unwinder *u, const struct process *p,
				      const struct sample_rest *rest)
{
	return (struct unwind_memory){
		.u = u,
		.process = p,
		.stack = (const uint8_t *)(rest + 1),
		.stack_addr = rest->stack_addr,
		.stack_len = rest->stack_len,
		.absent = rest->absent,
		.now = monotonic_ns(),
		.key = rest->key,
		.backing = rest->backing,
	};
}

/* The last frame is looked up again, now with its table. Number of frames. */
static uint32_t walk_on(struct unwind_memory *mem, const struct unwind_regs *regs, uint64_t *frames,
			uint32_t n)
{
	struct unwind_walk *w = &mem->u->walk;

	w->regs = *regs;
	unwind_start(w, n - 1);
	while (w->end == USER_END_NONE && w->n < USER_FRAMES_MAX) {
		uint32_t at = w->n;
		__u64 frame;

		if (unwind_frame(mem, w, &frame))
			frames[at] = frame;
	}
	if (w->end == USER_END_NONE)
		w->end = USER_END_DEPTH;
	return w->n;
}

uint32_t unwinder_finish(struct unwinder *u, const struct process *p,
			 const struct sample_rest *rest, uint64_t *frames, uint32_t n,
			 enum user_end *ret_end)
{
	struct unwind_memory mem = memory_of(u, p, rest);
	uint32_t counted = n; /* by the kernel side */

	n = walk_on(&mem, &rest->regs, frames, n);
	for (uint32_t i = counted; i < n; i++)
		u->counters[STAT_FRAME_BY_FALLBACK] += (frames[i] & FRAME_BY_FALLBACK) != 0;
	*ret_end = u->walk.end;
	u->counters[STAT_UNWIND_FINISHED]++;
	if (*ret_end == USER_END_NOT_LOADED)
		u->counters[STAT_UNWIND_MISMATCH]++;
	return n;
}

void unwinder_load(struct unwinder *u, const struct process *p, const struct sample_rest *rest)
{
	struct unwind_memory mem = memory_of(u, p, rest);

	walk_on(&mem, &rest->regs, u->frames, 1);
}

bool unwinder_knows(const struct process *p, const struct sample_rest *rest)
{
	struct unwind_memory mem = { .process = p, .key = rest->key, .backing = rest->backing };
	const struct mapping *m = process_find_mapping(p, rest->regs.pc);

	return m && (!is_asked(&rest->key) || is_file_of(&mem, file_of(&mem, m)));
}

/* The kernel's own, which every process has. */
static int load_vdso(struct unwinder *u)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r = vdso_open(&ef);

	if (r == -ENOENT || r == -ENOEXEC)
		return 0;
	if (r == 0)
		r = unwind_source_new(u->store, TAKE_PTR(ef), &u->vdso);
	if (r == 0)
		r = unwind_source_load_all(u->vdso, u->store, monotonic_ns());
	if (r == 0)
		row_store_set_vdso(u->store, unwind_source_file(u->vdso));
	return r;
}

int unwinder_new(const struct row_store_backing *backing, size_t budget, struct unwinder **ret)
{
	CLEANUP(unwinder_freep) struct unwinder *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	r = row_store_new(backing, budget, &u->store);
	if (r == 0)
		r = load_vdso(u);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(u);
	return 0;
}

int unwinder_use_worker(struct unwinder *u)
{
	CLEANUP(worker_freep) struct worker *w = NULL;
	int r = rows_worker_new(&w);

	if (r == 0) {
		worker_start(w);
		r = rows_client_new(TAKE_PTR(w), &u->reader);
	}
	u->sources.reader = u->reader;
	return r;
}

const struct rows_client *unwinder_reader(const struct unwinder *u)
{
	return u->reader;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	unwind_sources_clear(&u->sources);
	unwind_source_free(u->vdso);
	rows_client_free(u->reader);
	row_store_free(u->store);
	free(u);
}

void unwinder_forget(struct unwinder *u, const struct dso *dso)
{
	unwind_sources_forget(&u->sources, u->store, dso);
}

void unwinder_settle(struct unwinder *u)
{
	/* If nobody can be waited for, it waits for the next time. */
	(void)row_store_settle(u->store);
	if (unwinder_reader(u))
		rows_client_tidy(unwinder_reader(u));
}

void unwinder_read_stats(const struct unwinder *u, uint64_t *counters)
{
	struct unwind_source_failures f = unwind_sources_failures(&u->sources);
	struct unwind_table_stats t = unwind_sources_stats(&u->sources);
	struct row_store_stats rows = row_store_stats(u->store);

	for (int i = 0; i < STAT_COUNT; i++)
		counters[i] += u->counters[i];
	counters[STAT_UNWIND_FAILED] += f.tables;
	counters[STAT_UNWIND_WORKER_FAILED] += f.reader;
	counters[STAT_UNWIND_LATE] += f.late;
	counters[STAT_UNWIND_ROWS] += rows.rows;
	counters[STAT_UNWIND_BYTES] += rows.bytes;
	counters[STAT_UNWIND_EVICTED] += rows.pages_evicted;
	counters[STAT_UNWIND_BAD_FDES] += t.bad_fdes;
	counters[STAT_UNWIND_DENSE] += t.dense_pages;
}

struct row_store_stats unwinder_rows(const struct unwinder *u)
{
	return row_store_stats(u->store);
}
