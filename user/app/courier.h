/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of an agent that speaks to endpoints and answers /metrics: it has no rights, and is
 * the only one that reads credentials. It is this program anew (app/courier_office.h): nothing that
 * is in our memory, or open, is in its. Profiles reach it through the spool. It is started again if
 * it dies, and ends with us.
 */
#ifndef APP_COURIER_H
#define APP_COURIER_H

#include "app/agent_config.h"
#include "app/agent_shared.h"

struct courier_options {
	struct agent_shared *shared;
	int shared_fd;	       /* its file; borrowed, like the other one */
	int listen_fd;	       /* -1: nothing listens */
	const char *spool_dir; /* must stay; that of later configurations is not looked at */
};

struct courier;

/*
 * Starts it, with the endpoints of @config, which must stay until courier_reload() has another.
 * Logs; negative errno.
 */
int courier_start(const struct courier_options *opt, const struct agent_config *config,
		  struct courier **ret);

/*
 * Tells it to end and waits: at most @flush_ms for what is in the spool, as long, but no more than
 * 5 s, for answers, and 2 s. NULL is fine.
 */
void courier_stop(struct courier *c, unsigned flush_ms);

/*
 * To be called about once a second: starts it again if it has died, and ends it, for that, if a
 * thread of its hangs.
 */
void courier_tend(struct courier *c);

/* The spool has something new. */
void courier_wake(struct courier *c);

/* It is to have @config from now on, also if it is started again. Logs if it cannot be told. */
void courier_reload(struct courier *c, const struct agent_config *config);

#endif
