/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "view/digest.h"
#include "view/table.h"
#include "view/text.h"

struct folded {
	struct digest *digest;
	bool weigh; /* by value: a profile without samples/count is not one of samples */
	struct intern_strings stacks;
	VEC(int64_t) sums; /* by number of stack */
	VEC(char) line;
	frame_list frames;
	char **names; /* by frame: as it stands in a line; NULL: not needed yet */
};

static void folded_clear(struct folded *f)
{
	for (size_t i = 0; f->names && i < intern_tuples_count(&f->digest->frames); i++)
		free(f->names[i]);
	free(f->names);
	intern_strings_clear(&f->stacks);
	vec_free(&f->sums);
	vec_free(&f->line);
	vec_free(&f->frames);
	digest_free(f->digest);
}

/* A ';' would end the name. */
static int clean_name(const char *name, char **ret)
{
	int r = text_clean(name, ret);

	if (r < 0)
		return r;
	for (char *c = strchr(*ret, ';'); c; c = strchr(c, ';'))
		*c = ':';
	return 0;
}

/* @name: clean. */
static int append_clean(struct folded *f, const char *name)
{
	size_t len = strlen(name);
	int r = vec_reserve(&f->line, len + 2);

	if (r < 0)
		return r;
	if (f->line.n)
		f->line.data[f->line.n++] = ';';
	memcpy(f->line.data + f->line.n, name, len);
	f->line.n += len;
	return 0;
}

static int append_name(struct folded *f, const char *name)
{
	CLEANUP(freep) char *clean = NULL;
	int r = clean_name(name, &clean);

	return r < 0 ? r : append_clean(f, clean);
}

static int append_frame(struct folded *f, uint32_t frame)
{
	CLEANUP(freep) char *text = NULL;
	char **name = &f->names[frame];
	int r = 0;

	if (!*name)
		r = digest_frame_text(f->digest, frame, &text);
	if (!*name && r == 0)
		r = clean_name(text, name);
	return r < 0 ? r : append_clean(f, *name);
}

/* The executable's name; of a profile that has none, the process's number. */
static int append_process(struct folded *f, const struct digest_sample *s)
{
	char pid[40];

	if (s->label[DIGEST_PROCESS])
		return append_name(f, digest_string(f->digest, s->label[DIGEST_PROCESS]));
	if (!s->label[DIGEST_PID])
		return 0;
	snprintf(pid, sizeof(pid), "pid %.30s", digest_string(f->digest, s->label[DIGEST_PID]));
	return append_name(f, pid);
}

static int build_line(struct folded *f, const struct digest_sample *s)
{
	int r;

	f->line.n = 0;
	r = append_process(f, s);
	if (r == 0)
		r = digest_frames(f->digest, s, &f->frames);
	for (size_t i = f->frames.n; r == 0 && i-- > 0;)
		r = append_frame(f, f->frames.data[i]);
	return r < 0 ? r : vec_push(&f->line, '\0');
}

static int add_sample(struct folded *f, const struct digest_sample *s)
{
	uint32_t i;
	int r;

	r = build_line(f, s);
	if (r < 0)
		return r;
	r = intern_string(&f->stacks, f->line.data, &i);
	if (r < 0)
		return r;
	if (i == f->sums.n) {
		r = vec_push(&f->sums, 0);
		if (r < 0)
			return r;
	}
	metric_add(&f->sums.data[i], f->weigh ? s->value : s->count);
	return 0;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct folded *f = arg;

	return strcmp(f->stacks.all.data[*(const uint32_t *)a],
		      f->stacks.all.data[*(const uint32_t *)b]);
}

static int write_sorted(struct folded *f, FILE *out)
{
	CLEANUP(freep) uint32_t *order = calloc(f->sums.n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;

	for (size_t i = 0; i < f->sums.n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, f->sums.n, sizeof(*order), compare, f);
	for (size_t i = 0; i < f->sums.n; i++)
		if (f->sums.data[order[i]] && f->stacks.all.data[order[i]][0])
			fprintf(out, "%s %lld\n", f->stacks.all.data[order[i]],
				(long long)f->sums.data[order[i]]);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

int view_folded(const struct pprof *p, const struct view_select *sel, FILE *out)
{
	CLEANUP(folded_clear) struct folded f = { 0 };
	int r;

	r = digest_new_selected(p, sel, &f.digest);
	if (r < 0)
		return r;

	f.names = calloc(intern_tuples_count(&f.digest->frames) + 1, sizeof(*f.names));
	if (!f.names)
		return -ENOMEM;

	f.weigh = f.digest->metric.count == SIZE_MAX;
	for (size_t i = 0; i < f.digest->samples.n; i++) {
		r = add_sample(&f, &f.digest->samples.data[i]);
		if (r < 0)
			return r;
	}
	return write_sorted(&f, out);
}
