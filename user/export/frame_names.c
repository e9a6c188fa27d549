/* SPDX-License-Identifier: Apache-2.0 */
#include "export/frame_names.h"

#include <inttypes.h>
#include <string.h>

#include "base/vec.h"
#include "elf/elf_file.h"
#include "shared/stat.h"
#include "sym/file_finder.h"

/* The frames of one file on their way through the symbolizer. */
struct batch {
	const struct dso *dso;
	const struct profile_file *file;
	VEC(struct frame_name *) names;
	uint64_t *offsets;
	uint32_t *codes;
	struct sym_result *results;
	char build_id[129]; /* hex */
	char htlhash[ELF_HTLHASH_SIZE];
	uint64_t entry; /* e_entry; 0: not known */
	int error;	/* negative errno: nothing of the file could be used */
};

static void batch_clear(struct batch *b)
{
	vec_free(&b->names);
	free(b->offsets);
	free(b->codes);
	free(b->results);
	*b = (struct batch){ 0 };
}

static uint64_t frame_hash(const struct profile_frame *frame)
{
	return profile_frame_hash(0, frame);
}

static bool frame_eq(const void *value, const void *key)
{
	return profile_frame_eq(&((const struct frame_name *)value)->frame, key);
}

const struct frame_name *frame_names_find(const struct frame_names *fn,
					  const struct profile_frame *frame)
{
	return hashmap_get(&fn->by_frame, frame_hash(frame), frame_eq, frame);
}

static int add(struct frame_names *fn, const struct profile_frame *frame)
{
	CLEANUP(freep) struct frame_name *fresh = NULL;
	int r;

	if (frame_names_find(fn, frame))
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->frame = *frame;
	r = hashmap_put(&fn->by_frame, frame_hash(frame), fresh);
	if (r == 0)
		(void)TAKE_PTR(fresh);
	return r;
}

int frame_names_collect(struct frame_names *fn, const struct profile *p)
{
	const struct profile_stack *stack;
	size_t pos = 0;

	while ((stack = hashmap_next(&p->stacks, &pos)))
		for (uint32_t i = 0; i < stack->n; i++) {
			int r = add(fn, &stack->frames[i]);

			if (r < 0)
				return r;
		}
	return 0;
}

void frame_names_clear(struct frame_names *fn)
{
	hashmap_clear_free(&fn->by_frame);
}

/* --- one file --------------------------------------------------------------------------------- */

/* Names come with addresses; without them the segments tell. */
static void read_elf_facts(struct batch *b, bool has_names)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	const uint8_t *id;
	size_t len;

	if (elf_file_open_fd(b->file->fd, &ef) < 0)
		return;
	b->entry = elf_file_entry(ef);
	for (size_t i = 0; !has_names && i < b->names.n; i++)
		(void)elf_file_offset_to_vaddr(ef, b->offsets[i], &b->results[i].vaddr);
	(void)elf_file_htlhash(ef, b->htlhash);
	if (elf_file_build_id(ef, &id, &len) < 0)
		return;
	for (size_t i = 0; i < len && 2 * i + 2 < sizeof(b->build_id); i++)
		sprintf(b->build_id + 2 * i, "%02x", id[i]);
}

static int resolve_file(struct batch *b, const struct name_sources *from)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	int r;

	if (b->file->fd < 0)
		return b->file->error ? b->file->error : -ENOENT;
	read_elf_facts(b, from->sym != NULL);
	if (!from->sym)
		return 0;
	r = file_finder_new(b->dso->path, b->file->root, &finder);
	if (r == -ENOMEM)
		return r;
	if (finder)
		file_finder_use_debuginfod(finder, from->servers);
	return symbolizer_file(from->sym, b->file->fd, finder ? file_finder_source(finder) : NULL,
			       b->offsets, b->names.n, b->results);
}

static int resolve_code(struct batch *b, struct jit_names *jit)
{
	struct jit_places places = { b->dso->owner, b->names.n, b->offsets, b->codes };

	return b->dso->owner ? jit_names_answer(jit, &places, b->results) : 0;
}

static int resolve(struct batch *b, const struct name_sources *from)
{
	if (!from->sym && b->dso->kind != DSO_FILE)
		return 0;
	switch (b->dso->kind) {
	case DSO_KERNEL:
		return symbolizer_kernel(from->sym, b->offsets, b->names.n, b->results);
	case DSO_VDSO:
		return symbolizer_vdso(from->sym, b->offsets, b->names.n, b->results);
	case DSO_FILE:
		return resolve_file(b, from);
	case DSO_ANON:
		return resolve_code(b, from->jit);
	default:
		return 0; /* no symbols to be had: results stay empty */
	}
}

static int prepare(struct batch *b)
{
	b->offsets = calloc(b->names.n, sizeof(*b->offsets));
	b->codes = calloc(b->names.n, sizeof(*b->codes));
	b->results = calloc(b->names.n, sizeof(*b->results));
	if (!b->offsets || !b->codes || !b->results)
		return -ENOMEM;
	for (size_t i = 0; i < b->names.n; i++) {
		b->offsets[i] = b->names.data[i]->frame.offset;
		b->codes[i] = b->names.data[i]->frame.code;
		b->results[i].vaddr = b->offsets[i];
	}
	return 0;
}

static void count(const struct batch *b, uint64_t *counters)
{
	for (size_t i = 0; i < b->names.n; i++)
		counters[STAT_FRAME_NO_SYMBOL] += b->results[i].n_frames == 0;
	if (b->error == -ESTALE)
		counters[STAT_FILE_REPLACED]++;
	else if (b->error < 0 && b->error != -EREMOTEIO) /* which the symbolizer counts */
		counters[STAT_FILE_UNREADABLE]++;
}

/* --- pprof ------------------------------------------------------------------------------------ */

/* "[libx.so+0x1234]"; "[heap]" and its like lose their own brackets. */
static void placeholder(const struct dso *dso, uint64_t vaddr, char *buf, size_t len)
{
	const char *name = dso->name;
	size_t n = strlen(name);

	if (name[0] == '[' && n > 2 && name[n - 1] == ']') {
		name++;
		n -= 2;
	}
	snprintf(buf, len, "[%.*s+0x%" PRIx64 "]", (int)n, name, vaddr);
}

static int add_line(struct pprof_builder *builder, const struct sym_frame *frame,
		    struct pprof_line *ret)
{
	struct pprof_function f = {
		.name = frame->function,
		.system_name = frame->linkage ? frame->linkage : frame->function,
		.filename = frame->file ? frame->file : "",
	};

	ret->line = frame->line;
	return pprof_builder_function(builder, &f, &ret->function);
}

static int add_location(struct pprof_builder *builder, const struct pprof_mapping *mapping,
			const struct dso *dso, const struct sym_result *res,
			const struct pprof_location **ret)
{
	char name[512];
	struct sym_frame unnamed = { .function = name };
	const struct sym_frame *frames = res->n_frames ? res->frames : &unnamed;
	size_t n = res->n_frames ? res->n_frames : 1;
	CLEANUP(freep) struct pprof_line *lines = calloc(n, sizeof(*lines));
	struct pprof_location l = { mapping, res->vaddr, lines, n };

	if (!lines)
		return -ENOMEM;
	placeholder(dso, res->vaddr, name, sizeof(name));
	for (size_t i = 0; i < n; i++) {
		int r = add_line(builder, &frames[i], &lines[i]);

		if (r < 0)
			return r;
	}
	return pprof_builder_location(builder, &l, ret);
}

static int add_mapping(struct pprof_builder *builder, const struct batch *b,
		       const struct pprof_mapping **ret)
{
	struct pprof_mapping m = { .filename = b->dso->path,
				   .build_id = b->build_id,
				   .htlhash = b->htlhash };

	for (size_t i = 0; i < b->names.n; i++) {
		const struct sym_result *res = &b->results[i];

		if (res->vaddr >= m.limit)
			m.limit = res->vaddr + 1;
		m.has_functions |= res->n_frames > 0;
		m.has_inline_frames |= res->n_frames > 1;
		m.has_filenames |= res->n_frames && res->frames[0].file;
		m.has_line_numbers |= res->n_frames && res->frames[0].line;
	}
	return pprof_builder_mapping(builder, &m, ret);
}

/* Without names nobody can tell, and no stack is said to be truncated. */
static int add_batch(struct pprof_builder *builder, struct batch *b, bool has_names)
{
	const struct pprof_mapping *mapping;
	int r = add_mapping(builder, b, &mapping);

	for (size_t i = 0; r == 0 && i < b->names.n; i++) {
		struct frame_name *name = b->names.data[i];

		r = add_location(builder, mapping, b->dso, &b->results[i], &name->location);
		name->is_entry = !has_names || symbol_is_entry(&b->results[i], b->entry);
	}
	return r;
}

static int do_batch(struct batch *b, const struct name_sources *from, struct pprof_builder *builder,
		    uint64_t *counters)
{
	int r = prepare(b);

	if (r < 0)
		return r;
	b->error = resolve(b, from);
	if (b->error == -ENOMEM)
		return -ENOMEM;
	count(b, counters);
	return add_batch(builder, b, from->sym != NULL);
}

/* Those of one file lie together. */
static int by_file(const void *a, const void *b)
{
	const struct profile_frame *x = &(*(struct frame_name *const *)a)->frame;
	const struct profile_frame *y = &(*(struct frame_name *const *)b)->frame;

	if (x->dso != y->dso)
		return x->dso->id < y->dso->id ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int sorted(const struct frame_names *fn, struct frame_name ***ret)
{
	struct frame_name **all = calloc(fn->by_frame.n + 1, sizeof(struct frame_name *));
	size_t pos = 0, n = 0;
	void *name;

	if (!all)
		return -ENOMEM;
	while ((name = hashmap_next(&fn->by_frame, &pos)))
		all[n++] = name;
	qsort(all, n, sizeof(struct frame_name *), by_file);
	*ret = all;
	return 0;
}

/* What begins at @all, up to the end of the list at NULL; returns where the next file begins. */
static struct frame_name **do_file(struct frame_name **all, const struct name_sources *from,
				   struct pprof_builder *builder, uint64_t *counters, int *ret)
{
	struct batch b = { .dso = (*all)->frame.dso };

	b.file = profile_files_find(from->files, b.dso);
	*ret = b.file ? 0 : -EINVAL;
	for (; *ret == 0 && *all && (*all)->frame.dso == b.dso; all++)
		*ret = vec_push(&b.names, *all);
	if (*ret == 0)
		*ret = do_batch(&b, from, builder, counters);
	batch_clear(&b);
	return all;
}

int frame_names_resolve(struct frame_names *fn, const struct name_sources *from,
			struct pprof_builder *builder, uint64_t *counters)
{
	CLEANUP(freep) struct frame_name **all = NULL;
	struct symbolizer_counts taken;
	struct frame_name **next;
	int r = sorted(fn, &all);

	for (next = all; r == 0 && *next;)
		next = do_file(next, from, builder, counters, &r);
	if (!from->sym)
		return r;
	taken = symbolizer_take_counts(from->sym);
	counters[STAT_DEBUG_LEFT_OUT] += taken.debug_left_out;
	counters[STAT_SYMBOL_WORKER_FAILED] += taken.worker_failed;
	return r;
}
