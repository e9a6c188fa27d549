/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_metrics.h"

#include <inttypes.h>
#include <string.h>

#include "app/stat_info.h"
#include "base/clock.h"

#define PREFIX "spanprof_"

static double seconds(uint64_t ns)
{
	return (double)ns / NSEC_PER_SEC;
}

/* HELP ends at the line's end: the texts are ours and have none. */
static void head(FILE *out, const char *name, const char *suffix, const char *type,
		 const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n", name, suffix, help,
		name, suffix, type);
}

/* --- one value each --------------------------------------------------------------------------- */

static void write_counters(const struct agent_shared *s, FILE *out)
{
	for (int i = 0; i < STAT_COUNT; i++) {
		const struct stat_info *info = stat_info(i);
		bool level = info->kind == STAT_KIND_LEVEL;
		const char *suffix = level ? "" : "_total";

		head(out, info->name, suffix, level ? "gauge" : "counter", info->help);
		fprintf(out, PREFIX "%s%s %" PRIu64 "\n", info->name, suffix,
			atomic_load_explicit(&s->counters[i], memory_order_relaxed));
	}
}

static void write_numbers(const struct agent_shared *s, FILE *out)
{
	for (int i = 0; i < AGENT_NUMBER_COUNT; i++) {
		const struct agent_number_info *info = agent_number_info(i);
		bool grows = info->kind == AGENT_COUNTER || info->kind == AGENT_TIME_COUNTER;
		const char *suffix = grows ? "_total" : "";
		uint64_t value = agent_shared_get(s, i);

		head(out, info->name, suffix, grows ? "counter" : "gauge", info->help);
		if (info->kind == AGENT_TIME_COUNTER || info->kind == AGENT_TIME_GAUGE)
			fprintf(out, PREFIX "%s%s %.9g\n", info->name, suffix, seconds(value));
		else
			fprintf(out, PREFIX "%s%s %" PRIu64 "\n", info->name, suffix, value);
	}
}

static void write_build(FILE *out)
{
	head(out, "build_info", "", "gauge", "1; the labels say what runs");
	fputs(PREFIX "build_info{version=\"" SPANPROF_VERSION "\"} 1\n", out);
}

/* --- one value for each endpoint -------------------------------------------------------------- */

/* Names of endpoints are of letters, digits and "_.-": shared memory may hold anything. */
static void print_name(const struct delivery_stats *e, FILE *out)
{
	for (size_t i = 0; i < sizeof(e->name) && e->name[i]; i++) {
		char c = e->name[i];

		fputc(c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '_', out);
	}
}

static bool in_use(const struct delivery_stats *e)
{
	return atomic_load(&e->state) != DELIVERY_UNUSED;
}

/* Of one that is no longer configured, numbers remain, but nothing that somebody has to mend. */
static bool is_configured(const struct delivery_stats *e)
{
	return in_use(e) && atomic_load(&e->state) != DELIVERY_REMOVED;
}

#define for_each_endpoint(s, e)                                                                    \
	for (const struct delivery_stats *e = (s)->endpoints;                                      \
	     e < (s)->endpoints + AGENT_ENDPOINT_PLACES; e++)                                      \
		if (in_use(e))

struct endpoint_number {
	const char *name, *help;
	size_t offset; /* of an _Atomic uint64_t in struct delivery_stats */
	enum agent_number_kind kind;
};

#define NUMBER(field, kind, name, help)                                                            \
	{                                                                                          \
		name, help, offsetof(struct delivery_stats, field), kind                           \
	}

static const struct endpoint_number endpoint_numbers[] = {
	NUMBER(found, AGENT_COUNTER, "samples_found", "samples in its queue at the start"),
	NUMBER(put, AGENT_COUNTER, "samples_queued", "samples put into its queue since"),
	NUMBER(unspooled, AGENT_COUNTER, "samples_unspooled",
	       "samples that could not be put into the spool: too large, disk broken, or full with "
	       "nothing left to drop"),
	NUMBER(delivered, AGENT_COUNTER, "samples_delivered", "samples that it has taken"),
	NUMBER(rejected, AGENT_COUNTER, "samples_rejected",
	       "samples that it refused, or that are larger than it takes"),
	NUMBER(expired, AGENT_COUNTER, "samples_expired",
	       "samples dropped as the spool's limits say, or to make room on a full disk"),
	NUMBER(damaged, AGENT_COUNTER, "samples_damaged", "samples in damaged files"),
	NUMBER(uncertain, AGENT_COUNTER, "samples_uncertain",
	       "samples sent without an answer, and not again as they may have been counted"),
	NUMBER(bytes_sent, AGENT_COUNTER, "bytes_sent", "bodies of requests"),
	NUMBER(profiles, AGENT_COUNTER, "profiles_done", "profiles that are done with"),
	NUMBER(damaged_files, AGENT_COUNTER, "files_damaged", "files of the spool set aside"),
	NUMBER(progress_unsaved, AGENT_COUNTER, "progress_unsaved",
	       "answers that could not be noted on disk"),
	NUMBER(queue_entries, AGENT_GAUGE, "queue_profiles", "profiles that wait"),
	NUMBER(queue_bytes, AGENT_GAUGE, "queue_bytes", "their size"),
	NUMBER(queue_samples, AGENT_GAUGE, "queue_samples", "their samples"),
	NUMBER(queue_oldest_ns, AGENT_TIME_GAUGE, "queue_oldest_timestamp_seconds",
	       "when the oldest was put there, since 1970; 0: none waits"),
	NUMBER(failing_since_ns, AGENT_TIME_GAUGE, "failing_since_timestamp_seconds",
	       "since when nothing arrives there, since 1970; 0: what was sent last has"),
};

static void write_endpoint_number(const struct agent_shared *s, const struct endpoint_number *n,
				  FILE *out)
{
	const char *suffix = n->kind == AGENT_COUNTER ? "_total" : "";
	char name[80];

	snprintf(name, sizeof(name), "endpoint_%s", n->name);
	head(out, name, suffix, n->kind == AGENT_COUNTER ? "counter" : "gauge", n->help);
	for_each_endpoint(s, e) if (n->kind != AGENT_TIME_GAUGE || is_configured(e))
	{
		const _Atomic uint64_t *at = (const void *)((const char *)e + n->offset);
		uint64_t value = atomic_load_explicit(at, memory_order_relaxed);

		fprintf(out, PREFIX "%s%s{endpoint=\"", name, suffix);
		print_name(e, out);
		if (n->kind == AGENT_TIME_GAUGE)
			fprintf(out, "\"} %.3f\n", seconds(value));
		else
			fprintf(out, "\"} %" PRIu64 "\n", value);
	}
}

static void write_up(const struct agent_shared *s, FILE *out)
{
	head(out, "endpoint_up", "", "gauge", "1: what was sent last has arrived");
	for_each_endpoint(s, e) if (is_configured(e))
	{
		fputs(PREFIX "endpoint_up{endpoint=\"", out);
		print_name(e, out);
		fprintf(out, "\"} %d\n", atomic_load(&e->state) == DELIVERY_ACTIVE);
	}
}

static void write_requests(const struct agent_shared *s, FILE *out)
{
	static const char *const outcomes[DELIVERY_OUTCOMES] = {
		[DELIVERY_TAKEN] = "taken",	    [DELIVERY_PARTIAL] = "partly_rejected",
		[DELIVERY_REFUSED] = "refused",	    [DELIVERY_TOO_LARGE] = "too_large",
		[DELIVERY_LATER] = "later",	    [DELIVERY_DENIED] = "denied",
		[DELIVERY_UNREACHED] = "unreached", [DELIVERY_NO_ANSWER] = "no_answer",
	};

	head(out, "endpoint_requests", "_total", "counter", "requests by what became of them");
	for_each_endpoint(s, e) for (int i = 0; i < DELIVERY_OUTCOMES; i++)
	{
		fputs(PREFIX "endpoint_requests_total{endpoint=\"", out);
		print_name(e, out);
		fprintf(out, "\",outcome=\"%s\"} %" PRIu64 "\n", outcomes[i],
			atomic_load_explicit(&e->requests[i], memory_order_relaxed));
	}
}

static void write_bucket(const struct delivery_stats *e, const char *le, uint64_t n, FILE *out)
{
	fputs(PREFIX "endpoint_request_duration_seconds_bucket{endpoint=\"", out);
	print_name(e, out);
	fprintf(out, "\",le=\"%s\"} %" PRIu64 "\n", le, n);
}

static void write_histogram(const struct delivery_stats *e, FILE *out)
{
	uint64_t n = 0;
	char le[32];

	for (int i = 0; i <= DELIVERY_LATENCY_BUCKETS; i++) {
		n += atomic_load_explicit(&e->latency[i], memory_order_relaxed);
		if (i < DELIVERY_LATENCY_BUCKETS)
			snprintf(le, sizeof(le), "%g", seconds(delivery_latency_bounds[i]));
		write_bucket(e, i < DELIVERY_LATENCY_BUCKETS ? le : "+Inf", n, out);
	}
	fputs(PREFIX "endpoint_request_duration_seconds_sum{endpoint=\"", out);
	print_name(e, out);
	fprintf(out, "\"} %.9g\n",
		seconds(atomic_load_explicit(&e->latency_sum_ns, memory_order_relaxed)));
	fputs(PREFIX "endpoint_request_duration_seconds_count{endpoint=\"", out);
	print_name(e, out);
	fprintf(out, "\"} %" PRIu64 "\n", n);
}

void agent_metrics_write(const struct agent_shared *s, FILE *out)
{
	write_build(out);
	write_numbers(s, out);
	write_counters(s, out);
	write_up(s, out);
	for (size_t i = 0; i < sizeof(endpoint_numbers) / sizeof(endpoint_numbers[0]); i++)
		write_endpoint_number(s, &endpoint_numbers[i], out);
	write_requests(s, out);
	head(out, "endpoint_request_duration_seconds", "", "histogram",
	     "time of requests that were sent");
	for_each_endpoint(s, e) write_histogram(e, out);
}
