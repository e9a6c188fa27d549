/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals of a session: one is ended, taken, named by somebody else, and given back. */
#include "app/session_internal.h"
#include "base/clock.h"
#include "base/log.h"

/* A file that nobody has mapped for so many intervals is closed, and its tables are unloaded. */
#define KEEP_ROUNDS 8

int session_interval_new(struct session *s, struct profile *p, struct session_interval **ret)
{
	CLEANUP(session_interval_freep) struct session_interval *i = calloc(1, sizeof(*i));
	int r;

	if (!i)
		return -ENOMEM;
	r = profile_files_collect(p, &i->files);
	if (r < 0)
		return r;
	i->profile = p;
	i->jit = s->jit;
	*ret = TAKE_PTR(i);
	return 0;
}

void session_interval_free(struct session_interval *i)
{
	if (!i)
		return;
	profile_files_clear(&i->files);
	profile_free(i->profile);
	free(i);
}

int session_rotate(struct session *s, unsigned frequency)
{
	CLEANUP(profile_freep) struct profile *next = NULL;
	uint64_t now = monotonic_ns();
	int r;

	if (s->ending)
		return -EBUSY;
	r = profile_new(&next);
	if (r < 0)
		return r;
	if (frequency) {
		r = collector_set_frequency(s->collector, frequency);
		if (r < 0)
			return r;
		s->opt.collector.frequency = frequency;
	}
	session_profile_begin(s, next, now);
	s->profile->duration_ns = now - s->start_ns;
	s->start_ns = s->boundary_ns = now;
	s->ending = s->profile;
	s->profile = TAKE_PTR(next);
	return 0;
}

bool session_is_rotating(const struct session *s)
{
	return s->ending;
}

int session_take(struct session *s, struct session_interval **ret)
{
	int r;

	if (!s->ending || s->delivered_ns < s->boundary_ns)
		return 0;
	jit_names_read(s->jit, monotonic_ns());
	r = vec_reserve(&s->taken, 1);
	if (r == 0)
		r = session_interval_new(s, s->ending, ret);
	if (r < 0)
		return r;
	s->ending = NULL;
	s->taken.data[s->taken.n++] = *ret;
	return 1;
}

/* --- giving back ------------------------------------------------------------------------------ */

static void use_frames(struct session *s, const struct profile *p)
{
	const struct profile_stack *stack;
	size_t pos = 0;

	while (p && (stack = hashmap_next(&p->stacks, &pos)))
		for (uint32_t i = 0; i < stack->n; i++)
			dso_use(&s->procs.dsos, stack->frames[i].dso);
}

static void forget_dso(void *ctx, const struct dso *dso)
{
	struct session *s = ctx;

	unwinder_forget(s->unwinder, dso);
	context_tracker_forget_dso(s->contexts, dso);
}

static void sweep_jit(struct session *s)
{
	const struct dso_table *t = &s->procs.dsos;

	for (size_t i = 0; i < t->n; i++)
		if (t->dsos[i] && t->dsos[i]->owner)
			jit_names_use(s->jit, t->dsos[i]->owner);
	jit_names_sweep(s->jit);
}

/* What neither a process nor a profile points to goes. */
static void sweep(struct session *s)
{
	dso_table_new_round(&s->procs.dsos);
	process_table_use_dsos(&s->procs);
	use_frames(s, s->profile);
	use_frames(s, s->ending);
	for (size_t i = 0; i < s->taken.n; i++)
		use_frames(s, s->taken.data[i]->profile);
	dso_table_sweep(&s->procs.dsos, KEEP_ROUNDS, forget_dso, s);
	if (!s->taken.n) /* whose answers may be in use */
		sweep_jit(s);
}

static void remove_taken(struct session *s, const struct session_interval *i)
{
	for (size_t k = 0; k < s->taken.n; k++)
		if (s->taken.data[k] == i)
			s->taken.data[k--] = s->taken.data[--s->taken.n];
}

void session_give_back(struct session *s, struct session_interval *i)
{
	for (int k = 0; k < STAT_COUNT; k++)
		s->counters[k] += i->counters[k];
	remove_taken(s, i);
	session_interval_free(i);
	sweep(s);
}
