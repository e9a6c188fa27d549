/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands in for the kernel's types where a test compiles a program of bpf/ natively: the fields
 * that are used, and no more. Kernels of all ages are in one: what only some of them have, and a
 * program reads by a type of its own ("struct X___Y"), has a place in struct X; bpf_core_read.h
 * knows which.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__)
#define __TARGET_ARCH_x86
#elif defined(__aarch64__)
#define __TARGET_ARCH_arm64
#endif

/* Only compilers for BPF know the attribute. */
#define preserve_access_index unused

struct pt_regs {
	unsigned char bytes[21 * 8];
};

struct bpf_perf_event_data {
	struct pt_regs regs;
};

/* --- files ------------------------------------------------------------------------------------ */

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

struct super_block {
	unsigned int s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
	struct timespec64 i_ctime;
	struct timespec64 ctime_6_6;
	struct {
		long long sec;
		__u32 nsec;
	} ctime_6_11;
};

struct dentry {
	struct inode *d_inode;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	unsigned int f_mode;
	struct path user_6_7; /* of struct backing_file, which begins with this one */
};

/* --- mappings --------------------------------------------------------------------------------- */

enum maple_type {
	maple_dense,
	maple_leaf_64,
	maple_range_64,
	maple_arange_64,
};

struct maple_metadata {
	unsigned char end;
	unsigned char gap;
};

struct maple_range_64 {
	void *parent;
	unsigned long pivot[15];
	union {
		void *slot[16];
		struct {
			void *pad[15];
			struct maple_metadata meta;
		};
	};
};

struct maple_arange_64 {
	void *parent;
	unsigned long pivot[9];
	void *slot[10];
	unsigned long gap[10];
	struct maple_metadata meta;
};

struct maple_tree {
	unsigned long ma_lock;
	void *ma_root;
};

struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

typedef struct {
	unsigned int sequence;
} seqcount_t;

struct mm_struct {
	unsigned long start_stack;
	unsigned long start_code, end_code;
	struct file *exe_file;
	struct maple_tree mm_mt;
	struct {
		__u64 ctx_id;
		struct {
			long counter;
		} id;
		void *vdso;
	} context;
	struct rb_root rb;
	__u64 seq_5_10;
	int seq_6_4;
	seqcount_t seq_6_13;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	struct rb_node rb;
	int seq_6_4;
};

/* --- tasks ------------------------------------------------------------------------------------ */

struct signal_struct {
	struct {
		int counter;
	} live;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[4];
};

struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	void *stack;
	struct mm_struct *mm;
	struct signal_struct *signal;
	unsigned int in_execve : 1;
	struct {
		unsigned long fsbase;
		struct {
			unsigned long tp_value;
		} uw;
	} thread;
};

#endif
