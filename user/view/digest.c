/* SPDX-License-Identifier: Apache-2.0 */
#include "view/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct digest_location {
	const struct pprof_location *location;
	size_t first, n; /* in line_frame */
};

const char *digest_string(const struct digest *d, uint32_t i)
{
	return d->strings.all.data[i];
}

const char *digest_frame_string(const struct digest *d, uint32_t frame, enum digest_frame what)
{
	return digest_string(d, intern_tuple_get(&d->frames, frame)[what]);
}

uint32_t digest_frame_number(const struct digest *d, uint32_t frame, enum digest_frame what)
{
	return intern_tuple_get(&d->frames, frame)[what];
}

enum frame_kind digest_frame_kind(const struct digest *d, uint32_t frame)
{
	return intern_tuple_get(&d->frames, frame)[DIGEST_FRAME_KIND];
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int digest_frame_text(const struct digest *d, uint32_t frame, char **ret)
{
	const char *name = digest_frame_string(d, frame, DIGEST_FRAME_NAME);
	const char *file = path_base(digest_frame_string(d, frame, DIGEST_FRAME_FILE));
	uint32_t at = digest_frame_number(d, frame, DIGEST_FRAME_AT);
	char *text = NULL;
	int n;

	if (at)
		n = asprintf(&text, "%s %s:%u", name, file, at);
	else
		n = asprintf(&text, "%s", name);
	if (n < 0)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static bool starts_with(const char *str, const char *start)
{
	return strncmp(str, start, strlen(start)) == 0;
}

static bool is_library(const char *module)
{
	const char *so = strstr(path_base(module), ".so");

	return (so && (so[3] == '\0' || so[3] == '.')) || starts_with(module, "[v");
}

static bool is_kernel(const char *module, uint64_t address)
{
	const char *ko = strstr(path_base(module), ".ko");

	/* Kernel addresses have the top bit set on all 64-bit architectures of Linux. */
	return address >> 63 || starts_with(module, "[kernel") || starts_with(module, "[guest") ||
	       starts_with(path_base(module), "vmlinux") || (ko && (!ko[3] || ko[3] == '.'));
}

static enum frame_kind kind_of(const char *name, const char *module, uint64_t address)
{
	if (strcmp(name, PPROF_FRAME_TRUNCATED) == 0)
		return FRAME_TRUNCATED;
	if (is_kernel(module, address))
		return FRAME_KERNEL;
	if (name[0] == '[' || starts_with(name, "0x"))
		return FRAME_UNRESOLVED;
	return is_library(module) ? FRAME_LIBRARY : FRAME_PROGRAM;
}

/* A place in a file, for frames that nobody named. */
static void write_unresolved(const struct pprof_location *loc, char *out, size_t size)
{
	const struct pprof_mapping *m = loc->mapping;

	if (m && m->filename[0])
		snprintf(out, size, "[%.200s+0x%llx]", path_base(m->filename),
			 (unsigned long long)(loc->address - m->start + m->offset));
	else
		snprintf(out, size, "0x%llx", (unsigned long long)loc->address);
}

/* Lines are foreign: what no file has is not known. */
static uint32_t line_number(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* @i: of the lines of @loc, if it has any. */
static int add_frame(struct digest *d, const struct pprof_location *loc, size_t i)
{
	const struct pprof_function *fn = i < loc->n_lines ? loc->lines[i].function : NULL;
	const char *module = loc->mapping ? loc->mapping->filename : "";
	const char *name = fn && fn->name[0] ? fn->name : fn ? fn->system_name : "";
	const char *file = fn && d->detail != DIGEST_FUNCTIONS ? fn->filename : "";
	uint32_t tuple[DIGEST_FRAME_FIELDS] = { 0 }, frame;
	char unresolved[256];

	if (!name[0]) {
		write_unresolved(loc, unresolved, sizeof(unresolved));
		name = unresolved;
	}
	if (d->detail != DIGEST_FUNCTIONS && fn) {
		tuple[DIGEST_FRAME_LINE] = line_number(fn->start_line);
		tuple[DIGEST_FRAME_AT] = line_number(loc->lines[i].line);
	}
	if (d->detail == DIGEST_CALLS)
		tuple[DIGEST_FRAME_INLINED] = i + 1 < loc->n_lines;
	tuple[DIGEST_FRAME_KIND] = kind_of(name, module, loc->address);

	if (intern_string(&d->strings, name, &tuple[DIGEST_FRAME_NAME]) < 0 ||
	    intern_string(&d->strings, module, &tuple[DIGEST_FRAME_MODULE]) < 0 ||
	    intern_string(&d->strings, file, &tuple[DIGEST_FRAME_FILE]) < 0 ||
	    intern_tuple(&d->frames, tuple, &frame) < 0)
		return -ENOMEM;
	return vec_push(&d->line_frame, frame);
}

static uint64_t hash_location(const struct pprof_location *loc)
{
	return hash_u64(0, (uintptr_t)loc);
}

static bool location_eq(const void *value, const void *key)
{
	return ((const struct digest_location *)value)->location == key;
}

static int add_location(struct digest *d, const struct pprof_location *loc,
			struct digest_location *dl)
{
	*dl = (struct digest_location){ loc, d->line_frame.n, loc->n_lines ? loc->n_lines : 1 };
	for (size_t i = 0; i < dl->n; i++)
		if (add_frame(d, loc, i) < 0)
			return -ENOMEM;
	return hashmap_put(&d->location_of, hash_location(loc), dl);
}

static int add_locations(struct digest *d, const struct pprof *p)
{
	d->locations = calloc(p->n_locations + 1, sizeof(*d->locations));
	if (!d->locations)
		return -ENOMEM;

	for (size_t i = 0; i < p->n_locations; i++) {
		int r = add_location(d, p->locations[i], &d->locations[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Ids are the same in either case; anything else stays as it is. */
static void lower_hex(const char *str, char *out, size_t size)
{
	snprintf(out, size, "%s", str);
	for (char *c = out; *c; c++)
		if (isxdigit((unsigned char)*c))
			*c = (char)tolower((unsigned char)*c);
}

static int add_label(struct digest *d, const struct pprof_label *l, bool is_id, uint32_t *ret)
{
	char text[64];

	if (!l)
		return 0;
	if (l->str && is_id && strlen(l->str) < sizeof(text) &&
	    strspn(l->str, "0123456789abcdefABCDEF") == strlen(l->str))
		lower_hex(l->str, text, sizeof(text));
	else if (l->str)
		return intern_string(&d->strings, l->str, ret);
	else
		snprintf(text, sizeof(text), "%lld", (long long)l->num);
	return intern_string(&d->strings, text, ret);
}

static bool is_truncated(const struct pprof_sample *s)
{
	const struct pprof_location *root;

	if (!s->n_locations)
		return false;
	root = s->locations[s->n_locations - 1];
	return root->n_lines && root->lines[root->n_lines - 1].function &&
	       strcmp(root->lines[root->n_lines - 1].function->name, PPROF_FRAME_TRUNCATED) == 0;
}

static int add_sample(struct digest *d, const struct pprof_sample *s)
{
	static const char *const keys[DIGEST_LABELS] = {
		[DIGEST_SPAN] = PPROF_LABEL_SPAN_ID,	[DIGEST_TRACE] = PPROF_LABEL_TRACE_ID,
		[DIGEST_SERVICE] = PPROF_LABEL_SERVICE, [DIGEST_PROCESS] = PPROF_LABEL_PROCESS,
		[DIGEST_PID] = PPROF_LABEL_PID,		[DIGEST_THREAD] = PPROF_LABEL_THREAD,
		[DIGEST_TID] = PPROF_LABEL_TID,
	};
	struct digest_sample ds = {
		.sample = s,
		.value = metric_value(&d->metric, s),
		.count = metric_count(&d->metric, s),
		.truncated = is_truncated(s),
	};

	for (int i = 0; i < DIGEST_LABELS; i++)
		if (add_label(d, pprof_sample_label(s, keys[i]), i <= DIGEST_TRACE, &ds.label[i]) <
		    0)
			return -ENOMEM;

	metric_add(&d->value, ds.value);
	metric_add(&d->count, ds.count);
	if (ds.truncated)
		metric_add(&d->truncated_count, ds.count);
	return vec_push(&d->samples, ds);
}

static int fill(struct digest *d, const struct pprof *p, const struct view_select *sel)
{
	uint32_t empty;
	int r;

	r = intern_string(&d->strings, "", &empty);
	if (r < 0)
		return r;
	r = add_locations(d, p);
	if (r < 0)
		return r;

	for (size_t i = 0; i < p->n_samples; i++) {
		metric_add(&d->all_value, metric_value(&d->metric, &p->samples[i]));
		if (!view_select_matches(sel, &p->samples[i]))
			continue;
		r = add_sample(d, &p->samples[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int digest_new(const struct pprof *p, const struct view_select *sel, enum digest_detail detail,
	       struct digest **ret)
{
	CLEANUP(digest_freep) struct digest *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;

	d->detail = detail;
	d->frames.width = DIGEST_FRAME_FIELDS;
	metric_of(p, &d->metric);
	r = fill(d, p, sel);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(d);
	return 0;
}

int digest_new_selected(const struct pprof *p, const struct view_select *sel, struct digest **ret)
{
	return digest_new(p, sel, sel->by_line ? DIGEST_LINES : DIGEST_FUNCTIONS, ret);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;

	intern_strings_clear(&d->strings);
	intern_tuples_clear(&d->frames);
	vec_free(&d->samples);
	vec_free(&d->line_frame);
	hashmap_clear(&d->location_of);
	free(d->locations);
	free(d);
}

int digest_frames(const struct digest *d, const struct digest_sample *s, frame_list *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < s->sample->n_locations; i++) {
		const struct pprof_location *loc = s->sample->locations[i];
		const struct digest_location *dl =
			hashmap_get(&d->location_of, hash_location(loc), location_eq, loc);

		if (!dl)
			continue;
		if (vec_reserve(ret, dl->n) < 0)
			return -ENOMEM;
		memcpy(ret->data + ret->n, d->line_frame.data + dl->first,
		       dl->n * sizeof(uint32_t));
		ret->n += dl->n;
	}
	return 0;
}
