/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_status.h"

#include <inttypes.h>

#include "base/clean_text.h"
#include "base/clock.h"

static void write_number(const struct agent_shared *s, enum agent_number which, FILE *out)
{
	const struct agent_number_info *info = agent_number_info(which);
	uint64_t value = agent_shared_get(s, which);

	if (info->kind == AGENT_TIME_COUNTER || info->kind == AGENT_TIME_GAUGE)
		fprintf(out, "%s: %.3f\n", info->name, (double)value / NSEC_PER_SEC);
	else
		fprintf(out, "%s: %" PRIu64 "\n", info->name, value);
}

/* In quotes, so that words of a server's cannot pass for ours. */
static void write_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_state(const struct delivery_stats *e, FILE *out)
{
	char when[REALTIME_TEXT_MAX];

	if (atomic_load(&e->state) == DELIVERY_FAILING)
		fprintf(out, "failing since %s",
			realtime_text(atomic_load(&e->failing_since_ns), when));
	else
		fputs("up", out);
}

static void write_endpoint(const struct delivery_stats *e, FILE *out)
{
	char name[DELIVERY_NAME_MAX], error[DELIVERY_ERROR_MAX], clean[DELIVERY_ERROR_MAX];

	clean_text(e->name, sizeof(e->name), name, sizeof(name));
	delivery_stats_error(e, error);
	clean_text(error, sizeof(error), clean, sizeof(clean));
	fprintf(out, "endpoint %s: ", name);
	write_state(e, out);
	fprintf(out,
		", %" PRIu64 " profiles with %" PRIu64 " samples queued, %" PRIu64
		" samples delivered, %" PRIu64 " rejected, %" PRIu64 " uncertain, last error: ",
		atomic_load(&e->queue_entries), atomic_load(&e->queue_samples),
		atomic_load(&e->delivered), atomic_load(&e->rejected), atomic_load(&e->uncertain));
	if (*clean)
		write_quoted(clean, out);
	else
		fputs("none", out);
	fputc('\n', out);
}

void agent_status_write(const struct agent_shared *s, FILE *out)
{
	const char *illness = agent_shared_illness(s, monotonic_ns());

	fprintf(out, "health: %s\n", illness ? illness : "ok");
	for (int i = 0; i < AGENT_NUMBER_COUNT; i++)
		write_number(s, i, out);
	for (size_t i = 0; i < AGENT_ENDPOINT_PLACES; i++) {
		uint32_t state = atomic_load(&s->endpoints[i].state);

		if (state == DELIVERY_ACTIVE || state == DELIVERY_FAILING)
			write_endpoint(&s->endpoints[i], out);
	}
}
