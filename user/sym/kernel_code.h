/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that the kernel makes at run time, and gives back: BPF programs and trampolines. What the
 * kernel says of them as they come and go (PERF_RECORD_KSYMBOL) tells which one was at an address
 * when a sample was taken, also when it is gone, or another one is there. Never logs.
 */
#ifndef SYM_KERNEL_CODE_H
#define SYM_KERNEL_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sym/symbolizer.h"

struct kernel_code;

int kernel_code_new(struct kernel_code **ret); /* -ENOMEM */
void kernel_code_free(struct kernel_code *k);  /* NULL is fine */
DEFINE_CLEANUP(struct kernel_code *, kernel_code_free)

struct kernel_symbol {
	uint64_t addr;
	uint32_t len;
	const char *name; /* as the kernel says it: "bpf_prog_0123456789abcdef_name" */
	bool is_bpf;	  /* else a trampoline */
};

/*
 * It came, or has gone, at @time_ns (CLOCK_MONOTONIC); to be told in order of time. -ENOMEM;
 * -ENOSPC: there are too many.
 */
int kernel_code_begin(struct kernel_code *k, const struct kernel_symbol *s, uint64_t time_ns);
int kernel_code_end(struct kernel_code *k, const struct kernel_symbol *s, uint64_t time_ns);

/* Which code was at @addr at @time_ns, for kernel_code_answer(); 0: none that was told of. */
uint32_t kernel_code_at(struct kernel_code *k, uint64_t addr, uint64_t time_ns);

/*
 * Names what is known here; @codes are those of kernel_code_at(). Code that was there before the
 * first news is known when it has gone. All else has n_frames 0. May be called by another thread
 * than all others; what is answered is valid until kernel_code_forget() of a later time.
 */
void kernel_code_answer(struct kernel_code *k, const uint64_t *addrs, const uint32_t *codes,
			size_t n, struct sym_result *results);

/*
 * Giving back: all samples that were taken before @time_ns have been looked up; all that were taken
 * before @time_ns have their names.
 */
void kernel_code_sweep(struct kernel_code *k, uint64_t time_ns);
void kernel_code_forget(struct kernel_code *k, uint64_t time_ns);

#endif
