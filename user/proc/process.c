/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/maps.h"

/*
 * As many as the kernel allows by itself (vm.max_map_count), executable or not: beyond them all are
 * forgotten, and read from /proc when one is asked for.
 */
#define MAPPINGS_MAX 65536

static uint64_t pid_hash(pid_t pid)
{
	return hash_u64(0, pid);
}

static bool pid_eq(const void *value, const void *key)
{
	return ((const struct process *)value)->pid == *(const pid_t *)key;
}

/* --- mappings: a fork's are those of its parent until one of the two changes ------------------ */

static void clear_maps(struct process *p)
{
	p->maps.n = 0;
	if (!p->maps_users)
		return; /* their room is used again */
	if (--*p->maps_users == 0) {
		free(p->maps.data);
		free(p->maps_users);
	}
	p->maps_users = NULL;
	p->maps.data = NULL;
	p->maps.cap = 0;
}

/* Before they are changed. -ENOMEM. */
static int own_maps(struct process *p)
{
	struct mapping *copy = NULL;
	size_t n = p->maps.n;

	if (!p->maps_users)
		return 0;
	if (*p->maps_users == 1) {
		free(p->maps_users);
		p->maps_users = NULL;
		return 0;
	}
	copy = malloc((n + 1) * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, p->maps.data, n * sizeof(*copy));
	clear_maps(p);
	p->maps.data = copy;
	p->maps.n = n;
	p->maps.cap = n + 1;
	return 0;
}

/* @to has none. -ENOMEM. */
static int share_maps(struct process *from, struct process *to)
{
	if (!from->maps.n)
		return 0;
	if (!from->maps_users) {
		from->maps_users = malloc(sizeof(*from->maps_users));
		if (!from->maps_users)
			return -ENOMEM;
		*from->maps_users = 1;
	}
	++*from->maps_users;
	vec_free(&to->maps);
	to->maps.data = from->maps.data;
	to->maps.n = from->maps.n;
	to->maps.cap = from->maps.cap;
	to->maps_users = from->maps_users;
	return 0;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	clear_maps(p);
	vec_free(&p->maps);
	free(p);
}

int process_table_init(struct process_table *t)
{
	*t = (struct process_table){ .next_id = 1 };
	return dso_table_init(&t->dsos);
}

void process_table_clear(struct process_table *t)
{
	struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&t->by_pid, &pos)))
		process_free(p);
	hashmap_clear(&t->by_pid);
	dso_table_clear(&t->dsos);
}

struct process *process_find(const struct process_table *t, pid_t pid)
{
	return hashmap_get(&t->by_pid, pid_hash(pid), pid_eq, &pid);
}

int process_get(struct process_table *t, pid_t pid, struct process **ret)
{
	CLEANUP(process_freep) struct process *fresh = NULL;
	int r;

	*ret = process_find(t, pid);
	if (*ret)
		return 0;

	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->pid = pid;
	fresh->id = fresh->born = t->next_id;
	r = hashmap_put(&t->by_pid, pid_hash(pid), fresh);
	if (r < 0)
		return r;
	t->next_id++;
	*ret = TAKE_PTR(fresh);
	return 0;
}

/* Another program under the same pid is another process to whoever counts. */
static void process_reset(struct process_table *t, struct process *p)
{
	p->id = t->next_id++;
	clear_maps(p);
	p->exe = NULL;
	p->start_stack = 0;
	p->exited_ns = 0;
	p->scanned_ns = 0;
	p->forked_from = 0;
	p->forked_ns = 0;
	p->unwanted = false;
	p->n_reconsidered = 0;
	memset(p->comm, 0, sizeof(p->comm));
}

static void set_comm(struct process *p, const char *comm)
{
	snprintf(p->comm, sizeof(p->comm), "%s", comm);
}

/* Index of the first mapping that ends behind @addr. */
static size_t lower_bound(const struct process *p, uint64_t addr)
{
	size_t lo = 0, hi = p->maps.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->maps.data[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

const struct mapping *process_find_mapping(const struct process *p, uint64_t addr)
{
	size_t i = lower_bound(p, addr);

	return i < p->maps.n && p->maps.data[i].start <= addr ? &p->maps.data[i] : NULL;
}

/* Replaces elements [@from, @to) by @n others; room must be there. */
static void splice(struct process *p, size_t from, size_t to, const struct mapping *with, size_t n)
{
	struct mapping *maps = p->maps.data;

	memmove(maps + from + n, maps + to, (p->maps.n - to) * sizeof(*maps));
	memcpy(maps + from, with, n * sizeof(*maps));
	p->maps.n = p->maps.n - (to - from) + n;
}

/* What was mapped there before is unmapped, as mmap(MAP_FIXED) does; its ends may be left over. */
static int map_insert(struct process *p, const struct mapping *m)
{
	size_t from = lower_bound(p, m->start), to = from;
	struct mapping parts[3];
	size_t n = 0;
	int r;

	r = own_maps(p);
	if (r == 0)
		r = vec_reserve(&p->maps, 2);
	if (r < 0)
		return r;

	while (to < p->maps.n && p->maps.data[to].start < m->end)
		to++;
	if (from < to && p->maps.data[from].start < m->start) {
		parts[n] = p->maps.data[from];
		parts[n++].end = m->start;
	}
	parts[n++] = *m;
	if (from < to && p->maps.data[to - 1].end > m->end) {
		parts[n] = p->maps.data[to - 1];
		parts[n].offset += m->end - parts[n].start;
		parts[n++].start = m->end;
	}
	splice(p, from, to, parts, n);
	return 0;
}

int process_on_mmap(struct process_table *t, pid_t pid, const struct mapping_event *ev)
{
	struct mapping m = { .start = ev->start, .end = ev->end, .offset = ev->offset };
	struct process *p;
	int r;

	if (ev->end <= ev->start)
		return 0;
	r = process_get(t, pid, &p);
	if (r < 0)
		return r;
	r = dso_table_get(&t->dsos, &ev->file, &m.dso);
	if (r < 0)
		return r;
	/* The first file that exec maps executable is the program; the dynamic linker comes after.
	 */
	if (!p->exe && m.dso->kind == DSO_FILE)
		p->exe = m.dso;
	/* That one is unmapped is not told. So many are some that are not there any more. */
	if (p->maps.n >= MAPPINGS_MAX)
		clear_maps(p);
	return map_insert(p, &m);
}

int process_on_fork(struct process_table *t, pid_t parent, pid_t child, uint64_t time_ns)
{
	struct process *from, *to;
	int r;

	r = process_get(t, child, &to);
	if (r < 0)
		return r;
	process_reset(t, to);
	to->born = to->id;
	to->parent = 0;
	from = process_find(t, parent);
	if (!from)
		return 0;
	to->parent = parent;
	to->parent_born = from->born;

	r = share_maps(from, to);
	if (r < 0)
		return r;
	to->exe = from->exe;
	to->start_stack = from->start_stack;
	to->forked_from = from->id;
	to->forked_ns = time_ns;
	to->scanned_ns = from->scanned_ns;
	memcpy(to->comm, from->comm, sizeof(to->comm));
	return 0;
}

int process_on_exec(struct process_table *t, pid_t pid, const char *comm)
{
	struct process *p;
	int r;

	r = process_get(t, pid, &p);
	if (r < 0)
		return r;
	process_reset(t, p);
	set_comm(p, comm);
	return 0;
}

int process_on_comm(struct process_table *t, pid_t pid, const char *comm)
{
	struct process *p;
	int r;

	r = process_get(t, pid, &p);
	if (r < 0)
		return r;
	set_comm(p, comm);
	return 0;
}

void process_on_exit(struct process_table *t, pid_t pid, uint64_t time_ns)
{
	struct process *p = process_find(t, pid);

	if (p)
		p->exited_ns = time_ns;
}

static bool has_other_threads(pid_t pid)
{
	struct stat st;
	char path[32];

	/* Most are gone, which this tells at a tenth of the cost. */
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return false;
	/* Links of the folder: one per thread, and ".", "..". The ended main thread stays listed.
	 */
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return stat(path, &st) == 0 && st.st_nlink > 3;
}

/* The state of its main thread, as in ps; 'X' if there is none. */
static char main_thread_state(pid_t pid)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	const char *p;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_whole_file(path, 4096, &text, &len) < 0)
		return 'X';
	p = strrchr(text, ')'); /* the name before it may contain anything */
	return p && p[1] == ' ' ? p[2] : 'X';
}

bool process_is_over(pid_t pid)
{
	char state = main_thread_state(pid);

	return state == 'X' || (state == 'Z' && !has_other_threads(pid));
}

/* Of the memory that exec(2) has made. */
struct image {
	uint64_t start_code, end_code, start_stack;
};

#define SKIP_11 " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"

/* -EPERM: no right to look into the process. */
static int read_image(pid_t pid, struct image *ret)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	const char *p;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = read_whole_file(path, 4096, &text, &len);
	if (r < 0)
		return r;
	/* Fields 26 to 28, proc(5); the third is the one behind the name. */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c" SKIP_11 SKIP_11 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			 &ret->start_code, &ret->end_code, &ret->start_stack) != 3)
		return -EBADMSG;
	return ret->end_code <= 1 ? -EPERM : 0; /* what those see who may not look into it */
}

int process_code_range(pid_t pid, uint64_t *ret_start, uint64_t *ret_end)
{
	struct image image;
	int r = read_image(pid, &image);

	if (r < 0)
		return r;
	*ret_start = image.start_code;
	*ret_end = image.end_code;
	return 0;
}

static bool is_to_be_forgotten(const struct process *p, uint64_t before_ns)
{
	return p->exited_ns && p->exited_ns < before_ns && !has_other_threads(p->pid);
}

void process_end_missing(struct process_table *t, uint64_t now_ns)
{
	struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&t->by_pid, &pos)))
		if (p->pid && !p->exited_ns && process_is_over(p->pid))
			p->exited_ns = now_ns; /* pid 0: the kernel's idle tasks */
}

void process_sweep(struct process_table *t, uint64_t before_ns, process_gone_fn gone, void *ctx)
{
	VEC(struct process *) over = { 0 };
	struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&t->by_pid, &pos)))
		if (is_to_be_forgotten(p, before_ns) && vec_push(&over, p) < 0)
			break; /* the rest goes next time */
	for (size_t i = 0; i < over.n; i++) {
		p = over.data[i];
		hashmap_remove(&t->by_pid, pid_hash(p->pid), pid_eq, &p->pid);
		gone(ctx, p);
		process_free(p);
	}
	vec_free(&over);
}

void process_table_use_dsos(struct process_table *t)
{
	const struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&t->by_pid, &pos))) {
		if (p->exe)
			dso_use(&t->dsos, p->exe);
		for (size_t i = 0; i < p->maps.n; i++)
			dso_use(&t->dsos, p->maps.data[i].dso);
	}
}

/* Those that are open by way of a process of another root which is gone. */
static bool find_orphans(struct process_table *t)
{
	bool any = false;

	for (size_t i = 0; i < t->dsos.n; i++) {
		struct dso *dso = t->dsos.dsos[i];

		if (!dso)
			continue;
		dso->is_orphan = dso->root && !process_find(t, dso->opener);
		any |= dso->is_orphan;
	}
	return any;
}

void process_table_adopt_dsos(struct process_table *t)
{
	const struct process *p;
	size_t pos = 0;

	if (!find_orphans(t))
		return;
	while ((p = hashmap_next(&t->by_pid, &pos)))
		for (size_t i = 0; !p->exited_ns && i < p->maps.n; i++) {
			const struct mapping *m = &p->maps.data[i];

			if (m->dso->is_orphan)
				dso_reopen(m->dso, p->pid, m->start, m->end);
		}
}

static void load_comm(struct process *p)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/comm", p->pid);
	if (read_whole_file(path, 256, &text, &len) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	set_comm(p, text);
}

static int dso_of_entry(struct process_table *t, const struct map_entry *e, struct dso **ret)
{
	CLEANUP(freep) char *path = NULL;
	int r = map_entry_path(e, &path);

	if (r < 0)
		return r;
	return dso_table_get(
		&t->dsos, &(struct dso_key){ e->path_len ? path : "//anon", e->dev, e->ino }, ret);
}

static int load_mapping(struct process_table *t, struct process *p, const struct map_entry *e)
{
	struct mapping m = { .start = e->start, .end = e->end, .offset = e->offset };
	int r = dso_of_entry(t, e, &m.dso);

	return r < 0 ? r : map_insert(p, &m);
}

/*
 * /proc/PID/exe is the only thing that says which of the mapped files is the program. Its code need
 * not be mapped: some programs move it to anonymous memory. NULL: not known.
 */
static struct dso *find_exe(struct process_table *t, const struct process *p, const char *maps,
			    size_t len)
{
	struct maps_cursor cursor = { .buf = maps, .len = len };
	struct dso *exe = NULL;
	struct map_entry e;
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
	if (stat(path, &st) < 0)
		return NULL;
	while (!exe && maps_next(&cursor, &e))
		if (e.ino == st.st_ino && dso_of_entry(t, &e, &exe) == 0 && exe->kind != DSO_FILE)
			exe = NULL;
	return exe;
}

/*
 * A file that was deleted or renamed has another path, but is the same; on overlayfs perf and /proc
 * give the same one other numbers.
 */
static bool may_be_same_file(const struct dso *a, const struct dso *b)
{
	return (a->dev == b->dev && a->ino == b->ino) || strcmp(a->path, b->path) == 0;
}

/* By where its stack begins, which is random, if that was looked at before. */
static bool is_another_image(const struct process *p, uint64_t start_stack, const struct dso *exe)
{
	if (p->start_stack && start_stack)
		return p->start_stack != start_stack;
	return p->exe && exe && !may_be_same_file(p->exe, exe);
}

/* What is known may be of an earlier user of the pid, when news of exec, exit or fork were lost. */
static void load_identity(struct process_table *t, struct process *p, const char *maps, size_t len)
{
	struct dso *exe = find_exe(t, p, maps, len);
	struct image image;
	uint64_t start_stack = read_image(p->pid, &image) < 0 ? 0 : image.start_stack;

	if (is_another_image(p, start_stack, exe)) {
		p->id = p->born = t->next_id++;
		p->parent = 0;
	}
	if (start_stack)
		p->start_stack = start_stack;
	p->exe = exe;
	if (p->maps.n)
		p->exited_ns = 0; /* has memory, so its main thread lives */
}

static int load_maps(struct process_table *t, struct process *p, const char *maps, size_t len)
{
	struct maps_cursor cursor = { .buf = maps, .len = len };
	struct map_entry e;

	clear_maps(p);
	while (maps_next(&cursor, &e)) {
		int r = e.exec ? load_mapping(t, p, &e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int process_load(struct process_table *t, pid_t pid, const char *maps, size_t len,
		 struct process **ret)
{
	struct process *p;
	int r;

	r = process_get(t, pid, &p);
	if (r == 0)
		r = load_maps(t, p, maps, len);
	if (r < 0)
		return r;
	load_comm(p);
	load_identity(t, p, maps, len);
	*ret = p;
	return 0;
}

int process_peek(struct process_table *t, pid_t pid, const char *maps, size_t len,
		 struct process **ret)
{
	CLEANUP(process_freep) struct process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->pid = pid;
	r = load_maps(t, p, maps, len);
	if (r < 0)
		return r;
	p->exe = find_exe(t, p, maps, len);
	*ret = TAKE_PTR(p);
	return 0;
}

const char *process_name(const struct process *p)
{
	return p->exe ? p->exe->name : p->comm;
}
