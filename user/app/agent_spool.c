/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_spool.h"

#include <errno.h>

#include "base/log.h"

int agent_spool_open(const struct agent_spool *opt, struct spool **ret)
{
	const struct spool_options so = { opt->directory, opt->max_bytes, opt->max_age_s };
	int r = spool_open(&so, ret);

	if (r == -EBUSY)
		log_error("spool.directory: another agent has '%s'; end it, or name another folder",
			  so.dir);
	else if (r == -EPERM)
		log_error("spool.directory: others than its owner, which must be us, could change "
			  "what is in '%s'; chmod go-w or another folder helps",
			  so.dir);
	else if (r < 0)
		log_error_errno(r, "spool.directory: cannot use '%s'", so.dir);
	return r;
}

static struct delivery_stats *place_of(const struct endpoint_options *e,
				       struct agent_shared *shared)
{
	return delivery_stats_of(shared->endpoints, AGENT_ENDPOINT_PLACES, e->name);
}

void agent_spool_claim(const struct agent_config *c, struct agent_shared *shared)
{
	for (size_t i = 0; i < c->n_endpoints; i++)
		(void)place_of(&c->endpoints[i], shared);
}

int agent_spool_set_queues(struct spool *s, const struct agent_config *c,
			   struct agent_shared *shared)
{
	struct spool_target targets[AGENT_ENDPOINTS_MAX];
	int r;

	for (size_t i = 0; i < c->n_endpoints; i++) {
		const struct endpoint_options *e = &c->endpoints[i];

		targets[i] = (struct spool_target){ e->name, place_of(e, shared) };
	}
	r = spool_set_queues(s, targets, c->n_endpoints);
	return r < 0 ? log_error_errno(r, "spool.directory: cannot make all queues") : 0;
}
