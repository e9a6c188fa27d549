/* SPDX-License-Identifier: Apache-2.0 */
#include "view/table.h"

#include <string.h>

#include "view/columns.h"
#include "view/function_sums.h"
#include "view/summary.h"

#define TABLE_WIDTH    100
#define NAME_MIN       8 /* columns that a cut name keeps */
#define GROUP_KEYS_MAX 4
#define NAME_BYTES     4096

/* How samples are grouped, and which of their labels each row shows. */
struct grouping {
	const char *name, *plural;
	enum digest_label key[GROUP_KEYS_MAX]; /* the first one is empty: not in any group */
	size_t n_keys;
	enum digest_label more[GROUP_KEYS_MAX]; /* shown besides, "a, …" if a row has several */
	size_t n_more;
};

static const struct grouping groupings[] = {
	[VIEW_BY_FUNCTION] = { .name = "function", .plural = "functions" },
	[VIEW_BY_LINE] = { .name = "line", .plural = "lines" },
	[VIEW_BY_SPAN] = { .name = "span",
			   .plural = "spans",
			   .key = { DIGEST_SPAN, DIGEST_TRACE },
			   .n_keys = 2,
			   .more = { DIGEST_SERVICE, DIGEST_PROCESS },
			   .n_more = 2 },
	[VIEW_BY_TRACE] = { .name = "trace",
			    .plural = "traces",
			    .key = { DIGEST_TRACE },
			    .n_keys = 1,
			    .more = { DIGEST_SERVICE, DIGEST_PROCESS },
			    .n_more = 2 },
	[VIEW_BY_PROCESS] = { .name = "process",
			      .plural = "processes",
			      .key = { DIGEST_PROCESS, DIGEST_PID },
			      .n_keys = 2,
			      .more = { DIGEST_SERVICE },
			      .n_more = 1 },
	[VIEW_BY_THREAD] = { .name = "thread",
			     .plural = "threads",
			     .key = { DIGEST_THREAD, DIGEST_TID, DIGEST_PROCESS, DIGEST_PID },
			     .n_keys = 4 },
	[VIEW_BY_SERVICE] = { .name = "service",
			      .plural = "services",
			      .key = { DIGEST_SERVICE },
			      .n_keys = 1 },
};

#define N_GROUPINGS (sizeof(groupings) / sizeof(groupings[0]))

int view_by_parse(const char *name, enum view_by *ret)
{
	for (size_t i = 0; i < N_GROUPINGS; i++) {
		if (strcmp(name, groupings[i].name) != 0)
			continue;
		*ret = (enum view_by)i;
		return 0;
	}
	return -EINVAL;
}

struct group {
	uint32_t key[GROUP_KEYS_MAX], more[GROUP_KEYS_MAX];
	bool several[GROUP_KEYS_MAX]; /* more than one value of that label: the least is shown */
	int64_t value, count;
	size_t first; /* sample, and on by table.next; SIZE_MAX: none */
};

struct table {
	const struct view_table_options *opt;
	const struct grouping *by;
	struct digest *digest;
	struct function_sums *sums;
	struct intern_tuples keys;
	VEC(struct group) groups;
	size_t *next; /* of each sample: the next one of its group */
	struct columns *columns;
};

static void table_clear(struct table *t)
{
	columns_free(t->columns);
	vec_free(&t->groups);
	intern_tuples_clear(&t->keys);
	function_sums_free(t->sums);
	digest_free(t->digest);
	free(t->next);
}

static const char *string_of(const struct table *t, uint32_t i)
{
	return digest_string(t->digest, i);
}

/* A group's further labels: whichever order samples come in, the result is the same. */
static void merge_more(const struct table *t, struct group *g, const struct digest_sample *s)
{
	for (size_t i = 0; i < t->by->n_more; i++) {
		uint32_t have = g->more[i], new = s->label[t->by->more[i]];

		if (have == new || !new)
			continue;
		if (!have || strcmp(string_of(t, new), string_of(t, have)) < 0)
			g->more[i] = new;
		g->several[i] |= have != 0;
	}
}

static int group_of(struct table *t, const struct digest_sample *s, struct group **ret)
{
	struct group fresh = { .first = SIZE_MAX };
	uint32_t i;
	int r;

	for (size_t k = 0; k < t->by->n_keys; k++)
		fresh.key[k] = s->label[t->by->key[k]];
	/* Outside of spans all is one row, whichever trace it belongs to. */
	if (t->opt->by == VIEW_BY_SPAN && !fresh.key[0])
		fresh.key[1] = 0;
	r = intern_tuple(&t->keys, fresh.key, &i);
	if (r < 0)
		return r;
	if (i == t->groups.n) {
		r = vec_push(&t->groups, fresh);
		if (r < 0)
			return r;
	}
	*ret = &t->groups.data[i];
	return 0;
}

static int group_samples(struct table *t)
{
	t->keys.width = GROUP_KEYS_MAX;
	t->next = calloc(t->digest->samples.n + 1, sizeof(*t->next));
	if (!t->next)
		return -ENOMEM;

	for (size_t i = 0; i < t->digest->samples.n; i++) {
		const struct digest_sample *s = &t->digest->samples.data[i];
		struct group *g;
		int r = group_of(t, s, &g);

		if (r < 0)
			return r;
		metric_add(&g->value, s->value);
		metric_add(&g->count, s->count);
		merge_more(t, g, s);
		t->next[i] = g->first;
		g->first = i;
	}
	return 0;
}

/* Samples outside of all groups come last, whatever they weigh. */
static int compare_groups(const void *va, const void *vb, void *arg)
{
	const struct group *a = va, *b = vb;
	const struct table *t = arg;
	int r = 0;

	if (!a->key[0] != !b->key[0])
		return a->key[0] ? -1 : 1;
	if (a->value != b->value)
		return a->value > b->value ? -1 : 1;
	for (size_t i = 0; i < t->by->n_keys && r == 0; i++)
		r = strcmp(string_of(t, a->key[i]), string_of(t, b->key[i]));
	return r;
}

static const struct column *label_column(enum digest_label label)
{
	static const struct column columns[DIGEST_LABELS] = {
		[DIGEST_SPAN] = { "SPAN", COLUMN_LEFT, 0, TEXT_CUT_RIGHT },
		[DIGEST_TRACE] = { "TRACE", COLUMN_LEFT, 0, TEXT_CUT_RIGHT },
		[DIGEST_SERVICE] = { "SERVICE", COLUMN_LEFT, NAME_MIN, TEXT_CUT_RIGHT },
		[DIGEST_PROCESS] = { "PROCESS", COLUMN_LEFT, NAME_MIN, TEXT_CUT_RIGHT },
		[DIGEST_PID] = { "PID", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
		[DIGEST_THREAD] = { "THREAD", COLUMN_LEFT, NAME_MIN, TEXT_CUT_RIGHT },
		[DIGEST_TID] = { "TID", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
	};

	return &columns[label];
}

static int new_group_columns(struct table *t)
{
	static const char upper_cpu[] = "CPU TIME";
	const char *type = t->digest->metric.type;
	struct column defs[COLUMNS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t->by->n_keys; i++)
		defs[n++] = *label_column(t->by->key[i]);
	for (size_t i = 0; i < t->by->n_more; i++)
		defs[n++] = *label_column(t->by->more[i]);
	defs[n++] = (struct column){ .title = strcmp(type, "cpu") == 0 ? upper_cpu : "VALUE",
				     .align = COLUMN_RIGHT };
	defs[n++] = (struct column){ .title = "SAMPLES", .align = COLUMN_RIGHT };
	defs[n++] = (struct column){ .title = "SHARE", .align = COLUMN_RIGHT };
	return columns_new(defs, n, TABLE_WIDTH, &t->columns);
}

/* "a, …" if the row has several, but which comes first says nothing of the rest; fresh memory. */
static int more_cell(const struct table *t, const struct group *g, size_t i, char **ret)
{
	bool rest = g->several[i] && !g->key[0];
	const char *name = rest ? "(several)" : string_of(t, g->more[i]);

	if (asprintf(ret, "%s%s", name, g->several[i] && !rest ? ", …" : "") >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

struct number_cells {
	char value[METRIC_TEXT_MAX], count[24], share[24];
};

static void fill_numbers(const struct table *t, int64_t value, int64_t count,
			 struct number_cells *ret)
{
	metric_format(&t->digest->metric, value, ret->value);
	snprintf(ret->count, sizeof(ret->count), "%lld", (long long)count);
	snprintf(ret->share, sizeof(ret->share), "%.1f%%", metric_percent(value, t->digest->value));
}

static int add_group_row(struct table *t, const struct group *g)
{
	CLEANUP(freep) char *more0 = NULL;
	CLEANUP(freep) char *more1 = NULL;
	char **more[] = { &more0, &more1 };
	const char *cells[COLUMNS_MAX];
	struct number_cells numbers;
	char none[32];
	size_t n = 0;

	snprintf(none, sizeof(none), "(no %s)", t->by->name);
	for (size_t i = 0; i < t->by->n_keys; i++)
		cells[n++] = string_of(t, g->key[i]);
	if (!g->key[0])
		cells[0] = none;
	for (size_t i = 0; i < t->by->n_more; i++) {
		int r = more_cell(t, g, i, more[i]);

		if (r < 0)
			return r;
		cells[n++] = *more[i];
	}

	fill_numbers(t, g->value, g->count, &numbers);
	cells[n++] = numbers.value;
	cells[n++] = numbers.count;
	cells[n++] = numbers.share;
	return columns_add(t->columns, cells);
}

/* "name [module]", but a name in brackets already says where it is. -ENOMEM. */
static int function_text(const struct table *t, uint32_t frame, char *out, size_t size)
{
	const char *module = path_base(digest_frame_string(t->digest, frame, DIGEST_FRAME_MODULE));
	CLEANUP(freep) char *name = NULL;
	int r = digest_frame_text(t->digest, frame, &name);

	if (r < 0)
		return r;
	if (!module[0] || name[0] == '[')
		snprintf(out, size, "%s", name);
	else if (module[0] == '[')
		snprintf(out, size, "%s %s", name, module);
	else
		snprintf(out, size, "%s [%s]", name, module);
	return 0;
}

static int add_group_functions(struct table *t, const struct group *g)
{
	const struct function_sum *f;
	size_t n;
	int r = 0;

	function_sums_reset(t->sums);
	for (size_t i = g->first; i != SIZE_MAX && r == 0; i = t->next[i])
		r = function_sums_add(t->sums, &t->digest->samples.data[i]);
	if (r == 0)
		r = function_sums_hottest(t->sums, t->opt->max_functions, &f, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		char shares[64], name[NAME_BYTES];

		snprintf(shares, sizeof(shares), "    %5.1f%% self  %5.1f%% total  ",
			 metric_percent(f[i].self, g->value), metric_percent(f[i].total, g->value));
		r = function_text(t, f[i].frame, name, sizeof(name));
		if (r == 0)
			r = columns_add_line(t->columns, shares, name);
	}
	return r;
}

static int add_rest_line(struct table *t, size_t n, int64_t value)
{
	char line[160], text[METRIC_TEXT_MAX];

	snprintf(line, sizeof(line), "… %zu more %s with %s (%.1f%%)", n,
		 n == 1 ? t->by->name : t->by->plural,
		 metric_format(&t->digest->metric, value, text),
		 metric_percent(value, t->digest->value));
	return columns_add_line(t->columns, "", line);
}

/* Is row @i of @n one that is shown? The row of samples without group is always. */
static bool is_shown(const struct table *t, size_t i)
{
	return !t->opt->max_rows || i < t->opt->max_rows || !t->groups.data[i].key[0];
}

static int add_groups(struct table *t)
{
	size_t n_rest = 0;
	int64_t rest = 0;
	int r = 0;

	for (size_t i = 0; i < t->groups.n; i++) {
		if (is_shown(t, i))
			continue;
		n_rest++;
		metric_add(&rest, t->groups.data[i].value);
	}
	for (size_t i = 0; i < t->groups.n && r == 0; i++) {
		const struct group *g = &t->groups.data[i];

		if (!is_shown(t, i))
			continue;
		if (n_rest && !g->key[0]) {
			r = add_rest_line(t, n_rest, rest);
			n_rest = 0;
		}
		if (r == 0)
			r = add_group_row(t, g);
		if (r == 0 && t->opt->max_functions)
			r = add_group_functions(t, g);
	}
	return r == 0 && n_rest ? add_rest_line(t, n_rest, rest) : r;
}

static int build_groups(struct table *t)
{
	int r = group_samples(t);

	if (r < 0)
		return r;
	if (t->groups.n)
		qsort_r(t->groups.data, t->groups.n, sizeof(*t->groups.data), compare_groups, t);
	r = new_group_columns(t);
	return r < 0 ? r : add_groups(t);
}

static int add_function_row(struct table *t, const struct function_sum *f)
{
	char name[NAME_BYTES], self[METRIC_TEXT_MAX], total[METRIC_TEXT_MAX];
	char self_share[24], total_share[24];
	const char *cells[] = { self, self_share, total, total_share, name };
	int r = function_text(t, f->frame, name, sizeof(name));

	if (r < 0)
		return r;
	metric_format(&t->digest->metric, f->self, self);
	metric_format(&t->digest->metric, f->total, total);
	snprintf(self_share, sizeof(self_share), "%.1f%%",
		 metric_percent(f->self, t->digest->value));
	snprintf(total_share, sizeof(total_share), "%.1f%%",
		 metric_percent(f->total, t->digest->value));
	return columns_add(t->columns, cells);
}

static int build_functions(struct table *t)
{
	const struct column defs[] = {
		{ "SELF", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
		{ "SELF%", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
		{ "TOTAL", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
		{ "TOTAL%", COLUMN_RIGHT, 0, TEXT_CUT_RIGHT },
		{ t->opt->by == VIEW_BY_LINE ? "LINE" : "FUNCTION", COLUMN_LEFT, NAME_MIN,
		  TEXT_CUT_MIDDLE },
	};
	size_t n, shown;
	int64_t rest = 0;
	const struct function_sum *f;
	int r = columns_new(defs, sizeof(defs) / sizeof(defs[0]), TABLE_WIDTH, &t->columns);

	for (size_t i = 0; i < t->digest->samples.n && r == 0; i++)
		r = function_sums_add(t->sums, &t->digest->samples.data[i]);
	if (r == 0)
		r = function_sums_sorted(t->sums, &f, &n);
	if (r < 0)
		return r;

	shown = t->opt->max_rows && t->opt->max_rows < n ? t->opt->max_rows : n;
	for (size_t i = 0; i < shown && r == 0; i++)
		r = add_function_row(t, &f[i]);
	for (size_t i = shown; i < n; i++)
		metric_add(&rest, f[i].self);
	return r == 0 && n > shown ? add_rest_line(t, n - shown, rest) : r;
}

int view_table(const struct pprof *p, const struct view_table_options *opt, FILE *out)
{
	CLEANUP(table_clear) struct table t = { .opt = opt, .by = &groupings[opt->by] };
	int r;

	r = digest_new(p, &opt->select, opt->by == VIEW_BY_LINE ? DIGEST_LINES : DIGEST_FUNCTIONS,
		       &t.digest);
	if (r < 0)
		return r;
	r = function_sums_new(t.digest, &t.sums);
	if (r < 0)
		return r;
	r = t.by->n_keys ? build_groups(&t) : build_functions(&t);
	if (r < 0)
		return r;

	r = summary_write(p, &opt->select, t.digest, out);
	if (r < 0)
		return r;
	columns_print(t.columns, out);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
