/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries and lines are read here, as most are only passed over; libdw, which knows more, is asked
 * where a name is in another unit or file. It may be let loose on foreign bytes in memory, but not
 * on names of files: what would make it open one (dwarf_attr_integrate() and all that is built on
 * it, dwarf_getalt() without dwarf_setalt()) is not used on a unit whose contents are elsewhere.
 */
#include "sym/dwarf_names.h"

#include <dwarf.h>
#include <string.h>

#include "sym/debug_files.h"
#include "sym/dwarf_entry.h"
#include "sym/dwarf_function.h"
#include "sym/line_program.h"
#include "sym/split_unit.h"
#include "sym/unit_scopes.h"

/* Ten seconds of a slow machine. */
#define EFFORT_MAX (1ULL << 26)

/* Bytes of a program of lines, or of abbreviations, that are as much work as an entry. */
#define BYTES_AN_EFFORT 8

/* What libdw has made of units stays until it is closed: then it is opened again. */
#define HELD_MAX (64ULL << 20)

/* Pages that were read of what is mapped; the kernel maps 16 for each that is missing. */
#define TOUCHED_MAX (4ULL << 20)
#define TOUCH	    (64ULL << 10)

/* A name as it lies in the image, and the frame that was made of it. */
struct raw_name {
	const char *raw;
	const struct sym_frame *frame;
};

struct job {
	const struct dwarf_names_input *in;
	struct sym_batch *all;
	struct sym_batch batch; /* of these, the addresses of functions */
	struct elf_code code;
	struct dwarf_effort effort;
	struct debug_image *img, *alt_img;
	struct dwarf_functions functions;
	struct split_units split;
	struct hashmap by_raw; /* those in img: linker names are long, and inlined in many places */
	struct arena raw_names;
	uint64_t touched;
};

static void job_clear(struct job *j)
{
	split_units_clear(&j->split);
	dwarf_functions_forget(&j->functions);
	debug_image_close(j->img);
	debug_image_close(j->alt_img);
	elf_code_clear(&j->code);
	sym_batch_clear(&j->batch);
	hashmap_clear(&j->by_raw);
	arena_clear(&j->raw_names);
}

/* --- what a scope is -------------------------------------------------------------------------- */

/* One unit's share of the batch. */
struct share {
	struct dwarf_unit *unit;      /* NULL: not to be had */
	struct line_program *lines;   /* NULL: not known */
	struct line_program *callers; /* whose files are those of calls; NULL: not known */
	struct unit_scopes scopes;
	const struct unit_hit *hits;
	struct line_place *places;
	size_t n;
};

static bool raw_eq(const void *value, const void *key)
{
	return ((const struct raw_name *)value)->raw == key;
}

static int intern(struct job *j, const char *raw, const struct sym_frame **ret)
{
	struct sym_frame *frame;
	int r;

	j->touched += 2 * TOUCH;
	r = name_table_intern(j->all->names, raw, NULL, &frame);
	if (r == 0)
		*ret = frame;
	return r;
}

/* What is in the image stays where it is, so that a name is known by its place. */
static int intern_once(struct job *j, const char *raw, const struct sym_frame **ret)
{
	uint64_t hash = hash_u64(0, (uintptr_t)raw);
	struct raw_name *name = hashmap_get(&j->by_raw, hash, raw_eq, raw);
	int r;

	if (name) {
		*ret = name->frame;
		return 0;
	}
	r = intern(j, raw, ret);
	if (r < 0)
		return r;
	name = arena_alloc(&j->raw_names, sizeof(*name));
	if (!name)
		return -ENOMEM;
	*name = (struct raw_name){ raw, *ret };
	return hashmap_put(&j->by_raw, hash, name);
}

static int intern_function(struct job *j, const char *raw, const struct sym_frame **ret)
{
	size_t at;

	if (!raw)
		return 0;
	at = (uintptr_t)raw - (uintptr_t)j->img->base;
	return at < j->img->len ? intern_once(j, raw, ret) : intern(j, raw, ret);
}

static int intern_path(struct job *j, struct line_program *p, uint64_t file, const char **ret)
{
	char path[LINE_PATH_MAX];
	const char **known;
	int r = 0;

	if (!p || file >= p->files.n)
		return 0;
	known = &p->files.data[file].interned;
	if (!*known && line_program_path(p, file, path))
		r = name_table_intern_file(j->all->names, path, known);
	if (r == 0)
		*ret = *known;
	return r;
}

static int describe_call(struct job *j, struct share *sh, const struct dwarf_entry *e,
			 struct scope *s)
{
	uint64_t file = dwarf_entry_number(sh->unit, e, SLOT_CALL_FILE, UINT64_MAX);

	s->call_line = dwarf_entry_number(sh->unit, e, SLOT_CALL_LINE, 0);
	return intern_path(j, sh->callers, file, &s->call_file);
}

/* Of a function in several pieces, where it is entered may be an offset. */
static uint64_t entry_of(const struct dwarf_unit *u, const struct dwarf_entry *e)
{
	struct dwarf_value v, entry;
	uint64_t low = u->base, pc;

	if (dwarf_entry_value(u, e, SLOT_LOW_PC, &v) && dwarf_value_address(u, &v, &low) < 0)
		return 0;
	if (!dwarf_entry_value(u, e, SLOT_ENTRY_PC, &entry))
		return e->abbrev->slots[SLOT_LOW_PC] ? low : 0;
	if (dwarf_value_address(u, &entry, &pc) == 0)
		return pc;
	return dwarf_value_number(u, &entry, &pc) == 0 ? low + pc : 0;
}

static int describe(struct job *j, struct share *sh, struct scope *s)
{
	struct dwarf_entry e;
	int r;

	if (s->is_described)
		return 0;
	s->is_described = true;
	r = dwarf_entry_read(sh->unit, s->at, &e);
	if (r < 0) /* it was read before */
		return 0;
	r = intern_function(j, dwarf_function_name(&j->functions, sh->unit, s->at), &s->name);
	if (r == 0 && s->parent != SCOPE_NONE)
		return describe_call(j, sh, &e, s);
	s->entry = entry_of(sh->unit, &e);
	return r;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* A symbol's name is kept where it is sure. NULL: it has none. */
static const struct sym_frame *outermost_name(const struct sym_query *q, const struct scope *s)
{
	const struct sym_frame *symbol = q->res->n_frames ? &q->res->frames[0] : NULL;

	if (symbol && (!q->guessed || !s || !s->name))
		return symbol;
	return s ? s->name : NULL;
}

static void set_name(struct sym_frame *frame, const struct sym_frame *name)
{
	frame->function = name ? name->function : "[unknown]";
	frame->linkage = name ? name->linkage : NULL;
}

static size_t chain_len(const struct unit_scopes *scopes, uint32_t innermost)
{
	size_t n = 0;

	for (uint32_t i = innermost; i != SCOPE_NONE; i = scopes->scopes.data[i].parent)
		n++;
	return n;
}

/* The address's own place is where the innermost function is; its call is where its caller is. */
static int fill_frames(struct job *j, struct share *sh, uint32_t innermost,
		       struct sym_frame *frames)
{
	for (uint32_t i = innermost; i != SCOPE_NONE; frames++) {
		struct scope *s = &sh->scopes.scopes.data[i];
		int r = describe(j, sh, s);

		if (r < 0)
			return r;
		set_name(frames, s->name);
		if (s->parent != SCOPE_NONE) {
			frames[1].file = s->call_file;
			frames[1].line = s->call_line;
		}
		i = s->parent;
	}
	return 0;
}

static const struct scope *outermost(const struct unit_scopes *scopes, uint32_t innermost)
{
	const struct scope *s = NULL;

	for (uint32_t i = innermost; i != SCOPE_NONE; i = s->parent)
		s = &scopes->scopes.data[i];
	return s;
}

static int answer(struct job *j, struct share *sh, size_t i)
{
	struct sym_query *q = sh->hits[i].query;
	uint32_t innermost = sh->scopes.of_hit ? sh->scopes.of_hit[i] : SCOPE_NONE;
	size_t n = innermost == SCOPE_NONE ? 1 : chain_len(&sh->scopes, innermost);
	struct sym_frame *frames = name_table_frames(j->all->names, n);
	const struct sym_frame *name;
	const struct scope *outer;
	int r = 0;

	if (!frames)
		return -ENOMEM;
	if (sh->places[i].known) {
		frames[0].line = sh->places[i].line;
		r = intern_path(j, sh->lines, sh->places[i].file, &frames[0].file);
	}
	if (r == 0)
		r = fill_frames(j, sh, innermost, frames);
	if (r < 0)
		return r;

	outer = outermost(&sh->scopes, innermost);
	name = outermost_name(q, outer);
	if (!name)
		return 0;
	set_name(&frames[n - 1], name);
	if (outer && (q->res->n_frames == 0 || q->guessed))
		q->res->start = outer->entry && outer->entry <= q->vaddr ? outer->entry : q->vaddr;
	q->guessed &= !outer;
	q->res->frames = frames;
	q->res->n_frames = n;
	return 0;
}

/* --- units ------------------------------------------------------------------------------------ */

/* Without lines there are names. */
static int find_lines(struct job *j, struct dwarf_unit *unit, struct share *sh,
		      struct line_program *p)
{
	uint64_t len;
	int r = line_program_open(unit, p);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	len = p->end - p->pos;
	j->touched += len;
	dwarf_effort_spend(&j->effort, len / BYTES_AN_EFFORT);
	sh->lines = p;
	return line_program_run(p, sh->hits, sh->n, &j->code, &j->effort, sh->places);
}

static int answer_all(struct job *j, struct share *sh)
{
	int r = 0;

	if (sh->unit)
		r = unit_scopes_find(sh->unit, sh->hits, sh->n, &j->effort, &sh->scopes);
	for (size_t i = 0; r == 0 && i < sh->n; i++)
		r = answer(j, sh, i);
	unit_scopes_clear(&sh->scopes);
	return r;
}

static int answer_split(struct job *j, struct share *sh, struct dwarf_unit *skeleton)
{
	CLEANUP(line_program_clear) struct line_program files = { 0 };
	struct split_unit split = { 0 };
	int r = split_unit_open(&j->split, skeleton, &split);

	if (r == -ENOMEM)
		return r;
	sh->unit = r == 0 ? &split.unit : NULL;
	sh->callers = NULL;
	r = r == 0 ? line_program_open(&split.unit, &files) : 0;
	if (r == 0)
		sh->callers = &files;
	if (r != -ENOMEM)
		r = answer_all(j, sh);
	split_unit_close(&split);
	return r;
}

static bool is_skeleton(struct job *j, struct dwarf_unit *u)
{
	struct dwarf_entry own;

	return dwarf_entry_read(u, u->entries, &own) == 0 && own.abbrev->slots[SLOT_DWO_NAME] &&
	       dwarf_functions_attach(&j->functions, u) == 0 && split_unit_is_skeleton(&u->die);
}

static int answer_unit(struct job *j, const struct unit_hit *hits, size_t n)
{
	CLEANUP(dwarf_unit_clear) struct dwarf_unit unit = { 0 };
	CLEANUP(line_program_clear) struct line_program lines = { 0 };
	CLEANUP(freep) struct line_place *places = calloc(n, sizeof(*places));
	struct share sh = { .unit = &unit, .hits = hits, .n = n, .places = places };
	uint64_t next;
	int r;

	if (!places)
		return -ENOMEM;
	if (!j->effort.left)
		return 0;
	if (dwarf_unit_open(j->img, hits->unit, &unit, &next) < 0)
		return 0;
	j->touched += unit.end - unit.begin;
	r = find_lines(j, &unit, &sh, &lines);
	if (r < 0)
		return r;
	sh.callers = sh.lines;
	r = is_skeleton(j, &unit) ? answer_split(j, &sh, &unit) : answer_all(j, &sh);
	dwarf_effort_spend(&j->effort, dwarf_abbrevs_bytes_read(&unit.abbrevs) / BYTES_AN_EFFORT);
	return r;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Without the supplementary file there are fewer names. */
static int open_alt(struct job *j)
{
	CLEANUP(elf_file_closep) struct elf_file *alt = NULL;
	int r = debug_files_open_alt(j->in->source, j->in->debug, &alt);

	if (r == 0)
		r = debug_image_open(alt, false, j->in->budget, &j->alt_img);
	return r == -ENOMEM ? r : 0;
}

static int open_files(struct job *j)
{
	int r = debug_image_open(j->in->debug, false, j->in->budget, &j->img);

	if (r == -EBADMSG)
		return -ENODATA;
	if (r == 0)
		r = open_alt(j);
	j->functions = (struct dwarf_functions){ .img = j->img, .alt_img = j->alt_img };
	j->split = (struct split_units){ .source = j->in->source,
					 .img = j->img,
					 .budget = j->in->budget };
	return r;
}

/* Memory for a unit is given back when there has been enough of them. */
static void stay_small(struct job *j)
{
	if (j->touched > TOUCHED_MAX) {
		debug_image_forget(j->img);
		if (j->alt_img)
			debug_image_forget(j->alt_img);
		if (j->split.package)
			debug_image_forget(j->split.package);
		j->touched = 0;
	}
	if (j->functions.held > HELD_MAX)
		dwarf_functions_forget(&j->functions);
}

static int answer_units(struct job *j, const struct unit_index *index)
{
	int r = 0;

	for (size_t i = 0, end; r == 0 && i < index->n; i = end) {
		for (end = i + 1; end < index->n && index->hits[end].unit == index->hits[i].unit;)
			end++;
		if (index->hits[i].unit == UINT64_MAX)
			break;
		r = answer_unit(j, &index->hits[i], end - i);
		stay_small(j);
	}
	return r;
}

static int select_queries(struct job *j)
{
	int r = sym_batch_init(&j->batch, j->all->names, j->all->n);

	if (r == 0)
		r = elf_code_load(j->in->code, &j->code);
	for (size_t i = 0; r == 0 && i < j->all->n; i++)
		if (elf_code_has_functions_at(&j->code, j->all->queries[i].vaddr))
			j->batch.queries[j->batch.n++] = j->all->queries[i];
	return r;
}

int dwarf_names_answer(const struct dwarf_names_input *in, struct sym_batch *b)
{
	CLEANUP(job_clear) struct job j = { .in = in, .all = b, .effort = { EFFORT_MAX } };
	CLEANUP(unit_index_clear) struct unit_index index = { 0 };
	struct unit_index_input find = { .code = &j.code, .batch = &j.batch, .effort = &j.effort };
	int r = select_queries(&j);

	if (r < 0 || j.batch.n == 0)
		return r;
	r = open_files(&j);
	if (r < 0)
		return r;
	find.img = j.img;
	r = unit_index_build(&find, &index);
	return r < 0 ? r : answer_units(&j, &index);
}
