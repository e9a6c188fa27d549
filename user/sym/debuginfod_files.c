/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/debuginfod_files.h"

#include <elfutils/debuginfod.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/vec.h"

#define BUILD_ID_LEN_MAX 64
#define NS_PER_S	 1000000000ULL

struct debuginfod_files {
	debuginfod_client *client;
	char *folder;
	struct debuginfod_limits limits;
	struct debuginfod_totals totals;
	uint64_t waited_ns;	/* in calls that are over */
	uint64_t call_start_ns; /* of the call at hand */
	atomic_bool is_cancelled;
};

/* A file of the folder. */
struct cached_file {
	char *path;
	uint64_t size;
	struct timespec used;
};

struct cached_files {
	VEC(struct cached_file) files;
	uint64_t bytes;
};

static uint64_t waited_ns(const struct debuginfod_files *d)
{
	return d->waited_ns + (d->call_start_ns ? monotonic_ns() - d->call_start_ns : 0);
}

static bool is_time_up(const struct debuginfod_files *d)
{
	return d->is_cancelled || waited_ns(d) >= d->limits.total_seconds * NS_PER_S;
}

/* Called by the library while it waits; what is not 0 ends that. */
static int on_progress(debuginfod_client *client, long done, long size)
{
	const struct debuginfod_files *d = debuginfod_get_user_data(client);

	return is_time_up(d);
}

static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int set_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return setenv(name, text, 1) < 0 ? -errno : 0;
}

/* The library has no other way to be told. */
static int set_environment(const struct debuginfod_files *d, const char *urls)
{
	int r = setenv(DEBUGINFOD_URLS_ENV_VAR, urls, 1) < 0 ? -errno : 0;

	if (r == 0 && setenv(DEBUGINFOD_CACHE_PATH_ENV_VAR, d->folder, 1) < 0)
		r = -errno;
	if (r == 0)
		r = set_number(DEBUGINFOD_TIMEOUT_ENV_VAR, d->limits.stall_seconds);
	if (r == 0)
		r = set_number(DEBUGINFOD_MAXSIZE_ENV_VAR, d->limits.file_bytes);
	return r == 0 ? set_number(DEBUGINFOD_MAXTIME_ENV_VAR, d->limits.total_seconds) : r;
}

int debuginfod_files_new(const char *urls, const char *folder,
			 const struct debuginfod_limits *limits, struct debuginfod_files **ret)
{
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->limits = *limits;
	d->folder = strdup(folder);
	if (!d->folder)
		return -ENOMEM;
	r = make_folders(folder);
	if (r == 0)
		r = set_environment(d, urls);
	if (r < 0)
		return r;

	d->client = debuginfod_begin();
	if (!d->client)
		return -ENOMEM;
	debuginfod_set_user_data(d->client, d);
	debuginfod_set_progressfn(d->client, on_progress);
	*ret = TAKE_PTR(d);
	return 0;
}

void debuginfod_files_free(struct debuginfod_files *d)
{
	if (!d)
		return;

	debuginfod_end(d->client);
	free(d->folder);
	free(d);
}

/* --- the folder ------------------------------------------------------------------------------- */

static void cached_files_clear(struct cached_files *c)
{
	for (size_t i = 0; i < c->files.n; i++)
		free(c->files.data[i].path);
	vec_free(&c->files);
}

/* Links are not followed: what they lead to is nobody's cache. */
static int list_files(const char *folder, struct cached_files *ret)
{
	char *const roots[] = { (char *)folder, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;
	FTSENT *e;

	while (r == 0 && (e = fts_read(fts))) {
		struct cached_file f = { .path = NULL };

		if (e->fts_info != FTS_F || e->fts_level < 2) /* above are its settings */
			continue;
		f = (struct cached_file){ strdup(e->fts_path), e->fts_statp->st_size,
					  e->fts_statp->st_atim };
		r = f.path ? vec_push(&ret->files, f) : -ENOMEM;
		if (r < 0)
			free(f.path);
		ret->bytes += f.size;
	}
	if (fts)
		fts_close(fts);
	return r;
}

static int compare_use(const void *a, const void *b)
{
	const struct cached_file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* What was opened stays readable for those who have it open. */
static void bound_folder(const struct debuginfod_files *d)
{
	CLEANUP(cached_files_clear) struct cached_files c = { 0 };

	if (list_files(d->folder, &c) < 0 || c.bytes <= d->limits.cache_bytes)
		return;
	qsort(c.files.data, c.files.n, sizeof(c.files.data[0]), compare_use);
	for (size_t i = 0; i < c.files.n && c.bytes > d->limits.cache_bytes; i++)
		if (unlink(c.files.data[i].path) == 0)
			c.bytes -= c.files.data[i].size;
}

/* --- files ------------------------------------------------------------------------------------ */

/* It counts as used now, on file systems that do not note it by themselves, too. */
static void note_use(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };

	(void)futimens(fd, times);
}

static int ask(struct debuginfod_files *d, const uint8_t *build_id, size_t len)
{
	int r;

	if (is_time_up(d))
		return -ETIMEDOUT;
	d->call_start_ns = monotonic_ns();
	r = debuginfod_find_debuginfo(d->client, build_id, (int)len, NULL);
	d->waited_ns = waited_ns(d);
	d->call_start_ns = 0;
	return r < 0 && is_time_up(d) ? -ETIMEDOUT : r;
}

int debuginfod_files_open(struct debuginfod_files *d, const uint8_t *build_id, size_t len)
{
	int r;

	if (len == 0 || len > BUILD_ID_LEN_MAX)
		return -ENOENT;
	r = ask(d, build_id, len);
	if (r >= 0) {
		d->totals.found++;
		note_use(r);
		bound_folder(d);
		return r;
	}
	if (r == -ENOENT) {
		d->totals.missing++;
		return r;
	}
	d->totals.failed++;
	d->totals.error = r;
	return r;
}

struct debuginfod_totals debuginfod_files_totals(const struct debuginfod_files *d)
{
	return d->totals;
}

void debuginfod_files_cancel(struct debuginfod_files *d)
{
	d->is_cancelled = true;
}
