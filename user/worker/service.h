/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's own side: what its process runs. */
#ifndef WORKER_SERVICE_H
#define WORKER_SERVICE_H

#include <stdbool.h>

#include "worker/message.h"

#define WORKER_SOCKET 3 /* the descriptor that it starts with */

/* Exit statuses, besides 0: the parent is gone. */
enum {
	WORKER_EXIT_LIBRARY = 3,      /* a library gave up: it does so for want of memory */
	WORKER_EXIT_CAPABILITIES = 4, /* would have kept some */
	WORKER_EXIT_SOCKET = 5,
};

/* The way to the parent. */
struct worker_link {
	int sock;
	struct worker_message in; /* the last one received */
};

/* Both block. A failure means that the parent is gone, and so should be its worker. */
int worker_link_send(struct worker_link *link, unsigned kind, const void *payload, size_t len);
int worker_link_receive(struct worker_link *link);

struct worker_service {
	enum worker_service_id id;
	/* Answers the request whose first message is link->in. Negative: as above. */
	int (*serve)(struct worker_link *link);
	/*
	 * Or NULL. Called now and then while nothing is asked: gives back what has not been used
	 * for long. False: there is nothing left that it could.
	 */
	bool (*tidy)(void);
};

/* Serves what comes over @sock until the parent goes. @services end with one without serve(). */
int worker_serve(int sock, const struct worker_service *services);

/* The second of its arguments (worker.h): whether it stands back from other processes. */
#define WORKER_PROMPT  "prompt"
#define WORKER_PATIENT "patient"

/*
 * main() of a worker, with its WORKER_MORE_ARGUMENTS: goes into the sandbox, serves and exits.
 * Returns if nobody wants a worker: the arguments are none, or descriptor WORKER_SOCKET is no
 * socket.
 */
void worker_main(char *const *arguments, const struct worker_service *services);

#endif
