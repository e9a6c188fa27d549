/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/line_program.h"

#include <dwarf.h>
#include <limits.h>
#include <string.h>

#include "sym/dwarf_entry.h"
#include "unwind/dw_cursor.h"

/* The largest programs of real files have some megabytes. */
#define PROGRAM_MAX (8U << 20)
#define FILES_MAX   (1U << 18)
#define FORMATS_MAX 16

/* --- header ----------------------------------------------------------------------------------- */

static uint64_t offset(struct dw_cursor *c, const struct line_program *p)
{
	return p->format.offset_size == 4 ? dw_u32(c) : dw_u64(c);
}

/* A string that ends before the cursor does. */
static const char *string(struct dw_cursor *c)
{
	const uint8_t *nul = memchr(c->pos, '\0', c->end - c->pos);

	return nul ? (const char *)dw_take(c, nul + 1 - c->pos) : (c->bad = true, NULL);
}

static int add_file(struct line_program *p, const char *name, uint64_t folder)
{
	if (p->files.n >= FILES_MAX)
		return -EBADMSG;
	return vec_push(&p->files, (struct line_file){ name, folder, NULL });
}

static int add_folder(struct line_program *p, const char *name)
{
	return p->folders.n >= FILES_MAX ? -EBADMSG : vec_push(&p->folders, name);
}

/* Before version 5: names until an empty one; the folder of the compilation is not among them. */
static int read_old_tables(struct line_program *p, struct dw_cursor *c)
{
	const char *name;
	int r = add_folder(p, p->comp_dir);

	while (r == 0 && (name = string(c)) && *name)
		r = add_folder(p, name);
	if (r == 0)
		r = add_file(p, NULL, 0);
	while (r == 0 && (name = string(c)) && *name) {
		uint64_t folder = dw_uleb(c);

		(void)dw_uleb(c); /* time and size */
		(void)dw_uleb(c);
		r = add_file(p, name, folder);
	}
	return r;
}

struct field {
	uint64_t content, form;
};

/* A value that the unit's own reader knows how to read. */
static void read_field(const struct line_program *p, struct dw_cursor *c, const struct field *f,
		       struct line_file *file)
{
	const struct dwarf_unit unit = { .img = p->img, .format = p->format };
	const struct dwarf_value v = { .at = c->pos, .end = c->end, .form = f->form };
	const uint8_t *end =
		f->form <= UINT16_MAX ? dwarf_form_skip(p->format, f->form, c->pos, c->end) : NULL;

	if (!end) {
		c->bad = true;
		return;
	}
	if (f->content == DW_LNCT_path)
		(void)dwarf_value_string(&unit, &v, &file->name);
	else if (f->content == DW_LNCT_directory_index)
		(void)dwarf_value_number(&unit, &v, &file->folder);
	c->pos = end;
}

static size_t read_fields(struct dw_cursor *c, struct field *fields)
{
	size_t n = dw_u8(c);

	if (n > FORMATS_MAX)
		c->bad = true;
	for (size_t i = 0; !c->bad && i < n; i++) {
		fields[i].content = dw_uleb(c);
		fields[i].form = dw_uleb(c);
	}
	return c->bad ? 0 : n;
}

/* One of the two tables of version 5, which say themselves what they hold. */
static int read_new_table(struct line_program *p, struct dw_cursor *c, bool is_files)
{
	struct field fields[FORMATS_MAX];
	size_t n_fields = read_fields(c, fields);
	uint64_t n = dw_uleb(c);
	int r = 0;

	if (n && !n_fields)
		return -EBADMSG;
	for (uint64_t i = 0; r == 0 && !c->bad && i < n; i++) {
		struct line_file f = { 0 };

		for (size_t k = 0; !c->bad && k < n_fields; k++)
			read_field(p, c, &fields[k], &f);
		if (!c->bad)
			r = is_files ? add_file(p, f.name, f.folder) : add_folder(p, f.name);
	}
	return r;
}

static int read_tables(struct line_program *p, struct dw_cursor *c)
{
	int r;

	if (p->format.version < 5)
		r = read_old_tables(p, c);
	else
		r = read_new_table(p, c, false);
	if (r == 0 && p->format.version >= 5)
		r = read_new_table(p, c, true);
	return r == 0 && c->bad ? -EBADMSG : r;
}

/* @c: behind the version and the length of the header, to the header's end. */
static int read_header(struct line_program *p, struct dw_cursor *c)
{
	p->min_length = dw_u8(c);
	if (p->format.version >= 4)
		(void)dw_u8(c); /* operations of an instruction: more than one on no machine here */
	(void)dw_u8(c);		/* is_stmt by default */
	p->line_base = dw_u8(c);
	p->line_range = dw_u8(c);
	p->opcode_base = dw_u8(c);
	p->lengths = dw_take(c, p->opcode_base ? p->opcode_base - 1 : 0);
	if (c->bad || p->line_range == 0 || p->opcode_base == 0)
		return -EBADMSG;
	return read_tables(p, c);
}

static int open_program(struct line_program *p, struct dw_cursor *c)
{
	struct dw_cursor header;
	uint64_t len;

	p->format.version = dw_u16(c);
	if (p->format.version >= 5) {
		p->format.addr_size = dw_u8(c);
		(void)dw_u8(c); /* size of segment selectors */
	}
	len = offset(c, p);
	if (c->bad || p->format.version < 2 || p->format.version > 5 ||
	    len > (uint64_t)(c->end - c->pos))
		return -EBADMSG;
	header = dw_cursor_of(c->pos, len, 0);
	p->pos = c->pos + len;
	p->end = c->end;
	return read_header(p, &header);
}

int line_program_open(const struct dwarf_unit *u, struct line_program *ret)
{
	const struct debug_bytes *b = &u->img->sections[DEBUG_LINE];
	CLEANUP(line_program_clear)
	struct line_program p = { .img = u->img, .format = u->format };
	struct dw_cursor c;
	uint64_t len;
	int r;

	if (u->lines >= b->len)
		return -ENODATA;
	if (u->comp_dir && *u->comp_dir)
		p.comp_dir = u->comp_dir;
	c = dw_cursor_of(b->data + u->lines, b->len - u->lines, 0);
	len = dw_u32(&c);
	p.format.offset_size = len == UINT32_MAX ? 8 : 4;
	if (len == UINT32_MAX)
		len = dw_u64(&c);
	if (c.bad || len > PROGRAM_MAX || len > (uint64_t)(c.end - c.pos))
		return -EBADMSG;
	c.end = c.pos + len;
	r = open_program(&p, &c);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct line_program){ 0 };
	return 0;
}

void line_program_clear(struct line_program *p)
{
	vec_free(&p->folders);
	vec_free(&p->files);
}

/* --- the machine ------------------------------------------------------------------------------ */

struct run {
	struct line_program *program;
	const struct unit_hit *hits;
	size_t n;
	const struct elf_code *code;
	struct dwarf_effort *effort;
	struct line_place *places;
	struct dw_cursor c;
	/* Registers. */
	uint64_t addr;
	uint32_t file, line;
	/* The row before this one, if its sequence counts. */
	struct line_place row; /* known: there is one */
	bool begun;	       /* the sequence has a row */
	size_t next;	       /* the first hit that is not below the row */
	/* By special opcode: what it adds. */
	uint8_t advance[256];
	int16_t lines[256];
};

static void begin_sequence(struct run *r)
{
	r->addr = 0;
	r->file = 1;
	r->line = 1;
	r->row.known = r->begun = false;
}

/*
 * The row before holds for all addresses up to here. Of two that claim one, the closer one has it.
 */
static void settle(struct run *r)
{
	for (; r->next < r->n && r->hits[r->next].query->vaddr < r->addr; r->next++) {
		struct line_place *p = &r->places[r->next];

		if (!dwarf_effort_take(r->effort)) {
			r->c.bad = true;
			return;
		}
		if (!p->known || p->addr <= r->row.addr)
			*p = r->row;
	}
}

static void emit(struct run *r)
{
	if (!r->begun) {
		r->begun = true;
		r->row.known = elf_code_range_of(r->code, r->addr) >= 0;
		r->next = unit_hits_from(r->hits, r->n, r->addr);
	} else if (r->addr < r->row.addr) { /* as none should */
		r->next = unit_hits_from(r->hits, r->n, r->addr);
	} else if (r->row.known) {
		settle(r);
	}
	r->row.addr = r->addr;
	r->row.file = r->file;
	r->row.line = r->line;
}

static int run_define_file(struct run *r, struct dw_cursor *c)
{
	const char *name = string(c);
	uint64_t folder = dw_uleb(c);

	return name && !c->bad ? add_file(r->program, name, folder) : 0;
}

static int run_extended(struct run *r)
{
	uint64_t len = dw_uleb(&r->c);
	const uint8_t *body = dw_take(&r->c, len);
	struct dw_cursor c;

	if (!body || len == 0)
		return 0;
	c = dw_cursor_of(body, len, 0);
	switch (dw_u8(&c)) {
	case DW_LNE_end_sequence:
		emit(r);
		begin_sequence(r);
		return 0;
	case DW_LNE_set_address:
		r->addr = len - 1 == 4 ? dw_u32(&c) : dw_u64(&c);
		return 0;
	case DW_LNE_define_file:
		return run_define_file(r, &c);
	default:
		return 0;
	}
}

/* One that is not known says how many numbers follow. */
static void skip_unknown(struct run *r, uint8_t opcode)
{
	for (uint8_t i = 0; i < r->program->lengths[opcode - 1]; i++)
		(void)dw_uleb(&r->c);
}

static int run_standard(struct run *r, uint8_t opcode)
{
	switch (opcode) {
	case 0:
		return run_extended(r);
	case DW_LNS_copy:
		emit(r);
		break;
	case DW_LNS_advance_pc:
		r->addr += dw_uleb(&r->c) * r->program->min_length;
		break;
	case DW_LNS_advance_line:
		r->line += (uint32_t)dw_sleb(&r->c);
		break;
	case DW_LNS_set_file:
		r->file = dw_uleb(&r->c);
		break;
	case DW_LNS_set_column:
	case DW_LNS_set_isa:
		(void)dw_uleb(&r->c);
		break;
	case DW_LNS_const_add_pc:
		r->addr += (uint64_t)r->advance[255] * r->program->min_length;
		break;
	case DW_LNS_fixed_advance_pc:
		r->addr += dw_u16(&r->c);
		break;
	case DW_LNS_negate_stmt:
	case DW_LNS_set_basic_block:
	case DW_LNS_set_prologue_end:
	case DW_LNS_set_epilogue_begin:
		break;
	default:
		skip_unknown(r, opcode);
	}
	return 0;
}

static void fill_specials(struct run *r)
{
	const struct line_program *p = r->program;

	for (unsigned i = p->opcode_base; i < 256; i++) {
		r->advance[i] = (i - p->opcode_base) / p->line_range;
		r->lines[i] = (int16_t)(p->line_base + (int)((i - p->opcode_base) % p->line_range));
	}
}

int line_program_run(struct line_program *p, const struct unit_hit *hits, size_t n,
		     const struct elf_code *code, struct dwarf_effort *effort,
		     struct line_place *places)
{
	struct run r = {
		.program = p, .hits = hits, .n = n, .code = code, .effort = effort, .places = places
	};
	int err = 0;

	r.c = dw_cursor_of(p->pos, p->end - p->pos, 0);
	fill_specials(&r);
	begin_sequence(&r);
	while (err == 0 && !r.c.bad && r.c.pos < r.c.end) {
		uint8_t opcode = *r.c.pos++;

		if (opcode < p->opcode_base) {
			err = run_standard(&r, opcode);
			continue;
		}
		r.addr += (uint64_t)r.advance[opcode] * p->min_length;
		r.line += (uint32_t)(int32_t)r.lines[opcode];
		emit(&r);
	}
	return err == -ENOMEM ? err : 0;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Is @path absolute, or from @dir on already? */
static bool begins_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return path[0] == '/' || (len && strncmp(path, dir, len) == 0 && path[len] == '/');
}

bool line_program_path(const struct line_program *p, uint64_t file, char ret[LINE_PATH_MAX])
{
	const char *name = file < p->files.n ? p->files.data[file].name : NULL;
	const char *folder, *from = p->comp_dir;
	uint64_t i;
	int n;

	if (!name)
		return false;
	i = p->files.data[file].folder;
	folder = i < p->folders.n ? p->folders.data[i] : NULL;
	if (name[0] == '/')
		n = snprintf(ret, LINE_PATH_MAX, "%s", name);
	else if (!folder || !*folder)
		n = snprintf(ret, LINE_PATH_MAX, "%s%s%s", from ? from : "", from ? "/" : "", name);
	else if (!from || folder == from || strcmp(folder, from) == 0 || begins_in(folder, from))
		n = snprintf(ret, LINE_PATH_MAX, "%s/%s", folder, name);
	else
		n = snprintf(ret, LINE_PATH_MAX, "%s/%s/%s", from, folder, name);
	if (n >= LINE_PATH_MAX)
		snprintf(ret, LINE_PATH_MAX, "%s", name);
	return true;
}
