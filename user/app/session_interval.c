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

static int set_rate(struct session *s, const struct session_rate *rate)
{
	int r = 0;

	if (rate->frequency != s->opt.collector.frequency)
		r = collector_set_frequency(s->collector, rate->frequency);
	if (r < 0)
		return r;
	s->opt.collector.frequency = rate->frequency;
	collector_set_focus(s->collector, &rate->focus);
	return 0;
}

/* What was counted so far is complete at @now_ns, when all its samples are in. */
static void end_interval(struct session *s, uint64_t now_ns)
{
	s->profile->duration_ns = now_ns - s->start_ns;
	if (s->focused)
		s->focused->duration_ns = s->profile->duration_ns;
	s->start_ns = s->boundary_ns = now_ns;
	s->ending = TAKE_PTR(s->profile);
	s->ending_focused = TAKE_PTR(s->focused);
	s->ending_focus = s->focus;
}

int session_rotate(struct session *s, const struct session_rate *rate)
{
	CLEANUP(profile_freep) struct profile *next = NULL;
	CLEANUP(profile_freep) struct profile *focused = NULL;
	struct sample_focus focus = rate ? rate->focus : s->focus;
	uint64_t now = monotonic_ns();
	int r;

	if (session_is_rotating(s))
		return -EBUSY;
	r = profile_new(&next);
	if (r == 0 && focus.every)
		r = profile_new(&focused);
	if (r == 0 && rate)
		r = set_rate(s, rate);
	if (r < 0)
		return r;
	session_profile_begin(s, next, now, focus.every ? focus.every : 1);
	if (focused)
		session_profile_begin(s, focused, now, 1);
	end_interval(s, now);
	s->profile = TAKE_PTR(next);
	s->focused = TAKE_PTR(focused);
	s->focus = focus;
	return 0;
}

bool session_is_rotating(const struct session *s)
{
	return s->ending || s->ending_focused;
}

int session_take(struct session *s, struct session_interval **ret)
{
	struct profile **ended = s->ending ? &s->ending : &s->ending_focused;
	int r;

	if (!*ended || s->delivered_ns < s->boundary_ns)
		return 0;
	jit_names_read(s->jit, monotonic_ns());
	r = vec_reserve(&s->taken, 1);
	if (r == 0)
		r = session_interval_new(s, *ended, ret);
	if (r < 0)
		return r;
	*ended = NULL;
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
	dso_table_new_round(&s->procs.dsos, monotonic_ns());
	process_table_use_dsos(&s->procs);
	use_frames(s, s->profile);
	use_frames(s, s->focused);
	use_frames(s, s->ending);
	use_frames(s, s->ending_focused);
	for (size_t i = 0; i < s->taken.n; i++)
		use_frames(s, s->taken.data[i]->profile);
	dso_table_sweep(&s->procs.dsos, KEEP_ROUNDS, forget_dso, s);
	unwinder_settle(s->unwinder);
	if (s->taken.n)
		return;
	/* Nobody names: neither answers nor descriptors are in use. */
	sweep_jit(s);
	process_table_adopt_dsos(&s->procs);
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
