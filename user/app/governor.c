/* SPDX-License-Identifier: Apache-2.0 */
#include "app/governor.h"

#include "base/clock.h"
#include "base/log.h"
#include "proc/process.h"

#define LEAST	 10   /* never less than 1/LEAST of what is wanted: events cost, too */
#define SPARE	 0.8  /* of the budget is used when going up again */
#define STEP_MAX 1.25 /* up */

void governor_start(struct governor *g, unsigned frequency)
{
	*g = (struct governor){
		.wanted = frequency,
		.frequency = frequency,
		.affordable = frequency,
		.cpu_ns = thread_cpu_ns(),
		.since_ns = monotonic_ns(),
	};
}

unsigned governor_afford(unsigned wanted, unsigned frequency, double share, double budget)
{
	unsigned least = (wanted + LEAST - 1) / LEAST;
	double next = frequency;

	if (share > budget)
		next = frequency * budget / share;
	else if (frequency < wanted && share > 0)
		next = frequency * (SPARE * budget / share);
	else if (frequency < wanted)
		next = wanted;
	if (next > frequency * STEP_MAX)
		next = frequency * STEP_MAX < frequency + 1 ? frequency + 1 : frequency * STEP_MAX;
	if (share <= budget && next < frequency)
		next = frequency;
	if (next > wanted)
		next = wanted;
	return next < least ? least : (unsigned)next;
}

/* Of the thread that samples, and the kernel side; naming has a budget of its own. */
static double measure(struct governor *g, uint64_t kernel_ns)
{
	uint64_t cpu = thread_cpu_ns() + kernel_ns, now = monotonic_ns();
	double share = now > g->since_ns ? (double)(cpu - g->cpu_ns) / (now - g->since_ns) : 0;

	g->cpu_ns = cpu;
	g->since_ns = now;
	return share;
}

static void tell(unsigned before, unsigned after, unsigned wanted)
{
	if (before == wanted && after < wanted)
		log_warning("sampling takes more than budgets.cpu_percent allows: %u Hz instead of "
			    "%u",
			    after, wanted);
	else if (before < wanted && after == wanted)
		log_info("sampling at %u Hz again", wanted);
}

/* All that is not in the focus is sampled as often as before, as near as the ticks allow. */
static struct session_rate rate_of(const struct governor *g)
{
	struct session_rate rate = { .frequency = g->frequency };

	if (!g->raised || !g->has_focus)
		return rate;
	rate.focus = g->focus;
	rate.focus.every = (g->raised + g->affordable / 2) / g->affordable;
	if (!rate.focus.every)
		rate.focus.every = 1;
	return rate;
}

struct session_rate governor_decide(struct governor *g, const struct agent_config *c,
				    uint64_t kernel_ns)
{
	double share = measure(g, kernel_ns);
	unsigned before;

	if (g->wanted != c->frequency &&
	    (g->affordable == g->wanted || g->affordable > c->frequency))
		g->affordable = c->frequency;
	g->wanted = c->frequency;
	before = g->affordable;

	/* What a raised frequency took says nothing about the usual one. */
	if (!g->raised && g->frequency == before)
		g->affordable =
			governor_afford(c->frequency, before, share, c->budgets.cpu_percent / 100);
	tell(before, g->affordable, c->frequency);
	g->frequency = g->raised ? g->raised : g->affordable;
	return rate_of(g);
}

void governor_raise(struct governor *g, unsigned hz, const struct sample_focus *focus,
		    uint64_t until_ns)
{
	g->raised = hz;
	g->has_focus = focus;
	if (focus)
		g->focus = *focus;
	g->raised_until_ns = until_ns;
}

bool governor_raise_is_over(struct governor *g, uint64_t now_ns)
{
	unsigned only = g->has_focus ? g->focus.tgid : 0;
	bool is_gone = false;

	if (!g->raised)
		return false;
	if (now_ns < g->raised_until_ns) {
		is_gone = only && process_is_over(only);
		if (!is_gone)
			return false;
	}
	g->raised = 0;
	if (is_gone)
		log_info("process %u has ended, and with it the raise", only);
	else
		log_info("the raise is over");
	return true;
}

unsigned governor_frequency(const struct governor *g)
{
	return g->frequency;
}
