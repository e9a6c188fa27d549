/* SPDX-License-Identifier: Apache-2.0 */
/* The collector with its real programs, on processes that use a known amount of CPU time. */
#include "collect/collector.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "base/io.h"
#include "leak_check.h"
#include "shared/thread_ctx.h"
#include "sink.h"
#include "start_stack.h"
#include "unwind/row_store.h"

TestSuite(collector, .fini = leak_check);

/* --- samples ---------------------------------------------------------------------------------- */

static pid_t *shared_tid;

static void *spin_named(void *arg)
{
	prctl(PR_SET_NAME, "spinner");
	*shared_tid = syscall(SYS_gettid);
	spin_ms(SPIN_MS);
	return NULL;
}

static void spin_in_a_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, spin_named, NULL) != 0)
		_exit(1);
	pthread_join(thread, NULL);
}

Test(collector, spinning_thread_is_seen_where_it_spins)
{
	struct worker w;
	size_t n = 0, inside = 0;
	struct sink s;

	shared_tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	w = worker_start(spin_in_a_thread);
	sink_open(&s, whole_system());
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);

	for (size_t i = 0; i < s.samples.n; i++) {
		const struct seen *seen = &s.samples.data[i];

		if (seen->rec.tid != (uint32_t)*shared_tid)
			continue;
		cr_assert(eq(uint, seen->rec.tgid, w.pid));
		n += strcmp(seen->rec.comm, "spinner") == 0;
		inside += spin_is_at(seen->user_ip);
	}
	cr_assert(n > TICKS - TICKS_OK && n < TICKS + TICKS_OK, "%zu of %d", n, TICKS);
	cr_assert(gt(sz, inside, n * 9 / 10));
	cr_assert(zero(u64, s.counters[STAT_SAMPLE_FILTERED]));
	sink_clear(&s);
}

Test(collector, two_at_once_see_the_same)
{
	struct worker w = worker_start(spin);
	struct sink a, b;
	size_t n;
	int status;

	sink_open(&a, whole_system());
	sink_open(&b, whole_system());
	cr_assert(zero(int, collector_start(a.c)));
	cr_assert(zero(int, collector_start(b.c)));
	worker_go(&w);
	while (waitpid(w.pid, &status, WNOHANG) == 0) {
		cr_assert(zero(int, collector_poll(a.c)));
		cr_assert(zero(int, collector_poll(b.c)));
	}
	sink_finish(&a);
	sink_finish(&b);
	n = count_samples(&a, w.pid);
	cr_assert(n > TICKS - TICKS_OK && n < TICKS + TICKS_OK, "%zu of %d", n, TICKS);
	n = count_samples(&b, w.pid);
	cr_assert(n > TICKS - TICKS_OK && n < TICKS + TICKS_OK, "%zu of %d", n, TICKS);
	sink_clear(&a);
	sink_clear(&b);
}

/* --- filters ---------------------------------------------------------------------------------- */

Test(collector, filter_by_pid)
{
	struct collector_options opt = whole_system();
	struct worker in = worker_start(spin), out = worker_start(spin);
	struct run_time run;
	struct sink s;

	opt.filter_pids = true;
	sink_open(&s, opt);
	cr_assert(zero(int, collector_add_target(s.c, in.pid)));
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&in);
	worker_go(&out);
	sink_watch(&s, &in);
	sink_watch(&s, &out);
	sink_finish(&s);
	cr_assert(gt(sz, s.samples.n, TICKS - TICKS_OK));
	cr_assert(eq(sz, count_samples(&s, in.pid), s.samples.n));
	cr_assert(gt(u64, s.counters[STAT_SAMPLE_FILTERED], TICKS - TICKS_OK));
	cr_assert(zero(int, collector_run_time(s.c, &run)));
	cr_assert(ge(u64, run.runs, s.samples.n + s.counters[STAT_SAMPLE_FILTERED]));
	cr_assert(gt(u64, run.ns, 50 * run.runs));
	cr_assert(lt(u64, run.ns, NSEC_PER_MSEC * run.runs));
	sink_clear(&s);
}

/* Three generations, one after the other; the last in a child of a child that is gone. */
static void spin_in_three_generations(void)
{
	int status;

	spin_ms(SPIN_MS / 2);
	if (fork() == 0) {
		spin_ms(SPIN_MS / 2);
		if (fork() == 0)
			spin_ms(SPIN_MS / 2);
		else
			wait(&status);
		_exit(0);
	}
	wait(&status);
}

static bool is_parent_of(const struct sink *s, pid_t parent, pid_t child)
{
	for (size_t i = 0; i < s->events.n; i++) {
		const struct seen_event *ev = &s->events.data[i];

		if (ev->kind == PROC_EVENT_FORK && ev->pid == child && ev->parent == parent)
			return true;
	}
	return false;
}

static pid_t find_child(const struct sink *s, pid_t parent)
{
	for (size_t i = 0; i < s->events.n; i++)
		if (s->events.data[i].kind == PROC_EVENT_FORK && s->events.data[i].parent == parent)
			return s->events.data[i].pid;
	cr_fatal("process %d has no child", parent);
}

/* One of the maps that this process has open. */
static int find_map(const char *name)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && len >= sizeof(info.type) &&
		    strcmp(info.name, name) == 0)
			return fd;
	}
	cr_fatal("no map '%s'", name);
}

Test(collector, children_are_followed)
{
	struct collector_options opt = whole_system();
	struct worker in = worker_start(spin_in_three_generations);
	struct worker out = worker_start(spin_in_three_generations);
	pid_t child, grandchild;
	struct sink s;
	__u32 key;

	opt.filter_pids = opt.follow = true;
	sink_open(&s, opt);
	cr_assert(zero(int, collector_add_target(s.c, in.pid)));
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&in);
	worker_go(&out);
	sink_watch(&s, &in);
	sink_watch(&s, &out);
	sink_finish(&s);

	child = find_child(&s, in.pid);
	grandchild = find_child(&s, child);
	cr_assert(is_parent_of(&s, child, grandchild));
	cr_assert(gt(sz, count_samples(&s, in.pid), TICKS_OK / 2));
	cr_assert(gt(sz, count_samples(&s, child), TICKS_OK / 2));
	cr_assert(gt(sz, count_samples(&s, grandchild), TICKS_OK / 2));
	cr_assert(eq(sz, s.samples.n,
		     count_samples(&s, in.pid) + count_samples(&s, child) +
			     count_samples(&s, grandchild)));
	/* Nobody is left in the filter, whose pids will be used again. */
	cr_assert(eq(int, bpf_map_get_next_key(find_map("targets"), NULL, &key), -ENOENT));
	sink_clear(&s);
}

/* Where cgroup v2 is mounted; if nowhere, it is mounted for this process. */
static void find_cgroup2(char *path, size_t len)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;

	while ((m = getmntent(f)))
		if (strcmp(m->mnt_type, "cgroup2") == 0) {
			snprintf(path, len, "%s", m->mnt_dir);
			endmntent(f);
			return;
		}
	endmntent(f);
	snprintf(path, len, "/mnt");
	cr_assert(zero(int, unshare(CLONE_NEWNS)));
	cr_assert(zero(int, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)));
	cr_assert(zero(int, mount("cgroup2", path, "cgroup2", 0, NULL)));
}

static void enter_cgroup(const char *path, pid_t pid)
{
	char procs[512];
	FILE *f;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	f = fopen(procs, "w");
	cr_assert(ne(ptr, f, NULL));
	fprintf(f, "%d", pid);
	cr_assert(zero(int, fclose(f)));
}

Test(collector, filter_by_cgroup)
{
	struct collector_options opt = whole_system();
	struct worker in = worker_start(spin), below = worker_start(spin), out = worker_start(spin);
	char root[256], path[300], sub[310];
	struct sink s;

	find_cgroup2(root, sizeof(root));
	snprintf(path, sizeof(path), "%s/spanprof-test-%d", root, getpid());
	snprintf(sub, sizeof(sub), "%s/sub", path);
	cr_assert(zero(int, mkdir(path, 0755)));
	cr_assert(zero(int, mkdir(sub, 0755)));
	enter_cgroup(path, in.pid);
	enter_cgroup(sub, below.pid);

	opt.cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sink_open(&s, opt);
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&in);
	worker_go(&below);
	worker_go(&out);
	sink_watch(&s, &in);
	sink_watch(&s, &below);
	sink_watch(&s, &out);
	sink_finish(&s);
	rmdir(sub);
	rmdir(path);

	cr_assert(gt(sz, count_samples(&s, in.pid), TICKS - TICKS_OK));
	cr_assert(gt(sz, count_samples(&s, below.pid), TICKS - TICKS_OK));
	cr_assert(eq(sz, count_samples(&s, in.pid) + count_samples(&s, below.pid), s.samples.n));
	sink_clear(&s);
	close(opt.cgroup_fd);
}

/* --- unwind tables ---------------------------------------------------------------------------- */

static struct unwind_file_key key_of_own_file(void)
{
	struct stat st;

	cr_assert(zero(int, stat("/proc/self/exe", &st)));
	return (struct unwind_file_key){
		.ino = st.st_ino,
		.ctime_sec = st.st_ctim.tv_sec,
		.ctime_nsec = st.st_ctim.tv_nsec,
		.dev = major(st.st_dev) << 20 | minor(st.st_dev),
	};
}

/* Every place in this program's own file is where a thread begins. */
static struct row_store *load_ends(struct collector *c)
{
	static struct unwind_page page = { .n_rows = 1,
					   .rule = { UNWIND_RULE_SPECIAL(UNWIND_END) } };
	struct row_store_backing backing = collector_unwind_backing(c);
	struct unwind_file_key key = key_of_own_file();
	struct row_store *rows;
	struct row_file *file;
	struct stat st;
	uint64_t n;

	cr_assert(zero(int, stat("/proc/self/exe", &st)));
	n = (st.st_size + 4095) / 4096;
	cr_assert(zero(int, row_store_new(&backing, 1 << 20, &rows)));
	cr_assert(zero(int, row_store_add_file(rows, &(struct row_extent){ 0, n, 0 }, &file)));
	cr_assert(zero(int, row_store_set_key(rows, &key, file)));
	for (uint64_t i = 0; i < n; i++)
		cr_assert(zero(int, row_store_put(rows, file, i, &page, 0)));
	return rows;
}

/* Samples where spin.h spins: how many of them ended so. */
static size_t count_spinning(const struct sink *s, pid_t pid, enum user_end end)
{
	size_t n = 0;

	for (size_t i = 0; i < s->samples.n; i++) {
		const struct seen *seen = &s->samples.data[i];

		n += seen->rec.tgid == (uint32_t)pid && spin_is_at(seen->user_ip) &&
		     seen->rec.user_end == end;
	}
	return n;
}

Test(collector, file_without_rows_is_asked_for_by_its_key)
{
	struct worker w = worker_start(spin);
	struct unwind_file_key key = key_of_own_file();
	struct sink s;

	sink_open(&s, whole_system());
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);
	cr_assert(gt(sz, count_spinning(&s, w.pid, USER_END_NOT_LOADED), TICKS_OK));
	for (size_t i = 0; i < s.samples.n; i++) {
		const struct seen *seen = &s.samples.data[i];

		if (seen->rec.tgid != (uint32_t)w.pid || !spin_is_at(seen->user_ip))
			continue;
		cr_assert(eq(int, seen->rec.user_end, USER_END_NOT_LOADED));
		cr_assert(zero(int, memcmp(&seen->key, &key, sizeof(key))));
	}
	sink_clear(&s);
}

Test(collector, rows_are_used_once_they_are_loaded)
{
	struct worker w = worker_start(spin);
	struct row_store *rows;
	struct sink s;

	sink_open(&s, whole_system());
	rows = load_ends(s.c);
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);
	cr_assert(gt(sz, count_spinning(&s, w.pid, USER_END_ENTRY), TICKS_OK));
	cr_assert(zero(sz, count_spinning(&s, w.pid, USER_END_NOT_LOADED)));
	row_store_free(rows);
	sink_clear(&s);
}

/* --- trace context ---------------------------------------------------------------------------- */

static __thread struct thread_ctx *own_ctx;

static const struct thread_ctx span = { .trace_id = "trace-id-of-16b", .span_id = "span-id", 1 };

static void spin_in_span(void)
{
	struct thread_ctx tc = span;

	own_ctx = &tc;
	__asm__ volatile("" ::: "memory");
	spin_ms(SPIN_MS);
	own_ctx = NULL;
}

static int64_t own_tp_off(void)
{
#ifdef __x86_64__
	char *tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
#else
	char *tp = __builtin_thread_pointer();
#endif
	return (char *)&own_ctx - tp;
}

/* Spins in a span with @image_off added to what tells the process's image. */
static void record_span(struct sink *s, struct worker *w, uint64_t image_off)
{
	struct proc_info info = {
		.start_stack = start_stack_of(w->pid) + image_off,
		.sources = { { .format = CTX_FORMAT_OTEL,
			       .var = { .model = TLS_MODEL_STATIC, .off = own_tp_off() } } }
	};
	struct collector_options opt = whole_system();

	opt.filter_pids = true;
	sink_open(s, opt);
	cr_assert(zero(int, collector_add_target(s->c, w->pid)));
	cr_assert(zero(int, collector_set_proc(s->c, w->pid, &info)));
	cr_assert(zero(int, collector_start(s->c)));
	worker_go(w);
	sink_watch(s, w);
	sink_finish(s);
}

Test(collector, context_of_the_thread)
{
	struct worker w = worker_start(spin_in_span);
	size_t n = 0;
	struct sink s;

	record_span(&s, &w, 0);
	for (size_t i = 0; i < s.samples.n; i++) {
		const struct sample_record *rec = &s.samples.data[i].rec;

		if (thread_ctx_is_zero(rec->span_id, SPAN_ID_LEN))
			continue;
		n++;
		cr_assert(zero(int, memcmp(rec->trace_id, span.trace_id, TRACE_ID_LEN)));
		cr_assert(zero(int, memcmp(rec->span_id, span.span_id, SPAN_ID_LEN)));
	}
	cr_assert(eq(u64, s.counters[STAT_CTX_READ], n));
	cr_assert(gt(sz, n, TICKS - TICKS_OK));
	cr_assert(ge(sz, n, s.samples.n * 9 / 10));
	sink_clear(&s);
}

Test(collector, context_of_another_image_is_not_read)
{
	struct worker w = worker_start(spin_in_span);
	struct sink s;

	record_span(&s, &w, 16);
	cr_assert(zero(u64, s.counters[STAT_CTX_READ]));
	cr_assert(ge(u64, s.counters[STAT_CTX_STALE], s.samples.n - 1));
	for (size_t i = 0; i < s.samples.n; i++)
		cr_assert(thread_ctx_is_zero(s.samples.data[i].rec.span_id, SPAN_ID_LEN));
	sink_clear(&s);
}

Test(collector, context_of_a_forgotten_process)
{
	struct worker w = worker_start(spin_in_span);
	struct proc_info info = {
		.start_stack = start_stack_of(w.pid),
		.sources = { { .format = CTX_FORMAT_OTEL,
			       .var = { .model = TLS_MODEL_STATIC, .off = own_tp_off() } } }
	};
	struct sink s;

	sink_open(&s, whole_system());
	cr_assert(zero(int, collector_set_proc(s.c, w.pid, &info)));
	collector_forget_proc(s.c, w.pid);
	collector_forget_proc(s.c, w.pid);
	cr_assert(zero(int, collector_start(s.c)));
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);
	cr_assert(eq(u64, s.counters[STAT_CTX_NO_WRITER], s.samples.n));
	sink_clear(&s);
}

/* --- process events --------------------------------------------------------------------------- */

static void exec_true_many_times(void)
{
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (pid == 0)
			execl("/bin/true", "true", NULL);
		waitpid(pid, NULL, 0);
	}
}

Test(collector, lives_of_processes_are_told_in_order)
{
	struct worker w = worker_start(exec_true_many_times);
	int children = 0;
	char life[16];
	struct sink s;

	sink_open(&s, whole_system());
	worker_go(&w);
	sink_watch(&s, &w);
	sink_finish(&s);
	for (size_t i = 0; i < s.events.n; i++) {
		const struct seen_event *ev = &s.events.data[i];

		if (ev->kind != PROC_EVENT_FORK || ev->parent != w.pid)
			continue;
		life_of(&s, ev->pid, life, sizeof(life));
		cr_assert(eq(str, life, "FEMX"));
		children++;
	}
	cr_assert(eq(int, children, 100));
	cr_assert(zero(sz, s.samples.n), "not started");
	sink_clear(&s);
}

/* --- what is left behind ---------------------------------------------------------------------- */

/* Ids of programs and maps that this process has open. */
static size_t own_ids(const char *key, __u32 *ret, size_t max)
{
	size_t n = 0;

	for (int fd = 3; fd < 1024 && n < max; fd++) {
		char path[64], line[128];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			n += strncmp(line, key, strlen(key)) == 0 &&
			     sscanf(line + strlen(key), " %u", &ret[n]) == 1;
		fclosep(&f);
	}
	return n;
}

static void assert_gone(const __u32 *ids, size_t n, int (*get)(__u32))
{
	cr_assert(gt(sz, n, 0));
	for (size_t i = 0; i < n; i++) {
		int fd = get(ids[i]);

		/* The kernel frees them a little later. */
		for (int tries = 0; fd >= 0 && tries < 500; tries++) {
			close(fd);
			usleep(10000);
			fd = get(ids[i]);
		}
		cr_assert(eq(int, fd, -ENOENT), "id %u", ids[i]);
	}
}

/* Of our resident memory: BPF maps. */
static uint64_t resident_maps(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/smaps", "re");
	uint64_t sum = 0, kib;
	bool is_map = false;
	char line[512];

	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "anon_inode:"))
			is_map = strstr(line, "bpf-map");
		if (is_map && sscanf(line, "Rss: %lu kB", &kib) == 1) {
			sum += kib << 10;
			is_map = false;
		}
	}
	return sum;
}

Test(collector, memory_of_maps)
{
	const uint64_t some = 16 * UNWIND_ARENA_SIZE;
	struct row_store_backing backing;
	struct map_sizes before, after;
	struct sink s;
	void *mem;

	sink_open(&s, whole_system());
	backing = collector_unwind_backing(s.c);
	before = collector_map_sizes(s.c);
	cr_assert(gt(u64, before.kernel, before.mapped / 2), "the rings");
	for (uint32_t i = 0; i < 16; i++)
		cr_assert(zero(int, backing.add_arena(backing.ctx, i, &mem)));
	after = collector_map_sizes(s.c);
	cr_assert(ge(u64, after.kernel - before.kernel, some));
	cr_assert(lt(u64, after.kernel - before.kernel, some * 5 / 4));
	cr_assert(eq(u64, after.mapped - before.mapped, some));
	cr_assert(le(u64, after.mapped, resident_maps()));
	cr_assert(gt(u64, after.mapped + (256 << 10), resident_maps()));
	sink_clear(&s);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(collector, nothing_is_left_in_the_kernel)
{
	struct collector_options opt = whole_system();
	__u32 progs[64], maps[64], ring;
	size_t n_progs, n_maps;
	int fds = count_fds();
	__u32 zero = 0;
	struct sink s;

	opt.filter_pids = opt.follow = true;
	sink_open(&s, opt);
	cr_assert(zero(int, collector_start(s.c)));
	cr_assert(zero(int, collector_poll(s.c)));
	n_progs = own_ids("prog_id:", progs, 64);
	n_maps = own_ids("map_id:", maps, 63);
	cr_assert(ge(sz, n_progs, 3));
	cr_assert(ge(sz, n_maps, 6));
	cr_assert(zero(int, bpf_map_lookup_elem(find_map("rings"), &zero, &ring)));
	maps[n_maps++] = ring;
	sink_finish(&s);
	sink_clear(&s);

	assert_gone(progs, n_progs, bpf_prog_get_fd_by_id);
	assert_gone(maps, n_maps, bpf_map_get_fd_by_id);
	cr_assert(eq(int, count_fds(), fds));
}
