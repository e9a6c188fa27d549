/* SPDX-License-Identifier: Apache-2.0 */
#include "export/spool_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "base/io.h"

#define MODE 0700

/* --- folders ---------------------------------------------------------------------------------- */

/* Whoever may write here could make us send, count or remove what they like. */
static int check_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid != geteuid() || (st.st_mode & 022) ? -EPERM : 0;
}

static int open_folder(int at, const char *name, int flags, int *ret)
{
	CLEANUP(closep) int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	int r = fd < 0 ? -errno : check_ours(fd);

	if (r < 0)
		return r;
	*ret = TAKE_FD(fd);
	return 0;
}

static int make_folder(int at, const char *name, int *ret)
{
	if (mkdirat(at, name, MODE) < 0 && errno != EEXIST)
		return -errno;
	return open_folder(at, name, O_NOFOLLOW, ret);
}

int spool_dir_open(const char *path, struct spool_dir *ret)
{
	CLEANUP(spool_dir_close) struct spool_dir d = SPOOL_DIR_CLOSED;
	int r = folder_make(path, MODE);

	if (r >= 0)
		r = open_folder(AT_FDCWD, path, 0, &d.root);
	if (r >= 0)
		r = make_folder(d.root, "tmp", &d.tmp);
	if (r >= 0)
		r = make_folder(d.root, "queue", &d.queues);
	if (r >= 0)
		r = make_folder(d.root, "damaged", &d.damaged);
	if (r < 0)
		return r;
	*ret = d;
	d = (struct spool_dir)SPOOL_DIR_CLOSED;
	return 0;
}

int spool_dir_open_kept(struct spool_dir *d)
{
	return make_folder(d->root, "kept", &d->kept);
}

void spool_dir_close(struct spool_dir *d)
{
	closep(&d->root);
	closep(&d->tmp);
	closep(&d->kept);
	closep(&d->queues);
	closep(&d->damaged);
}

int spool_dir_queue(const struct spool_dir *d, const char *name, int *ret_fd)
{
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) >= DELIVERY_NAME_MAX)
		return -EINVAL;
	return make_folder(d->queues, name, ret_fd);
}

/* --- walks ------------------------------------------------------------------------------------ */

int spool_dir_stream(int fd, DIR **ret)
{
	CLEANUP(closep) int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (!dir)
		return -errno;
	own = -1;
	*ret = dir;
	return 0;
}

void spool_list_clear(struct spool_list *l)
{
	vec_free(&l->names);
}

static int by_seq(const void *x, const void *y)
{
	const struct spool_name *a = x, *b = y;

	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

int spool_dir_list(const struct spool_dir *d, int queue, const char *name,
		   struct delivery_stats *stats, struct spool_list *ret)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int r = spool_dir_stream(queue, &dir);

	for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
		struct spool_name file;

		if (e->d_name[0] == '.' || e->d_type == DT_DIR)
			continue;
		if (spool_name_parse(e->d_name, &file))
			r = vec_push(&ret->names, file);
		else if (spool_dir_set_aside(d, queue, name, e->d_name) == 0)
			delivery_stats_add(stats, damaged_files, 1);
	}
	if (r >= 0 && ret->names.n)
		qsort(ret->names.data, ret->names.n, sizeof(ret->names.data[0]), by_seq);
	return r;
}

/* --- what is damaged -------------------------------------------------------------------------- */

/* Removes the one that was set aside first. Returns how many there were. */
static size_t drop_oldest_damaged(int fd)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	char oldest[NAME_MAX + 1] = "";
	struct timespec when = { 0 };
	size_t n = 0;

	if (spool_dir_stream(fd, &dir) < 0)
		return 0;
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n++;
		/* ctime: of the rename, not of the writing */
		if (*oldest &&
		    (st.st_ctim.tv_sec > when.tv_sec ||
		     (st.st_ctim.tv_sec == when.tv_sec && st.st_ctim.tv_nsec >= when.tv_nsec)))
			continue;
		when = st.st_ctim;
		snprintf(oldest, sizeof(oldest), "%s", e->d_name);
	}
	return *oldest && unlinkat(fd, oldest, 0) == 0 ? n : 0;
}

static size_t count_damaged(int fd)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	size_t n = 0;

	if (spool_dir_stream(fd, &dir) < 0)
		return 0;
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	return n;
}

int spool_dir_set_aside(const struct spool_dir *d, int queue, const char *name, const char *file)
{
	char to[NAME_MAX + 1];

	/* Names of any length and kind may lie there: what does not fit is cut. */
	snprintf(to, sizeof(to), "%s.%.160s", name, file);
	if (count_damaged(d->damaged) >= SPOOL_DAMAGED_MAX)
		drop_oldest_damaged(d->damaged);
	return renameat(queue, file, d->damaged, to) < 0 ? -errno : 0;
}

bool spool_dir_drop_damaged(const struct spool_dir *d)
{
	bool any = false;

	while (drop_oldest_damaged(d->damaged) > 0)
		any = true;
	return any;
}

/* --- files ------------------------------------------------------------------------------------ */

int spool_rename(int queue, const struct spool_name *from, enum spool_kind to)
{
	struct spool_name target = *from;
	char old[SPOOL_FILE_NAME], new[SPOOL_FILE_NAME];

	target.kind = to;
	spool_name_format(from, old);
	spool_name_format(&target, new);
	return renameat(queue, old, queue, new) < 0 ? -errno : 0;
}

int spool_unlink(int queue, const struct spool_name *name)
{
	char file[SPOOL_FILE_NAME];

	spool_name_format(name, file);
	return unlinkat(queue, file, 0) < 0 ? -errno : 0;
}

static int open_plain(int folder, const char *file, int *ret)
{
	CLEANUP(closep)
	int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	*ret = TAKE_FD(fd);
	return 0;
}

int spool_dir_load(int folder, const char *file, size_t max, uint8_t **ret, size_t *ret_len)
{
	CLEANUP(closep) int fd = -1;
	int r = open_plain(folder, file, &fd);

	return r < 0 ? r : read_whole_fd(fd, max, (char **)ret, ret_len);
}

int spool_load(int queue, const struct spool_name *name, size_t max, uint8_t **ret, size_t *ret_len)
{
	char file[SPOOL_FILE_NAME];

	spool_name_format(name, file);
	return spool_dir_load(queue, file, max, ret, ret_len);
}

int spool_progress_load(int queue, const struct spool_name *name, uint64_t id,
			struct spool_progress *ret)
{
	struct spool_name progress = { .kind = SPOOL_PROGRESS, .seq = name->seq };
	CLEANUP(freep) uint8_t *buf = NULL;
	size_t len;
	int r = spool_load(queue, &progress, SPOOL_PROGRESS_MAX, &buf, &len);

	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	return spool_progress_read(buf, len, id, ret);
}

int spool_progress_of(int queue, const struct spool_name *name, struct spool_progress *ret)
{
	CLEANUP(closep) int fd = -1;
	char file[SPOOL_FILE_NAME];
	struct spool_header h;
	int r;

	spool_name_format(name, file);
	r = open_plain(queue, file, &fd);

	if (r < 0)
		return r;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return -EBADMSG;
	return spool_progress_load(queue, name, h.id, ret);
}

uint64_t spool_list_samples(int queue, const struct spool_list *l)
{
	const struct spool_name *last = NULL;
	uint64_t sum = 0;

	for (size_t i = 0; i < l->names.n; i++) {
		const struct spool_name *name = &l->names.data[i];

		if (name->kind == SPOOL_PROGRESS && last && last->seq == name->seq) {
			CLEANUP(spool_progress_clear) struct spool_progress p = { 0 };

			(void)spool_progress_of(queue, last, &p);
			sum -= p.samples < last->samples ? p.samples : last->samples;
		} else if (name->kind != SPOOL_PROGRESS) {
			sum += name->samples;
			last = name;
		}
	}
	return sum;
}
