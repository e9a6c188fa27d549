/* SPDX-License-Identifier: Apache-2.0 */
/* The spool as an agent's configuration wants it. */
#ifndef APP_AGENT_SPOOL_H
#define APP_AGENT_SPOOL_H

#include "app/agent_config.h"
#include "app/agent_shared.h"
#include "export/spool.h"

/* Logs; negative errno. */
int agent_spool_open(const struct agent_spool *opt, struct spool **ret);

/*
 * A place in @shared for each endpoint. Called before the process that delivers is told of them, it
 * alone gives them out.
 */
void agent_spool_claim(const struct agent_config *c, struct agent_shared *shared);

/* A queue for each endpoint. Logs which cannot be had; the others are. Negative errno. */
int agent_spool_set_queues(struct spool *s, const struct agent_config *c,
			   struct agent_shared *shared);

#endif
