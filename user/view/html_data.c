/* SPDX-License-Identifier: Apache-2.0 */
#include "view/html_data.h"

#include <jansson.h>
#include <string.h>

#include "view/digest.h"
#include "view/text.h"

#define NOT_YET UINT32_MAX

struct html_data {
	struct digest *digest;
	uint32_t *string_of; /* number in the digest to number here; NOT_YET */
	uint32_t *frame_of;
	struct intern_strings strings;
	struct intern_tuples frames;  /* as in the digest */
	struct intern_tuples nodes;   /* parent, frame */
	struct intern_tuples origins; /* enum digest_label */
	struct intern_tuples samples; /* node, origin */
	VEC(int64_t) values;	      /* by sample, as counts */
	VEC(int64_t) counts;
	frame_list stack;
};

static void html_data_clear(struct html_data *h)
{
	free(h->string_of);
	free(h->frame_of);
	intern_strings_clear(&h->strings);
	intern_tuples_clear(&h->frames);
	intern_tuples_clear(&h->nodes);
	intern_tuples_clear(&h->origins);
	intern_tuples_clear(&h->samples);
	vec_free(&h->values);
	vec_free(&h->counts);
	vec_free(&h->stack);
	digest_free(h->digest);
}

static uint32_t *new_map(size_t n)
{
	uint32_t *map = malloc((n + 1) * sizeof(*map));

	if (map)
		memset(map, 0xff, (n + 1) * sizeof(*map)); /* NOT_YET */
	return map;
}

/* Cleaned here, so that names that look the same are the same. */
static int use_string(struct html_data *h, uint32_t from, uint32_t *ret)
{
	CLEANUP(freep) char *clean = NULL;

	if (h->string_of[from] == NOT_YET &&
	    (text_clean(digest_string(h->digest, from), &clean) < 0 ||
	     intern_string(&h->strings, clean, &h->string_of[from]) < 0))
		return -ENOMEM;
	*ret = h->string_of[from];
	return 0;
}

static int use_frame(struct html_data *h, uint32_t from, uint32_t *ret)
{
	uint32_t tuple[DIGEST_FRAME_FIELDS];

	if (h->frame_of[from] == NOT_YET) {
		memcpy(tuple, intern_tuple_get(&h->digest->frames, from), sizeof(tuple));
		for (int i = DIGEST_FRAME_NAME; i <= DIGEST_FRAME_FILE; i++)
			if (use_string(h, tuple[i], &tuple[i]) < 0)
				return -ENOMEM;
		if (intern_tuple(&h->frames, tuple, &h->frame_of[from]) < 0)
			return -ENOMEM;
	}
	*ret = h->frame_of[from];
	return 0;
}

static int descend(struct html_data *h, uint32_t *node, uint32_t frame)
{
	uint32_t tuple[2] = { *node, frame };

	return intern_tuple(&h->nodes, tuple, node);
}

static int enter_process(struct html_data *h, const struct digest_sample *s, uint32_t *node)
{
	uint32_t tuple[DIGEST_FRAME_FIELDS] = { [DIGEST_FRAME_KIND] = FRAME_PROCESS }, frame;

	if (!s->label[DIGEST_PROCESS])
		return 0;
	if (use_string(h, s->label[DIGEST_PROCESS], &tuple[DIGEST_FRAME_NAME]) < 0 ||
	    intern_tuple(&h->frames, tuple, &frame) < 0)
		return -ENOMEM;
	return descend(h, node, frame);
}

static int node_of(struct html_data *h, const struct digest_sample *s, uint32_t *ret)
{
	uint32_t node = 0, frame;
	int r = enter_process(h, s, &node);

	if (r == 0)
		r = digest_frames(h->digest, s, &h->stack);
	for (size_t i = h->stack.n; r == 0 && i-- > 0;) {
		r = use_frame(h, h->stack.data[i], &frame);
		if (r == 0)
			r = descend(h, &node, frame);
	}
	*ret = node;
	return r;
}

static int origin_of(struct html_data *h, const struct digest_sample *s, uint32_t *ret)
{
	uint32_t tuple[DIGEST_LABELS];

	for (int i = 0; i < DIGEST_LABELS; i++)
		if (use_string(h, s->label[i], &tuple[i]) < 0)
			return -ENOMEM;
	return intern_tuple(&h->origins, tuple, ret);
}

static int add_sample(struct html_data *h, const struct digest_sample *s)
{
	uint32_t key[2], i;

	if (node_of(h, s, &key[0]) < 0 || origin_of(h, s, &key[1]) < 0 ||
	    intern_tuple(&h->samples, key, &i) < 0)
		return -ENOMEM;
	if (i == h->values.n && (vec_push(&h->values, 0) < 0 || vec_push(&h->counts, 0) < 0))
		return -ENOMEM;
	metric_add(&h->values.data[i], s->value);
	metric_add(&h->counts.data[i], s->count);
	return 0;
}

static int fill(struct html_data *h)
{
	static const uint32_t root[2] = { 0, NOT_YET };
	uint32_t unused;

	h->frames.width = DIGEST_FRAME_FIELDS;
	h->nodes.width = h->samples.width = 2;
	h->origins.width = DIGEST_LABELS;
	h->string_of = new_map(h->digest->strings.all.n);
	h->frame_of = new_map(intern_tuples_count(&h->digest->frames));
	if (!h->string_of || !h->frame_of || use_string(h, 0, &unused) < 0 ||
	    intern_tuple(&h->nodes, root, &unused) < 0)
		return -ENOMEM;

	for (size_t i = 0; i < h->digest->samples.n; i++)
		if (add_sample(h, &h->digest->samples.data[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* In JSON these characters stand only inside of strings, where an escape means the same. */
static int write_escaped(const char *buf, size_t len, void *out)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '<' || buf[i] == '>' || buf[i] == '&')
			fprintf(out, "\\u%04x", buf[i]);
		else
			fputc(buf[i], out);
	}
	return 0;
}

/* @str: clean. ASCII only, as U+2028 and the like end a line for some readers. */
static int write_string(const char *str, FILE *out)
{
	json_t *json = json_string(str);
	int r;

	if (!json)
		return -ENOMEM;
	r = json_dump_callback(json, write_escaped, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(json);
	return r < 0 ? -ENOMEM : 0;
}

static int write_member(const char *name, const char *foreign, FILE *out)
{
	CLEANUP(freep) char *clean = NULL;
	int r = text_clean(foreign, &clean);

	if (r < 0)
		return r;
	fprintf(out, "\"%s\":", name);
	r = write_string(clean, out);
	fputs(",\n", out);
	return r;
}

static int write_strings(const struct html_data *h, FILE *out)
{
	fputs("\"strings\":[", out);
	for (size_t i = 0; i < h->strings.all.n; i++) {
		int r;

		if (i)
			fputc(',', out);
		r = write_string(h->strings.all.data[i], out);
		if (r < 0)
			return r;
	}
	fputs("],\n", out);
	return 0;
}

static void write_column(const struct intern_tuples *t, size_t field, const char *name, FILE *out)
{
	fprintf(out, "%s\"%s\":[", field ? "," : "", name);
	for (uint32_t i = 0; i < intern_tuples_count(t); i++) {
		uint32_t v = intern_tuple_get(t, i)[field];

		fprintf(out, "%s%lld", i ? "," : "", v == NOT_YET ? -1ll : (long long)v);
	}
	fputc(']', out);
}

/* @names: one for each field of the tuples. */
static void write_tuples(const struct intern_tuples *t, const char *const *names, FILE *out)
{
	for (size_t i = 0; i < t->width; i++)
		write_column(t, i, names[i], out);
}

static void write_numbers(const char *name, const int64_t *numbers, size_t n, FILE *out)
{
	fprintf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%lld", i ? "," : "", (long long)numbers[i]);
	fputc(']', out);
}

static void write_tables(const struct html_data *h, FILE *out)
{
	static const char *const frame_names[] = { "name", "module", "file",   "line",
						   "kind", "at",     "inlined" };
	static const char *const node_names[] = { "parent", "frame" };
	static const char *const origin_names[] = { "span", "trace",  "service", "process",
						    "pid",  "thread", "tid" };
	static const char *const sample_names[] = { "node", "origin" };

	fputs("\"frames\":{", out);
	write_tuples(&h->frames, frame_names, out);
	fputs("},\n\"nodes\":{", out);
	write_tuples(&h->nodes, node_names, out);
	fputs("},\n\"origins\":{", out);
	write_tuples(&h->origins, origin_names, out);
	fputs("},\n\"samples\":{", out);
	write_tuples(&h->samples, sample_names, out);
	write_numbers("value", h->values.data, h->values.n, out);
	write_numbers("count", h->counts.data, h->counts.n, out);
	fputs("}", out);
}

int html_data_write(const struct pprof *p, const struct view_select *sel, const char *title,
		    FILE *out)
{
	CLEANUP(html_data_clear) struct html_data h = { 0 };
	bool is_time = strcmp(p->period_type.unit, "nanoseconds") == 0;

	if (digest_new(p, sel, DIGEST_CALLS, &h.digest) < 0 || fill(&h) < 0)
		return -ENOMEM;

	fputc('{', out);
	if (write_member("title", title, out) < 0 ||
	    write_member("type", h.digest->metric.type, out) < 0 ||
	    write_member("unit", h.digest->metric.unit, out) < 0)
		return -ENOMEM;
	fprintf(out, "\"duration_ns\":%lld,\"period_ns\":%lld,\"time_ms\":%lld,\"by_line\":%s,\n",
		(long long)p->duration_nanos, (long long)(is_time ? p->period : 0),
		(long long)(p->time_nanos / 1000000), sel->by_line ? "true" : "false");
	if (write_strings(&h, out) < 0)
		return -ENOMEM;
	write_tables(&h, out);
	fputc('}', out);
	return 0;
}
