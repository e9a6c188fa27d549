/* SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"

struct file {
	char *path;
	uint64_t size;
	struct timespec used;
};

struct files {
	VEC(struct file) all;
	uint64_t bytes;
};

int folder_make(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static void files_clear(struct files *f)
{
	for (size_t i = 0; i < f->all.n; i++)
		free(f->all.data[i].path);
	vec_free(&f->all);
}

static int add(struct files *f, const FTSENT *e)
{
	struct file file = { strdup(e->fts_path), e->fts_statp->st_size, e->fts_statp->st_atim };
	int r = file.path ? vec_push(&f->all, file) : -ENOMEM;

	if (r < 0)
		free(file.path);
	f->bytes += file.size;
	return r;
}

static int list(const char *path, int level, struct files *ret)
{
	char *const roots[] = { (char *)path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;
	FTSENT *e;

	while (r == 0 && (e = fts_read(fts)))
		if (e->fts_info == FTS_F && e->fts_level >= level)
			r = add(ret, e);
	if (fts)
		fts_close(fts);
	return r;
}

static int compare_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

int folder_bound(const char *path, int level, uint64_t max)
{
	CLEANUP(files_clear) struct files f = { 0 };
	int r = list(path, level, &f);

	if (r < 0 || f.bytes <= max)
		return r;
	qsort(f.all.data, f.all.n, sizeof(f.all.data[0]), compare_use);
	for (size_t i = 0; i < f.all.n && f.bytes > max; i++)
		if (unlink(f.all.data[i].path) == 0)
			f.bytes -= f.all.data[i].size;
	return 0;
}

void folder_note_use(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };

	(void)futimens(fd, times);
}
