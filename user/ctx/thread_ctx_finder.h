/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process keeps otel_thread_ctx_v1, the thread-local pointer to its thread context
 * (OTEP 4947): per ELF file which symbol and relocation, then per process which TLS offset.
 */
#ifndef CTX_THREAD_CTX_FINDER_H
#define CTX_THREAD_CTX_FINDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

#include "elf/elf_file.h"
#include "shared/proc_info.h"

#define THREAD_CTX_SYMBOL "otel_thread_ctx_v1"

enum tls_access {
	TLS_ACCESS_LOCAL_EXEC,	 /* offset known from the file: tp_off */
	TLS_ACCESS_INITIAL_EXEC, /* offset in the GOT: got_vaddr */
	TLS_ACCESS_DESC,	 /* TLS descriptor in the GOT */
	TLS_ACCESS_GENERAL,	 /* module and offset in the GOT */
};

/* What one ELF file says; the same for every process that maps it. */
struct tls_symbol {
	enum tls_access access;
	int64_t tp_off;	    /* TLS_ACCESS_LOCAL_EXEC */
	uint64_t got_vaddr; /* the others */
	uint64_t sym_value; /* st_value */
};

/*
 * @is_main: @ef is the program itself (/proc/PID/exe).
 * -ENOENT: the file does not define the variable. -ENOTSUP: it does, in a form not read yet.
 * -EBADMSG: symbol or TLS segment are absurd.
 */
int tls_symbol_find(struct elf_file *ef, bool is_main, struct tls_symbol *ret);

/*
 * The place in process @pid, where the file is loaded with @bias (address - ELF virtual address).
 * -EAGAIN: the dynamic linker has not got there yet; -ENOTSUP: needs a TLS model not read yet
 * (dynamic TLS); otherwise what reading the process's memory says.
 */
int tls_symbol_locate(const struct tls_symbol *ts, pid_t pid, uint64_t bias, struct tls_var *ret);

#endif
