/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwind tables as both sides see them. They lie in arenas: blocks of 64 KiB that user space maps
 * and fills, and BPF reads. An arena is cut into lines of 64 bytes, numbered through all arenas;
 * line 0 is never used. Everything is found by a short way that touches few cache lines:
 *
 *   file tables  hash of (inode, device, change time) -> what is known of a file        1 line
 *   directory    page of the file -> packed page                                        1 line
 *   packed page  rows of the 4 KiB                                                      2 or 3
 *
 * User space writes what is behind a number before the number, and a line is used again only when
 * no program that could have seen it runs any more. Reads are masked, not checked: a wrong number
 * reads a wrong place of the arena, and never outside of it.
 */
#ifndef SHARED_UNWIND_ARENA_H
#define SHARED_UNWIND_ARENA_H

#include "shared/unwind_rule.h"

#define UNWIND_LINE_SHIFT  6
#define UNWIND_LINE_SIZE   (1u << UNWIND_LINE_SHIFT)
#define UNWIND_ARENA_SHIFT 16
#define UNWIND_ARENA_SIZE  (1u << UNWIND_ARENA_SHIFT)
#define UNWIND_ARENA_LINES (UNWIND_ARENA_SIZE / UNWIND_LINE_SIZE)
#define UNWIND_ARENAS_MAX  2048

#define UNWIND_PAGE_SHIFT    12
#define UNWIND_PAGE_SIZE     (1u << UNWIND_PAGE_SHIFT)
#define UNWIND_PAGE_ROWS_MAX 1023
#define UNWIND_PAGE_EXT_MAX  64

/* Which file; the change time tells a new file under an old inode number, and a rewritten one. */
struct unwind_file_key {
	__u64 ino;
	__u64 ctime_sec;
	__u32 ctime_nsec;
	__u32 dev; /* as the kernel has it: major << 20 | minor */
};

/* The file of a layer behind it, on overlayfs; elsewhere the same. */
struct unwind_backing {
	__u64 ino;
	__u32 dev;
	__u32 reserved;
};

enum unwind_file_state {
	UNWIND_FILE_FREE,    /* nothing known under this key */
	UNWIND_FILE_ROWS,    /* has rows: what the directory does not hold can be loaded */
	UNWIND_FILE_NO_ROWS, /* has none, or cannot be read */
	UNWIND_FILE_JIT,     /* of a mapping: there is no file */
};

/*
 * One line. Pages of the file from first_page on have entries in the directory: the line of the
 * packed page, or 0 if it is not loaded. Up to UNWIND_DIR_PAGES of them are in one directory;
 * beyond that @dir is the line of a list of the lines of directories (0: nothing loaded there).
 */
struct unwind_file {
	struct unwind_file_key key;
	__u32 state; /* enum unwind_file_state; written last */
	__u32 dir;
	__u32 first_page;
	__u32 n_pages;
	__u64 code_off; /* of the first byte of the first executable segment */
	__u32 reserved[4];
};

#define UNWIND_DIR_SHIFT      10
#define UNWIND_DIR_PAGES      (1u << UNWIND_DIR_SHIFT)
#define UNWIND_FILE_PAGES_MAX (UNWIND_ARENA_SIZE / 4 * UNWIND_DIR_PAGES)

_Static_assert(sizeof(struct unwind_file) == UNWIND_LINE_SIZE, "one line");

/*
 * A packed page: this header, n_rows bytes of row starts (their low 8 bits), padding to 4, n_rows
 * rules, n_ext extended rules. first[i] is the number of rows that start before byte 256 * i of the
 * page, so first[16] is n_rows. Row 0 starts at 0.
 */
struct unwind_packed {
	__u32 used; /* when last, in units of 2^30 ns; written by BPF */
	__u16 n_ext;
	__u16 first[17];
};

#define UNWIND_BUCKET_SHIFT	    8
#define UNWIND_PACKED_PC	    ((__u32)sizeof(struct unwind_packed))
#define UNWIND_PACKED_RULES(n_rows) ((UNWIND_PACKED_PC + (n_rows) + 3) & ~3u)
#define UNWIND_PACKED_EXT(n_rows)   (UNWIND_PACKED_RULES(n_rows) + 4 * (n_rows))
#define UNWIND_PACKED_SIZE(n_rows, n_ext)                                                          \
	(UNWIND_PACKED_EXT(n_rows) + (__u32)sizeof(struct unwind_ext) * (n_ext))

_Static_assert(sizeof(struct unwind_packed) == 40, "map value ABI");

/* A table of files lies in one arena: there are several, by high bits of the key's hash. */
#define UNWIND_FILE_TABLES 16

/* Changed and read as a whole. */
struct unwind_file_table {
	__u32 line; /* 0: there is none yet */
	__u32 mask; /* number of its entries - 1 */
} __attribute__((aligned(8)));

/* What BPF starts from. */
struct unwind_control {
	struct unwind_file_table files[UNWIND_FILE_TABLES];
	__u32 generation;	/* of all that was read from a struct unwind_file */
	__u32 procs_generation; /* of the map `procs` */
	struct unwind_file vdso;
};

#define UNWIND_FILE_PROBES 16 /* entries that are looked at, from the key's own on */

/* xorshift-multiply; inode numbers and times are no secrets, and a full table is no harm. */
static inline __u32 unwind_file_hash(const struct unwind_file_key *key)
{
	__u64 h = key->ino ^ (key->ctime_sec << 32) ^ ((__u64)key->ctime_nsec << 20) ^ key->dev;

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return h >> 32;
}

/* Which of the tables has the files of this hash; the low bits are for the entry in it. */
static inline __u32 unwind_file_table_of(__u32 hash)
{
	return hash >> 24 & (UNWIND_FILE_TABLES - 1);
}

static inline int unwind_file_is(const struct unwind_file *f, const struct unwind_file_key *key)
{
	return f->key.ino == key->ino && f->key.ctime_sec == key->ctime_sec &&
	       f->key.ctime_nsec == key->ctime_nsec && f->key.dev == key->dev;
}

/* What a look-up comes to. */
enum unwind_found {
	UNWIND_FOUND,	   /* a rule */
	UNWIND_NOT_LOADED, /* there may be one; user space has to load it */
	UNWIND_NOT_CODE,   /* the address is in no executable mapping */
};

struct unwind_found_rule {
	__u32 rule;
	struct unwind_ext ext; /* for UNWIND_BASE_EXT */
};

/* The verifier loses what it knows of a value that the compiler has moved around the mask. */
#define UNWIND_KEEP(v) __asm__ volatile("" : "+r"(v))

static inline __u32 unwind_arena_u32(const void *arena, __u64 at)
{
	UNWIND_KEEP(at);
	return *(const __u32 *)((const char *)arena + (at & (UNWIND_ARENA_SIZE - 4)));
}

static inline __u16 unwind_arena_u16(const void *arena, __u64 at)
{
	UNWIND_KEEP(at);
	return *(const __u16 *)((const char *)arena + (at & (UNWIND_ARENA_SIZE - 2)));
}

static inline __u8 unwind_arena_u8(const void *arena, __u64 at)
{
	UNWIND_KEEP(at);
	return *(const __u8 *)((const char *)arena + (at & (UNWIND_ARENA_SIZE - 1)));
}

/* Byte of its arena at which @line begins. */
static inline __u32 unwind_line_at(__u32 line)
{
	return (line & (UNWIND_ARENA_LINES - 1)) << UNWIND_LINE_SHIFT;
}

/*
 * The rule at byte @off of the page that is packed at byte @at of @arena; *ret_n_rows is for
 * finding an extended one. The loop's bound is for the verifier: a bucket has 256 bytes.
 */
static inline __u32 unwind_packed_find(const void *arena, __u32 at, __u32 off, __u32 *ret_n_rows)
{
	__u32 bucket = off >> UNWIND_BUCKET_SHIFT & 15, low = off & 0xff;
	__u32 firsts = at + __builtin_offsetof(struct unwind_packed, first);
	__u32 n_rows = unwind_arena_u16(arena, firsts + 2 * 16);
	__u32 lo = unwind_arena_u16(arena, firsts + 2 * bucket);
	__u32 hi = unwind_arena_u16(arena, firsts + 2 * bucket + 2);

	NO_UNROLL
	for (int i = 0; i < 9 && lo < hi; i++) {
		__u32 mid = (lo + hi) >> 1;

		if (unwind_arena_u8(arena, at + UNWIND_PACKED_PC + mid) <= low)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_n_rows = n_rows;
	return unwind_arena_u32(arena, at + UNWIND_PACKED_RULES(n_rows) + 4 * (lo - 1));
}

#endif
