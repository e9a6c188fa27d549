/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdw may be let loose on foreign bytes in memory, but not on names of files: what would make it
 * open one (dwarf_attr_integrate() and all that is built on it, dwarf_getalt() without
 * dwarf_setalt()) is not used on a unit whose contents are elsewhere.
 */
#include "sym/dwarf_names.h"

#include <dwarf.h>
#include <limits.h>
#include <string.h>

#include "sym/debug_files.h"
#include "sym/split_unit.h"
#include "sym/unit_scopes.h"
#include "unwind/dw_cursor.h"

/* Ten seconds of a slow machine. */
#define EFFORT_MAX (1ULL << 26)

/* A function's entry refers to its declaration, that to another: never further than this. */
#define REFERENCES_MAX 16

/* libdw takes 60 bytes for each of at most so many lines, and sorts them. */
#define LINE_PROGRAM_MAX (8U << 20)

/* What libdw has made of units stays until it is closed: then it is opened again. */
#define HELD_MAX  (64ULL << 20)
#define LINE_SIZE 64

/* Pages that were read of what is mapped; the kernel maps 16 for each that is missing. */
#define TOUCHED_MAX (64ULL << 20)
#define TOUCH	    (64ULL << 10)

struct job {
	const struct dwarf_names_input *in;
	struct sym_batch *all;
	struct sym_batch batch; /* of these, the addresses of functions */
	struct elf_code code;
	struct dwarf_effort effort;
	struct debug_image *img, *alt_img;
	Dwarf *dwarf, *alt;
	struct split_units split;
	uint64_t held, touched;
};

static void job_clear(struct job *j)
{
	split_units_clear(&j->split);
	dwarf_end(j->dwarf);
	dwarf_end(j->alt);
	debug_image_close(j->img);
	debug_image_close(j->alt_img);
	elf_code_clear(&j->code);
	sym_batch_clear(&j->batch);
}

/* --- what a scope is -------------------------------------------------------------------------- */

/* libdw 0.188 looks up DWARF 5's references to the supplementary file in the file itself. */
static bool refer_to_alt(const struct job *j, const Dwarf_Attribute *attr, Dwarf_Die *ret)
{
	const struct debug_bytes *info = &j->img->sections[DEBUG_INFO];
	size_t at = attr->valp - info->data;
	struct dw_cursor c;
	uint64_t off;

	if (!j->alt || at >= info->len)
		return false;
	c = dw_cursor_of(attr->valp, info->len - at, 0);
	off = attr->form == DW_FORM_ref_sup4 ? dw_u32(&c) : dw_u64(&c);
	return !c.bad && dwarf_offdie(j->alt, off, ret);
}

static bool refer(const struct job *j, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	unsigned form;
	Dwarf_Die to;

	if (!dwarf_attr(die, name, &attr))
		return false;
	form = dwarf_whatform(&attr);
	if (form == DW_FORM_ref_sup4 || form == DW_FORM_ref_sup8) {
		if (!refer_to_alt(j, &attr, &to))
			return false;
	} else if (!dwarf_formref_die(&attr, &to)) {
		return false;
	}
	*die = to;
	return true;
}

/* What the linker calls it, else what the source does. */
static const char *function_name(const struct job *j, const Dwarf_Die *die)
{
	const char *plain = NULL;
	Dwarf_Die at = *die;

	for (int i = 0; i < REFERENCES_MAX; i++) {
		const char *linkage = dwarf_unit_string(&at, DW_AT_linkage_name);

		if (!linkage)
			linkage = dwarf_unit_string(&at, DW_AT_MIPS_linkage_name);
		if (linkage && *linkage)
			return linkage;
		if (!plain)
			plain = dwarf_unit_string(&at, DW_AT_name);
		if (!refer(j, &at, DW_AT_abstract_origin) && !refer(j, &at, DW_AT_specification))
			break;
	}
	return plain && *plain ? plain : NULL;
}

static int intern_function(struct job *j, const char *raw, const char **ret)
{
	struct sym_frame *frame;
	int r;

	if (!raw)
		return 0;
	j->touched += 2 * TOUCH;
	r = name_table_intern(j->all->names, raw, NULL, &frame);
	if (r == 0)
		*ret = frame->function;
	return r;
}

/*
 * libdw has put the folder of the compilation before names that are directly in it, but not before
 * names in other folders that are relative to it.
 */
static int intern_path(struct job *j, const char *comp_dir, const char *path, const char **ret)
{
	size_t len = comp_dir ? strlen(comp_dir) : 0;
	char joined[PATH_MAX];
	int n;

	if (path[0] == '/' || len == 0 || (strncmp(path, comp_dir, len) == 0 && path[len] == '/'))
		return name_table_intern_file(j->all->names, path, ret);
	n = snprintf(joined, sizeof(joined), "%s/%s", comp_dir, path);
	return name_table_intern_file(j->all->names, n < (int)sizeof(joined) ? joined : path, ret);
}

static int describe_call(struct job *j, const struct dwarf_unit *unit, struct scope *s)
{
	uint64_t file = dwarf_unit_number(&s->die, DW_AT_call_file, UINT64_MAX);
	const char *path = NULL;
	Dwarf_Files *files;
	size_t n;

	s->call_line = dwarf_unit_number(&s->die, DW_AT_call_line, 0);
	if (file != UINT64_MAX && dwarf_getsrcfiles((Dwarf_Die *)&unit->die, &files, &n) == 0 &&
	    file < n)
		path = dwarf_filesrc(files, file, NULL, NULL);
	return path ? intern_path(j, unit->comp_dir, path, &s->call_file) : 0;
}

static int describe(struct job *j, const struct dwarf_unit *unit, struct scope *s)
{
	Dwarf_Addr entry;
	int r;

	if (s->is_described)
		return 0;
	s->is_described = true;
	r = intern_function(j, function_name(j, &s->die), &s->function);
	if (r == 0 && s->parent != SCOPE_NONE)
		return describe_call(j, unit, s);
	if (dwarf_entrypc(&s->die, &entry) == 0)
		s->entry = entry;
	return r;
}

/* --- answers ---------------------------------------------------------------------------------- */

struct place {
	const char *file;
	uint32_t line;
};

static int place_of(struct job *j, struct dwarf_unit *lines, uint64_t vaddr, struct place *ret)
{
	Dwarf_Line *line = lines ? dwarf_getsrc_die(&lines->die, vaddr) : NULL;
	const char *path;
	int no = 0;

	if (!line)
		return 0;
	if (dwarf_lineno(line, &no) == 0 && no > 0)
		ret->line = no;
	path = dwarf_linesrc(line, NULL, NULL);
	return path ? intern_path(j, lines->comp_dir, path, &ret->file) : 0;
}

/* A symbol's name is kept where it is sure. */
static const char *outermost_name(const struct sym_query *q, const struct scope *s)
{
	const char *symbol = q->res->n_frames ? q->res->frames[0].function : NULL;

	if (symbol && (!q->guessed || !s || !s->function))
		return symbol;
	return s ? s->function : NULL;
}

static size_t chain_len(const struct unit_scopes *scopes, uint32_t innermost)
{
	size_t n = 0;

	for (uint32_t i = innermost; i != SCOPE_NONE; i = scopes->scopes.data[i].parent)
		n++;
	return n;
}

/* The address's own place is where the innermost function is; its call is where its caller is. */
static int fill_frames(struct job *j, const struct dwarf_unit *unit, struct unit_scopes *scopes,
		       uint32_t innermost, struct sym_frame *frames)
{
	for (uint32_t i = innermost; i != SCOPE_NONE; frames++) {
		struct scope *s = &scopes->scopes.data[i];
		int r = describe(j, unit, s);

		if (r < 0)
			return r;
		frames->function = s->function ? s->function : "[unknown]";
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

/* One unit's share of the batch. */
struct share {
	struct dwarf_unit *unit;  /* NULL: not to be had */
	struct dwarf_unit *lines; /* the one with a line table; NULL: none */
	struct unit_scopes scopes;
	const struct unit_hit *hits;
	size_t n;
};

static int answer(struct job *j, struct share *sh, size_t i)
{
	struct sym_query *q = sh->hits[i].query;
	uint32_t innermost = sh->scopes.of_hit ? sh->scopes.of_hit[i] : SCOPE_NONE;
	size_t n = innermost == SCOPE_NONE ? 1 : chain_len(&sh->scopes, innermost);
	struct place place = { 0 };
	struct sym_frame *frames;
	const struct scope *outer;
	int r = place_of(j, sh->lines, q->vaddr, &place);

	if (r < 0)
		return r;
	frames = name_table_frames(j->all->names, n);
	if (!frames)
		return -ENOMEM;
	frames[0].file = place.file;
	frames[0].line = place.line;
	r = fill_frames(j, sh->unit, &sh->scopes, innermost, frames);
	if (r < 0)
		return r;

	outer = outermost(&sh->scopes, innermost);
	frames[n - 1].function = outermost_name(q, outer);
	if (!frames[n - 1].function)
		return 0;
	if (outer && (q->res->n_frames == 0 || q->guessed))
		q->res->start = outer->entry && outer->entry <= q->vaddr ? outer->entry : q->vaddr;
	q->guessed &= !outer;
	q->res->frames = frames;
	q->res->n_frames = n;
	return 0;
}

/* --- units ------------------------------------------------------------------------------------ */

/* 0: there is none. */
static uint64_t line_program_len(const struct job *j, const Dwarf_Die *die)
{
	const struct debug_bytes *b = &j->img->sections[DEBUG_LINE];
	uint64_t off = dwarf_unit_number(die, DW_AT_stmt_list, UINT64_MAX), len;
	struct dw_cursor c;

	if (off >= b->len)
		return 0;
	c = dw_cursor_of(b->data + off, b->len - off, 0);
	len = dw_u32(&c);
	if (len == UINT32_MAX) /* the form of 64 bits */
		len = dw_u64(&c);
	return c.bad ? 0 : len;
}

static void load_lines(struct job *j, struct dwarf_unit *unit, struct share *sh)
{
	uint64_t len = line_program_len(j, &unit->die);
	Dwarf_Lines *lines;
	size_t n;

	if (len == 0 || len > LINE_PROGRAM_MAX || dwarf_getsrclines(&unit->die, &lines, &n) < 0)
		return;
	j->held += n * LINE_SIZE;
	j->touched += len;
	sh->lines = unit;
}

static int answer_share(struct job *j, struct share *sh, struct dwarf_unit *lines)
{
	int r = 0;

	load_lines(j, lines, sh);
	if (sh->unit)
		r = unit_scopes_find(sh->unit, sh->hits, sh->n, &j->effort, &sh->scopes);
	for (size_t i = 0; r == 0 && i < sh->n; i++)
		r = answer(j, sh, i);
	unit_scopes_clear(&sh->scopes);
	return r;
}

static int answer_split(struct job *j, struct share *sh, struct dwarf_unit *skeleton)
{
	struct split_unit split = { 0 };
	int r = split_unit_open(&j->split, skeleton, &split);

	if (r == -ENOMEM)
		return r;
	sh->unit = r == 0 ? &split.unit : NULL;
	r = answer_share(j, sh, skeleton);
	split_unit_close(&split);
	return r;
}

static int answer_unit(struct job *j, const struct unit_hit *hits, size_t n)
{
	struct share sh = { .hits = hits, .n = n };
	uint64_t off = hits->unit, next;
	struct dwarf_unit unit;
	size_t header;
	Dwarf_Die die;

	if (dwarf_next_unit(j->dwarf, off, &next, &header, NULL, NULL, NULL, NULL, NULL, NULL) ||
	    !dwarf_offdie(j->dwarf, off + header, &die) || dwarf_unit_init(j->img, &die, &unit) < 0)
		return 0;
	j->touched += next - off;
	if (split_unit_is_skeleton(&die))
		return answer_split(j, &sh, &unit);
	sh.unit = &unit;
	return answer_share(j, &sh, &unit);
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_dwarf(struct job *j)
{
	dwarf_end(j->dwarf);
	dwarf_end(j->alt);
	j->alt = NULL;
	j->held = 0;
	j->dwarf = dwarf_begin_elf(j->img->elf, DWARF_C_READ, NULL);
	if (!j->dwarf)
		return -ENODATA;
	if (j->alt_img)
		j->alt = dwarf_begin_elf(j->alt_img->elf, DWARF_C_READ, NULL);
	if (j->alt)
		dwarf_setalt(j->dwarf, j->alt);
	return 0;
}

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
	if (r == 0)
		r = open_dwarf(j);
	j->split = (struct split_units){ .source = j->in->source,
					 .img = j->img,
					 .budget = j->in->budget };
	return r;
}

/* Memory for a unit is given back when there has been enough of them. */
static int stay_small(struct job *j)
{
	if (j->touched > TOUCHED_MAX) {
		debug_image_forget(j->img);
		if (j->alt_img)
			debug_image_forget(j->alt_img);
		if (j->split.package)
			debug_image_forget(j->split.package);
		j->touched = 0;
	}
	return j->held > HELD_MAX ? open_dwarf(j) : 0;
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
		if (r == 0)
			r = stay_small(j);
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
	find.dwarf = j.dwarf;
	r = unit_index_build(&find, &index);
	return r < 0 ? r : answer_units(&j, &index);
}
