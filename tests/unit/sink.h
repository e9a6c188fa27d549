/* SPDX-License-Identifier: Apache-2.0 */
/* Starts build/sink/sink, the Pyroscope sink of tests/sink, for one test. */
#ifndef SINK_H
#define SINK_H

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "command.h"

#define SINK_ARGS_MAX 8

struct sink {
	pid_t pid;
	char *dir;
	char address[64]; /* 127.0.0.1:PORT */
	char url[96];
};

static inline void exec_sink(const char *dir, const char *const *args, int out)
{
	const char *argv[SINK_ARGS_MAX + 4] = { "build/sink/sink", "-dir", dir };

	for (size_t i = 0; args[i] && i < SINK_ARGS_MAX; i++)
		argv[3 + i] = args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	execv(argv[0], (char **)argv);
	_exit(127);
}

/* Returns once it listens. @args end with NULL. */
static inline struct sink sink_start(const char *const *args)
{
	struct sink s = { .dir = command_make_folder() };
	int pipefd[2];
	FILE *out;

	cr_assert(zero(int, pipe2(pipefd, O_CLOEXEC)));
	s.pid = fork();
	if (s.pid == 0)
		exec_sink(s.dir, args, pipefd[1]);
	close(pipefd[1]);
	out = fdopen(pipefd[0], "r");
	cr_assert(fgets(s.address, sizeof(s.address), out) != NULL,
		  "build/sink/sink does not start: make sink");
	fclose(out);
	s.address[strcspn(s.address, "\n")] = '\0';
	snprintf(s.url, sizeof(s.url), "http://%s", s.address);
	return s;
}

#define SINK(...) sink_start((const char *const[]){ __VA_ARGS__, NULL })

static inline void sink_stop(struct sink *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	command_remove_folder(s->dir);
}

/* How many requests the sink has seen. */
static inline size_t sink_requests(const struct sink *s)
{
	char *n = command_output("grep -c received %s/requests.log 2>/dev/null || :", s->dir);
	size_t count = strtoul(n, NULL, 10);

	free(n);
	return count;
}

#endif
