/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/parse.h"

int read_whole_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	CLEANUP(freep) char *buf = NULL;
	size_t cap = 4096, len = 0;

	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;

	for (;;) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += n;
		if (len > max)
			return -EFBIG;
		if (len == cap - 1) {
			char *bigger = realloc(buf, cap *= 2);

			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}
	}

	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

int read_whole_file(const char *path, size_t max, char **ret, size_t *ret_len)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_whole_fd(fd, max, ret, ret_len);
}

int write_whole_fd(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= n;
	}
	return 0;
}

/* Linux 6.3; some hosts want it of all. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int memory_file_new(const char *name, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

struct atomic_file {
	char *path; /* NULL: written in place (standard output, a device, a pipe) */
	char *tmp;  /* NULL once renamed or removed */
	int fd;
};

void atomic_file_close(struct atomic_file *f)
{
	if (!f)
		return;

	if (f->tmp)
		unlink(f->tmp);
	if (f->fd != STDOUT_FILENO)
		closep(&f->fd);
	free(f->tmp);
	free(f->path);
	free(f);
}

/* A device, pipe or socket must be written, not replaced: think of /dev/null. */
static int open_in_place(struct atomic_file *f, const char *path)
{
	f->fd = open(path, O_WRONLY | O_CLOEXEC);
	return f->fd < 0 ? -errno : 0;
}

/* What open(2) refuses, and rename(2) would refuse only when all the work has been done. */
static int check_name(const char *path)
{
	if (!*path)
		return -ENOENT;
	return path[strlen(path) - 1] == '/' ? -EISDIR : 0;
}

/* umask(2) tells it only by changing it, for all threads. */
static mode_t current_umask(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	unsigned mask;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Umask: %o", &mask) == 1)
			return mask;
	return 022;
}

/* With @follow, the file that a symbolic link leads to is replaced, not the link. */
static int create_beside(struct atomic_file *f, const char *path, bool follow)
{
	CLEANUP(freep) char *dir_buf = NULL;
	CLEANUP(freep) char *tmp = NULL;
	mode_t mask;
	int r = check_name(path);

	if (r < 0)
		return r;
	f->path = follow ? realpath(path, NULL) : strdup(path);
	if (!f->path)
		return -errno;
	dir_buf = strdup(f->path);
	if (!dir_buf)
		return -ENOMEM;
	/* Not made from the file's own name, which may be as long as a name may be. */
	if (asprintf(&tmp, "%s/" ATOMIC_FILE_PREFIX "XXXXXX", dirname(dir_buf)) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}

	f->fd = mkostemp(tmp, O_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	f->tmp = TAKE_PTR(tmp);

	/* mkostemp() makes 0600; give what open(2) would have given. */
	mask = current_umask();
	if (fchmod(f->fd, 0666 & ~mask) < 0)
		return -errno;
	return 0;
}

int atomic_file_open(const char *path, struct atomic_file **ret)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = calloc(1, sizeof(*f));
	struct stat st;
	int r;

	if (!f)
		return -ENOMEM;

	f->fd = STDOUT_FILENO;
	if (strcmp(path, "-") != 0) {
		r = stat(path, &st) < 0 ? -errno : 0;
		if (r == 0 && S_ISDIR(st.st_mode))
			return -EISDIR;
		if (r == 0 && !S_ISREG(st.st_mode))
			r = open_in_place(f, path);
		else
			r = create_beside(f, path, r == 0);
		if (r < 0)
			return r;
	}

	*ret = TAKE_PTR(f);
	return 0;
}

int atomic_file_replace(const char *path, struct atomic_file **ret)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	r = create_beside(f, path, false);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

int atomic_file_write(struct atomic_file *f, const void *buf, size_t len)
{
	return write_whole_fd(f->fd, buf, len);
}

int atomic_file_commit(struct atomic_file *f)
{
	if (!f->path)
		return 0;

	/* Delayed allocation reports a full disk here at the latest. */
	if (fsync(f->fd) < 0 && errno != EINVAL)
		return -errno;
	if (rename(f->tmp, f->path) < 0)
		return -errno;
	free(TAKE_PTR(f->tmp));
	return 0;
}

uint64_t read_number_file(const char *path, uint64_t otherwise)
{
	CLEANUP(freep) char *text = NULL;
	uint64_t v;
	size_t len;

	if (read_whole_file(path, 256, &text, &len) < 0)
		return otherwise;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 0, UINT64_MAX, &v) == 0 ? v : otherwise;
}
