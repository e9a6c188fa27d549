/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Address of a thread-local variable of a thread, from its thread pointer.
 */
#ifndef SHARED_TLS_ADDR_H
#define SHARED_TLS_ADDR_H

#include "shared/ctx_memory.h"
#include "shared/proc_info.h"

enum tls_found {
	TLS_FOUND,
	TLS_NO_POINTER,	   /* the thread has no thread pointer yet, or the model is unknown */
	TLS_NOT_ALLOCATED, /* it has not used the module's variables so far: this one is 0 */
	TLS_UNREADABLE,
};

/*
 * The thread's vector of modules, at an offset from the thread pointer: struct dtv_t of glibc
 * (sysdeps/generic/dl-dtv.h), whose elements are a pointer and what to free, and two words lie
 * before the first of them; an array of pointers in musl (src/internal/pthread_impl.h).
 */
#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define TLS_DTV_GLIBC 0
#define TLS_DTV_MUSL  (-8)
#else
#define TLS_DTV_GLIBC 8
#define TLS_DTV_MUSL  8
#endif

#define TLS_DTV_UNALLOCATED (~0ULL) /* of glibc */

struct tls_dtv_head {
	__u64 n_modules; /* there are elements up to this one */
	__u64 to_free;
	__u64 generation; /* grows when modules come and go */
};

/*
 * The block of module var->module. A thread that has not used a variable since the module was
 * loaded has an old vector: shorter, or with a block of the module that had this number before.
 */
static inline enum tls_found tls_block_glibc(struct ctx_memory *mem, const struct tls_var *var,
					     __u64 tp, __u64 *ret)
{
	struct tls_dtv_head head = { 0 };
	__u64 dtv = 0;

	if (ctx_read(mem, &dtv, sizeof(dtv), tp + TLS_DTV_GLIBC) ||
	    ctx_read(mem, &head, sizeof(head), dtv - 16))
		return TLS_UNREADABLE;
	if (var->module > head.n_modules || head.generation < var->generation)
		return TLS_NOT_ALLOCATED;
	if (ctx_read(mem, ret, sizeof(*ret), dtv + 16ULL * var->module))
		return TLS_UNREADABLE;
	return *ret == 0 || *ret == TLS_DTV_UNALLOCATED ? TLS_NOT_ALLOCATED : TLS_FOUND;
}

/* Here all threads have the blocks of all modules, dlopen(3) sees to it. */
static inline enum tls_found tls_block_musl(struct ctx_memory *mem, const struct tls_var *var,
					    __u64 tp, __u64 *ret)
{
	__u64 dtv = 0, n_modules = 0;

	if (ctx_read(mem, &dtv, sizeof(dtv), tp + TLS_DTV_MUSL) ||
	    ctx_read(mem, &n_modules, sizeof(n_modules), dtv))
		return TLS_UNREADABLE;
	if (var->module > n_modules)
		return TLS_NOT_ALLOCATED;
	if (ctx_read(mem, ret, sizeof(*ret), dtv + 8ULL * var->module))
		return TLS_UNREADABLE;
	return *ret == 0 ? TLS_NOT_ALLOCATED : TLS_FOUND;
}

/* *@ret is filled for TLS_FOUND. */
static inline enum tls_found tls_addr(struct ctx_memory *mem, const struct tls_var *var, __u64 tp,
				      __u64 *ret)
{
	enum tls_found found = TLS_NO_POINTER;
	__u64 block = tp;

	if (!tp)
		return found;
	if (var->model == TLS_MODEL_STATIC)
		found = TLS_FOUND;
	else if (var->model == TLS_MODEL_GLIBC)
		found = tls_block_glibc(mem, var, tp, &block);
	else if (var->model == TLS_MODEL_MUSL)
		found = tls_block_musl(mem, var, tp, &block);
	*ret = block + var->off;
	return found;
}

#endif
