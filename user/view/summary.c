/* SPDX-License-Identifier: Apache-2.0 */
#include "view/summary.h"

#include <string.h>
#include <time.h>

#define SUMMARY_WIDTH 100

/* Distinct spans, and what was used inside of any. */
static int count_spans(const struct digest *d, size_t *ret_n, int64_t *ret_value)
{
	struct intern_tuples spans = { .width = 2 };
	int64_t value = 0;
	int r = 0;

	for (size_t i = 0; i < d->samples.n && r == 0; i++) {
		const struct digest_sample *s = &d->samples.data[i];
		uint32_t key[2] = { s->label[DIGEST_SPAN], s->label[DIGEST_TRACE] }, unused;

		if (!key[0])
			continue;
		metric_add(&value, s->value);
		r = intern_tuple(&spans, key, &unused);
	}

	*ret_n = intern_tuples_count(&spans);
	*ret_value = value;
	intern_tuples_clear(&spans);
	return r;
}

static void write_when(const struct pprof *p, FILE *out)
{
	bool is_time = strcmp(p->period_type.unit, "nanoseconds") == 0;
	time_t at = p->time_nanos / 1000000000;
	char text[32];
	struct tm tm;

	if (p->duration_nanos > 0)
		fprintf(out, " over %.1f s", (double)p->duration_nanos / 1e9);
	if (is_time && p->period > 0)
		fprintf(out, " at %.4g Hz", 1e9 / (double)p->period);
	if (p->time_nanos <= 0 || !gmtime_r(&at, &tm))
		return;
	if (strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		fprintf(out, ", %s UTC", text);
}

/* The ids were given by the user, who may type what he likes: they are cut like any name. */
static void write_id(FILE *out, const char *what, const char *id)
{
	if (!id)
		return;
	fprintf(out, "%s ", what);
	text_write_cut(out, id, 32, TEXT_CUT_RIGHT);
	fputs(", ", out);
}

static void write_selection(const struct view_select *sel, const struct digest *d, FILE *out)
{
	char text[METRIC_TEXT_MAX];

	if (!sel->span_id && !sel->trace_id && !sel->label && !sel->pid)
		return;

	fputs("Only ", out);
	write_id(out, "span", sel->span_id);
	write_id(out, "trace", sel->trace_id);
	write_id(out, "label", sel->label);
	if (sel->pid)
		fprintf(out, "process %lld, ", (long long)sel->pid);
	fprintf(out, "%.1f%% of %s\n", metric_percent(d->value, d->all_value),
		metric_format(&d->metric, d->all_value, text));
}

static int write_spans(const struct digest *d, FILE *out)
{
	int64_t inside;
	size_t n;
	int r = count_spans(d, &n, &inside);

	if (r < 0)
		return r;

	if (n)
		fprintf(out, "%zu span%s, with %.1f%% of the %s; %.1f%% is outside of spans\n", n,
			n == 1 ? "" : "s", metric_percent(inside, d->value),
			metric_title(&d->metric),
			d->value ? 100 - metric_percent(inside, d->value) : 0);
	else
		fputs("No sample was inside a span\n", out);
	return 0;
}

/* Names of values are foreign, and sums may have more digits than any real one. */
static int write_cut_line(const char *line, FILE *out)
{
	CLEANUP(freep) char *clean = NULL;
	int r = text_clean(line, &clean);

	if (r < 0)
		return r;
	text_write_cut(out, clean, SUMMARY_WIDTH, TEXT_CUT_RIGHT);
	fputc('\n', out);
	return 0;
}

static int write_lines(const struct pprof *p, const struct view_select *sel, const struct digest *d,
		       FILE *out)
{
	char text[METRIC_TEXT_MAX];
	int r;

	fprintf(out, "%s %s, %lld samples", metric_title(&d->metric),
		metric_format(&d->metric, d->value, text), (long long)d->count);
	write_when(p, out);
	fputc('\n', out);

	write_selection(sel, d, out);
	r = write_spans(d, out);
	if (r < 0)
		return r;

	if (d->truncated_count)
		fprintf(out, "%.1f%% of the samples are %s: their outermost callers are missing\n",
			metric_percent(d->truncated_count, d->count), PPROF_FRAME_TRUNCATED);
	return 0;
}

int summary_write(const struct pprof *p, const struct view_select *sel, const struct digest *d,
		  FILE *out)
{
	CLEANUP(freep) char *text = NULL;
	char *rest, *line;
	size_t n;
	int r;
	FILE *mem = open_memstream(&text, &n);

	if (!mem)
		return -ENOMEM;
	r = write_lines(p, sel, d, mem);
	if (fclose(mem) != 0 && r == 0)
		r = -ENOMEM;

	/* Behind each line stands a '\n': what follows the last one makes the empty line. */
	for (rest = text; r == 0 && (line = strsep(&rest, "\n"));)
		r = write_cut_line(line, out);
	return r;
}
