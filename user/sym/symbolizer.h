/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses. A batch holds the addresses of one file, each once; what a file costs to
 * open is paid once per batch and given back at its end. Never logs.
 */
#ifndef SYM_SYMBOLIZER_H
#define SYM_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sym/file_source.h"
#include "worker/bad_files.h"

/* One function at an address; several, innermost first, where calls were inlined. */
struct sym_frame {
	const char *function; /* demangled; owned by the symbolizer until it forgets it */
	const char *linkage;  /* the linker's name; NULL: the same */
	const char *file;     /* source file, or NULL */
	uint32_t line;	      /* 0: unknown */
};

struct sym_result {
	uint64_t vaddr;	 /* ELF virtual address (kernel: the address itself) */
	uint64_t start;	 /* address of the symbol's first byte, same space as vaddr; 0: no name */
	size_t n_frames; /* 0: no name */
	struct sym_frame *frames; /* owned by the symbolizer */
	bool not_read;		  /* it may have a name: its file was not, or could not be, read */
};

struct symbolizer;
struct symbol_cache;
struct worker;

int symbolizer_new(struct symbolizer **ret);
void symbolizer_free(struct symbolizer *s); /* NULL is fine */
DEFINE_CLEANUP(struct symbolizer *, symbolizer_free)

/*
 * From now on ELF files are read by @w, which is borrowed: what is wrong with one of them cannot
 * harm this process. Without, they are read right here.
 */
void symbolizer_use_worker(struct symbolizer *s, struct worker *w);

/* From now on names of ELF files are taken from @c, and added; it is borrowed. */
void symbolizer_use_cache(struct symbolizer *s, struct symbol_cache *c);

/*
 * From now on files that are read here are mapped: debug information of any size can be read at
 * little cost in memory. A file that its owner cuts short meanwhile then kills this process by
 * SIGBUS, so this is for one that may die. Without it, more than a few megabytes of debug
 * information are left alone.
 */
void symbolizer_allow_mapping(struct symbolizer *s);

enum symbolizer_detail {
	SYMBOLIZER_FULL,	 /* inlined calls and lines, too */
	SYMBOLIZER_SYMBOLS_ONLY, /* what a file's own symbol tables and the cache say: a fraction of
				    the cost, for one that is behind with its work */
	SYMBOLIZER_KNOWN_ONLY,	 /* what the cache says: no file is read */
};

/* From now on; SYMBOLIZER_FULL before. The cache takes no names of less than full detail. */
void symbolizer_set_detail(struct symbolizer *s, enum symbolizer_detail detail);

/* Bytes of memory that names and frames take. The cache's are its own. */
size_t symbolizer_memory(const struct symbolizer *s);

/*
 * Gives that memory back: results of before are not valid any more. Which files the worker failed
 * on stays known, and names come back from the cache, if there is one, at little cost.
 */
void symbolizer_forget(struct symbolizer *s);

struct symbolizer_counts {
	uint64_t debug_left_out; /* files whose debug information was too large, or broken */
	uint64_t worker_failed;	 /* files that the worker failed on */
};

/* What there was of it since the last call. */
struct symbolizer_counts symbolizer_take_counts(struct symbolizer *s);

/*
 * Names @n file offsets of the ELF file @fd. @files opens those of its debug information that are
 * separate; NULL: there are none. @offsets are those of the instruction itself: for a caller's
 * frame that is return address - 1. Fills results[0..n); an offset without a name has n_frames = 0.
 * Negative errno (-ENOEXEC: no ELF file; -ENOMEM, …) when nothing of the file can be used; then
 * results are all without name and vaddr = offset. -EREMOTEIO: the worker failed on it, now or
 * before; names are those of its symbol tables, if any.
 */
int symbolizer_file(struct symbolizer *s, int fd, const struct sym_file_source *files,
		    const uint64_t *offsets, size_t n, struct sym_result *results);

/*
 * Files that the worker failed on, oldest first; hopeless: even their symbol tables alone could not
 * be read. NULL: there are no more.
 */
const struct bad_file *symbolizer_bad_file(const struct symbolizer *s, size_t i);

/* Which of them @fd is; NULL: none. */
const struct bad_file *symbolizer_bad_file_of(struct symbolizer *s, int fd);

/*
 * The same for kernel addresses, from /proc/kallsyms (modules and BPF programs too), which is kept
 * (sym/kallsyms.h), and read again for what is not of the kernel proper: after 60 s, or if unknown.
 * -EPERM if the kernel hides its addresses (kptr_restrict), or something else does.
 */
int symbolizer_kernel(struct symbolizer *s, const uint64_t *addrs, size_t n,
		      struct sym_result *results);

/* Why it could not name any of them, the last time that was so; 0: it always could. */
int symbolizer_kernel_error(const struct symbolizer *s);

/* The same for the vDSO, whose image is read from our own process; offsets from its start. */
int symbolizer_vdso(struct symbolizer *s, const uint64_t *offsets, size_t n,
		    struct sym_result *results);

/*
 * Is @res, of a file whose entry is @e_entry, the outermost frame that a process or thread can
 * have: the program's entry, or the place where the C library or the Go runtime starts a thread? A
 * stack that ends elsewhere is truncated. Of what was not read nobody can say so: 1.
 */
int symbol_is_entry(const struct sym_result *res, uint64_t e_entry);

#endif
