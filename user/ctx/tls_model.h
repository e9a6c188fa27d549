/* SPDX-License-Identifier: Apache-2.0 */
/* The ways in which code reaches a thread-local variable, one file each. Internal to ctx/. */
#ifndef CTX_TLS_MODEL_H
#define CTX_TLS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx/tls_symbol.h"

enum tls_arch { TLS_ARCH_X86_64, TLS_ARCH_AARCH64 };

#if defined(__aarch64__)
#define TLS_ARCH_HOST TLS_ARCH_AARCH64
#else
#define TLS_ARCH_HOST TLS_ARCH_X86_64
#endif

#define AARCH64_HINT	  0xd503201f /* nop, bti, pac… differ in bits 5-11 */
#define AARCH64_HINT_MASK 0xfffff01f
#define AARCH64_RET	  0xd65f03c0

/* tls_symbol_locate() of one model; the same contract. */
int tls_local_exec_locate(const struct tls_symbol *ts, const struct tls_process *p,
			  struct tls_var *ret);
int tls_initial_exec_locate(const struct tls_symbol *ts, const struct tls_process *p,
			    struct tls_var *ret);
int tls_desc_locate(const struct tls_symbol *ts, const struct tls_process *p, struct tls_var *ret);
/* General-dynamic and local-dynamic. */
int tls_module_locate(const struct tls_symbol *ts, const struct tls_process *p,
		      struct tls_var *ret);

/*
 * Offset from the thread pointer that the linker compiles into the program for the variable at
 * @value of its TLS segment @seg, whose alignment is a power of two.
 */
int64_t tls_local_exec_offset(enum tls_arch arch, const struct elf_tls_segment *seg,
			      uint64_t value);

/*
 * *@ret for a variable in static TLS. -EBADMSG if no variable of a program can lie at @tp_off: on
 * x86_64 static TLS ends at the thread pointer, on aarch64 it begins there.
 */
int tls_var_static(enum tls_arch arch, int64_t tp_off, struct tls_var *ret);

/*
 * *@ret for a variable in dynamic TLS, at @off in the block of @module; @generation as in struct
 * tls_var. -ENOTSUP for an unknown libc, -EAGAIN if there can be no such module or offset (nothing
 * stands there yet).
 */
int tls_var_dynamic(enum tls_libc libc, uint64_t module, uint64_t off, uint64_t generation,
		    struct tls_var *ret);

/* aarch64: do these first four instructions of a descriptor's resolver mean static TLS? */
bool tls_desc_resolver_is_static(const uint32_t code[4]);

/*
 * aarch64: how far from the thread pointer what pthread_self() returns is, by its first
 * instructions. -ENOTSUP: they are others.
 */
#define TLS_SELF_CODE 4
int tls_self_offset(const uint32_t code[TLS_SELF_CODE], int32_t *ret);

#endif
