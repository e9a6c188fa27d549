/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "command.h"
#include "leak_check.h"

TestSuite(control, .fini = leak_check, .timeout = 60);

/* An agent that answers "<request>!" until it is told to stop. */
struct server {
	struct control *control;
	pthread_t thread;
	atomic_bool stop;
	char path[64];
	char *folder;
};

static void echo(void *arg, const char *text, char *answer, size_t size)
{
	snprintf(answer, size, "%s!\n", text);
}

static void *serve(void *arg)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	struct server *s = arg;

	while (!atomic_load(&s->stop)) {
		control_poll(s->control, echo, NULL);
		nanosleep(&step, NULL);
	}
	return NULL;
}

static void server_start(struct server *s)
{
	*s = (struct server){ .folder = command_make_folder() };
	snprintf(s->path, sizeof(s->path), "%s/run/control", s->folder);
	cr_assert(zero(int, control_open(s->path, &s->control)));
	cr_assert(zero(int, pthread_create(&s->thread, NULL, serve, s)));
}

static void server_stop(struct server *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	control_close(s->control);
	cr_expect(eq(int, access(s->path, F_OK), -1));
	command_remove_folder(s->folder);
}

static void assert_answers(const struct server *s)
{
	char *answer;

	cr_assert(zero(int, control_ask(s->path, "who", &answer)));
	cr_expect(eq(str, answer, "who!\n"));
	free(answer);
}

static int dial(const struct server *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, s->path);
	cr_assert(zero(int, connect(fd, (struct sockaddr *)&a, sizeof(a))));
	return fd;
}

/* Sends the bytes; what comes back, up to the end. */
static void exchange(const struct server *s, const void *bytes, size_t len, char answer[64])
{
	int fd = dial(s);
	size_t got = 0;
	ssize_t n;

	(void)send(fd, bytes, len, MSG_NOSIGNAL);
	while (got < 63 && (n = read(fd, answer + got, 63 - got)) > 0)
		got += n;
	answer[got] = '\0';
	close(fd);
}

Test(control, answers_one_who_asks)
{
	struct server s;
	struct stat st;

	server_start(&s);
	cr_assert(zero(int, stat(s.path, &st)));
	cr_expect(eq(u32, st.st_mode & 0777, 0600));
	for (int i = 0; i < 20; i++)
		assert_answers(&s);
	server_stop(&s);
}

Test(control, requests_that_are_none)
{
	char answer[64], text[CONTROL_REQUEST_MAX + 10];
	struct server s;

	server_start(&s);
	exchange(&s, "a\x1b[2J\n", 6, answer);
	cr_expect(eq(str, answer, "error: not a line of text\n"));
	exchange(&s, "\xff\n", 2, answer);
	cr_expect(eq(str, answer, "error: not a line of text\n"));
	memset(text, 'x', sizeof(text));
	exchange(&s, text, sizeof(text), answer);
	cr_expect(eq(str, answer, ""));
	assert_answers(&s);
	server_stop(&s);
}

/* They are dropped after two seconds, for the next ones. */
Test(control, silent_clients_keep_nobody_out)
{
	int silent[12];
	struct server s;

	server_start(&s);
	for (size_t i = 0; i < 4; i++)
		silent[i] = dial(&s);
	assert_answers(&s);
	for (size_t i = 0; i < 4; i++)
		close(silent[i]);
	server_stop(&s);
}

Test(control, second_agent_is_refused_a_dead_ones_socket_is_taken)
{
	struct control *second = NULL;
	struct server s;
	int status;
	pid_t pid;

	server_start(&s);
	cr_expect(eq(int, control_open(s.path, &second), -EADDRINUSE));
	assert_answers(&s);
	server_stop(&s);

	s.folder = command_make_folder();
	snprintf(s.path, sizeof(s.path), "%s/control", s.folder);
	pid = fork();
	if (pid == 0)
		_exit(control_open(s.path, &second) < 0); /* and leaves it behind */
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	cr_assert(zero(int, status));
	cr_assert(zero(int, access(s.path, F_OK)));
	cr_assert(zero(int, control_open(s.path, &second)));
	control_close(second);
	command_remove_folder(s.folder);
}

/* A slip in the configuration. */
Test(control, a_file_is_no_socket_of_a_dead_agent)
{
	struct control *c = NULL;
	char path[64], *folder = command_make_folder(), *text;

	snprintf(path, sizeof(path), "%s/file", folder);
	free(command_output("printf kept > %s", path));
	cr_expect(eq(int, control_open(path, &c), -EADDRINUSE));
	text = command_output("cat %s", path);
	cr_expect_str_eq(text, "kept");
	free(text);
	command_remove_folder(folder);
}

Test(control, nobody_is_there)
{
	char *answer;

	cr_expect(eq(int, control_ask("/nonexistent/control", "who", &answer), -ENOENT));
}
