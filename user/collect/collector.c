/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "collect/cpu_list.h"
#include "collect/cpu_sampler.h"
#include "collect/event_queue.h"
#include "collect/map_memory.h"
#include "collect/obi_map.h"
#include "proc/pid_namespace.h"

#include "spanprof.skel.h"

#define TICK_MS		50
#define PROBE_FREQUENCY 99
#define HOTPLUG_NS	NSEC_PER_SEC
#define MAPS_NS		(60 * NSEC_PER_SEC) /* between looks at what the object's maps cost */

#define RING_SIZE_MIN	(512u << 10) /* room for ten copies of stacks (bpf/user_stack.bpf.h) */
#define RING_SIZE_MAX	(4u << 20)
#define RING_RECORD	1536 /* bytes of a sample with deep stacks, for sizing */
#define EVENTS_SIZE_ALL (8u << 20)
#define EVENTS_SIZE_MIN (64u << 10)
#define EVENTS_SIZE_MAX (512u << 10)

enum queue_kind { QUEUE_EVENT, QUEUE_SAMPLE };

struct collector {
	struct spanprof_bpf *bpf;
	struct ring_buffer *rings;
	struct collector_handlers handlers;
	struct sampling_event sampling;
	struct cpu_sampler *cpus; /* one per possible CPU */
	int n_cpus;
	size_t events_size; /* of the process event buffer of one CPU */
	int epoll_fd;
	bool sampling_on;
	VEC(void *) arenas;    /* mapped: unwind tables */
	int arena_fd;	       /* of the first of them */
	struct map_sizes made; /* arenas and rings */
	uint64_t object_maps;  /* bytes of the others */
	uint64_t last_maps_ns;
	struct event_queue queue;
	uint64_t last_hotplug_ns;
	uint64_t counters[STAT_COUNT]; /* of user space */
};

static size_t clamp_pow2(size_t want, size_t min, size_t max)
{
	size_t n = min;

	while (n < want && n < max)
		n *= 2;
	return n;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	/* Its warnings repeat, at length, what we say about a failure ourselves. */
	if (log_get_level() < LOG_LEVEL_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/* --- samples ---------------------------------------------------------------------------------- */

/* Where its parts are; they need not be there. */
static struct collector_sample parts_of(const struct sample_record *rec)
{
	struct collector_sample s = { .rec = rec, .frames = (const uint64_t *)(rec + 1) };
	const uint64_t *behind = s.frames + rec->n_kernel + rec->n_user;

	s.labels = (const uint8_t *)behind;
	behind += (rec->labels_len + 7) / 8;
	if (rec->user_end == USER_END_NOT_LOADED)
		s.rest = (const struct sample_rest *)behind;
	return s;
}

static bool record_is_whole(const struct sample_record *rec, size_t len)
{
	struct collector_sample s;
	size_t need = sizeof(*rec);

	if (len < need)
		return false;
	need += (rec->n_kernel + rec->n_user + (rec->labels_len + 7) / 8) * sizeof(uint64_t);
	s = parts_of(rec);
	if (!s.rest)
		return len == need;
	need += sizeof(*s.rest);
	return len >= need && rec->n_user > 0 && len == need + s.rest->stack_len;
}

static int take_sample(void *ctx, void *data, size_t len)
{
	struct collector *c = ctx;
	const struct sample_record *rec = data;
	struct collector_sample s;

	if (!record_is_whole(rec, len)) {
		c->counters[STAT_SAMPLE_MALFORMED]++;
		return 0;
	}
	s = parts_of(rec);
	if (s.rest)
		c->handlers.on_rows_missing(c->handlers.ctx, rec, s.rest);
	return event_queue_add(&c->queue, rec->time_ns, QUEUE_SAMPLE, data, len);
}

static void take_event(void *ctx, const void *record, size_t len)
{
	struct collector *c = ctx;
	struct proc_event ev;

	if (proc_event_decode(record, len, &ev) < 0) {
		c->counters[STAT_EVENT_MALFORMED]++;
		return;
	}
	if (ev.kind == PROC_EVENT_OTHER)
		return;
	if (event_queue_add(&c->queue, ev.time_ns, QUEUE_EVENT, record, len) < 0)
		c->counters[STAT_EVENT_LOST]++;
}

static void deliver_event(struct collector *c, const void *buf, size_t len)
{
	struct proc_event ev;

	if (proc_event_decode(buf, len, &ev) < 0)
		return; /* was decoded when it came in */
	if (ev.kind == PROC_EVENT_LOST)
		c->counters[STAT_EVENT_LOST] += ev.lost;
	if (ev.kind == PROC_EVENT_THROTTLED)
		c->counters[STAT_THROTTLED]++;
	c->handlers.on_event(c->handlers.ctx, &ev);
}

static void deliver(void *ctx, uint16_t kind, const void *buf, size_t len)
{
	struct collector *c = ctx;
	struct collector_sample s;

	if (kind == QUEUE_EVENT) {
		deliver_event(c, buf, len);
		return;
	}
	s = parts_of(buf);
	c->handlers.on_sample(c->handlers.ctx, &s);
}

static int drain(struct collector *c)
{
	int r;

	for (int i = 0; i < c->n_cpus; i++) {
		if (!c->cpus[i].open)
			continue;
		r = perf_ring_drain(&c->cpus[i].ring, take_event, c);
		if (r == -EBADMSG)
			c->counters[STAT_EVENT_MALFORMED]++;
		else if (r < 0)
			return r;
	}
	r = ring_buffer__consume(c->rings);
	return r < 0 ? r : 0;
}

/* --- CPUs ------------------------------------------------------------------------------------- */

static int watch(struct collector *c, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int cpu_start(struct collector *c, struct cpu_sampler *s)
{
	int r = cpu_sampler_start(s, &c->sampling, c->bpf->progs.oncpu_sample);

	if (r < 0 && r != -ENODEV)
		return log_error_errno(r, "cannot sample CPU %d with event %s", s->cpu,
				       collector_event_name(c->sampling.event));
	return r;
}

/* -ENODEV, of which nothing is said: it went offline meanwhile. */
static int cpu_come(struct collector *c, int cpu)
{
	struct cpu_sampler *s = &c->cpus[cpu];
	int r;

	r = cpu_sampler_open(s, cpu, c->events_size);
	if (r == -EACCES || r == -EPERM)
		return log_error_errno(r,
				       "cannot open perf events on CPU %d; needs root or "
				       "CAP_PERFMON, and kernel.perf_event_paranoid below 3 "
				       "without CAP_PERFMON",
				       cpu);
	if (r == -ENODEV)
		return r;
	if (r < 0)
		return log_error_errno(r, "cannot open perf events on CPU %d", cpu);
	r = watch(c, s->ring.fd);
	if (r < 0)
		return log_error_errno(r, "cannot wait for perf events");
	return c->sampling_on ? cpu_start(c, s) : 0;
}

/* A perf event dies with its CPU and does not come back with it. */
static void cpu_go(struct collector *c, int cpu)
{
	log_debug("CPU %d went offline", cpu);
	perf_ring_drain(&c->cpus[cpu].ring, take_event, c);
	cpu_sampler_close(&c->cpus[cpu]);
}

/* What happened there between its coming back and now is not known. */
static void tell_gap(struct collector *c, int cpu)
{
	struct proc_event ev = { .kind = PROC_EVENT_LOST, .time_ns = c->queue.flushed_ns };

	log_debug("CPU %d came online", cpu);
	c->counters[STAT_EVENT_LOST]++;
	c->handlers.on_event(c->handlers.ctx, &ev);
}

/* To be called a good while after the last time. */
static int update_cpus(struct collector *c)
{
	CLEANUP(freep) bool *online = calloc(c->n_cpus, sizeof(*online));
	int r;

	if (!online)
		return -ENOMEM;
	r = cpu_list_online(online, c->n_cpus);
	if (r < 0)
		return log_error_errno(r, "cannot read which CPUs are online");

	for (int i = 0; i < c->n_cpus; i++) {
		/* Not alive but online: it went and came back between two looks. */
		if (c->cpus[i].open && (!online[i] || !cpu_sampler_is_alive(&c->cpus[i])))
			cpu_go(c, i);
		if (!online[i] || c->cpus[i].open)
			continue;
		r = cpu_come(c, i);
		/* Gone again since the list was read: the next look will tell. */
		if (r == -ENODEV)
			cpu_sampler_close(&c->cpus[i]);
		else if (r < 0)
			return r;
		if (r == 0 && c->last_hotplug_ns)
			tell_gap(c, i);
	}
	return 0;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int add_ring(struct collector *c, __u32 shard, size_t size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "samples", 0, 0, size, NULL);
	int r;

	if (fd < 0)
		return fd;
	c->made.kernel += map_memory(fd);
	c->made.mapped += 2 * size;
	r = bpf_map_update_elem(bpf_map__fd(c->bpf->maps.rings), &shard, &fd, BPF_ANY);
	if (r == 0 && !c->rings) {
		c->rings = ring_buffer__new(fd, take_sample, c, NULL);
		r = c->rings ? 0 : -errno;
	} else if (r == 0) {
		r = ring_buffer__add(c->rings, fd, take_sample, c);
	}
	close(fd); /* the map of maps and the mapping keep it alive */
	return r;
}

static int make_rings(struct collector *c, size_t size)
{
	for (__u32 i = 0; i < c->bpf->rodata->cfg_ring_count; i++) {
		int r = add_ring(c, i, size);

		if (r < 0)
			return log_error_errno(r, "cannot make a ring buffer of %zu bytes", size);
	}
	return watch(c, ring_buffer__epoll_fd(c->rings));
}

bool collector_kernel_is_locked_down(void)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;

	return read_whole_file("/sys/kernel/security/lockdown", 256, &text, &len) == 0 &&
	       strstr(text, "[confidentiality]");
}

/* What libbpf returns is of little use in the first two cases: they have many faces. */
static int load_failed(int r)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		log_error("cannot load BPF programs: the kernel has no BTF "
			  "(/sys/kernel/btf/vmlinux); needs one built with "
			  "CONFIG_DEBUG_INFO_BTF=y, and /sys mounted");
	else if (collector_kernel_is_locked_down())
		log_error("cannot load BPF programs: the kernel is locked down "
			  "(/sys/kernel/security/lockdown); boot without "
			  "lockdown=confidentiality");
	else if (r == -EPERM || (r == -EACCES && geteuid() != 0)) /* else the verifier's */
		log_error_errno(r,
				"cannot load BPF programs; needs root or CAP_BPF and CAP_PERFMON");
	else
		log_error_errno(r, "cannot load BPF programs; 'spanprof doctor' says what is "
				   "missing, -v shows the verifier's words");
	return r;
}

static int set_cgroup(struct collector *c, int cgroup_fd)
{
	__u32 zero = 0;
	int r = bpf_map_update_elem(bpf_map__fd(c->bpf->maps.target_cgroup), &zero, &cgroup_fd,
				    BPF_ANY);

	return r < 0 ? log_error_errno(r, "cannot filter by this cgroup; it must be a folder of "
					  "the cgroup v2 hierarchy")
		     : 0;
}

static __u32 kernel_frames_max(void)
{
	uint64_t limit =
		read_number_file("/proc/sys/kernel/perf_event_max_stack", KERNEL_FRAMES_MAX);

	return limit < KERNEL_FRAMES_MAX ? limit : KERNEL_FRAMES_MAX;
}

static void tell_variables(struct collector *c, const struct collector_options *opt)
{
	/* The skeleton has them without their volatile. */
	struct ctx_variable *cfg = c->bpf->rodata->cfg_variables;

	for (size_t i = 0; i < opt->n_variables; i++)
		cfg[i] = opt->variables[i].how;
}

static int use_obi_map(struct collector *c, const char *path)
{
	CLEANUP(closep) int fd = -1;
	int r;

	if (!path)
		return 0;
	fd = obi_map_open(path);
	if (fd < 0)
		return fd;
	r = bpf_map__reuse_fd(c->bpf->maps.obi_contexts, fd);
	if (r < 0)
		return log_error_errno(r, "--obi-map: cannot use '%s'", path);
	c->bpf->rodata->cfg_obi = true;
	return 0;
}

/* All pids, of samples, of events and in /proc, must be those of the same namespace. */
static int tell_pid_namespace(struct collector *c)
{
	struct pid_namespace ns;
	int r = pid_namespace_own(&ns);

	if (r < 0)
		return log_error_errno(r, "cannot tell the PID namespace; is /proc mounted?");
	if (!ns.proc_is_ours)
		return log_error_errno(-EXDEV, "/proc is that of another PID namespace; mount "
					       "ours (unshare --mount-proc), or run in the other");
	c->bpf->rodata->cfg_pidns = ns.is_first ? 0 : ns.inode;
	return 0;
}

static int load_bpf(struct collector *c, const struct collector_options *opt)
{
	size_t ring_size =
		clamp_pow2((size_t)opt->frequency * RING_RECORD, RING_SIZE_MIN, RING_SIZE_MAX);
	int r;

	libbpf_set_print(print_libbpf);
	c->bpf = spanprof_bpf__open();
	if (!c->bpf)
		return load_failed(-errno);

	c->bpf->rodata->cfg_no_contexts = opt->no_contexts;
	c->bpf->rodata->cfg_filter_tgid = opt->filter_pids;
	c->bpf->rodata->cfg_filter_cgroup = opt->cgroup_fd >= 0;
	c->bpf->rodata->cfg_ring_count = c->n_cpus < RINGS_MAX ? c->n_cpus : RINGS_MAX;
	c->bpf->rodata->cfg_ring_wakeup = ring_size / 4;
	c->bpf->rodata->cfg_kernel_frames = kernel_frames_max();
	tell_variables(c, opt);
	r = tell_pid_namespace(c);
	if (r == 0)
		r = use_obi_map(c, opt->obi_map);
	if (r < 0)
		return r;
	if (!opt->filter_pids)
		bpf_map__set_max_entries(c->bpf->maps.targets, 1); /* its memory is allocated now */
	bpf_map__set_max_entries(c->bpf->maps.stats, c->n_cpus);
	bpf_map__set_max_entries(c->bpf->maps.scratches, c->n_cpus);
	bpf_map__set_max_entries(c->bpf->maps.arenas, opt->unwind_budget / UNWIND_ARENA_SIZE + 1);
	bpf_program__set_autoload(c->bpf->progs.follow_fork, opt->follow);
	bpf_program__set_autoload(c->bpf->progs.follow_exit, opt->follow);
	r = spanprof_bpf__load(c->bpf);
	if (r < 0)
		return load_failed(r);

	r = opt->cgroup_fd >= 0 ? set_cgroup(c, opt->cgroup_fd) : 0;
	return r < 0 ? r : make_rings(c, ring_size);
}

static int attach_follow(struct collector *c)
{
	c->bpf->links.follow_fork = bpf_program__attach(c->bpf->progs.follow_fork);
	if (!c->bpf->links.follow_fork)
		return log_error_errno(-errno, "cannot attach to raw tracepoint "
					       "sched_process_fork");
	c->bpf->links.follow_exit = bpf_program__attach(c->bpf->progs.follow_exit);
	if (!c->bpf->links.follow_exit)
		return log_error_errno(-errno, "cannot attach to raw tracepoint "
					       "sched_process_exit");
	return 0;
}

int collector_probe_event(enum collector_event event, int cpu)
{
	struct sampling_event how;
	CLEANUP(closep) int fd = -1;
	int r = sampling_event_choose(event, PROBE_FREQUENCY, &how);

	if (r < 0)
		return r;
	fd = sampling_event_open(&how, cpu);
	return fd < 0 ? fd : 0;
}

static int choose_event(struct collector *c, const struct collector_options *opt)
{
	int r = sampling_event_choose(opt->event, opt->frequency, &c->sampling);

	if (r < 0)
		return log_error_errno(r, "cannot sample with event %s; try -e cpu-clock",
				       collector_event_name(opt->event));
	return 0;
}

static int allocate(const struct collector_options *opt, const struct collector_handlers *handlers,
		    struct collector **ret)
{
	CLEANUP(collector_closep) struct collector *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->handlers = *handlers;
	c->arena_fd = -1;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return -errno;
	c->n_cpus = libbpf_num_possible_cpus();
	if (c->n_cpus < 0)
		return c->n_cpus;
	c->cpus = calloc(c->n_cpus, sizeof(*c->cpus));
	if (!c->cpus)
		return -ENOMEM;
	c->events_size = clamp_pow2(EVENTS_SIZE_ALL / c->n_cpus, EVENTS_SIZE_MIN, EVENTS_SIZE_MAX);
	*ret = TAKE_PTR(c);
	return 0;
}

int collector_open(const struct collector_options *opt, const struct collector_handlers *handlers,
		   struct collector **ret)
{
	CLEANUP(collector_closep) struct collector *c = NULL;
	int r;

	r = allocate(opt, handlers, &c);
	if (r < 0)
		return log_error_errno(r, "cannot set up the collector");
	r = choose_event(c, opt);
	if (r < 0)
		return r;
	r = load_bpf(c, opt);
	if (r < 0)
		return r;
	r = opt->follow ? attach_follow(c) : 0;
	if (r < 0)
		return r;
	r = update_cpus(c);
	if (r < 0)
		return r;

	c->last_hotplug_ns = monotonic_ns();
	*ret = TAKE_PTR(c);
	return 0;
}

void collector_close(struct collector *c)
{
	if (!c)
		return;
	for (int i = 0; c->cpus && i < c->n_cpus; i++)
		cpu_sampler_close(&c->cpus[i]);
	free(c->cpus);
	ring_buffer__free(c->rings);
	spanprof_bpf__destroy(c->bpf);
	for (size_t i = 0; i < c->arenas.n; i++)
		munmap(c->arenas.data[i], UNWIND_ARENA_SIZE);
	vec_free(&c->arenas);
	closep(&c->arena_fd);
	event_queue_clear(&c->queue);
	closep(&c->epoll_fd);
	free(c);
}

/* --- running ---------------------------------------------------------------------------------- */

int collector_start(struct collector *c)
{
	c->sampling_on = true;
	for (int i = 0; i < c->n_cpus; i++) {
		int r = c->cpus[i].open ? cpu_start(c, &c->cpus[i]) : 0;

		if (r == -ENODEV)
			cpu_go(c, i);
		else if (r < 0)
			return r;
	}
	return 0;
}

int collector_set_frequency(struct collector *c, unsigned frequency)
{
	c->sampling.period = c->sampling.per_second / frequency;
	for (int i = 0; i < c->n_cpus; i++) {
		struct cpu_sampler *s = &c->cpus[i];
		int r = s->link ? cpu_sampler_set_period(s, c->sampling.period) : 0;

		if (r < 0)
			return log_error_errno(r, "cannot sample CPU %d %u times a second", s->cpu,
					       frequency);
	}
	return 0;
}

void collector_set_focus(struct collector *c, const struct sample_focus *focus)
{
	c->bpf->bss->focus = *focus;
}

static int wait_tick(struct collector *c)
{
	struct epoll_event ev;
	int n = epoll_wait(c->epoll_fd, &ev, 1, TICK_MS);

	return n < 0 && errno != EINTR ? -errno : 0;
}

int collector_poll(struct collector *c)
{
	uint64_t start;
	int r;

	r = wait_tick(c);
	if (r < 0)
		return log_error_errno(r, "cannot wait for samples");

	start = monotonic_ns();
	r = drain(c);
	if (r == 0)
		r = event_queue_flush(&c->queue, start - COLLECTOR_DELAY_NS, deliver, c);
	if (r < 0)
		return log_error_errno(r, "cannot take samples in");

	if (start - c->last_hotplug_ns < HOTPLUG_NS)
		return 0;
	c->last_hotplug_ns = start;
	return update_cpus(c);
}

int collector_finish(struct collector *c)
{
	int r;

	for (int i = 0; i < c->n_cpus; i++)
		cpu_sampler_stop(&c->cpus[i]);
	c->sampling_on = false;
	r = drain(c);
	if (r == 0)
		r = event_queue_flush(&c->queue, UINT64_MAX, deliver, c);
	return r < 0 ? log_error_errno(r, "cannot take samples in") : 0;
}

int collector_add_target(struct collector *c, pid_t pid)
{
	__u32 key = pid;
	__u8 one = 1;

	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.targets), &key, &one, BPF_ANY);
}

void collector_drop_target(struct collector *c, pid_t pid)
{
	__u32 key = pid;

	bpf_map_delete_elem(bpf_map__fd(c->bpf->maps.targets), &key);
}

int collector_set_proc(struct collector *c, pid_t pid, const struct proc_info *info)
{
	__u32 key = pid;
	int r = bpf_map_update_elem(bpf_map__fd(c->bpf->maps.procs), &key, info, BPF_ANY);

	/* What the kernel side remembers of processes is void. */
	__atomic_fetch_add(&c->bpf->bss->unwind_control.procs_generation, 1, __ATOMIC_RELEASE);
	return r;
}

int collector_set_python(struct collector *c, uint32_t number, const struct python_info *info)
{
	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.pythons), &number, info, BPF_ANY);
}

void collector_forget_proc(struct collector *c, pid_t pid)
{
	__u32 key = pid;

	bpf_map_delete_elem(bpf_map__fd(c->bpf->maps.procs), &key);
}

/* --- unwind tables ---------------------------------------------------------------------------- */

static int show_arena(struct collector *c, uint32_t index, int fd)
{
	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.arenas), &index, &fd, BPF_ANY);
}

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	struct collector *c = ctx;
	CLEANUP(closep) int fd = -1;
	void *mem;
	int r;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_rows", sizeof(__u32), UNWIND_ARENA_SIZE, 1,
			    &opts);
	if (fd < 0)
		return fd;
	mem = mmap(NULL, UNWIND_ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	r = vec_push(&c->arenas, mem);
	if (r < 0)
		munmap(mem, UNWIND_ARENA_SIZE);
	if (r == 0)
		r = show_arena(c, index, fd);
	if (r == 0) {
		c->made.kernel += map_memory(fd);
		c->made.mapped += UNWIND_ARENA_SIZE;
	}
	if (r == 0 && index == 0)
		c->arena_fd = TAKE_FD(fd);
	*ret = mem;
	return r;
}

/* Changing an entry of a map of maps waits for the programs that may have seen the old one. */
static int wait_readers(void *ctx)
{
	struct collector *c = ctx;

	return show_arena(c, 0, c->arena_fd);
}

struct row_store_backing collector_unwind_backing(struct collector *c)
{
	return (struct row_store_backing){
		.ctx = c,
		.control = &c->bpf->bss->unwind_control,
		.add_arena = add_arena,
		.wait_readers = wait_readers,
	};
}

/* --- counters --------------------------------------------------------------------------------- */

static int read_cpu_stats(const struct collector *c, __u32 cpu, struct cpu_stats *ret)
{
	return bpf_map_lookup_elem(bpf_map__fd(c->bpf->maps.stats), &cpu, ret);
}

int collector_read_stats(const struct collector *c, uint64_t *counters)
{
	struct cpu_stats one;

	for (int cpu = 0; cpu < c->n_cpus; cpu++) {
		int r = read_cpu_stats(c, cpu, &one);

		if (r < 0)
			return r;
		for (int id = 0; id < STAT_KERNEL_COUNT; id++)
			counters[id] += one.n[id];
	}
	for (int id = STAT_KERNEL_COUNT; id < STAT_COUNT; id++)
		counters[id] += c->counters[id];
	counters[STAT_EVENT_LATE] += c->queue.n_late;
	return 0;
}

int collector_run_time(const struct collector *c, struct run_time *ret)
{
	struct run_time sum = { 0 };
	struct cpu_stats one;

	for (int cpu = 0; cpu < c->n_cpus; cpu++) {
		int r = read_cpu_stats(c, cpu, &one);

		if (r < 0)
			return r;
		sum.ns += one.run_ns;
		sum.runs += one.runs;
	}
	*ret = sum;
	return 0;
}

static uint64_t measure_object_maps(struct collector *c)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, c->bpf->obj)
	{
		bool is_obis = c->bpf->rodata->cfg_obi && map == c->bpf->maps.obi_contexts;

		if (bpf_map__fd(map) >= 0 && !is_obis)
			sum += map_memory(bpf_map__fd(map));
	}
	return sum;
}

struct map_sizes collector_map_sizes(struct collector *c)
{
	struct map_sizes all = c->made;
	uint64_t now = monotonic_ns();

	if (!c->last_maps_ns || now - c->last_maps_ns > MAPS_NS) {
		c->object_maps = measure_object_maps(c);
		c->last_maps_ns = now;
	}
	all.kernel += c->object_maps;
	return all;
}

enum collector_event collector_event(const struct collector *c)
{
	return c->sampling.event;
}

const char *collector_event_name(enum collector_event event)
{
	static const char *const names[] = { "auto", "cpu-clock", "cycles" };

	return names[event];
}
