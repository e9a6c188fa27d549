/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address of the current process to its unwind rule: mapping, file, row. */
#ifndef BPF_UNWIND_ROWS_BPF_H
#define BPF_UNWIND_ROWS_BPF_H

#include "shared/unwind_arena.h"
#include "shared/unwind_walk.h"
#include "space.bpf.h"
#include "stats.bpf.h"

struct arena_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, UNWIND_ARENA_SIZE);
};

/* collect/ makes it as long as the budget needs, and an arena when it is needed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_ARENAS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, struct arena_map);
} arenas SEC(".maps") __weak;

/* State of a walk that is no pointer into a map: in scratch memory. */
struct unwind_room {
	__u64 mm;
	__u64 stack_start, stack_end; /* mapping of the last stack that was asked for */
	__u32 at;		      /* index of the mapping that served last */
	__u32 now;		      /* in the units of struct unwind_packed */
	__u32 is_changing;	      /* the mapping that was looked for last is being changed */
	__u32 reserved;
	struct unwind_file_key key; /* of the file that user space has not heard of */
	struct unwind_backing backing;
	/* Few samples come to what follows. */
	struct vma vma;
	struct vma_node node;
};

/* What unwind_memory.h asks of: the current process. */
struct unwind_memory {
	struct space *space;
	struct unwind_room *room;
};

/*
 * The current process's mapping of @addr, into the vma of the scratch memory's room; returns enum
 * vma_found. Global, so that the verifier looks at it once; defined in scratch.bpf.h.
 */
int user_vma(__u64 addr);

/* That of the stack whose pointer is @sp, likewise: it may begin above the pointer. */
int user_stack_vma(__u64 sp);

/* --- arenas --------------------------------------------------------------------------------- */

static __always_inline const void *arena_of(__u32 line)
{
	__u32 index = line / UNWIND_ARENA_LINES, zero = 0;
	void *map = bpf_map_lookup_elem(&arenas, &index);

	return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

/* Entry @i of the numbers that begin at @line; 0 if there is nothing. */
static __always_inline __u32 arena_number(__u32 line, __u32 i)
{
	const void *arena = arena_of(line);

	return arena ? unwind_arena_u32(arena, unwind_line_at(line) + 4 * i) : 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static __always_inline const struct unwind_file *file_entry(const void *arena, __u32 at)
{
	__u64 masked = at;

	UNWIND_KEEP(masked);
	return arena + (masked & (UNWIND_ARENA_SIZE - UNWIND_LINE_SIZE));
}

static __always_inline const struct unwind_file *file_find(const struct unwind_file_key *key)
{
	__u32 hash = unwind_file_hash(key);
	/* At once: they are replaced together. */
	__u64 both = *(volatile __u64 *)&unwind_control.files[unwind_file_table_of(hash)];
	__u32 table = both, mask = both >> 32;
	const void *arena = table ? arena_of(table) : NULL;

	if (!arena)
		return NULL;
	NO_UNROLL
	for (__u32 i = 0; i < UNWIND_FILE_PROBES; i++) {
		const struct unwind_file *f = file_entry(
			arena, unwind_line_at(table) + ((hash + i) & mask) * UNWIND_LINE_SIZE);

		if (f->state == UNWIND_FILE_FREE)
			return NULL;
		if (unwind_file_is(f, key))
			return f;
	}
	return NULL;
}

static __always_inline void mapped_take(struct mapped *m, const struct unwind_file *f)
{
	m->state = f->state;
	m->dir = f->dir;
	m->first_page = f->first_page;
	m->n_pages = f->n_pages;
}

/* --- mappings ------------------------------------------------------------------------------- */

/*
 * Code of the executable that was copied to anonymous memory, as programs do that want it on huge
 * pages: it lies where the file's code was.
 */
static __always_inline bool is_moved_code(struct mm_struct *mm, __u64 start)
{
	return start >= (BPF_CORE_READ(mm, start_code) & ~(__u64)(UNWIND_PAGE_SIZE - 1)) &&
	       start < BPF_CORE_READ(mm, end_code);
}

static __always_inline void mapped_find_file(struct unwind_memory *mem, struct mapped *m)
{
	struct unwind_room *room = mem->room;
	struct mm_struct *mm = (struct mm_struct *)room->mm;
	struct file *file = room->vma.file;
	const struct unwind_file *f;

	m->state = UNWIND_FILE_NO_ROWS;
	m->to_file = room->vma.offset - room->vma.start;
	if (!file) {
		m->to_file = -room->vma.start;
		if (room->vma.start == vma_vdso(mm)) {
			mapped_take(m, &unwind_control.vdso);
			return;
		}
		if (!is_moved_code(mm, room->vma.start)) {
			m->state = UNWIND_FILE_JIT;
			return;
		}
		file = BPF_CORE_READ(mm, exe_file);
		file_key(file, &room->vma.key);
	}
	f = file_find(&room->vma.key);
	if (!f) {
		room->key = room->vma.key;
		file_backing(file, &room->backing);
		m->state = UNWIND_FILE_FREE;
		return;
	}
	mapped_take(m, f);
	if (!room->vma.file)
		m->to_file = f->code_off - BPF_CORE_READ(mm, start_code);
}

/* The executable mapping of @addr, from the kernel's tree; kept for the next time. */
static __noinline int space_add(struct unwind_memory *mem, __u64 addr)
{
	struct unwind_room *room = mem->room;
	struct space *space = mem->space;
	struct mapped *m;
	int found;
	__u32 i;

	found = user_vma(addr);
	if (found == VMA_NONE || !(room->vma.flags & VM_EXEC))
		return 0;
	room->is_changing = found == VMA_CHANGING;
	if (found == VMA_CHANGING)
		return 0;
	i = space->next;
	if (i >= SPACE_MAPPED)
		i = 0;
	space->next = i + 1;
	m = &space->mapped[i];
	m->start = room->vma.start;
	m->end = room->vma.end;
	mapped_find_file(mem, m);
	mem->room->at = i;
	return 1;
}

/* NULL: @addr is not executable. */
static __always_inline struct mapped *mapped_find(struct unwind_memory *mem, __u64 addr)
{
	struct mapped *m = &mem->space->mapped[0];
	__u32 at = mem->room->at;

	if (at >= SPACE_MAPPED)
		return NULL; /* for the verifier */
	m = &mem->space->mapped[at];
	if (addr >= m->start && addr < m->end)
		return m;
	NO_UNROLL
	for (__u32 i = 0; i < SPACE_MAPPED; i++) {
		m = &mem->space->mapped[i];
		if (addr >= m->start && addr < m->end) {
			mem->room->at = i;
			return m;
		}
	}
	if (!space_add(mem, addr))
		return NULL;
	at = mem->room->at;
	return at < SPACE_MAPPED ? &mem->space->mapped[at] : NULL;
}

/* --- rows ----------------------------------------------------------------------------------- */

/* Line of the packed page for byte @off of the file; 0: it is not loaded. */
static __always_inline __u32 packed_line(const struct mapped *m, __u32 page)
{
	__u32 dir = m->dir;

	if (m->n_pages > UNWIND_DIR_PAGES) {
		dir = arena_number(dir, page >> UNWIND_DIR_SHIFT);
		page &= UNWIND_DIR_PAGES - 1;
	}
	return dir ? arena_number(dir, page) : 0;
}

static __always_inline void copy_ext(const void *arena, __u32 at, struct unwind_ext *ret)
{
	__u32 *words = (__u32 *)ret;

	NO_UNROLL
	for (__u32 i = 0; i < sizeof(*ret) / 4; i++)
		words[i] = unwind_arena_u32(arena, at + 4 * i);
}

static __always_inline void mark_used(void *arena, __u32 at, __u32 now)
{
	__u64 masked = at;

	UNWIND_KEEP(masked);
	__u32 *used = arena + (masked & (UNWIND_ARENA_SIZE - UNWIND_LINE_SIZE));

	if (*used != now)
		*used = now;
}

static __always_inline void read_rule(struct unwind_memory *mem, void *arena, __u32 at, __u32 off,
				      struct unwind_found_rule *ret)
{
	__u32 n_rows;

	mark_used(arena, at, mem->room->now);
	ret->rule = unwind_packed_find(arena, at, off, &n_rows);
	if ((ret->rule & 3) == UNWIND_BASE_EXT)
		copy_ext(arena,
			 at + UNWIND_PACKED_EXT(n_rows) + (ret->rule >> 2) * sizeof(ret->ext),
			 &ret->ext);
}

static __noinline int unwind_find(struct unwind_memory *mem, __u64 addr,
				  struct unwind_found_rule *ret)
{
	struct mapped *m = mapped_find(mem, addr);
	__u64 off, page;
	void *arena;
	__u32 line;

	if (!m) /* user space knows what holds there, before or after the change */
		return mem->room->is_changing ? UNWIND_NOT_LOADED : UNWIND_NOT_CODE;
	ret->rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	if (m->state == UNWIND_FILE_FREE) {
		m->end = 0; /* it may be known the next time */
		return UNWIND_NOT_LOADED;
	}
	off = addr + m->to_file;
	page = (off >> UNWIND_PAGE_SHIFT) - m->first_page;
	if (m->state != UNWIND_FILE_ROWS || page >= m->n_pages)
		return UNWIND_FOUND;
	line = packed_line(m, page);
	arena = line ? (void *)arena_of(line) : NULL;
	if (!arena)
		return UNWIND_NOT_LOADED;
	read_rule(mem, arena, unwind_line_at(line), off & (UNWIND_PAGE_SIZE - 1), ret);
	return UNWIND_FOUND;
}

static __always_inline int unwind_is_jit(struct unwind_memory *mem, __u64 addr)
{
	const struct mapped *m = mapped_find(mem, addr);

	return m && m->state == UNWIND_FILE_JIT;
}

static __always_inline int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end)
{
	if (sp < mem->room->stack_start || sp >= mem->room->stack_end) {
		struct vma *vma = &mem->room->vma;

		if (!user_stack_vma(sp))
			return 0;
		mem->room->stack_start = sp < vma->start ? sp : vma->start;
		mem->room->stack_end = vma->end;
	}
	return end <= mem->room->stack_end;
}

static __always_inline long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr)
{
	return bpf_probe_read_user(dst, len, (void *)addr);
}

#endif
