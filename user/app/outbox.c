/* SPDX-License-Identifier: Apache-2.0 */
#include "app/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "app/agent_spool.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "export/pprof_relabel.h"
#include "export/profile_pprof.h"
#include "export/spool.h"
#include "shared/stat.h"

/* --- putting ---------------------------------------------------------------------------------- */

static int apply_rules(const struct outbox *o, const struct agent_config *c, struct pprof *p)
{
	CLEANUP(relabel_freep) struct relabel *rules = NULL;
	CLEANUP(freep) struct pprof_label *fixed = calloc(c->n_labels + 1, sizeof(*fixed));
	struct pprof_relabel how = { fixed, c->n_labels, NULL };
	const struct relabel_counts *counts;
	struct relabel_problem why;
	uint64_t dropped = 0;
	int r = 0;

	if (!fixed)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_labels; i++)
		fixed[i] = (struct pprof_label){ c->labels[i].name, c->labels[i].value, 0, "" };
	if (c->n_relabel_rules)
		r = relabel_new(c->relabel_rules, c->n_relabel_rules, &why, &rules);
	how.rules = rules;
	if (r == 0)
		r = pprof_relabel(p, &how, &dropped);
	agent_shared_add(o->shared, AGENT_NUMBER_SAMPLES_DROPPED, dropped);
	if (r < 0 || !rules)
		return r;
	counts = relabel_get_counts(rules);
	agent_shared_add(o->shared, AGENT_NUMBER_RELABEL_LIMIT, counts->match_limit);
	agent_shared_add(o->shared, AGENT_NUMBER_RELABEL_TOO_LARGE, counts->too_large);
	return 0;
}

/* What cannot be had now is tried again with the next profile; the others are served. */
static void set_queues(struct outbox *o, const struct outbox_rules *by)
{
	if (o->queues_of != by->number &&
	    agent_spool_set_queues(o->spool, by->config, o->shared) == 0)
		o->queues_of = by->number;
}

static uint64_t samples_of(const struct pprof *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[0];
	return sum;
}

static int put(struct outbox *o, const struct pprof *p, uint64_t kept)
{
	CLEANUP(freep) uint8_t *bytes = NULL;
	struct spool_profile profile = { .time_ns = p->time_nanos };
	int r;

	profile.samples = samples_of(p);
	if (!profile.samples) { /* an idle host */
		spool_trim(o->spool);
		return 0;
	}
	r = pprof_encode(p, true, &bytes, &profile.len);
	if (r < 0)
		return r;
	profile.pprof = bytes;
	agent_shared_set(o->shared, AGENT_NUMBER_PROFILE_BYTES, profile.len);
	/* What it could not put it has counted for each endpoint, if there is one. */
	r = spool_put(o->spool, &profile, kept);
	if (r == -EDESTADDRREQ)
		return r;
	if (r < 0)
		log_error_errno(r, "cannot put a profile of %llu samples into the spool",
				(unsigned long long)profile.samples);
	return 0;
}

int outbox_put(struct outbox *o, const struct outbox_rules *by, struct pprof *p, uint64_t kept)
{
	int r = apply_rules(o, by->config, p);

	if (r == 0) {
		set_queues(o, by);
		r = put(o, p, kept);
		agent_shared_set(o->shared, AGENT_NUMBER_SAMPLES_EXPIRED_ELSEWHERE,
				 spool_expired_elsewhere(o->spool));
	}
	outbox_drop(o, kept);
	return r;
}

/* --- keeping ---------------------------------------------------------------------------------- */

static int keep(const struct outbox *o, const struct session_interval *i, uint64_t *ret)
{
	const struct name_sources unnamed = { .files = &i->files };
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	CLEANUP(freep) uint8_t *bytes = NULL;
	struct spool_profile profile = { 0 };
	uint64_t counters[STAT_COUNT] = { 0 }; /* of what is not final */
	int r = profile_to_pprof(i->profile, &unnamed, counters, &p);

	if (r == 0)
		r = pprof_encode(p, false, &bytes, &profile.len);
	if (r < 0)
		return r;
	profile.pprof = bytes;
	profile.samples = samples_of(p);
	profile.time_ns = p->time_nanos;
	return profile.samples ? spool_keep(o->spool, &profile, ret) : 0;
}

uint64_t outbox_keep(const struct outbox *o, const struct session_interval *i)
{
	uint64_t kept = 0;

	if (keep(o, i, &kept) < 0)
		agent_shared_add(o->shared, AGENT_NUMBER_INTERVALS_NOT_KEPT, 1);
	return kept;
}

void outbox_drop(const struct outbox *o, uint64_t kept)
{
	spool_drop_kept(o->spool, kept);
}

/* --- recovering ------------------------------------------------------------------------------- */

static void count_failed(struct outbox *o, uint64_t samples, int r)
{
	agent_shared_add(o->shared, AGENT_NUMBER_INTERVALS_FAILED, 1);
	agent_shared_add(o->shared, AGENT_NUMBER_SAMPLES_FAILED, samples);
	log_error_errno(r, "cannot send a profile of %llu samples that an earlier agent has kept",
			(unsigned long long)samples);
}

/* Of one: its samples. What is wrong with it has been counted and logged. */
static uint64_t recover(struct outbox *o, const struct outbox_rules *by,
			const struct spool_profile *profile, uint64_t kept)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	uint64_t dropped = agent_shared_get(o->shared, AGENT_NUMBER_SAMPLES_DROPPED);
	int r = pprof_decode(profile->pprof, profile->len, &p);

	agent_shared_add(o->shared, AGENT_NUMBER_SAMPLES_RECOVERED, profile->samples);
	if (r == 0)
		r = outbox_put(o, by, p, kept);
	else
		outbox_drop(o, kept);
	dropped = agent_shared_get(o->shared, AGENT_NUMBER_SAMPLES_DROPPED) - dropped;
	if (r < 0)
		count_failed(o, profile->samples - dropped, r);
	return profile->samples;
}

void outbox_recover(struct outbox *o, const struct outbox_rules *by)
{
	uint64_t sum = 0, kept;
	unsigned n = 0;
	int r;

	do {
		CLEANUP(freep) uint8_t *file = NULL;
		struct spool_profile profile;

		r = spool_take_kept(o->spool, &profile, &file, &kept);
		if (r == -EBADMSG)
			log_warning("spool.directory: a profile that an earlier agent had kept is "
				    "damaged, or the agent ended by it: it is in 'damaged' now");
		if (r == 0) {
			sum += recover(o, by, &profile, kept);
			n++;
		}
	} while (r == 0 || r == -EBADMSG);
	if (r != -ENODATA)
		log_error_errno(r, "spool.directory: cannot take what an earlier agent has kept");
	if (n)
		log_info("an earlier agent was killed before %u profile%s of %llu samples had "
			 "names: addresses are in place of them",
			 n, n == 1 ? "" : "s", (unsigned long long)sum);
}
