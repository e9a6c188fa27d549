/* SPDX-License-Identifier: Apache-2.0 */
#include "view/annotate.h"

#include <stdlib.h>
#include <string.h>

#include "view/function_sums.h"
#include "view/summary.h"
#include "view/text.h"

#define OTHERS_SHOWN 10
#define NAME_WIDTH   100
#define MODULE_WIDTH 40
#define SOURCE_WIDTH 120
#define NUMBER_WIDTH 24 /* what stands before the text of a line */

struct line_sum {
	uint32_t file; /* string */
	uint32_t line; /* 0: not known */
	int64_t self, total;
};

/* The lines of one file. */
struct file_sum {
	uint32_t file;
	size_t first, n; /* in lines */
	int64_t self, total_most;
};

/* A function of a module, whichever files its lines are in. */
struct function {
	uint32_t name, module; /* strings */
	int64_t self, total;
	size_t last_stack; /* the last stack that was counted in total */
	bool is_in;	   /* it has to do with opt->in */
};

struct annotation {
	const struct pprof *profile;
	const struct annotate_options *opt;
	struct digest *digest;
	struct intern_tuples names; /* name and module of each function */
	VEC(struct function) functions;
	uint32_t *function_of;	      /* by frame */
	VEC(struct function) matches; /* hottest first */
	VEC(struct line_sum) lines;   /* by file, in a file by line */
	VEC(struct file_sum) files;   /* hottest first */
};

void annotation_free(struct annotation *a)
{
	if (!a)
		return;

	digest_free(a->digest);
	intern_tuples_clear(&a->names);
	vec_free(&a->functions);
	free(a->function_of);
	vec_free(&a->matches);
	vec_free(&a->lines);
	vec_free(&a->files);
	free(a);
}

const char *annotation_function(const struct annotation *a)
{
	return digest_string(a->digest, a->matches.data[0].name);
}

size_t annotation_files(const struct annotation *a)
{
	return a->files.n < ANNOTATION_FILES_MAX ? a->files.n : ANNOTATION_FILES_MAX;
}

const char *annotation_file(const struct annotation *a, size_t i)
{
	return digest_string(a->digest, a->files.data[i].file);
}

uint32_t annotation_last_line(const struct annotation *a, size_t i)
{
	const struct file_sum *f = &a->files.data[i];

	return a->lines.data[f->first + f->n - 1].line;
}

/* --- which function --------------------------------------------------------------------------- */

static bool is_equal(const char *name, const char *want)
{
	return strcmp(name, want) == 0;
}

/* '*' and '?' only, as names have brackets; goes back to the last '*' alone, hence never far. */
static bool is_like(const char *name, const char *pattern)
{
	const char *star = NULL, *resume = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++resume;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static bool has_part(const char *name, const char *want)
{
	return strstr(name, want) != NULL;
}

static bool is_path(const char *path, const char *want)
{
	return strcmp(path, want) == 0 || strcmp(path_base(path), want) == 0;
}

static bool is_in(const struct annotation *a, uint32_t frame)
{
	const char *in = a->opt->in;

	return !in || is_path(digest_frame_string(a->digest, frame, DIGEST_FRAME_MODULE), in) ||
	       is_path(digest_frame_string(a->digest, frame, DIGEST_FRAME_FILE), in);
}

static int add_function(struct annotation *a, uint32_t frame)
{
	uint32_t key[2] = { digest_frame_number(a->digest, frame, DIGEST_FRAME_NAME),
			    digest_frame_number(a->digest, frame, DIGEST_FRAME_MODULE) };
	struct function fresh = { .name = key[0], .module = key[1] };
	uint32_t i;

	if (intern_tuple(&a->names, key, &i) < 0)
		return -ENOMEM;
	if (i == a->functions.n && vec_push(&a->functions, fresh) < 0)
		return -ENOMEM;
	a->functions.data[i].is_in |=
		digest_frame_kind(a->digest, frame) != FRAME_TRUNCATED && is_in(a, frame);
	a->function_of[frame] = i;
	return 0;
}

static int add_functions(struct annotation *a)
{
	size_t n = intern_tuples_count(&a->digest->frames);
	int r = 0;

	a->names.width = 2;
	a->function_of = calloc(n + 1, sizeof(*a->function_of));
	if (!a->function_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = add_function(a, i);
	return r;
}

static int add_sample(struct annotation *a, size_t nth, frame_list *frames)
{
	const struct digest_sample *s = &a->digest->samples.data[nth];
	int r = digest_frames(a->digest, s, frames);

	for (size_t i = 0; r == 0 && i < frames->n; i++) {
		struct function *f = &a->functions.data[a->function_of[frames->data[i]]];

		if (i == 0)
			metric_add(&f->self, s->value);
		if (f->last_stack != nth + 1)
			metric_add(&f->total, s->value);
		f->last_stack = nth + 1;
	}
	return r;
}

static int sum_functions(struct annotation *a)
{
	frame_list frames = { 0 };
	int r = add_functions(a);

	for (size_t i = 0; r == 0 && i < a->digest->samples.n; i++)
		r = add_sample(a, i, &frames);
	vec_free(&frames);
	return r;
}

static int descending(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int compare_functions(const void *va, const void *vb, void *digest)
{
	const struct function *a = va, *b = vb;
	int r = descending(a->self, b->self);

	r = r ? r : descending(a->total, b->total);
	r = r ? r : strcmp(digest_string(digest, a->name), digest_string(digest, b->name));
	return r ? r : strcmp(digest_string(digest, a->module), digest_string(digest, b->module));
}

static int add_matches(struct annotation *a, bool (*matches)(const char *, const char *))
{
	for (size_t i = 0; i < a->functions.n; i++) {
		const struct function *f = &a->functions.data[i];

		if (!f->last_stack || !f->is_in ||
		    !matches(digest_string(a->digest, f->name), a->opt->function))
			continue;
		if (vec_push(&a->matches, *f) < 0)
			return -ENOMEM;
	}
	if (a->matches.n)
		qsort_r(a->matches.data, a->matches.n, sizeof(*a->matches.data), compare_functions,
			a->digest);
	return 0;
}

static int find_function(struct annotation *a)
{
	static bool (*const ways[])(const char *, const char *) = { is_equal, is_like, has_part };
	int r = sum_functions(a);

	for (size_t i = 0; r == 0 && i < sizeof(ways) / sizeof(ways[0]) && !a->matches.n; i++)
		r = add_matches(a, ways[i]);
	return r == 0 && !a->matches.n ? -ENOENT : r;
}

/* --- its lines -------------------------------------------------------------------------------- */

static bool is_chosen(const struct annotation *a, uint32_t frame)
{
	const struct function *f = &a->functions.data[a->function_of[frame]];

	return f->name == a->matches.data[0].name && f->module == a->matches.data[0].module &&
	       is_in(a, frame);
}

static int compare_lines(const void *a, const void *b)
{
	const struct line_sum *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

/* Frames of one line that differ otherwise (in where the function begins) are one line. */
static void merge_lines(struct annotation *a)
{
	size_t n = 0;

	qsort(a->lines.data, a->lines.n, sizeof(*a->lines.data), compare_lines);
	for (size_t i = 0; i < a->lines.n; i++) {
		const struct line_sum *s = &a->lines.data[i];

		if (n && compare_lines(&a->lines.data[n - 1], s) == 0) {
			metric_add(&a->lines.data[n - 1].self, s->self);
			metric_add(&a->lines.data[n - 1].total, s->total);
		} else {
			a->lines.data[n++] = *s;
		}
	}
	a->lines.n = n;
}

static int compare_files(const void *va, const void *vb, void *digest)
{
	const struct file_sum *a = va, *b = vb;
	int r = descending(a->self, b->self);

	r = r ? r : descending(a->total_most, b->total_most);
	return r ? r : strcmp(digest_string(digest, a->file), digest_string(digest, b->file));
}

static int add_files(struct annotation *a)
{
	for (size_t i = 0; i < a->lines.n; i++) {
		const struct line_sum *s = &a->lines.data[i];
		struct file_sum fresh = { .file = s->file, .first = i }, *f;

		if ((!a->files.n || a->files.data[a->files.n - 1].file != s->file) &&
		    vec_push(&a->files, fresh) < 0)
			return -ENOMEM;
		f = &a->files.data[a->files.n - 1];
		f->n++;
		metric_add(&f->self, s->self);
		if (s->total > f->total_most)
			f->total_most = s->total;
	}
	if (a->files.n)
		qsort_r(a->files.data, a->files.n, sizeof(*a->files.data), compare_files,
			a->digest);
	return 0;
}

static int sum_lines(struct annotation *a)
{
	CLEANUP(function_sums_freep) struct function_sums *fs = NULL;
	const struct function_sum *sums;
	size_t n;
	int r = function_sums_new(a->digest, &fs);

	for (size_t i = 0; i < a->digest->samples.n && r == 0; i++)
		r = function_sums_add(fs, &a->digest->samples.data[i]);
	if (r == 0)
		r = function_sums_sorted(fs, &sums, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		uint32_t frame = sums[i].frame;
		struct line_sum s = { digest_frame_number(a->digest, frame, DIGEST_FRAME_FILE),
				      digest_frame_number(a->digest, frame, DIGEST_FRAME_AT),
				      sums[i].self, sums[i].total };

		if (is_chosen(a, frame))
			r = vec_push(&a->lines, s);
	}
	if (r < 0)
		return r;
	merge_lines(a);
	return add_files(a);
}

int annotation_new(const struct pprof *p, const struct annotate_options *opt,
		   struct annotation **ret)
{
	CLEANUP(annotation_freep) struct annotation *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;

	a->profile = p;
	a->opt = opt;
	r = digest_new(p, &opt->select, DIGEST_LINES, &a->digest);
	if (r == 0)
		r = find_function(a);
	if (r == 0)
		r = sum_lines(a);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(a);
	return 0;
}

/* --- as text ---------------------------------------------------------------------------------- */

static int write_clean(FILE *out, const char *text, unsigned width, enum text_cut how)
{
	CLEANUP(freep) char *clean = NULL;
	int r = text_clean(text, &clean);

	if (r == 0)
		text_write_cut(out, clean, width, how);
	return r;
}

static int write_name(const struct annotation *a, const struct function *f, FILE *out)
{
	const char *module = path_base(digest_string(a->digest, f->module));
	int r = write_clean(out, digest_string(a->digest, f->name), NAME_WIDTH, TEXT_CUT_MIDDLE);

	if (r < 0 || !module[0])
		return r;
	fputs(" [", out);
	r = write_clean(out, module, MODULE_WIDTH, TEXT_CUT_MIDDLE);
	fputs("]", out);
	return r;
}

static int write_others(const struct annotation *a, FILE *out)
{
	int r;

	if (a->matches.n < 2)
		return 0;

	fprintf(out, "%zu functions match '", a->matches.n);
	r = write_clean(out, a->opt->function, NAME_WIDTH, TEXT_CUT_MIDDLE);
	fputs("'; the hottest is shown. The others:\n", out);
	for (size_t i = 1; i < a->matches.n && i <= OTHERS_SHOWN && r == 0; i++) {
		const struct function *f = &a->matches.data[i];

		fprintf(out, "    %5.1f%% self  %5.1f%% total  ",
			metric_percent(f->self, a->digest->value),
			metric_percent(f->total, a->digest->value));
		r = write_name(a, f, out);
		fputc('\n', out);
	}
	if (a->matches.n > OTHERS_SHOWN + 1)
		fprintf(out, "    … and %zu more\n", a->matches.n - OTHERS_SHOWN - 1);
	fputc('\n', out);
	return r;
}

static int write_function(const struct annotation *a, FILE *out)
{
	const struct function *f = &a->matches.data[0];
	char self[METRIC_TEXT_MAX], total[METRIC_TEXT_MAX];
	const struct digest *d = a->digest;
	int r = write_name(a, f, out);

	fprintf(out, ": self %s (%.1f%%), total %s (%.1f%%)\n",
		metric_format(&d->metric, f->self, self), metric_percent(f->self, d->value),
		metric_format(&d->metric, f->total, total), metric_percent(f->total, d->value));
	return r;
}

static void write_share(int64_t part, int64_t whole, FILE *out)
{
	if (part)
		fprintf(out, "%6.1f%%  ", metric_percent(part, whole));
	else
		fprintf(out, "%7s  ", "");
}

/* @sum: NULL for a line without samples. */
static int write_line(const struct annotation *a, const struct source_text *st, uint32_t line,
		      const struct line_sum *sum, FILE *out)
{
	CLEANUP(freep) char *text = NULL;
	int r;

	write_share(sum ? sum->self : 0, a->digest->value, out);
	write_share(sum ? sum->total : 0, a->digest->value, out);
	if (!line || !st) {
		fprintf(out, line ? "%6u\n" : "     ?\n", line);
		return 0;
	}

	fprintf(out, "%6u", line);
	r = source_text_line(st, line, &text);
	if (r < 0)
		return r;
	if (text[0])
		fputs("  ", out);
	text_write_cut(out, text, SOURCE_WIDTH, TEXT_CUT_RIGHT);
	fputc('\n', out);
	return 0;
}

static int write_gap(const struct annotation *a, const struct source_text *st, uint32_t from,
		     uint32_t to, FILE *out)
{
	int r = 0;

	for (uint32_t line = from; line < to && line <= source_text_lines(st) && r == 0; line++)
		r = write_line(a, st, line, NULL, out);
	return r;
}

/* What is around line @at. @next: the first line that was not written yet; moves behind it. */
static int write_context(const struct annotation *a, const struct source_text *st, uint32_t at,
			 uint32_t *next, FILE *out)
{
	uint32_t begin = at > a->opt->context ? at - a->opt->context : 1;
	uint32_t after = *next + a->opt->context;
	int r = 0;

	if (*next > 1 && begin > after) {
		r = write_gap(a, st, *next, after, out);
		if (begin <= source_text_lines(st))
			fprintf(out, "%*s\n", NUMBER_WIDTH + (int)strlen("…") - 1, "…");
	} else if (*next > 1) {
		begin = *next;
	}
	if (r == 0)
		r = write_gap(a, st, begin, at, out);
	*next = at + 1;
	return r;
}

static int write_lines(const struct annotation *a, const struct file_sum *f,
		       const struct source_text *st, FILE *out)
{
	uint32_t next = 1;
	int r = 0;

	for (size_t i = f->first; i < f->first + f->n && r == 0; i++) {
		const struct line_sum *s = &a->lines.data[i];

		if (st && s->line)
			r = write_context(a, st, s->line, &next, out);
		if (r == 0)
			r = write_line(a, st, s->line, s, out);
	}
	if (st && next > 1 && r == 0)
		r = write_gap(a, st, next, next + a->opt->context, out);
	return r;
}

static int write_file(const struct annotation *a, size_t i, const struct source_text *st, FILE *out)
{
	const char *file = annotation_file(a, i);
	int r;

	fputc('\n', out);
	r = write_clean(out, file[0] ? file : "(file not known)", NAME_WIDTH, TEXT_CUT_MIDDLE);
	if (r < 0)
		return r;
	fprintf(out, "\n%7s  %7s  %6s\n", "SELF", "TOTAL", "LINE");
	return write_lines(a, &a->files.data[i], st, out);
}

int annotation_write(const struct annotation *a, struct source_text *const *sources, FILE *out)
{
	int r = summary_write(a->profile, &a->opt->select, a->digest, out);

	if (r == 0)
		r = write_others(a, out);
	if (r == 0)
		r = write_function(a, out);
	for (size_t i = 0; i < annotation_files(a) && r == 0; i++)
		r = write_file(a, i, sources[i], out);
	if (r < 0)
		return r;
	if (a->files.n > annotation_files(a))
		fprintf(out, "\n… and lines in %zu more files\n", a->files.n - annotation_files(a));
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
