/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of an agent that speaks to endpoints and answers /metrics: it has no rights, and is
 * the only one that reads credentials. Profiles reach it through the spool. It is started again if
 * it dies, and ends with us.
 */
#ifndef APP_COURIER_H
#define APP_COURIER_H

#include "app/agent_config.h"
#include "app/agent_shared.h"

struct courier_options {
	const struct agent_sources *sources; /* of the configuration, to read it again */
	struct agent_shared *shared;
	int listen_fd; /* -1: nothing listens */
};

struct courier;

/*
 * Starts it, with the endpoints of @config, which must stay until courier_reload() has another.
 * Wants to be called before there is anything in memory or open files that it need not have. Logs;
 * negative errno.
 */
int courier_start(const struct courier_options *opt, const struct agent_config *config,
		  struct courier **ret);

/*
 * Tells it to end and waits: at most @flush_ms for what is in the spool, as long, but no more than
 * 5 s, for answers, and 2 s. NULL is fine.
 */
void courier_stop(struct courier *c, unsigned flush_ms);

/* To be called about once a second: starts it again if it has died. */
void courier_tend(struct courier *c);

/* The spool has something new. */
void courier_wake(struct courier *c);

/* It is to read the configuration again; if it is started again, it has @config. */
void courier_reload(struct courier *c, const struct agent_config *config);

#endif
