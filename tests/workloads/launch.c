/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a program whose file is not where it seems to be, and waits for its end.
 *
 *   launch memfd PROGRAM [ARG]...      it is in no folder
 *   launch deleted PROGRAM [ARG]...    a copy in /tmp, which is removed once it runs
 *   launch replaced PROGRAM [ARG]...   … which is replaced by another program (launch) once it runs
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void copy_to(int out, const char *from)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		die(from);
	for (off_t done = 0; done < st.st_size;) {
		if (sendfile(out, in, &done, (size_t)(st.st_size - done)) <= 0)
			die(from);
	}
	close(in);
}

static void copy_file(const char *to, const char *from)
{
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (out < 0)
		die(to);
	copy_to(out, from);
	close(out);
}

static void run_memfd(char **argv)
{
	int fd = memfd_create(basename(argv[0]), MFD_CLOEXEC);

	if (fd < 0)
		die("memfd_create");
	copy_to(fd, argv[0]);
	fexecve(fd, argv, environ);
	die("fexecve");
}

/* A child that executes @path; returns once that is done. */
static pid_t start(const char *path, char **argv)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe2");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execv(path, argv);
		die(path);
	}
	close(fds[1]);
	if (read(fds[0], &c, 1) != 0)
		die("read");
	close(fds[0]);
	return pid;
}

static void run_copy(char **argv, int replace)
{
	char folder[] = "/tmp/spanprof-launch-XXXXXX", path[PATH_MAX], other[PATH_MAX];
	int status;
	pid_t pid;

	if (!mkdtemp(folder))
		die(folder);
	snprintf(path, sizeof(path), "%s/%s", folder, basename(argv[0]));
	snprintf(other, sizeof(other), "%s/other", folder);
	copy_file(path, argv[0]);
	pid = start(path, argv);
	if (replace) {
		copy_file(other, "/proc/self/exe");
		if (rename(other, path) < 0)
			die(path);
	} else if (unlink(path) < 0) {
		die(path);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die(argv[0]);
	unlink(path);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "memfd") == 0)
		run_memfd(argv + 2);
	else if (argc > 2 && strcmp(argv[1], "deleted") == 0)
		run_copy(argv + 2, 0);
	else if (argc > 2 && strcmp(argv[1], "replaced") == 0)
		run_copy(argv + 2, 1);
	else {
		fprintf(stderr, "launch: memfd, deleted or replaced, then a program\n");
		return 2;
	}
	return 0;
}
