/* SPDX-License-Identifier: Apache-2.0 */
#include "app/package.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define OUTPUT_MAX 4096

extern char **environ;

/* The first line that a command prints; -ENOENT if it fails. */
static int first_line_of(const char *const *argv, char *buf, size_t size)
{
	CLEANUP(freep) char *out = NULL;
	posix_spawn_file_actions_t actions;
	int pipefd[2], status, r;
	size_t len;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipefd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipefd[1]);
	if (r == 0)
		r = read_whole_fd(pipefd[0], OUTPUT_MAX, &out, &len);
	close(pipefd[0]);
	if (!out || waitpid(pid, &status, 0) < 0 || status != 0)
		return r < 0 ? r : -ENOENT;
	out[strcspn(out, "\n")] = '\0';
	if (!out[0] || strlen(out) >= size)
		return -ENOENT;
	strcpy(buf, out);
	return 0;
}

/* "libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6" */
static int ask_dpkg(const char *path, char *buf, size_t size)
{
	const char *const argv[] = { "dpkg-query", "-S", path, NULL };
	int r = first_line_of(argv, buf, size);

	if (r < 0)
		return r;
	buf[strcspn(buf, ":,")] = '\0';
	return buf[0] ? 0 : -ENOENT;
}

static int ask_rpm(const char *path, char *buf, size_t size)
{
	const char *const argv[] = { "rpm", "-qf", "--qf", "%{NAME}\n", path, NULL };

	return first_line_of(argv, buf, size);
}

int package_debug_remedy(const char *path, char *buf, size_t size)
{
	char name[256];
	int r = ask_dpkg(path, name, sizeof(name));

	/* What has moved below /usr it may know by the old name. */
	if (r < 0 && strncmp(path, "/usr/", 5) == 0)
		r = ask_dpkg(path + 4, name, sizeof(name));
	if (r == 0) {
		snprintf(buf, size, "apt install %s%s", name,
			 strcmp(name, "libc6") == 0 ? "-dbg" : "-dbgsym");
		return 0;
	}
	r = ask_rpm(path, name, sizeof(name));
	if (r == 0)
		snprintf(buf, size, "dnf debuginfo-install %s", name);
	return r;
}
