/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/service.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "worker/sandbox.h"

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

int worker_serve(int sock, const struct worker_service *services)
{
	static struct worker_link link;
	int r;

	link.sock = sock;
	while ((r = worker_link_receive(&link)) == 0) {
		r = serve_one(&link, services);
		closep(&link.in.fd);
		if (r < 0)
			return r;
		/* It may be long until the next one. */
		malloc_trim(0);
	}
	return r == -ECONNRESET ? 0 : r;
}

/* We leave by _exit() only: who comes here is a library that has no memory. */
static void on_exit_of_library(void)
{
	_exit(WORKER_EXIT_LIBRARY);
}

void worker_main(uint64_t memory, const struct worker_service *services)
{
	struct worker_header ready = { .service = WORKER_SERVICE_SELF, .kind = WORKER_READY };
	struct worker_link link = { .sock = WORKER_SOCKET };
	struct stat st;
	uint32_t gaps;
	int r;

	if (fstat(WORKER_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	(void)prctl(PR_SET_NAME, "spanprof-worker");
	(void)atexit(on_exit_of_library);
	r = worker_sandbox_enter(memory);
	if (r < 0)
		_exit(WORKER_EXIT_CAPABILITIES);

	gaps = r;
	ready.len = sizeof(gaps);
	r = send_header(&link, &ready, &gaps);
	if (r == 0)
		r = worker_serve(WORKER_SOCKET, services);
	_exit(r < 0 ? WORKER_EXIT_SOCKET : 0);
}
