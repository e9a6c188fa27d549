/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/jit_names.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "proc/process_root.h"
#include "shared/stat.h"
#include "sym/growing_file.h"
#include "sym/jitdump.h"
#include "sym/name_table.h"
#include "sym/perf_map.h"

#define READ_PAUSE_NS                                                                              \
	(50 * NSEC_PER_MSEC)	/* between two looks at a file for the sake of samples             \
				 */
#define READ_STEP  (4u << 20)	/* bytes at a look */
#define READ_ALL   (8u << 20)	/* bytes of all files together, each second: samples wait */
#define READ_END   (64u << 20)	/* bytes that are left of a file whose process ends */
#define FILE_MAX   (256u << 20) /* bytes of a file that are read, all in all */
#define MEMORY_MAX (512u << 20) /* bytes, of all processes */

#define LIVING_BUCKETS 4096

/* A process that writes a dump may be late: what it has not told of yet is kept apart by time. */
#define CODE_LATE    0x80000000u
#define LATE_STEP_NS (250 * NSEC_PER_MSEC)

/* A code is the number of an entry, and of how many forks ago it was written. */
#define CODE_FORK_SHIFT 24
#define CODE_FORKS_MAX	127

#define CODE_UNKNOWN UINT32_MAX /* nobody will tell */

struct jit_process {
	uint64_t id;
	pid_t pid;
	bool is_used;		    /* as far as the sweep at hand knows */
	struct jit_process *parent; /* whose memory it has a copy of, NULL: of none */
	uint64_t forked_ns;
	struct process_ids ids;
	int folder; /* where its map appears; -1: none */
	char map_name[32];
	struct growing_file map;
	struct stat map_st;
	struct perf_map parser;
	struct code_names *names;
	uint64_t began_ns; /* of the session */
	uint64_t read_ns;  /* the last look at its files */
	uint64_t cut_ns;   /* from here on it is not heard of what becomes code; 0: it is */
	bool map_refused, map_old;
	char dump_name[32];
	char *dump_path; /* as the process mapped it; NULL: it has none */
	struct growing_file dump;
	struct jitdump *dump_parser;
	bool dump_refused;
};

struct jit_names {
	pthread_mutex_t mutex; /* who changes it, and who answers */
	struct jit_observer observer;
	struct hashmap by_id;
	VEC(struct jit_process *) living;
	uint32_t n_living[LIVING_BUCKETS]; /* by pid: of each process that ends it is asked */
	size_t turn;			   /* whose files are read next */
	struct name_table names;
	uint64_t began_ns;
	size_t memory; /* of the names of all processes */
};

static uint32_t *n_living_of(struct jit_names *jn, pid_t pid)
{
	return &jn->n_living[(unsigned)pid % LIVING_BUCKETS];
}

static void close_files(struct jit_process *jp)
{
	closep(&jp->folder);
	jp->folder = -1;
	growing_file_close(&jp->map);
	growing_file_close(&jp->dump);
}

static void jit_process_free(struct jit_process *jp)
{
	if (!jp)
		return;
	close_files(jp);
	code_names_free(jp->names);
	jitdump_free(jp->dump_parser);
	free(jp->dump_path);
	free(jp);
}
DEFINE_CLEANUP(struct jit_process *, jit_process_free)

int jit_names_new(const struct jit_observer *observer, struct jit_names **ret)
{
	struct jit_names *jn = calloc(1, sizeof(*jn));

	if (!jn)
		return -ENOMEM;
	pthread_mutex_init(&jn->mutex, NULL);
	jn->observer = *observer;
	if (!jn->observer.memory_max)
		jn->observer.memory_max = MEMORY_MAX;
	jn->began_ns = monotonic_ns();
	*ret = jn;
	return 0;
}

void jit_names_free(struct jit_names *jn)
{
	struct jit_process *jp;
	size_t pos = 0;

	if (!jn)
		return;
	while ((jp = hashmap_next(&jn->by_id, &pos)))
		jit_process_free(jp);
	hashmap_clear(&jn->by_id);
	vec_free(&jn->living);
	name_table_clear(&jn->names);
	pthread_mutex_destroy(&jn->mutex);
	free(jn);
}

/* --- perf-PID.map ----------------------------------------------------------------------------- */

static void tell(struct jit_names *jn, const struct jit_process *jp, const char *path, int error)
{
	jn->observer.counters[error == -EFBIG ? STAT_JIT_CUT : STAT_JIT_REFUSED]++;
	jn->observer.on_trouble(jn->observer.ctx, jp->pid, path, error);
}

static void refuse_map(struct jit_names *jn, struct jit_process *jp, int error)
{
	char path[64];

	jp->map_refused = true;
	growing_file_close(&jp->map);
	snprintf(path, sizeof(path), "/tmp/%s", jp->map_name);
	tell(jn, jp, path, error);
}

static uint64_t file_time_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_mtim.tv_nsec;
}

/* What an earlier process of this number left has not been written since this one began. */
static bool is_of_another(const struct jit_process *jp, const struct stat *st)
{
	return file_time_ns(st) + NSEC_PER_SEC < jp->ids.started_ns;
}

static void open_map(struct jit_names *jn, struct jit_process *jp)
{
	CLEANUP(closep) int fd = -1;

	if (jp->folder < 0)
		return;
	fd = process_file_open(jp->folder, jp->map_name, jp->ids.euid, &jp->map_st);
	jp->map_old = fd >= 0 && is_of_another(jp, &jp->map_st);
	if (fd == -ENOENT || jp->map_old)
		return;
	if (fd < 0) {
		refuse_map(jn, jp, fd);
		return;
	}
	growing_file_begin(&jp->map, fd, jp->map.left);
	fd = -1;
	jp->parser = (struct perf_map){ .malformed = jp->parser.malformed };
}

/* Is another file under its name by now? */
static bool is_replaced(const struct jit_process *jp)
{
	struct stat st;

	return fstatat(jp->folder, jp->map_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_ino != jp->map_st.st_ino || st.st_dev != jp->map_st.st_dev);
}

/* When the last byte was written, as far as one can believe it: not before the last look. */
static uint64_t written_ns(const struct jit_process *jp, uint64_t now_ns)
{
	uint64_t age, now_real = realtime_ns();
	struct timespec tick = { 0 };
	struct stat st;

	if (fstat(jp->map.fd, &st) < 0 || file_time_ns(&st) > now_real)
		return now_ns;
	/* Files have the time of the last tick of the kernel's clock. */
	clock_getres(CLOCK_REALTIME_COARSE, &tick);
	age = now_real - file_time_ns(&st);
	age -= age < (uint64_t)tick.tv_nsec ? age : (uint64_t)tick.tv_nsec;
	return age < now_ns - jp->read_ns ? now_ns - age : jp->read_ns + 1;
}

struct new_bytes {
	struct jit_names *jn;
	struct jit_process *jp;
	uint64_t time_ns;
};

/* Names of @jp take as many bytes more as they did @before less; too many end its file. */
static int account(struct jit_names *jn, const struct jit_process *jp, size_t before, int r)
{
	size_t max = jn->observer.memory_max, own = code_names_bytes(jp->names);

	jn->memory += own - before;
	return r == -ENOSPC || own > max / 2 || jn->memory > max ? -EFBIG : r;
}

static int on_text(void *arg, const void *bytes, size_t n)
{
	struct new_bytes *new = arg;
	struct jit_process *jp = new->jp;
	size_t before = code_names_bytes(jp->names);
	int r = perf_map_feed(&jp->parser, bytes, n, new->time_ns, jp->names);

	return account(new->jn, jp, before, r);
}

static void read_map(struct jit_names *jn, struct jit_process *jp, uint64_t now_ns, size_t max)
{
	struct new_bytes text = { jn, jp, 0 };
	uint64_t malformed;
	int r;

	if (jp->map_refused)
		return;
	if (jp->map.fd < 0)
		open_map(jn, jp);
	if (jp->map.fd < 0)
		return;
	if (growing_file_restart_if_new(&jp->map))
		jp->parser.n = 0;
	malformed = jp->parser.malformed;
	text.time_ns = written_ns(jp, now_ns);
	r = growing_file_read(&jp->map, max, on_text, &text);
	jn->observer.counters[STAT_JIT_MALFORMED] += jp->parser.malformed - malformed;
	if (r == -EFBIG && max != READ_END)
		jp->cut_ns = now_ns;
	if (r < 0 || (r > 0 && max == READ_END))
		refuse_map(jn, jp, r < 0 ? r : -EFBIG);
}

/* --- jit-PID.dump ----------------------------------------------------------------------------- */

static void refuse_dump(struct jit_names *jn, struct jit_process *jp, int error)
{
	jp->dump_refused = true;
	growing_file_close(&jp->dump);
	tell(jn, jp, jp->dump_path, error);
}

/* The file is known by its mapping, so that it is the one that the process means. */
static int open_dump(struct jit_process *jp, const struct mapping *m)
{
	int fd = dso_open(m->dso, jp->pid, m->start, m->end), own;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != jp->ids.euid && st.st_uid != 0)
		return -EPERM;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	growing_file_begin(&jp->dump, own, FILE_MAX);
	return jitdump_new(&jp->dump_parser);
}

/* A process that writes a dump says so by mapping it executable. */
static void find_dump(struct jit_names *jn, struct jit_process *jp, const struct process *p)
{
	for (size_t i = 0; !jp->dump_path && i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];
		int r;

		if (m->dso->kind != DSO_FILE || strcmp(m->dso->name, jp->dump_name) != 0)
			continue;
		jp->dump_path = strdup(m->dso->path);
		r = jp->dump_path ? open_dump(jp, m) : -ENOMEM;
		if (r < 0 && jp->dump_path)
			refuse_dump(jn, jp, r);
	}
}

static int on_dump(void *arg, const void *bytes, size_t n)
{
	struct new_bytes *new = arg;
	struct jit_process *jp = new->jp;
	size_t before = code_names_bytes(jp->names);
	uint64_t malformed = jitdump_malformed(jp->dump_parser);
	int r = jitdump_feed(jp->dump_parser, bytes, n, new->time_ns, jp->names);

	new->jn->observer.counters[STAT_JIT_MALFORMED] +=
		jitdump_malformed(jp->dump_parser) - malformed;
	return account(new->jn, jp, before, r);
}

static void read_dump(struct jit_names *jn, struct jit_process *jp, uint64_t now_ns, size_t max)
{
	struct new_bytes bytes = { jn, jp, now_ns };
	int r = jp->dump.fd < 0 ? 0 : growing_file_read(&jp->dump, max, on_dump, &bytes);

	if (r == -EFBIG && max != READ_END)
		jp->cut_ns = now_ns;
	if (r < 0 || (r > 0 && max == READ_END))
		refuse_dump(jn, jp, r < 0 ? r : -EFBIG);
}

/* Up to @max bytes of each; READ_END: for the last time. Returns how many there were. */
static size_t read_files(struct jit_names *jn, struct jit_process *jp, uint64_t now_ns, size_t max)
{
	uint64_t left = jp->map.left + jp->dump.left;

	read_map(jn, jp, now_ns, max);
	read_dump(jn, jp, now_ns, max);
	jp->read_ns = now_ns;
	return left - (jp->map.left + jp->dump.left);
}

/* --- processes -------------------------------------------------------------------------------- */

static bool id_eq(const void *value, const void *key)
{
	return ((const struct jit_process *)value)->id == *(const uint64_t *)key;
}

static struct jit_process *find(const struct jit_names *jn, uint64_t id)
{
	return hashmap_get(&jn->by_id, hash_u64(0, id), id_eq, &id);
}

static void find_files(struct jit_process *jp)
{
	if (process_ids_read(jp->pid, &jp->ids) < 0)
		return; /* gone: so is what it has written, as nobody knows whose it is */
	snprintf(jp->map_name, sizeof(jp->map_name), "perf-%d.map", jp->ids.ns_pid);
	snprintf(jp->dump_name, sizeof(jp->dump_name), "jit-%d.dump", jp->ids.ns_pid);
	jp->folder = process_folder_open(jp->pid, "tmp");
}

static int add_process(struct jit_names *jn, const struct process *p, struct jit_process **ret)
{
	CLEANUP(jit_process_freep) struct jit_process *jp = calloc(1, sizeof(*jp));
	int r;

	if (!jp)
		return -ENOMEM;
	jp->folder = -1;
	growing_file_begin(&jp->map, -1, FILE_MAX);
	growing_file_begin(&jp->dump, -1, FILE_MAX);
	jp->began_ns = jn->began_ns;
	jp->id = p->id;
	jp->pid = p->pid;
	jp->parent = p->forked_from ? find(jn, p->forked_from) : NULL;
	jp->forked_ns = p->forked_ns;
	r = code_names_new(&jp->names);
	if (r == 0)
		r = vec_reserve(&jn->living, 1);
	if (r == 0)
		r = hashmap_put(&jn->by_id, hash_u64(0, jp->id), jp);
	if (r < 0)
		return r;
	jn->memory += code_names_bytes(jp->names);
	if (!p->exited_ns)
		find_files(jp);
	jn->living.data[jn->living.n++] = jp;
	++*n_living_of(jn, jp->pid);
	*ret = TAKE_PTR(jp);
	return 0;
}

static void unlockp(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

/* Until the end of the scope. */
#define LOCKED(jn)                                                                                 \
	CLEANUP(unlockp) pthread_mutex_t *locked_ = &(jn)->mutex;                                  \
	pthread_mutex_lock(locked_)

int jit_names_enter(struct jit_names *jn, const struct process *p, struct jit_process **ret)
{
	LOCKED(jn);
	struct jit_process *jp = find(jn, p->id);
	uint64_t now = monotonic_ns();
	int r = jp ? 0 : add_process(jn, p, &jp);

	if (r < 0)
		return r;
	if (now - jp->read_ns >= READ_PAUSE_NS) {
		find_dump(jn, jp, p);
		read_files(jn, jp, now, READ_STEP);
	}
	*ret = jp;
	return 0;
}

void jit_process_files(const struct jit_process *jp, struct jit_files *ret)
{
	*ret = (struct jit_files){
		.map = jp->map_name,
		.dump = jp->dump_path,
		.map_read = jp->map.fd >= 0,
		.dump_read = jp->dump.fd >= 0,
		.map_old = jp->map_old,
		.n_names = code_names_count(jp->names),
	};
}

void jit_names_read(struct jit_names *jn, uint64_t now_ns)
{
	LOCKED(jn);
	size_t done = 0;

	for (size_t i = 0; i < jn->living.n && done < READ_ALL; i++) {
		struct jit_process *jp = jn->living.data[jn->turn++ % jn->living.n];

		done += read_files(jn, jp, now_ns, READ_STEP);
		if (jp->map.fd >= 0 && is_replaced(jp))
			growing_file_close(&jp->map);
	}
}

void jit_names_end(struct jit_names *jn, pid_t pid)
{
	LOCKED(jn);

	if (pid && !*n_living_of(jn, pid))
		return;
	for (size_t i = jn->living.n; i-- > 0;) {
		struct jit_process *jp = jn->living.data[i];

		if (pid && jp->pid != pid)
			continue;
		read_files(jn, jp, monotonic_ns(), READ_END);
		close_files(jp);
		--*n_living_of(jn, jp->pid);
		jn->living.data[i] = jn->living.data[--jn->living.n];
	}
}

/* What a child may ask its parent for is used with it. */
static void use(struct jit_process *jp)
{
	for (; jp && !jp->is_used; jp = jp->parent)
		jp->is_used = true;
}

void jit_names_use(struct jit_names *jn, uint64_t owner)
{
	use(find(jn, owner));
}

static void forget(struct jit_names *jn, struct jit_process *jp)
{
	hashmap_remove(&jn->by_id, hash_u64(0, jp->id), id_eq, &jp->id);
	jn->memory -= code_names_bytes(jp->names);
	jit_process_free(jp);
}

void jit_names_sweep(struct jit_names *jn)
{
	LOCKED(jn);
	VEC(struct jit_process *) unused = { 0 };
	struct jit_process *jp;
	size_t pos = 0;

	for (size_t i = 0; i < jn->living.n; i++)
		use(jn->living.data[i]);
	while ((jp = hashmap_next(&jn->by_id, &pos))) {
		if (!jp->is_used && vec_push(&unused, jp) < 0)
			break; /* the rest goes next time */
		jp->is_used = false;
	}
	for (size_t i = 0; i < unused.n; i++)
		forget(jn, unused.data[i]);
	vec_free(&unused);
	name_table_clear(&jn->names);
}

/* --- names ------------------------------------------------------------------------------------ */

/* Of @jp or of what its parents had told before they forked it; 0: none. */
static uint32_t find_told(const struct jit_process *jp, uint64_t addr, uint64_t time_ns)
{
	for (uint32_t forks = 0; jp && forks <= CODE_FORKS_MAX; forks++, jp = jp->parent) {
		uint32_t n;

		if (jp->cut_ns && time_ns > jp->cut_ns)
			return 0;
		n = code_names_at(jp->names, addr, time_ns);
		if (n)
			return forks << CODE_FORK_SHIFT | n;
		if (jp->forked_ns < time_ns)
			time_ns = jp->forked_ns;
	}
	return 0;
}

uint32_t jit_code_at(const struct jit_process *jp, uint64_t addr, uint64_t time_ns)
{
	uint32_t code;

	/* Runtimes use addresses again: what was there before may be anything by now. */
	if (jp->cut_ns && time_ns > jp->cut_ns)
		return CODE_UNKNOWN;
	code = find_told(jp, addr, time_ns);
	if (code || !jp->dump_path || time_ns < jp->began_ns)
		return code;
	return CODE_LATE | (uint32_t)((time_ns - jp->began_ns) / LATE_STEP_NS);
}

/* The first that came later than @time_ns, as an own code. */
static uint32_t find_late(const struct jit_process *jp, uint64_t addr, uint64_t time_ns)
{
	uint32_t code = time_ns ? find_told(jp, addr, time_ns) : 0;

	if (!code)
		code = code_names_after(jp->names, addr, time_ns);
	return code ? code : find_told(jp, addr, jp->forked_ns);
}

static const struct code_name *find_code(const struct jit_process *jp, uint64_t addr, uint32_t code)
{
	if (code == CODE_UNKNOWN)
		return NULL;
	if (code & CODE_LATE)
		code = find_late(jp, addr, jp->began_ns + ((code & ~CODE_LATE) + 1) * LATE_STEP_NS);
	else if (!code)
		code = find_late(jp, addr, 0);
	if (!code)
		return NULL;
	for (; code >> CODE_FORK_SHIFT; code -= 1u << CODE_FORK_SHIFT)
		jp = jp->parent;
	return code_names_get(jp->names, code);
}

static const struct code_line *find_line(const struct code_name *c, uint64_t addr)
{
	uint32_t lo = 0, hi = c->n_lines;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (c->lines[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &c->lines[lo - 1] : NULL;
}

static int add_line(struct jit_names *jn, const struct code_line *line, struct sym_result *res)
{
	struct sym_frame *frame = name_table_frames(&jn->names, 1);

	if (!frame)
		return -ENOMEM;
	*frame = *res->frames;
	frame->line = line->line;
	res->frames = frame;
	return name_table_intern_file(&jn->names, line->file, &frame->file);
}

static int answer(struct jit_names *jn, const struct code_name *c, struct sym_result *res)
{
	const struct code_line *line;
	/* A stranger's name is nothing for a demangler in this process. */
	int r = name_table_intern_as_is(&jn->names, c->name, &res->frames);

	if (r < 0)
		return r;
	res->n_frames = 1;
	res->start = c->start;
	line = find_line(c, res->vaddr);
	return line ? add_line(jn, line, res) : 0;
}

int jit_names_answer(struct jit_names *jn, const struct jit_places *places,
		     struct sym_result *results)
{
	LOCKED(jn);
	const struct jit_process *jp = find(jn, places->owner);
	int r = 0;

	for (size_t i = 0; r == 0 && i < places->n; i++) {
		const struct code_name *c =
			jp ? find_code(jp, places->addrs[i], places->codes[i]) : NULL;

		results[i] = (struct sym_result){ .vaddr = places->addrs[i] };
		if (c)
			r = answer(jn, c, &results[i]);
	}
	return r;
}
