/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/service.h"

#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/parse.h"
#include "worker/sandbox.h"

#define IDLE_MS 100
#define TIDY_MS 10000

static int send_header(struct worker_link *link, struct worker_header *h, const void *payload)
{
	h->protocol = WORKER_PROTOCOL;
	return worker_message_send(link->sock, h, payload, -1);
}

int worker_link_send(struct worker_link *link, unsigned kind, const void *payload, size_t len)
{
	struct worker_header h = {
		.service = link->in.header.service,
		.kind = kind,
		.exchange = link->in.header.exchange,
		.len = len,
	};

	return send_header(link, &h, payload);
}

int worker_link_receive(struct worker_link *link)
{
	return worker_message_receive(link->sock, true, &link->in);
}

static int serve_one(struct worker_link *link, const struct worker_service *services)
{
	for (; services->serve; services++)
		if (services->id == link->in.header.service)
			return services->serve(link);
	return -EBADMSG;
}

static bool tidy(const struct worker_service *services)
{
	bool any = false;

	for (; services->serve; services++)
		any |= services->tidy && services->tidy();
	return any;
}

/* It may be long until the next one: what was given back meanwhile is nobody's. */
static int receive_request(struct worker_link *link, const struct worker_service *services)
{
	struct pollfd pfd = { .fd = link->sock, .events = POLLIN };
	bool more = true;

	for (int ms = IDLE_MS; more && poll(&pfd, 1, ms) == 0; ms = TIDY_MS) {
		more = tidy(services);
		memory_give_back();
	}
	return worker_link_receive(link);
}

int worker_serve(int sock, const struct worker_service *services)
{
	static struct worker_link link;
	int r;

	link.sock = sock;
	while ((r = receive_request(&link, services)) == 0) {
		r = serve_one(&link, services);
		closep(&link.in.fd);
		if (r < 0)
			return r;
	}
	return r == -ECONNRESET ? 0 : r;
}

/* We leave by _exit() only: who comes here is a library that has no memory. */
static void on_exit_of_library(void)
{
	_exit(WORKER_EXIT_LIBRARY);
}

static void set_up_and_serve(const struct worker_sandbox *sandbox, const char *name,
			     const struct worker_service *services)
{
	struct worker_header ready = { .service = WORKER_SERVICE_SELF, .kind = WORKER_READY };
	struct worker_link link = { .sock = WORKER_SOCKET };
	uint32_t gaps;
	int r;

	(void)prctl(PR_SET_NAME, name);
	memory_stay_small();
	(void)atexit(on_exit_of_library);
	r = worker_sandbox_enter(sandbox);
	if (r < 0)
		_exit(WORKER_EXIT_CAPABILITIES);

	gaps = r;
	ready.len = sizeof(gaps);
	r = send_header(&link, &ready, &gaps);
	if (r == 0)
		r = worker_serve(WORKER_SOCKET, services);
	_exit(r < 0 ? WORKER_EXIT_SOCKET : 0);
}

void worker_main(char *const *arguments, const struct worker_service *services)
{
	struct worker_sandbox sandbox;
	struct stat st;

	if (fstat(WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	if (parse_u64(arguments[0], 1, UINT64_MAX, &sandbox.memory) < 0)
		return;
	sandbox.prompt = strcmp(arguments[1], WORKER_PROMPT) == 0;
	set_up_and_serve(&sandbox, arguments[2], services);
}
