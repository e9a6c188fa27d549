/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process keeps a thread-local variable: per ELF file which symbol and relocation, then per
 * process which TLS offset.
 */
#ifndef CTX_TLS_SYMBOL_H
#define CTX_TLS_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "elf/elf_file.h"
#include "shared/proc_info.h"

enum tls_access {
	TLS_ACCESS_LOCAL_EXEC,	 /* offset from the thread pointer, known from the file */
	TLS_ACCESS_INITIAL_EXEC, /* that offset is in the GOT */
	TLS_ACCESS_DESC,	 /* TLS descriptor in the GOT */
	TLS_ACCESS_GENERAL,	 /* module and offset in the GOT */
	TLS_ACCESS_MODULE,	 /* module in the GOT, offset known from the file (local-dynamic) */
};

/* Whose vectors of modules a process has: that of its dynamic linker. */
enum tls_libc { TLS_LIBC_UNKNOWN, TLS_LIBC_GLIBC, TLS_LIBC_MUSL };

/* By the path of the dynamic linker that @exe, the program itself, asks for. */
enum tls_libc tls_libc_of(struct elf_file *exe);

/* What one ELF file says; the same for every process that maps it. */
struct tls_symbol {
	enum tls_access access;
	uint64_t got_vaddr; /* but for TLS_ACCESS_LOCAL_EXEC */
	int64_t off;	    /* what is known of the offset; the rest is in the GOT */
};

/*
 * Of the thread-local variable @name, of @size bytes; 0: of any size, and need not be exported.
 * @is_main: @ef is the program itself (/proc/PID/exe). -ENOENT: the file does not define the
 * variable. -ENOTSUP: it does, in a form not read yet. -EBADMSG: symbol or TLS segment are absurd.
 */
int tls_symbol_find(struct elf_file *ef, const char *name, size_t size, bool is_main,
		    struct tls_symbol *ret);

/* A process, and where in it the file is loaded. */
struct tls_process {
	pid_t pid;
	uint64_t bias; /* address - ELF virtual address */
	enum tls_libc libc;
};

/*
 * The place in the process. -EAGAIN: the dynamic linker has not got there yet; -ENOTSUP: it is in
 * dynamic TLS of an unknown libc; -EBADMSG: what stands there is absurd; otherwise what reading the
 * process's memory says.
 */
int tls_symbol_locate(const struct tls_symbol *ts, const struct tls_process *p,
		      struct tls_var *ret);

#endif
