/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process_root.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define STATUS_MAX 65536

static int read_proc(pid_t pid, const char *name, char **ret)
{
	char path[48];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = read_whole_file(path, STATUS_MAX, ret, &len);
	return r == -ENOENT ? -ESRCH : r;
}

/* "NSpid:\t100\t7": the innermost namespace is the last one. */
static int parse_ns_pid(const char *status, pid_t *ret)
{
	const char *p = strstr(status, "\nNSpid:");
	char *end;
	long pid = 0;

	if (!p)
		return -EBADMSG;
	p += strlen("\nNSpid:");
	while (*p == '\t') {
		pid = strtol(p, &end, 10);
		p = end;
	}
	if (pid <= 0)
		return -EBADMSG;
	*ret = (pid_t)pid;
	return 0;
}

static int parse_status(const char *status, struct process_ids *ret)
{
	const char *uid = strstr(status, "\nUid:");

	if (!uid || sscanf(uid, "\nUid: %*u %u", &ret->euid) != 1)
		return -EBADMSG;
	return parse_ns_pid(status, &ret->ns_pid);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#define SKIP_6 " %*s %*s %*s %*s %*s %*s"

/* Field 22 of proc(5)'s stat, in ticks since boot. The name before it may contain anything. */
static int parse_start(const char *stat, uint64_t *ret)
{
	const char *p = strrchr(stat, ')');
	uint64_t ticks, age, boot = clock_ns(CLOCK_BOOTTIME);

	if (!p || sscanf(p + 1, SKIP_6 SKIP_6 SKIP_6 " %*s %" SCNu64, &ticks) != 1)
		return -EBADMSG;
	ticks = ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	age = boot > ticks ? boot - ticks : 0;
	*ret = realtime_ns() - age;
	return 0;
}

int process_ids_read(pid_t pid, struct process_ids *ret)
{
	CLEANUP(freep) char *status = NULL;
	CLEANUP(freep) char *stat = NULL;
	struct process_ids ids;
	int r;

	r = read_proc(pid, "status", &status);
	if (r == 0)
		r = read_proc(pid, "stat", &stat);
	if (r == 0)
		r = parse_status(status, &ids);
	if (r == 0)
		r = parse_start(stat, &ids.started_ns);
	if (r == 0)
		*ret = ids;
	return r;
}

static int open_below(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* What @path of the process is, to be looked at and no more. */
static int open_path(pid_t pid, const char *path, uint64_t flags)
{
	CLEANUP(closep) int root = -1;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d/root", pid);
	root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	return open_below(root, path, O_PATH | flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int process_folder_open(pid_t pid, const char *path)
{
	return open_path(pid, path, O_DIRECTORY);
}

int process_socket_open(pid_t pid, const char *path, uid_t owner)
{
	CLEANUP(closep) int fd = open_path(pid, path, O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	if (st.st_uid != owner || !(st.st_mode & S_IWUSR))
		return -EPERM;
	return TAKE_FD(fd);
}

int process_file_open(int folder, const char *name, uid_t owner, struct stat *ret_st)
{
	CLEANUP(closep)
	int fd = open_below(folder, name, O_PATH | O_NOFOLLOW,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	struct stat st;
	char self[64];
	int real;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -ENOTSUP;
	if (st.st_uid != owner && st.st_uid != 0)
		return -EPERM;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	real = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (real < 0)
		return -errno;
	*ret_st = st;
	return real;
}
