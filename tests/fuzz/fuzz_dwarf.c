/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of DWARF: functions that hold addresses, and their lines. Input: 2 bytes for each section
 * in their order, its length; these sections; the rest is .debug_info. The code is at 0x1000.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sym/dwarf_entry.h"
#include "sym/line_program.h"
#include "sym/unit_scopes.h"

#define PLACES 32
#define STEP   0x35

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct elf_code_range range = { 0x1000, 0x1000 + PLACES *STEP, false };
static const struct elf_code code = { .ranges = &range, .n = 1 };
static struct sym_result results[PLACES];
static struct sym_query queries[PLACES];
static struct unit_hit hits[PLACES];

/* Each in memory of its own, so that what is read beyond it is seen. */
static struct debug_bytes copy(const uint8_t **data, size_t *size, size_t len)
{
	struct debug_bytes b = { 0 };
	uint8_t *mem;

	b.len = len < *size ? len : *size;
	if (!b.len)
		return b;
	mem = malloc(b.len);
	memcpy(mem, *data, b.len);
	b.data = mem;
	*data += b.len;
	*size -= b.len;
	return b;
}

static void read_sections(struct debug_image *img, const uint8_t *data, size_t size)
{
	uint16_t lens[DEBUG_SECTIONS] = { 0 };
	size_t head = sizeof(lens) < size ? sizeof(lens) : size;

	memcpy(lens, data, head);
	data += head;
	size -= head;
	for (size_t i = 0; i < DEBUG_SECTIONS; i++)
		if (i != DEBUG_INFO)
			img->sections[i] = copy(&data, &size, lens[i]);
	img->sections[DEBUG_INFO] = copy(&data, &size, size);
}

static void read_lines(const struct dwarf_unit *u, struct dwarf_effort *effort)
{
	CLEANUP(line_program_clear) struct line_program p = { 0 };
	struct line_place places[PLACES] = { 0 };
	char path[LINE_PATH_MAX];

	if (line_program_open(u, &p) < 0)
		return;
	assert(line_program_run(&p, hits, PLACES, &code, effort, places) == 0);
	for (size_t i = 0; i < PLACES; i++) {
		assert(!places[i].known || places[i].addr <= hits[i].query->vaddr);
		if (places[i].known && line_program_path(&p, places[i].file, path))
			assert(strlen(path) < sizeof(path));
	}
}

static size_t read_scope(struct dwarf_unit *u, const struct scope *s)
{
	struct dwarf_entry e;
	struct dwarf_value v;
	const uint8_t *to;
	const char *name;

	assert(dwarf_entry_read(u, s->at, &e) == 0);
	if (dwarf_entry_value(u, &e, SLOT_ORIGIN, &v) && dwarf_value_reference(u, &v, &to) == 0)
		assert(to >= u->entries && to < u->end);
	name = dwarf_entry_string(u, &e, SLOT_NAME);
	return (name ? strlen(name) : 0) + dwarf_entry_number(u, &e, SLOT_CALL_LINE, 0);
}

static void read_functions(struct dwarf_unit *u, struct dwarf_effort *effort)
{
	CLEANUP(unit_scopes_clear) struct unit_scopes scopes = { 0 };

	assert(unit_scopes_find(u, hits, PLACES, effort, &scopes) == 0);
	for (size_t i = 0; i < scopes.scopes.n; i++) {
		const struct scope *s = &scopes.scopes.data[i];

		assert(s->parent == SCOPE_NONE || s->parent < i);
		(void)read_scope(u, s);
	}
	for (size_t i = 0; i < PLACES; i++)
		assert(scopes.of_hit[i] == SCOPE_NONE || scopes.of_hit[i] < scopes.scopes.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dwarf_effort effort = { 1 << 16 };
	struct debug_image img = { 0 };
	uint64_t next;

	for (size_t i = 0; i < PLACES; i++) {
		queries[i] =
			(struct sym_query){ .vaddr = range.start + i * STEP, .res = &results[i] };
		hits[i] = (struct unit_hit){ 0, &queries[i] };
	}
	read_sections(&img, data, size);
	for (uint64_t off = 0; off != UINT64_MAX && dwarf_effort_take(&effort); off = next) {
		CLEANUP(dwarf_unit_clear) struct dwarf_unit u = { 0 };

		if (dwarf_unit_open(&img, off, &u, &next) < 0)
			continue;
		read_lines(&u, &effort);
		read_functions(&u, &effort);
	}
	for (size_t i = 0; i < DEBUG_SECTIONS; i++)
		free((void *)img.sections[i].data);
	return 0;
}
