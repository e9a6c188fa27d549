/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dso.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/vec.h"

/*
 * Memory that has the name of a file, which nobody else can open and which is no ELF: perf says
 * //anon where maps says nothing; shared and huge pages; where .NET has its code.
 */
static bool is_memory(const char *path)
{
	static const char *const names[] = {
		"//anon", "/dev/zero (deleted)", "/anon_hugepage", "/SYSV", "/memfd:doublemapper",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(path, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static enum dso_kind kind_of(const char *path)
{
	if (strcmp(path, "[vdso]") == 0)
		return DSO_VDSO;
	return path[0] == '/' && !is_memory(path) ? DSO_FILE : DSO_ANON;
}

static uint64_t key_hash(const struct dso_key *key)
{
	uint64_t h = hash_bytes(0, key->path, strlen(key->path));

	return hash_u64(hash_u64(h, key->dev), key->ino);
}

static bool key_eq(const void *value, const void *k)
{
	const struct dso *dso = value;
	const struct dso_key *key = k;

	return dso->dev == key->dev && dso->ino == key->ino && strcmp(dso->path, key->path) == 0;
}

struct owned_key {
	const char *path;
	uint64_t owner;
};

static uint64_t owned_hash(const struct owned_key *key)
{
	return hash_u64(hash_bytes(0, key->path, strlen(key->path)), key->owner);
}

static bool owned_eq(const void *value, const void *k)
{
	const struct dso *dso = value;
	const struct owned_key *key = k;

	return dso->owner == key->owner && strcmp(dso->path, key->path) == 0;
}

static void dso_free(struct dso *dso)
{
	if (!dso)
		return;
	closep(&dso->fd);
	root_dirs_put(dso->roots, dso->root);
	free(dso->path);
	free(dso->name);
	free(dso);
}
DEFINE_CLEANUP(struct dso *, dso_free)

/* A program keeps its name when its file is replaced: by an upgrade, say. */
static char *name_of(const char *path)
{
	static const char mark[] = " (deleted)";
	const char *slash = strrchr(path, '/');
	const char *name = slash && slash[1] ? slash + 1 : path;
	size_t len = strlen(name), mark_len = strlen(mark);

	if (len > mark_len && strcmp(name + len - mark_len, mark) == 0)
		len -= mark_len;
	return strndup(name, len);
}

static int dso_new(const struct dso_key *key, struct dso **ret)
{
	CLEANUP(dso_freep) struct dso *dso = calloc(1, sizeof(*dso));

	if (!dso)
		return -ENOMEM;
	dso->fd = -1;
	dso->path = strdup(key->path);
	dso->name = name_of(key->path);
	if (!dso->path || !dso->name)
		return -ENOMEM;
	dso->kind = kind_of(key->path);
	dso->dev = key->dev;
	dso->ino = key->ino;
	*ret = TAKE_PTR(dso);
	return 0;
}

/* Room for one more, which the caller takes by id. */
static int reserve_id(struct dso_table *t, uint32_t *ret)
{
	int r;

	if (t->free_ids.n) {
		*ret = t->free_ids.data[t->free_ids.n - 1];
		return 0;
	}
	r = vec_reserve_bytes((void **)&t->dsos, &t->cap, t->n + 1, sizeof(*t->dsos));
	if (r < 0)
		return r;
	/* So that giving it back cannot fail. */
	r = vec_reserve_bytes((void **)&t->free_ids.data, &t->free_ids.cap, t->n + 1,
			      sizeof(*t->free_ids.data));
	*ret = t->n;
	return r;
}

static void take_id(struct dso_table *t, struct dso *dso, uint32_t id)
{
	dso->id = id;
	t->dsos[id] = dso;
	if (id == t->n)
		t->n++;
	else
		t->free_ids.n--;
}

static int put(struct dso_table *t, struct dso *dso)
{
	struct owned_key owned = { dso->path, dso->owner };
	struct dso_key key = { dso->path, dso->dev, dso->ino };

	return dso->owner ? hashmap_put(&t->owned, owned_hash(&owned), dso)
			  : hashmap_put(&t->by_key, key_hash(&key), dso);
}

static int dso_table_add(struct dso_table *t, const struct dso_key *key, uint64_t owner,
			 struct dso **ret)
{
	CLEANUP(dso_freep) struct dso *dso = NULL;
	uint32_t id;
	int r;

	r = reserve_id(t, &id);
	if (r == 0)
		r = dso_new(key, &dso);
	if (r < 0)
		return r;
	dso->owner = owner;
	dso->roots = &t->roots;
	dso->used_round = t->round;
	dso->used_ns = t->round_ns;
	r = put(t, dso);
	if (r < 0)
		return r;
	take_id(t, dso, id);
	*ret = TAKE_PTR(dso);
	return 0;
}

int dso_table_get(struct dso_table *t, const struct dso_key *key, struct dso **ret)
{
	struct dso *dso = hashmap_get(&t->by_key, key_hash(key), key_eq, key);

	if (!dso)
		return dso_table_add(t, key, 0, ret);
	*ret = dso;
	return 0;
}

int dso_table_get_owned(struct dso_table *t, const struct dso *shared, uint64_t owner,
			struct dso **ret)
{
	struct owned_key key = { shared->path, owner };
	struct dso *dso = hashmap_get(&t->owned, owned_hash(&key), owned_eq, &key);

	if (!dso)
		return dso_table_add(t, &(struct dso_key){ .path = shared->path }, owner, ret);
	*ret = dso;
	return 0;
}

int dso_table_init(struct dso_table *t)
{
	struct dso *dso;
	int r;

	*t = (struct dso_table){ 0 };
	r = dso_table_add(t, &(struct dso_key){ .path = "[kernel.kallsyms]" }, 0, &dso);
	if (r < 0)
		return r;
	dso->kind = DSO_KERNEL;
	r = dso_table_add(t, &(struct dso_key){ .path = "[unknown]" }, 0, &dso);
	if (r < 0)
		return r;
	dso->kind = DSO_UNKNOWN;
	return 0;
}

void dso_table_clear(struct dso_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		dso_free(t->dsos[i]);
	free(t->dsos);
	vec_free(&t->free_ids);
	hashmap_clear(&t->by_key);
	hashmap_clear(&t->owned);
	root_dirs_clear(&t->roots);
	*t = (struct dso_table){ 0 };
}

void dso_table_new_round(struct dso_table *t, uint64_t now_ns)
{
	t->round++;
	t->round_ns = now_ns;
}

void dso_use(const struct dso_table *t, const struct dso *dso)
{
	struct dso *used = t->dsos[dso->id];

	used->used_round = t->round;
	used->used_ns = t->round_ns;
}

/* Until another process is sampled that has it mapped. */
static void close_file(struct dso *dso)
{
	closep(&dso->fd);
	root_dirs_put(dso->roots, dso->root);
	dso->root = NULL;
	dso->attempts = 0;
	dso->error = 0;
}

/* An open file is a mount that cannot be unmounted, or blocks of a file that was deleted. */
static void close_if_idle(const struct dso_table *t, struct dso *dso)
{
	if (dso->fd >= 0 && dso->used_round != t->round &&
	    t->round_ns - dso->used_ns >= DSO_OPEN_NS)
		close_file(dso);
}

static bool is_unused(const struct dso_table *t, const struct dso *dso, uint32_t n_rounds)
{
	uint32_t rounds = t->round - dso->used_round;

	if (dso->id <= DSO_ID_UNKNOWN)
		return false;
	return rounds >= (dso->owner ? 1 : n_rounds);
}

static void take_out(struct dso_table *t, struct dso *dso)
{
	struct owned_key owned = { dso->path, dso->owner };
	struct dso_key key = { dso->path, dso->dev, dso->ino };

	if (dso->owner)
		hashmap_remove(&t->owned, owned_hash(&owned), owned_eq, &owned);
	else
		hashmap_remove(&t->by_key, key_hash(&key), key_eq, &key);
	t->dsos[dso->id] = NULL;
	t->free_ids.data[t->free_ids.n++] = dso->id;
}

void dso_table_sweep(struct dso_table *t, uint32_t n_rounds, dso_gone_fn gone, void *ctx)
{
	for (size_t i = 0; i < t->n; i++) {
		struct dso *dso = t->dsos[i];

		if (!dso)
			continue;
		if (!is_unused(t, dso, n_rounds)) {
			close_if_idle(t, dso);
			if (dso->fd < 0)
				dso->attempts = 0; /* others may have come */
			continue;
		}
		gone(ctx, dso);
		take_out(t, dso);
		dso_free(dso);
	}
}

/*
 * Opening a device or a FIFO would have effects of its own, and a path in a container may lead
 * anywhere: look at it with O_PATH first, then open what was looked at.
 */
static int open_regular(const char *path, struct stat *ret_st)
{
	CLEANUP(closep) int fd = open(path, O_PATH | O_CLOEXEC);
	char self[64];
	int real;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -ENOTSUP;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	real = open(self, O_RDONLY | O_CLOEXEC);
	return real < 0 ? -errno : real;
}

/*
 * The device is not compared: overlayfs and btrfs show another one in /proc/PID/maps than stat(2)
 * does.
 */
static int open_same(const char *path, ino_t ino)
{
	struct stat st = { 0 };
	int fd = open_regular(path, &st);

	if ((fd < 0 && fd != -ENOTSUP) || st.st_ino == ino)
		return fd;
	if (fd >= 0)
		close(fd);
	return -ESTALE;
}

/* What is mapped there by now may be another file: a program executed since, a plugin. */
static int open_mapping(pid_t pid, uint64_t start, uint64_t end, ino_t ino)
{
	char path[96];

	/* Unlike maps, map_files does not pad its numbers. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, start, end);
	return open_same(path, ino);
}

static int open_below_root(pid_t pid, const struct dso *dso)
{
	CLEANUP(freep) char *path = NULL;

	if (asprintf(&path, "/proc/%d/root%s", pid, dso->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return open_same(path, dso->ino);
}

static bool is_tried(const struct dso *dso, pid_t pid)
{
	for (unsigned i = 0; i < dso->attempts; i++)
		if (dso->tried[i] == pid)
			return true;
	return dso->attempts == DSO_ATTEMPTS_MAX;
}

int dso_root(const struct dso *dso)
{
	return dso->root ? dso->root->fd : -1;
}

bool dso_may_open(const struct dso *dso)
{
	return dso->kind == DSO_FILE && dso->fd < 0 && dso->error != -ENOTSUP &&
	       dso->attempts < DSO_ATTEMPTS_MAX;
}

int dso_open(struct dso *dso, pid_t pid, uint64_t start, uint64_t end)
{
	int fd, below_root;

	if (dso->fd >= 0)
		return dso->fd;
	if (dso->kind != DSO_FILE)
		return dso->error = -ENOTSUP;
	if (is_tried(dso, pid))
		return dso->error;
	dso->tried[dso->attempts++] = pid;

	fd = open_mapping(pid, start, end, dso->ino);
	if (fd < 0)
		fd = below_root = open_below_root(pid, dso);
	if (fd < 0) {
		fd = open_same(dso->path, dso->ino);
		/* A file that was found but is another one says more than one that was not. */
		if (fd < 0 && below_root == -ESTALE)
			fd = below_root;
	}

	dso->error = fd < 0 ? fd : 0;
	dso->fd = fd < 0 ? -1 : fd;
	dso->opener = pid;
	if (fd >= 0)
		(void)root_dirs_get(dso->roots, pid, &dso->root); /* gone: files of ours remain */
	return fd;
}

void dso_reopen(struct dso *dso, pid_t pid, uint64_t start, uint64_t end)
{
	int fd = open_mapping(pid, start, end, dso->ino);

	if (fd < 0)
		return;
	close_file(dso);
	dso->fd = fd;
	dso->opener = pid;
	dso->is_orphan = false;
	(void)root_dirs_get(dso->roots, pid, &dso->root);
}
