/* SPDX-License-Identifier: Apache-2.0 */
#include "app/listener.h"

#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "app/agent_metrics.h"
#include "base/clock.h"
#include "base/log.h"

#define ADDRESS_MAX	  300
#define CONNECTIONS_MAX	  48
#define CONNECTIONS_KEPT  32	/* beyond them, a new one costs the oldest */
#define CONNECTION_S	  5	/* without a byte */
#define REQUEST_S	  10	/* until it is answered, however many bytes come meanwhile */
#define CONNECTION_MEMORY 16384 /* of a request's head */
#define BACKLOG		  16

/* A connection that is open. */
struct client {
	int fd;		 /* -1: none, a place that is free */
	uint64_t due_ns; /* its request is to have been answered; UINT64_MAX: was hung up */
};

struct listener {
	struct MHD_Daemon *daemon;
	const struct agent_shared *shared;
	pthread_mutex_t lock; /* of what follows: libmicrohttpd has a thread of its own */
	struct client clients[CONNECTIONS_MAX];
};

/* --- the socket ------------------------------------------------------------------------------- */

/* "127.0.0.1:80" or "[::1]:80" in place. */
static int split(char *address, const char **ret_host, const char **ret_port)
{
	char *colon = strrchr(address, ':');

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	*ret_host = address;
	*ret_port = colon + 1;
	if (address[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		(*ret_host)++;
	}
	return 0;
}

static int bind_one(const struct addrinfo *a, int *ret_fd)
{
	CLEANUP(closep)
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listener_bind(const char *address, int *ret_fd)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	char copy[ADDRESS_MAX];
	const char *host, *port;
	struct addrinfo *found = NULL;
	int r = -EINVAL;

	if (strlen(address) < sizeof(copy) && split(strcpy(copy, address), &host, &port) == 0) {
		int failed = getaddrinfo(*host ? host : NULL, port, &hints, &found);

		if (failed) {
			log_error("listen: '%s': %s; HOST:PORT is wanted", address,
				  gai_strerror(failed));
			return -EINVAL;
		}
		r = bind_one(found, ret_fd);
		freeaddrinfo(found);
	}
	if (r == -EADDRINUSE)
		log_error("listen: '%s' is taken by another program; name another port, or "
			  "nothing to have no /metrics",
			  address);
	else if (r < 0)
		log_error_errno(r, "listen: cannot listen on '%s'", address);
	return r;
}

/* --- who takes too long ----------------------------------------------------------------------- */

/* What it does next on this socket fails, and libmicrohttpd closes it. */
static void hang_up(struct client *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	c->due_ns = UINT64_MAX;
}

static void make_room(struct listener *l)
{
	struct client *oldest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct client *c = &l->clients[i];

		if (c->fd < 0 || c->due_ns == UINT64_MAX)
			continue;
		n++;
		if (!oldest || c->due_ns < oldest->due_ns)
			oldest = c;
	}
	if (n >= CONNECTIONS_KEPT)
		hang_up(oldest);
}

static struct client *add_client(struct listener *l, int fd)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (l->clients[i].fd < 0) {
			l->clients[i].fd = fd;
			l->clients[i].due_ns = monotonic_ns() + REQUEST_S * NSEC_PER_SEC;
			return &l->clients[i];
		}
	return NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct listener *l = arg;
	struct client *c = *context;

	pthread_mutex_lock(&l->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		make_room(l);
		*context = info ? add_client(l, info->connect_fd) : NULL;
	} else if (c) {
		c->fd = -1;
	}
	pthread_mutex_unlock(&l->lock);
}

/* The next request of this connection has as long again. */
static void on_answered(void *arg, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode how)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct listener *l = arg;
	struct client *c = info ? info->socket_context : NULL;

	pthread_mutex_lock(&l->lock);
	if (c && c->due_ns != UINT64_MAX)
		c->due_ns = monotonic_ns() + REQUEST_S * NSEC_PER_SEC;
	pthread_mutex_unlock(&l->lock);
}

void listener_hang_up_late(struct listener *l)
{
	uint64_t now = monotonic_ns();

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (l->clients[i].fd >= 0 && l->clients[i].due_ns <= now)
			hang_up(&l->clients[i]);
	pthread_mutex_unlock(&l->lock);
}

/* --- answers ---------------------------------------------------------------------------------- */

struct answer {
	unsigned status;
	const char *type;
	char *text; /* from malloc */
	size_t len;
};

static int make_text(struct answer *a, const char *text)
{
	a->text = strdup(text);
	a->len = strlen(text);
	return a->text ? 0 : -ENOMEM;
}

static int make_metrics(const struct agent_shared *s, struct answer *a)
{
	FILE *out = open_memstream(&a->text, &a->len);

	if (!out)
		return -ENOMEM;
	agent_metrics_write(s, out);
	a->type = AGENT_METRICS_TYPE;
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static int make_health(const struct agent_shared *s, bool ready, struct answer *a)
{
	const char *illness = agent_shared_illness(s, monotonic_ns());
	char line[80];

	if (!illness && ready && !atomic_load(&s->sampling))
		illness = "sampling has not begun";
	if (illness)
		a->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	snprintf(line, sizeof(line), "%s\n", illness ? illness : "ok");
	return make_text(a, line);
}

static int make_answer(const struct agent_shared *s, const char *path, struct answer *a)
{
	*a = (struct answer){ .status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8" };
	if (strcmp(path, "/metrics") == 0)
		return make_metrics(s, a);
	if (strcmp(path, "/healthz") == 0)
		return make_health(s, false, a);
	if (strcmp(path, "/readyz") == 0)
		return make_health(s, true, a);
	a->status = MHD_HTTP_NOT_FOUND;
	return make_text(a, "/metrics, /healthz and /readyz are here\n");
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *a)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(a->len, a->text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result r;

	if (!response) {
		free(a->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	r = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return r;
}

/* libmicrohttpd wants it so. NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **state)
{
	const struct listener *l = arg;
	bool may = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
		   strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	struct answer a;

	if (!may) {
		a = (struct answer){ MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", NULL, 0 };
		if (make_text(&a, "GET only\n") < 0)
			return MHD_NO;
	} else if (make_answer(l->shared, url, &a) < 0) {
		free(a.text);
		return MHD_NO;
	}
	return send_answer(connection, &a);
}

/* Of strangers' requests nothing is logged. */
static void ignore(void *arg, const char *fmt, va_list ap)
{
}

int listener_start(int fd, const struct agent_shared *s, struct listener **ret)
{
	CLEANUP(freep) struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->shared = s;
	pthread_mutex_init(&l->lock, NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		l->clients[i].fd = -1;
	l->daemon = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, l,
		MHD_OPTION_EXTERNAL_LOGGER, ignore, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_NOTIFY_COMPLETED,
		on_answered, l, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	if (!l->daemon)
		return -EIO;
	*ret = TAKE_PTR(l);
	return 0;
}

void listener_stop(struct listener *l)
{
	if (!l)
		return;
	MHD_quiesce_daemon(l->daemon); /* so that the socket stays open */
	MHD_stop_daemon(l->daemon);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
