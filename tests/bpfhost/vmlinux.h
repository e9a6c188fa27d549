/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands in for the kernel's types where a test compiles a program of bpf/ natively: the fields
 * that are used, and no more.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#if defined(__x86_64__)
#define __TARGET_ARCH_x86
#elif defined(__aarch64__)
#define __TARGET_ARCH_arm64
#endif

struct pt_regs {
	unsigned char bytes[21 * 8];
};

struct bpf_perf_event_data {
	struct pt_regs regs;
};

struct mm_struct {
	unsigned long start_stack;
};

struct signal_struct {
	struct {
		int counter;
	} live;
};

struct task_struct {
	unsigned int flags;
	int tgid;
	void *stack;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct {
		unsigned long fsbase;
		struct {
			unsigned long tp_value;
		} uw;
	} thread;
};

#endif
