/* SPDX-License-Identifier: Apache-2.0 */
#include "export/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/io.h"
#include "base/vec.h"

#define PREFIX	    "spanprof-"
#define SUFFIX	    ".pb.gz"
#define TIME_FORMAT "%Y%m%dT%H%M%SZ"
#define TORN_AGE_S  3600
#define NAME_LEN    (sizeof(PREFIX) - 1 + 16 + 1 + 16 + sizeof(SUFFIX) - 1)

struct file {
	char name[NAME_LEN + 1]; /* sorts by time */
	uint64_t bytes;
	time_t time;
};

struct files {
	VEC(struct file) all;
	uint64_t bytes;
};

static void files_clear(struct files *f)
{
	vec_free(&f->all);
}

/* The time that is in the name; false if it is none of ours. */
static bool parse_name(const char *name, time_t *ret)
{
	struct tm tm = { 0 };
	const char *rest;

	if (strlen(name) != NAME_LEN || strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return false;
	rest = strptime(name + strlen(PREFIX), TIME_FORMAT, &tm);
	if (!rest || *rest != '-' || strspn(rest + 1, "0123456789abcdef") != 16 ||
	    strcmp(rest + 17, SUFFIX) != 0)
		return false;
	*ret = timegm(&tm);
	return true;
}

static int list(DIR *dir, struct files *ret)
{
	int r = 0;

	for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
		struct file f;
		struct stat st;

		if (!parse_name(e->d_name, &f.time) ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		memcpy(f.name, e->d_name, sizeof(f.name));
		f.bytes = st.st_size;
		ret->bytes += f.bytes;
		r = vec_push(&ret->all, f);
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* Of a process that was killed while it wrote. */
static void remove_torn(DIR *dir, time_t now)
{
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;

		if (strncmp(e->d_name, ATOMIC_FILE_PREFIX, strlen(ATOMIC_FILE_PREFIX)) == 0 &&
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && now - st.st_mtime > TORN_AGE_S)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
}

/* @newest stays: it has just been written. Clocks of other days may have dated some later. */
static void rotate(const struct endpoint_options *opt, const char *newest)
{
	CLEANUP(closedirp) DIR *dir = opendir(opt->path);
	CLEANUP(files_clear) struct files f = { 0 };
	time_t now = realtime_ns() / NSEC_PER_SEC;

	if (!dir)
		return;
	remove_torn(dir, now);
	rewinddir(dir);
	if (list(dir, &f) < 0 || !f.all.n)
		return;
	qsort(f.all.data, f.all.n, sizeof(f.all.data[0]), by_name);
	for (size_t i = 0; i < f.all.n; i++) {
		const struct file *file = &f.all.data[i];
		bool many = opt->max_bytes && f.bytes > opt->max_bytes;
		bool old = opt->max_age_s && now > file->time &&
			   (uint64_t)(now - file->time) > opt->max_age_s;

		if ((many || old) && strcmp(file->name, newest) != 0 &&
		    unlinkat(dirfd(dir), file->name, 0) == 0)
			f.bytes -= file->bytes;
	}
}

static int write_file(const char *path, const void *pprof, size_t len)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	int r = atomic_file_replace(path, &f);

	if (r >= 0)
		r = atomic_file_write(f, pprof, len);
	return r < 0 ? r : atomic_file_commit(f);
}

/* That the file has its name is on disk, too: the spool's copy goes now. */
static int sync_folder(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int directory_put(const struct endpoint_options *opt, uint64_t time_ns, uint64_t id,
		  const void *pprof, size_t len)
{
	time_t seconds = time_ns / NSEC_PER_SEC;
	char path[PATH_MAX], when[32], name[64];
	struct tm tm;
	int r = folder_make(opt->path, 0755);

	if (r < 0)
		return r;
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), TIME_FORMAT, &tm);
	snprintf(name, sizeof(name), PREFIX "%s-%016" PRIx64 SUFFIX, when, id);
	if (snprintf(path, sizeof(path), "%s/%s", opt->path, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = write_file(path, pprof, len);
	if (r >= 0)
		r = sync_folder(opt->path);
	rotate(opt, name);
	return r;
}
