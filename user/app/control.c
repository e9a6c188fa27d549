/* SPDX-License-Identifier: Apache-2.0 */
#include "app/control.h"

#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"

#define CLIENTS_MAX   4
#define CLIENT_NS     (2 * NSEC_PER_SEC) /* to send its line */
#define ANSWER_WAIT_S 10

struct client {
	int fd; /* -1: free */
	uint64_t since_ns;
	size_t len;
	char line[CONTROL_REQUEST_MAX];
};

struct control {
	int fd;
	char path[CONTROL_PATH_MAX];
	struct client clients[CLIENTS_MAX];
};

static int address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	return 0;
}

/* --- the agent's side ------------------------------------------------------------------------- */

static void make_folder(const char *path)
{
	char copy[CONTROL_PATH_MAX];

	strcpy(copy, path);
	(void)mkdir(dirname(copy), 0755);
}

/* One that is left from an agent that was killed; a file that is none refuses in the same way. */
static bool is_stale(const struct sockaddr_un *a)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(a->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_socket(int fd, const struct sockaddr_un *a)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? -errno : 0;

	if (r == -EADDRINUSE && is_stale(a) && unlink(a->sun_path) == 0)
		r = bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? -errno : 0;
	umask(before);
	return r;
}

static int open_socket(const char *path, struct control *c)
{
	CLEANUP(closep) int fd = -1;
	struct sockaddr_un a;
	int r = address(path, &a);

	if (r < 0)
		return r;
	make_folder(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_socket(fd, &a);
	if (r == 0 && listen(fd, CLIENTS_MAX) < 0)
		r = -errno;
	if (r < 0)
		return r;
	strcpy(c->path, path);
	c->fd = TAKE_FD(fd);
	return 0;
}

int control_open(const char *path, struct control **ret)
{
	CLEANUP(freep) struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return log_error_errno(-ENOMEM, "control_socket");
	for (int i = 0; i < CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	r = open_socket(path, c);
	if (r == -EADDRINUSE)
		log_error("control_socket: another agent listens on '%s', or it is a file; end "
			  "it, or name another path",
			  path);
	else if (r < 0)
		log_error_errno(r, "control_socket: cannot listen on '%s'", path);
	else
		*ret = TAKE_PTR(c);
	return r;
}

static void drop(struct client *c)
{
	closep(&c->fd);
	c->len = 0;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		drop(&c->clients[i]);
	unlink(c->path);
	close(c->fd);
	free(c);
}

static void accept_clients(struct control *c)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *to = &c->clients[i];

		if (to->fd >= 0)
			continue;
		to->fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (to->fd < 0)
			return;
		to->len = 0;
		to->since_ns = monotonic_ns();
	}
}

/* True: there is a whole line. */
static bool read_line(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - 1 - c->len, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (monotonic_ns() - c->since_ns > CLIENT_NS)
			drop(c);
		return false;
	}
	if (n <= 0) {
		drop(c);
		return false;
	}
	c->len += n;
	end = memchr(c->line, '\n', c->len);
	if (!end) {
		if (c->len == sizeof(c->line) - 1)
			drop(c);
		return false;
	}
	*end = '\0';
	return true;
}

static void answer(struct client *c, control_fn fn, void *arg)
{
	char text[CONTROL_ANSWER_MAX] = "error: not a line of text\n";

	if (utf8_is_printable(c->line, strlen(c->line)))
		fn(arg, c->line, text, sizeof(text));
	(void)send(c->fd, text, strlen(text), MSG_NOSIGNAL);
	drop(c);
}

void control_poll(struct control *c, control_fn fn, void *arg)
{
	accept_clients(c);
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0 && read_line(&c->clients[i]))
			answer(&c->clients[i], fn, arg);
}

/* --- the other side --------------------------------------------------------------------------- */

int control_ask(const char *path, const char *request, char **ret)
{
	const struct timeval patience = { .tv_sec = ANSWER_WAIT_S };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	size_t len;
	int r = address(path, &a);

	if (r < 0)
		return r;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	r = write_whole_fd(fd, request, strlen(request));
	if (r == 0)
		r = write_whole_fd(fd, "\n", 1);
	return r < 0 ? r : read_whole_fd(fd, CONTROL_ANSWER_MAX, ret, &len);
}
