/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a profile to the spool: labels and rules of the configuration, a queue for each endpoint.
 * Until an interval has names it is kept there without them, for the case that the agent is killed.
 */
#ifndef APP_OUTBOX_H
#define APP_OUTBOX_H

#include "app/agent_config.h"
#include "app/agent_shared.h"
#include "app/session.h"
#include "export/pprof.h"

struct spool;

struct outbox {
	struct agent_shared *shared; /* both borrowed */
	struct spool *spool;
	unsigned queues_of; /* number of the configuration whose endpoints the spool knows */
};

/* By which labels and queues are made. */
struct outbox_rules {
	const struct agent_config *config;
	unsigned number; /* of the configuration: another one, another number */
};

/*
 * Puts @p into its queues, as the rules change it; what was @kept of it (0: nothing) is gone. What
 * the spool could not take is counted and logged, which is no error; -EDESTADDRREQ: there are no
 * queues; -ENOMEM.
 */
int outbox_put(struct outbox *o, const struct outbox_rules *by, struct pprof *p, uint64_t kept);

/*
 * Number of what is kept of @i; 0: it has no samples, or could not be kept, which is counted. May
 * be called while another thread is in outbox_put() or outbox_drop(), or names @i.
 */
uint64_t outbox_keep(const struct outbox *o, const struct session_interval *i);

/* It will not be put; 0: nothing. */
void outbox_drop(const struct outbox *o, uint64_t kept);

/* Puts what an agent that was killed has kept. Logs, and counts. Before the first outbox_keep(). */
void outbox_recover(struct outbox *o, const struct outbox_rules *by);

#endif
