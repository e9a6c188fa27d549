/* SPDX-License-Identifier: Apache-2.0 */
#include "app/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "app/stop_signal.h"
#include "base/cleanup.h"

#define STOP_TRIES    100
#define STOP_PAUSE_MS 10

static _Noreturn void run(int release_fd, int error_fd, char **argv)
{
	char go;
	int err;

	/* First of all: while it waits it can be ended as the command itself could. */
	stop_signal_reset();
	/* End of file: the parent died before it let us go. */
	if (read(release_fd, &go, 1) != 1)
		_exit(127);
	execvp(argv[0], argv);

	err = errno;
	if (write(error_fd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

int child_start(struct child *c, char **argv)
{
	int release[2], error[2];
	pid_t pid;

	if (pipe2(release, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(error, O_CLOEXEC) < 0) {
		closep(&release[0]);
		closep(&release[1]);
		return -errno;
	}

	pid = fork();
	if (pid == 0) {
		closep(&release[1]);
		run(release[0], error[1], argv);
	}
	closep(&release[0]);
	closep(&error[1]);
	*c = (struct child){ .pid = pid, .release_fd = release[1], .error_fd = error[0] };
	if (pid < 0) {
		closep(&c->release_fd);
		closep(&c->error_fd);
		c->pid = 0;
		return -errno;
	}
	return 0;
}

int child_release(struct child *c)
{
	ssize_t n = write(c->release_fd, "g", 1);
	int err = 0;

	closep(&c->release_fd);
	/* The other end is closed by a successful exec, which ends the read with nothing. */
	do
		n = read(c->error_fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	closep(&c->error_fd);
	return n == sizeof(err) ? -err : 0;
}

bool child_is_over(struct child *c)
{
	if (!c->pid || c->over)
		return true;
	if (waitpid(c->pid, &c->wait_status, WNOHANG) == c->pid)
		c->over = true;
	return c->over;
}

void child_stop(struct child *c)
{
	struct timespec pause = { .tv_nsec = STOP_PAUSE_MS * 1000000L };

	if (!c->pid)
		return;
	if (!child_is_over(c))
		kill(c->pid, SIGTERM);
	/* Not before the signal, which is what a child that still waits is to end by. */
	closep(&c->release_fd);
	closep(&c->error_fd);
	for (int i = 0; i < STOP_TRIES && !child_is_over(c); i++)
		nanosleep(&pause, NULL);
	if (c->over)
		return;
	kill(c->pid, SIGKILL);
	if (waitpid(c->pid, &c->wait_status, 0) == c->pid)
		c->over = true;
}

int child_exit_status(const struct child *c)
{
	if (WIFSIGNALED(c->wait_status))
		return 128 + WTERMSIG(c->wait_status);
	return WEXITSTATUS(c->wait_status);
}
