/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/bad_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define FILES_MAX   256
#define KEPT_MAX    32			/* that stay open, to know their copies by: */
#define KEPT_NS	    (60 * NSEC_PER_SEC) /* so long, as an open file is a mount that stays */
#define COMPARE_MAX (512U << 20)	/* bytes */

struct kept_file {
	struct bad_file said;
	struct stat st;
	int fd; /* -1: not kept */
	uint64_t since_ns;
};

static void kept_file_free(struct kept_file *f)
{
	if (!f)
		return;
	free((char *)f->said.path);
	free((char *)f->said.reason);
	closep(&f->fd);
	free(f);
}
DEFINE_CLEANUP(struct kept_file *, kept_file_free)

/* What has been written to since may have become good. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Containers of one image have a file many times over. A build id would tell, but it says what the
 * file's maker wants: any bad file could say that it is libc.
 */
static bool is_copy(const struct kept_file *f, int fd, const struct stat *st, off_t max)
{
	char a[16384], b[16384];
	struct stat now;
	off_t off = 0;

	if (f->fd < 0 || st->st_size != f->st.st_size || st->st_size > max ||
	    fstat(f->fd, &now) < 0 || !is_same(&now, &f->st))
		return false;
	while (off < st->st_size) {
		ssize_t n = pread(fd, a, sizeof(a), off);

		if (n <= 0 || pread(f->fd, b, sizeof(b), off) != n || memcmp(a, b, n) != 0)
			return false;
		off += n;
	}
	return true;
}

void bad_files_tidy(const struct bad_files *bf)
{
	uint64_t now = monotonic_ns(), max = bf->kept_ns ? bf->kept_ns : KEPT_NS;

	for (size_t i = 0; i < bf->list.n; i++)
		if (now - bf->list.data[i]->since_ns >= max)
			closep(&bf->list.data[i]->fd);
}

const struct bad_file *bad_files_find(struct bad_files *bf, int fd)
{
	off_t max = bf->compare_max ? bf->compare_max : COMPARE_MAX;
	struct stat st;

	bad_files_tidy(bf);
	if (bf->list.n == 0 || fstat(fd, &st) < 0)
		return NULL;
	for (size_t i = 0; i < bf->list.n; i++) {
		const struct kept_file *f = bf->list.data[i];

		if (is_same(&f->st, &st) || is_copy(f, fd, &st, max))
			return &f->said;
	}
	return NULL;
}

/* The oldest make room. */
static void drop_oldest(struct bad_files *bf)
{
	kept_file_free(bf->list.data[0]);
	memmove(bf->list.data, bf->list.data + 1, --bf->list.n * sizeof(*bf->list.data));
}

static char *path_of(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	return n > 0 ? strndup(path, n) : strdup("?");
}

int bad_files_add(struct bad_files *bf, int fd, const char *reason, bool hopeless)
{
	CLEANUP(kept_file_freep) struct kept_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->said.path = path_of(fd);
	f->said.reason = strdup(reason);
	f->said.hopeless = hopeless;
	if (!f->said.path || !f->said.reason)
		return -ENOMEM;
	if (fstat(fd, &f->st) < 0)
		return -errno;
	if (bf->list.n == FILES_MAX)
		drop_oldest(bf);
	if (bf->list.n >= KEPT_MAX)
		closep(&bf->list.data[bf->list.n - KEPT_MAX]->fd);
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	f->since_ns = monotonic_ns();

	r = vec_push(&bf->list, f);
	if (r == 0)
		(void)TAKE_PTR(f);
	return r;
}

void bad_files_give_up(struct bad_files *bf, const struct bad_file *bad)
{
	for (size_t i = 0; i < bf->list.n; i++)
		if (&bf->list.data[i]->said == bad)
			bf->list.data[i]->said.hopeless = true;
}

const struct bad_file *bad_files_get(const struct bad_files *bf, size_t i)
{
	return i < bf->list.n ? &bf->list.data[i]->said : NULL;
}

void bad_files_clear(struct bad_files *bf)
{
	for (size_t i = 0; i < bf->list.n; i++)
		kept_file_free(bf->list.data[i]);
	vec_free(&bf->list);
}
