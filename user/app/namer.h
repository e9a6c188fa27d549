/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names intervals of a session and puts them into the spool, in a thread of low priority, while
 * sampling goes on; a second one keeps them there until they have names (app/outbox.h). The CPU
 * time of naming is bounded in the long run (app/naming_budget.h): beyond that there are names from
 * symbol tables only, then of what is known already.
 */
#ifndef APP_NAMER_H
#define APP_NAMER_H

#include "app/agent_config.h"
#include "app/agent_shared.h"
#include "app/session.h"

struct spool;

#define NAMER_WAITING_MAX 3 /* intervals that may wait */
#define NAMER_LAST_MAX	  4 /* more of them: two end together with a focus, and two in the end */

struct namer;

/*
 * @s is borrowed. @config: of which symbols.* and budgets.memory count, for good.
 * Logs; negative errno.
 */
int namer_start(const struct agent_config *config, struct agent_shared *s, struct spool *spool,
		struct namer **ret);

/* One that has been named, or failed. */
struct namer_job {
	struct session_interval *interval;
	const struct agent_config *config; /* by which labels and queues are made */
	unsigned number;		   /* of the configuration: another one, another number */
	uint64_t pushed_ns;		   /* set by namer_push() */
	/* The namer's own. */
	uint64_t kept; /* outbox_keep() */
	bool was_kept; /* or could not be */
};

/* True: it may be given one more interval. */
bool namer_has_room(struct namer *n);

/* At most NAMER_LAST_MAX beyond what there is room for. @job and what it points to stay until
 * namer_done() gives them back. */
void namer_push(struct namer *n, const struct namer_job *job);

/* False: none is done. */
bool namer_done(struct namer *n, struct namer_job *ret);

/*
 * Waits for what it was given, which then namer_done() gives; nothing can be pushed any more. What
 * is not begun within 10 s has names of what is known only.
 */
void namer_finish(struct namer *n);
void namer_free(struct namer *n); /* after namer_finish(); NULL is fine */

#endif
