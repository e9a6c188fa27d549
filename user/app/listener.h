/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers GET /metrics, /healthz and /readyz, and nothing else, in a thread of its own. Requests
 * are bounded in size, number and time.
 */
#ifndef APP_LISTENER_H
#define APP_LISTENER_H

#include "app/agent_shared.h"

/* A socket that listens on @address, "HOST:PORT" or "[HOST]:PORT". Logs; negative errno. */
int listener_bind(const char *address, int *ret_fd);

struct listener;

/* @fd and @s are borrowed. -EIO: it cannot be started. */
int listener_start(int fd, const struct agent_shared *s, struct listener **ret);

/*
 * Ends the connections whose request was not answered in time: somebody who sends a byte now and
 * then is not to keep others out. To be called every second or so. NULL is fine.
 */
void listener_hang_up_late(struct listener *l);

void listener_stop(struct listener *l); /* NULL is fine */

#endif
