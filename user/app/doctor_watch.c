/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/session.h"
#include "base/clock.h"
#include "base/parse.h"
#include "ctx/context_sources.h"
#include "shared/proc_info.h"

#define WATCH_NS	NSEC_PER_SEC
#define WATCH_FREQUENCY 99
#define UNWIND_BUDGET	((size_t)4 << 20)
#define DETAIL_MAX	1024
#define LABELS_SHOWN	8

struct watch {
	uint64_t n, n_in_span;
	bool ended;		  /* the process, meanwhile */
	struct sample_record rec; /* the last one in a span */
	char context[DETAIL_MAX];
};

static bool is_in_span(const struct sample_context *c)
{
	return !sample_context_is_zero(c->span_id, sizeof(c->span_id)) ||
	       !sample_context_is_zero(c->trace_id, sizeof(c->trace_id)) || c->n_labels;
}

static void append(char *text, const char *key, const char *value)
{
	size_t len = strlen(text);

	snprintf(text + len, DETAIL_MAX - len, " %s=%s", key, value);
}

static void append_id(char *text, const char *key, const uint8_t *id, size_t len)
{
	char hex[2 * TRACE_ID_LEN + 1];

	if (sample_context_is_zero(id, len))
		return;
	format_hex(id, len, hex);
	append(text, key, hex);
}

static void remember(struct watch *w, const struct session_sample *s)
{
	const struct sample_context *c = s->context;

	w->rec = *s->rec;
	w->context[0] = '\0';
	append_id(w->context, "trace_id", c->trace_id, sizeof(c->trace_id));
	append_id(w->context, "span_id", c->span_id, sizeof(c->span_id));
	append_id(w->context, "local_root_span_id", c->local_root_id, sizeof(c->local_root_id));
	for (size_t i = 0; i < c->n_labels && i < LABELS_SHOWN; i++)
		append(w->context, c->labels[i].key, c->labels[i].value);
}

static void observe(void *arg, const struct session_sample *s)
{
	struct watch *w = arg;

	w->n++;
	if (!is_in_span(s->context))
		return;
	w->n_in_span++;
	remember(w, s);
}

static int watch(pid_t pid, const struct context_options *opt, struct watch *w, uint64_t *counters)
{
	CLEANUP(session_closep) struct session *session = NULL;
	struct session_options so = {
		.collector = { .frequency = WATCH_FREQUENCY,
			       .filter_pids = true,
			       .cgroup_fd = -1,
			       .unwind_budget = UNWIND_BUDGET },
		.pids = &pid,
		.n_pids = 1,
		.context = *opt,
		.observe = observe,
		.observe_arg = w,
	};
	uint64_t end;
	int r;

	r = session_open(&so, &session);
	if (r == 0)
		r = session_start(session);
	end = monotonic_ns() + WATCH_NS;
	while (r == 0 && monotonic_ns() < end && session_n_targets(session))
		r = session_poll(session);
	w->ended = r == 0 && !session_n_targets(session);
	if (r == 0)
		r = session_finish(session);
	return r == 0 ? session_stats(session, counters) : r;
}

/* Why samples are in no span, the most frequent reason first in this order. */
static const struct {
	enum stat_id stat;
	const char *why, *remedy;
} reasons[] = {
	{ STAT_CTX_NO_WRITER, "the process publishes none", NULL },
	{ STAT_CTX_UNREADABLE, "could not be read: not in memory", "see context_unreadable" },
	{ STAT_CTX_INVALID, "is not of the specified form", "another version of its writer" },
	{ STAT_CTX_LABELS_MALFORMED, "has ids that are none", "another version of its writer" },
	{ STAT_CTX_STALE, "it has executed another program meanwhile", NULL },
	{ STAT_CTX_ABSENT, "the thread is in no span",
	  "make the tracer sample the request, and run this while it is served" },
	{ STAT_CTX_NOT_VALID, "the thread is in no span",
	  "make the tracer sample the request, and run this while it is served" },
	{ STAT_CTX_NO_TLS, "the thread has no thread pointer yet", NULL },
};

static void report_none(const struct watch *w, const uint64_t *counters, enum finding_state *worst)
{
	struct finding f = { "spans of its threads, in this second", FINDING_NO, NULL, NULL };
	char detail[DETAIL_MAX];

	snprintf(detail, sizeof(detail), "it %s, so that there was none to be read",
		 w->ended ? "has ended" : "did not run");
	for (size_t i = 0; w->n && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!counters[reasons[i].stat])
			continue;
		snprintf(detail, sizeof(detail), "%snone in %" PRIu64 " samples; %s",
			 w->ended ? "it has ended; " : "", w->n, reasons[i].why);
		f.remedy = reasons[i].remedy;
		break;
	}
	f.follows = detail;
	finding_print(&f, worst);
}

static void report(const struct watch *w, const uint64_t *counters, enum finding_state *worst)
{
	char detail[DETAIL_MAX + 256];

	if (!w->n_in_span) {
		report_none(w, counters, worst);
		return;
	}
	snprintf(detail, sizeof(detail),
		 "%" PRIu64 " of %" PRIu64 " samples are in one; the last of thread %u (%.*s):%s",
		 w->n_in_span, w->n, w->rec.tid, COMM_LEN, w->rec.comm, w->context);
	finding_print(&(struct finding){ "spans of its threads, in this second", FINDING_YES,
					 detail, NULL },
		      worst);
}

void doctor_watch(pid_t pid, const struct context_options *opt, enum finding_state *worst)
{
	uint64_t counters[STAT_COUNT] = { 0 };
	struct watch w = { 0 };
	int r;

	r = watch(pid, opt, &w, counters);
	w.ended = w.ended || r == -ESRCH;
	if (r < 0 && r != -ESRCH)
		finding_print(&(struct finding){ "spans of its threads, in this second", FINDING_NO,
						 "cannot sample it", "see above" },
			      worst);
	else
		report(&w, counters, worst);
}
