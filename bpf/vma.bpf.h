/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mappings of the current process, from the kernel's own tree of them: what holds now, of every
 * process, without anything to keep up to date. The tree is read without its lock. It may change
 * meanwhile, through another thread of the process; so what was found is believed only if it is of
 * this process and holds the address.
 */
#ifndef BPF_VMA_BPF_H
#define BPF_VMA_BPF_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "shared/unwind_arena.h"

#define VM_EXEC 0x4

/* Before 6.1 (commit 763ecb035029) a red-black tree. */
struct mm_struct___rb {
	struct rb_root mm_rb;
} __attribute__((preserve_access_index));

struct vm_area_struct___rb {
	struct rb_node vm_rb;
} __attribute__((preserve_access_index));

#define VMA_RB_DEPTH 32 /* of the tree for 65,530 mappings, vm.max_map_count: 2 log2 n at most */

/* lib/maple_tree.c, include/linux/maple_tree.h: an encoded node is an address with its type. */
#define MAPLE_DEPTH	  8 /* 16^8 mappings */
#define MAPLE_NODE_MASK	  255UL
#define MAPLE_TYPE_SHIFT  3
#define MAPLE_TYPE_MASK	  15
#define MAPLE_PIVOTS	  15 /* of struct maple_range_64; struct maple_arange_64 has 9 */
#define MAPLE_PIVOTS_WIDE 9

/* What is read of a node; both types begin with the parent and then the pivots. */
struct vma_node {
	__u64 parent;
	__u64 pivot[MAPLE_PIVOTS];
};

struct vma {
	__u64 start, end;
	__u64 offset; /* of start in the file, bytes */
	__u64 flags;
	struct file *file;	    /* kernel address, or NULL; it may be gone by now */
	struct unwind_file_key key; /* of that file */
};

static __always_inline __u32 maple_type(__u64 encoded)
{
	return encoded >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK;
}

/*
 * Index of the slot for @addr: the first whose pivot, its last address, is not below it. Unused
 * pivots are 0; before 6.6 (7244a21eead6) the last one in use may be left out, as the node's own.
 */
static __always_inline __u32 maple_slot(const struct vma_node *node, __u32 n, __u64 addr)
{
	__u32 i;

	NO_UNROLL
	for (i = 0; i < MAPLE_PIVOTS; i++)
		if (i >= n || node->pivot[i] >= addr || (i > 0 && node->pivot[i] == 0))
			break;
	return i;
}

/* The entry for @addr: a struct vm_area_struct, or NULL. */
static __always_inline struct vm_area_struct *maple_find(struct mm_struct *mm, __u64 addr,
							 struct vma_node *node)
{
	__u64 encoded = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);

	/* A root that is no node: one mapping, or none. */
	if ((encoded & 3) != 2 || encoded <= 4096)
		return NULL;
	NO_UNROLL
	for (int i = 0; i < MAPLE_DEPTH; i++) {
		__u32 type = maple_type(encoded);
		__u32 n = type == bpf_core_enum_value(enum maple_type, maple_arange_64)
				  ? MAPLE_PIVOTS_WIDE
				  : MAPLE_PIVOTS;
		__u64 at = encoded & ~MAPLE_NODE_MASK, slots, next;

		if (bpf_probe_read_kernel(node, sizeof(*node), (void *)at))
			return NULL;
		if ((node->parent & ~MAPLE_NODE_MASK) == at)
			return NULL; /* dead: replaced this very moment */
		slots = n == MAPLE_PIVOTS_WIDE ? bpf_core_field_offset(struct maple_arange_64, slot)
					       : bpf_core_field_offset(struct maple_range_64, slot);
		if (bpf_probe_read_kernel(&next, sizeof(next),
					  (void *)(at + slots + 8 * maple_slot(node, n, addr))))
			return NULL;
		if (type <= bpf_core_enum_value(enum maple_type, maple_leaf_64))
			return (struct vm_area_struct *)next;
		encoded = next;
	}
	return NULL;
}

static __always_inline struct vm_area_struct *rb_find(struct mm_struct *mm, __u64 addr)
{
	struct mm_struct___rb *old = (void *)mm;
	struct rb_node *node = BPF_CORE_READ(old, mm_rb.rb_node);

	NO_UNROLL
	for (int i = 0; i < VMA_RB_DEPTH && node; i++) {
		struct vm_area_struct *vma =
			(void *)node - bpf_core_field_offset(struct vm_area_struct___rb, vm_rb);

		if (BPF_CORE_READ(vma, vm_end) <= addr)
			node = BPF_CORE_READ(node, rb_right);
		else if (BPF_CORE_READ(vma, vm_start) > addr)
			node = BPF_CORE_READ(node, rb_left);
		else
			return vma;
	}
	return NULL;
}

/* --- which file ----------------------------------------------------------------------------- */

/* i_ctime became a private field in 6.6 (13bc24457850), two numbers in 6.11 (3aa63a569c64). */
struct inode___6_6 {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

/* Since 6.13 (4e40eff0b573) in i_ctime_nsec: somebody has asked for it, as stat(2) does. */
#define CTIME_QUERIED (1u << 31)

struct inode___6_11 {
	__s64 i_ctime_sec;
	__u32 i_ctime_nsec;
} __attribute__((preserve_access_index));

static __always_inline void inode_ctime(struct inode *inode, struct unwind_file_key *ret)
{
	if (bpf_core_field_exists(struct inode___6_11, i_ctime_sec)) {
		struct inode___6_11 *new = (void *)inode;

		ret->ctime_sec = BPF_CORE_READ(new, i_ctime_sec);
		ret->ctime_nsec = BPF_CORE_READ(new, i_ctime_nsec) & ~CTIME_QUERIED;
	} else if (bpf_core_field_exists(struct inode___6_6, __i_ctime)) {
		struct inode___6_6 *new = (void *)inode;

		ret->ctime_sec = BPF_CORE_READ(new, __i_ctime.tv_sec);
		ret->ctime_nsec = BPF_CORE_READ(new, __i_ctime.tv_nsec);
	} else {
		ret->ctime_sec = BPF_CORE_READ(inode, i_ctime.tv_sec);
		ret->ctime_nsec = BPF_CORE_READ(inode, i_ctime.tv_nsec);
	}
}

/* On overlayfs a mapping's file is that of a layer; it knows the one that was opened since 6.7. */
#define FMODE_BACKING	  (1 << 24)
#define FMODE_BACKING_OLD (1 << 25) /* before 6.10 (210a03c9d51a), which also brought fop_flags */

struct file_operations___6_10 {
	__u32 fop_flags;
} __attribute__((preserve_access_index));

struct backing_file___6_7 {
	struct path user_path;
} __attribute__((preserve_access_index));

/* The inode that was opened: what /proc/PID/maps shows since 6.8. */
static __always_inline struct inode *user_inode(struct file *file)
{
	struct backing_file___6_7 *backing = (void *)file;
	__u32 bit = bpf_core_field_exists(struct file_operations___6_10, fop_flags)
			    ? FMODE_BACKING
			    : FMODE_BACKING_OLD;

	if (bpf_core_field_exists(struct backing_file___6_7, user_path) &&
	    BPF_CORE_READ(file, f_mode) & bit)
		return BPF_CORE_READ(backing, user_path.dentry, d_inode);
	return BPF_CORE_READ(file, f_inode);
}

static __always_inline void file_key(struct file *file, struct unwind_file_key *ret)
{
	struct inode *inode = user_inode(file);

	ret->ino = BPF_CORE_READ(inode, i_ino);
	ret->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	inode_ctime(inode, ret);
}

/* What perf's events show. */
static __always_inline void file_backing(struct file *file, struct unwind_backing *ret)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	ret->ino = BPF_CORE_READ(inode, i_ino);
	ret->dev = BPF_CORE_READ(inode, i_sb, s_dev);
}

/* --- in which state ------------------------------------------------------------------------- */

/* Grows with each change of the mappings: since 6.4 (5e31275cc997), of another type since 6.13. */
struct mm_struct___6_4 {
	int mm_lock_seq;
} __attribute__((preserve_access_index));

struct mm_struct___6_13 {
	seqcount_t mm_lock_seq;
} __attribute__((preserve_access_index));

/* Before 6.1: grows when mappings go away. */
struct mm_struct___5_10 {
	__u64 vmacache_seqnum;
} __attribute__((preserve_access_index));

/*
 * A number that is the same at two moments only if no mapping seen at the first one has changed
 * until the second. False: there is none, or the mappings are being changed right now.
 */
static __always_inline bool vma_state(struct mm_struct *mm, __u64 *ret)
{
	if (bpf_core_field_exists(struct mm_struct___6_13, mm_lock_seq)) {
		struct mm_struct___6_13 *new = (void *)mm;

		*ret = BPF_CORE_READ(new, mm_lock_seq.sequence);
		return !(*ret & 1);
	}
	if (bpf_core_field_exists(struct mm_struct___6_4, mm_lock_seq)) {
		struct mm_struct___6_4 *new = (void *)mm;

		*ret = BPF_CORE_READ(new, mm_lock_seq);
		return true;
	}
	if (bpf_core_field_exists(struct mm_struct___5_10, vmacache_seqnum)) {
		struct mm_struct___5_10 *old = (void *)mm;

		*ret = BPF_CORE_READ(old, vmacache_seqnum);
		return true;
	}
	return false;
}

/* --- which mapping --------------------------------------------------------------------------- */

/* Before the mapping is changed it becomes what mm_lock_seq is then: since 6.4 (5e31275cc997). */
struct vm_area_struct___6_4 {
	int vm_lock_seq;
} __attribute__((preserve_access_index));

static __always_inline __u32 vma_seq(struct vm_area_struct *vma)
{
	struct vm_area_struct___6_4 *new = (void *)vma;

	if (!bpf_core_field_exists(struct vm_area_struct___6_4, vm_lock_seq))
		return 0;
	return BPF_CORE_READ(new, vm_lock_seq);
}

/* Is the mapping, whose number is @seq, being changed right now? */
static __always_inline bool vma_is_changing(struct mm_struct *mm, __u32 seq)
{
	__u64 state = 0;

	if (!bpf_core_field_exists(struct vm_area_struct___6_4, vm_lock_seq))
		return false;
	vma_state(mm, &state);
	return seq == (__u32)state;
}

/*
 * Nothing of what was read since @vma's number was @seq is new while the rest is old. Where there
 * are no numbers, only a writer that was interrupted between two stores goes unseen.
 */
static __always_inline bool vma_is_whole(struct mm_struct *mm, struct vm_area_struct *vma,
					 __u32 seq, const struct vma *read)
{
	return BPF_CORE_READ(vma, vm_mm) == mm && BPF_CORE_READ(vma, vm_start) == read->start &&
	       BPF_CORE_READ(vma, vm_pgoff) << UNWIND_PAGE_SHIFT == read->offset &&
	       BPF_CORE_READ(vma, vm_file) == read->file && vma_seq(vma) == seq;
}

/*
 * VMA_CHANGING: there is one, and something is being done to it, perhaps by the interrupted thread
 * itself; fork(2) does not even change what it marks. What was read may be neither the old state
 * nor the new one.
 */
enum vma_found { VMA_NONE, VMA_FOUND, VMA_CHANGING };

static __noinline int vma_try(struct mm_struct *mm, __u64 addr, struct vma_node *node,
			      struct vma *ret)
{
	struct vm_area_struct *vma;
	bool is_changing;
	__u32 seq;

	if (bpf_core_field_exists(struct mm_struct___rb, mm_rb))
		vma = rb_find(mm, addr);
	else
		vma = maple_find(mm, addr, node);
	if (!vma)
		return VMA_NONE;

	seq = vma_seq(vma);
	is_changing = vma_is_changing(mm, seq);
	ret->start = BPF_CORE_READ(vma, vm_start);
	ret->end = BPF_CORE_READ(vma, vm_end);
	if (addr < ret->start || addr >= ret->end)
		return VMA_NONE;
	ret->flags = BPF_CORE_READ(vma, vm_flags);
	ret->offset = BPF_CORE_READ(vma, vm_pgoff) << UNWIND_PAGE_SHIFT;
	ret->file = BPF_CORE_READ(vma, vm_file);
	if (ret->file)
		file_key(ret->file, &ret->key);
	if (!vma_is_whole(mm, vma, seq, ret))
		return VMA_NONE;
	return is_changing ? VMA_CHANGING : VMA_FOUND;
}

/*
 * Returns enum vma_found. A node that has just been replaced makes a look-up fail, though the
 * mapping itself stays.
 */
static __always_inline int vma_find(struct mm_struct *mm, __u64 addr, struct vma_node *node,
				    struct vma *ret)
{
	int found = vma_try(mm, addr, node, ret);

	return found ? found : vma_try(mm, addr, node, ret);
}

/* --- which address space --------------------------------------------------------------------- */

/* Never used again for another address space. */
static __always_inline __u64 vma_space_id(struct mm_struct *mm)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(mm, context.ctx_id);
#else
	return BPF_CORE_READ(mm, context.id.counter);
#endif
}

static __always_inline __u64 vma_vdso(struct mm_struct *mm)
{
	return (__u64)BPF_CORE_READ(mm, context.vdso);
}

#endif
