/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up of mappings, compiled natively over trees in a fake kernel memory. */
#include "vmlinux.h"

#include "vma.bpf.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_fields.h"
#include "leak_check.h"

#define VMAS_MAX  2000
#define NODES_MAX 1024
#define FIRST	  0x400000ULL
#define DISTANCE  0x3000ULL
#define LENGTH	  0x2000ULL

union node {
	struct maple_range_64 range;
	struct maple_arange_64 arange;
	__u64 word[32];
} __attribute__((aligned(256)));

_Static_assert(sizeof(union node) == 256, "the kernel's MAPLE_NODE_MASK says so");

/* All that can be read. */
static struct {
	struct mm_struct mm, other_mm;
	struct super_block sb;
	struct inode inode, other_inode;
	struct file file, other_file;
	struct vm_area_struct vma[VMAS_MAX];
	union node node[NODES_MAX];
} k;

static int n_nodes;
static struct vma_node scratch;

int bpfhost_enum_value_exists;

static void (*before_read)(void); /* what others do meanwhile */

long bpf_probe_read_kernel(void *dst, __u32 size, const void *addr)
{
	__u64 at = (__u64)addr - (__u64)&k;

	if (before_read)
		before_read();
	memset(dst, 0, size);
	if (at >= sizeof(k) || size > sizeof(k) - at)
		return -14;
	memcpy(dst, addr, size);
	return 0;
}

static void set_up(void)
{
	memset(&k, 0, sizeof(k));
	n_nodes = 0;
	kernel_fields = NULL;
	before_read = NULL;
	k.file.f_inode = &k.inode;
	k.inode.i_sb = &k.sb;
	k.inode.i_ino = 77;
	k.other_file.f_inode = &k.other_inode;
	k.other_inode.i_sb = &k.sb;
	k.other_inode.i_ino = 78;
	for (int i = 0; i < VMAS_MAX; i++)
		k.vma[i] = (struct vm_area_struct){
			.vm_start = FIRST + i * DISTANCE,
			.vm_end = FIRST + i * DISTANCE + LENGTH,
			.vm_mm = &k.mm,
			.vm_flags = i % 2 ? VM_EXEC : 1,
			.vm_pgoff = i,
			.vm_file = i % 3 ? &k.file : NULL,
		};
}

TestSuite(vma, .init = set_up, .fini = leak_check);

/* --- what is right ---------------------------------------------------------------------------- */

static bool find(__u64 addr, struct vma *ret)
{
	memset(&scratch, 0xa5, sizeof(scratch));
	return vma_find(&k.mm, addr, &scratch, ret) == VMA_FOUND;
}

static void assert_none(__u64 addr)
{
	struct vma vma;

	cr_assert(not(find(addr, &vma)), "%#llx", addr);
}

static void assert_is(__u64 addr, int i)
{
	struct vma vma = { 0 };

	cr_assert(find(addr, &vma), "%#llx, in mapping %d", addr, i);
	cr_assert(eq(u64, vma.start, k.vma[i].vm_start));
	cr_assert(eq(u64, vma.end, k.vma[i].vm_end));
	cr_assert(eq(u64, vma.flags, k.vma[i].vm_flags));
	cr_assert(eq(u64, vma.offset, i * 4096));
	cr_assert(eq(ptr, vma.file, k.vma[i].vm_file));
	cr_assert(eq(u64, vma.key.ino, vma.file ? k.inode.i_ino : 0));
}

/* Each of the first @n mappings at its borders, and the gaps between them. */
static void assert_all(int n)
{
	assert_none(0);
	assert_none(FIRST - 1);
	for (int i = 0; i < n; i++) {
		__u64 start = k.vma[i].vm_start, end = k.vma[i].vm_end;

		assert_is(start, i);
		assert_is(start + 1, i);
		assert_is(start + LENGTH / 2, i);
		assert_is(end - 1, i);
		assert_none(end);
		assert_none(end + DISTANCE - LENGTH - 1);
	}
	assert_none(1ULL << 47);
	assert_none(UINT64_MAX - 1);
	assert_none(UINT64_MAX);
}

/* --- maple trees ------------------------------------------------------------------------------ */

/* A part of the address space up to @last, and what is there: a mapping, NULL, a node. */
struct part {
	__u64 last;
	__u64 entry;
};

static struct part parts[2 * VMAS_MAX + 1];

struct shape {
	enum maple_type inner;
	int leaf_slots, inner_slots;
	bool implied; /* a node's last pivot, if it is not the only one, is left out */
};

#define PARENT 0x100 /* some other node */

static __u64 make_range_node(const struct part *p, int n, enum maple_type type, bool implied)
{
	struct maple_range_64 *node = &k.node[n_nodes++].range;

	node->parent = (void *)PARENT;
	for (int i = 0; i < n; i++) {
		if (i < 15 && !(implied && i > 0 && i == n - 1))
			node->pivot[i] = p[i].last;
		node->slot[i] = (void *)p[i].entry;
	}
	if (n < 16)
		node->meta.end = n - 1;
	return (__u64)node | type << 3 | 4;
}

static __u64 make_arange_node(const struct part *p, int n, bool implied)
{
	struct maple_arange_64 *node = &k.node[n_nodes++].arange;

	node->parent = (void *)PARENT;
	for (int i = 0; i < n; i++) {
		if (i < 9 && !(implied && i > 0 && i == n - 1))
			node->pivot[i] = p[i].last;
		node->slot[i] = (void *)p[i].entry;
		node->gap[i] = 0xdead000;
	}
	node->meta.end = n - 1;
	return (__u64)node | maple_arange_64 << 3 | 4;
}

static __u64 make_node(const struct part *p, int n, const struct shape *shape, bool is_leaf)
{
	cr_assert(lt(int, n_nodes, NODES_MAX));
	if (is_leaf)
		return make_range_node(p, n, maple_leaf_64, shape->implied);
	if (shape->inner == maple_range_64)
		return make_range_node(p, n, maple_range_64, shape->implied);
	return make_arange_node(p, n, shape->implied);
}

/* One level: the parts become those of the level above. */
static int make_level(int n, const struct shape *shape, bool is_leaf)
{
	int slots = is_leaf ? shape->leaf_slots : shape->inner_slots, n_above = 0;

	for (int i = 0; i < n; i += slots) {
		int len = n - i < slots ? n - i : slots;
		__u64 last = parts[i + len - 1].last;

		parts[n_above++] = (struct part){ last, make_node(&parts[i], len, shape, is_leaf) };
	}
	return n_above;
}

/* The tree of the first @n mappings. Returns its levels. */
static int make_tree(int n_vmas, const struct shape *shape)
{
	int n = 0, levels = 1;

	for (int i = 0; i < n_vmas; i++) {
		parts[n++] = (struct part){ k.vma[i].vm_start - 1, 0 };
		parts[n++] = (struct part){ k.vma[i].vm_end - 1, (__u64)&k.vma[i] };
	}
	parts[n++] = (struct part){ UINT64_MAX, 0 };
	n = make_level(n, shape, true);
	for (; n > 1; levels++)
		n = make_level(n, shape, false);
	k.mm.mm_mt.ma_root = (void *)(parts[0].entry | 2);
	return levels;
}

static const struct shape shapes[] = {
	{ maple_arange_64, 16, 10, false }, { maple_range_64, 16, 16, false },
	{ maple_arange_64, 11, 7, false },  { maple_range_64, 15, 15, false },
	{ maple_arange_64, 2, 9, false },   { maple_arange_64, 7, 5, true },
	{ maple_range_64, 9, 15, true },    { maple_arange_64, 16, 10, true },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

Test(vma, tree_of_one_node)
{
	for (int n = 1; n <= 7; n++) {
		set_up();
		cr_assert(eq(int, make_tree(n, &shapes[0]), 1));
		assert_all(n);
	}
}

Test(vma, trees_of_all_heights_and_shapes)
{
	for (size_t i = 0; i < SHAPES; i++)
		for (int n = 1; n < 900; n = n * 3 + 1) {
			set_up();
			make_tree(n, &shapes[i]);
			assert_all(n);
		}
}

Test(vma, heights)
{
	static const int n[] = { 7, 70, 700 };

	for (int i = 0; i < 3; i++) {
		set_up();
		cr_assert(eq(int, make_tree(n[i], &shapes[0]), i + 1));
		assert_all(n[i]);
	}
}

/* Mappings that touch each other, as the segments of a library do. */
Test(vma, mappings_without_gaps)
{
	for (int i = 0; i < 100; i++)
		k.vma[i].vm_end = k.vma[i].vm_start + DISTANCE;
	make_tree(100, &shapes[0]);
	for (int i = 0; i < 100; i++) {
		assert_is(k.vma[i].vm_start, i);
		assert_is(k.vma[i].vm_end - 1, i);
	}
}

Test(vma, root_that_is_no_node)
{
	static const __u64 other[] = { 0, 2, 0x1002, 4, 6, 0x12, 4094 };

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		k.mm.mm_mt.ma_root = (void *)other[i];
		assert_none(FIRST);
	}
	/* One entry for all there is; not that the kernel has it so. */
	k.mm.mm_mt.ma_root = &k.vma[0];
	assert_none(FIRST);
}

Test(vma, dead_node_is_not_believed)
{
	for (int is_root = 0; is_root < 2; is_root++) {
		union node *node;

		set_up();
		cr_assert(eq(int, make_tree(70, &shapes[0]), 2));
		assert_is(FIRST, 0);
		node = &k.node[is_root ? n_nodes - 1 : 0];
		node->range.parent = node;
		assert_none(FIRST);
	}
}

Test(vma, node_that_cannot_be_read)
{
	make_tree(70, &shapes[0]);
	k.mm.mm_mt.ma_root = (void *)0xffff888000000116ULL;
	assert_none(FIRST);
	make_tree(70, &shapes[0]);
	k.node[n_nodes - 1].arange.slot[0] = (void *)0xffff88800000010cULL;
	assert_none(FIRST);
	k.node[n_nodes - 1].arange.slot[0] = NULL;
	assert_none(FIRST);
}

/* Nodes that are being changed may lead in a circle. */
Test(vma, search_has_an_end)
{
	make_tree(70, &shapes[0]);
	k.node[n_nodes - 1].arange.slot[0] = (void *)((__u64)k.mm.mm_mt.ma_root & ~2ULL);
	assert_none(FIRST);
}

Test(vma, mapping_that_cannot_be_read)
{
	make_tree(3, &shapes[0]);
	k.node[0].range.slot[1] = (void *)0xffff888000000100ULL;
	assert_none(FIRST);
	assert_is(FIRST + DISTANCE, 1);
}

/* --- what is found is checked ----------------------------------------------------------------- */

/* A struct vm_area_struct may be used again while its old tree is being read. */
static void assert_checked(void)
{
	assert_is(FIRST, 0);
	k.vma[0].vm_mm = &k.other_mm;
	assert_none(FIRST);
	k.vma[0].vm_mm = &k.mm;
	k.vma[0].vm_start++;
	assert_none(FIRST);
	assert_is(FIRST + 1, 0);
	k.vma[0].vm_end = FIRST + 2;
	assert_none(FIRST + 2);
	k.vma[0].vm_end = 0;
	assert_none(FIRST + 1);
}

Test(vma, mapping_must_be_of_the_process_and_hold_the_address)
{
	make_tree(3, &shapes[0]);
	assert_checked();
}

static void set_sequences(__u64 v5_10, int v6_4, unsigned v6_13)
{
	k.mm.seq_5_10 = v5_10;
	k.mm.seq_6_4 = v6_4;
	k.mm.seq_6_13.sequence = v6_13;
}

/* --- while it is being read ------------------------------------------------------------------- */

/*
 * Another thread makes mapping 1 one of another file, and cuts its first page off, as the kernel
 * does that: step by step. It gets as far as the first number of @gets_to before the look-up
 * begins, and to each other one before the read of that number.
 */
static struct {
	int n_steps, done, n_reads;
	int gets_to[3], at_read[3];
} writer;

static void step_with_lock(int step)
{
	switch (step) {
	case 0:
		k.mm.seq_6_13.sequence++;
		return;
	case 1:
		k.vma[1].seq_6_4 = k.mm.seq_6_13.sequence;
		return;
	case 5:
		k.mm.seq_6_13.sequence++;
		return;
	case 2:
		k.vma[1].vm_start += 4096;
		return;
	case 3:
		k.vma[1].vm_pgoff++;
		return;
	case 4:
		k.vma[1].vm_file = &k.other_file;
		return;
	}
}

/* Before 6.13 the number grows only when all is done. */
static void step_of_6_4(int step)
{
	if (step == 1)
		k.vma[1].seq_6_4 = k.mm.seq_6_4;
	else if (step == 5)
		k.mm.seq_6_4++;
	else if (step > 1)
		step_with_lock(step);
}

/* Without numbers: nobody stops between two stores, or it could not be told. */
static void step_without_lock(int step)
{
	for (int i = 2; i <= 4; i++)
		step_with_lock(i);
}

static void (*writer_step)(int step);

static void writer_go(int to)
{
	for (; writer.done < to; writer.done++)
		writer_step(writer.done);
}

static void writer_goes_on(void)
{
	for (int i = 1; i < 3; i++)
		if (writer.n_reads >= writer.at_read[i])
			writer_go(writer.gets_to[i]);
	writer.n_reads++;
}

/* Old or new, not of both. */
static void assert_one_of_two(void)
{
	__u64 start = FIRST + DISTANCE;
	struct vma vma;

	if (!find(start + 4096, &vma))
		return;
	if (vma.start == start) {
		cr_assert(eq(u64, vma.offset, 4096));
		cr_assert(eq(u64, vma.key.ino, 77));
	} else {
		cr_assert(eq(u64, vma.start, start + 4096));
		cr_assert(eq(u64, vma.offset, 2 * 4096));
		cr_assert(eq(u64, vma.key.ino, 78));
	}
}

/* With the writer at one step at the start, and at others later. How many reads a look-up has. */
static int look_up_beside(const char *const *fields, int a, int b, int c, int read_b, int read_c)
{
	set_up();
	make_tree(3, &shapes[0]);
	kernel_fields = fields;
	set_sequences(0, 1000, 1000);
	k.vma[1].seq_6_4 = 998;
	writer.done = writer.n_reads = 0;
	writer.gets_to[1] = b;
	writer.gets_to[2] = c;
	writer.at_read[1] = read_b;
	writer.at_read[2] = read_c;
	writer_go(a);
	before_read = writer_goes_on;
	assert_one_of_two();
	return writer.n_reads;
}

static void look_up_beside_all(const char *const *fields, void (*step)(int), int n_steps)
{
	int n_reads = 40;

	writer_step = step;
	for (int a = 0; a <= n_steps; a++)
		for (int b = a; b <= n_steps; b++)
			for (int c = b; c <= n_steps; c++)
				for (int i = 0; i < n_reads * n_reads; i++)
					if (i / n_reads <= i % n_reads)
						look_up_beside(fields, a, b, c, i / n_reads,
							       i % n_reads);
	cr_assert(lt(int, look_up_beside(fields, 0, 0, 0, 0, 0), n_reads));
}

Test(vma, mapping_that_changes_while_it_is_read)
{
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq",
					     "struct vm_area_struct___6_4.vm_lock_seq", NULL };
	static const char *const v6_4[] = { "struct mm_struct___6_4.mm_lock_seq",
					    "struct vm_area_struct___6_4.vm_lock_seq", NULL };

	look_up_beside_all(v6_13, step_with_lock, 6);
	look_up_beside_all(v6_4, step_of_6_4, 6);
	look_up_beside_all(NULL, step_without_lock, 1);
}

/* One that is not being changed is found, whatever happens to others. */
Test(vma, mapping_beside_one_that_changes)
{
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq",
					     "struct vm_area_struct___6_4.vm_lock_seq", NULL };

	make_tree(3, &shapes[0]);
	kernel_fields = v6_13;
	set_sequences(0, 0, 1000);
	k.vma[0].seq_6_4 = 998;
	writer_step = step_with_lock;
	writer.done = 0;
	for (int i = 1; i <= 6; i++) {
		writer_go(i);
		assert_is(FIRST, 0);
	}
}

/* --- red-black trees -------------------------------------------------------------------------- */

static const char *const old_kernel[] = { "struct mm_struct___rb.mm_rb", NULL };

static struct rb_node *make_rb_of(int lo, int hi)
{
	int mid = (lo + hi) / 2;

	if (lo >= hi)
		return NULL;
	k.vma[mid].rb.rb_left = make_rb_of(lo, mid);
	k.vma[mid].rb.rb_right = make_rb_of(mid + 1, hi);
	return &k.vma[mid].rb;
}

/* The tree of the mappings from @lo to @hi, as kernels before 6.1 have it. */
static void make_rb(int lo, int hi)
{
	kernel_fields = old_kernel;
	k.mm.rb.rb_node = make_rb_of(lo, hi);
}

Test(vma, red_black_trees)
{
	static const int n[] = { 1, 2, 3, 10, 255, 2000 };

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		set_up();
		make_rb(0, n[i]);
		assert_all(n[i]);
	}
}

Test(vma, red_black_tree_without_mappings)
{
	make_rb(0, 0);
	assert_none(FIRST);
}

Test(vma, mapping_of_a_red_black_tree_must_be_of_the_process)
{
	make_rb(0, 3);
	assert_is(FIRST, 0);
	k.vma[0].vm_mm = &k.other_mm;
	assert_none(FIRST);
}

/* A tree of 65,530 mappings is 30 deep at most; of what is deeper there is no end to be seen. */
Test(vma, red_black_search_has_an_end)
{
	make_rb(0, 3);
	k.vma[0].rb.rb_left = &k.vma[1].rb;
	assert_none(FIRST - 1);
	k.vma[0].rb.rb_left = (void *)0xffff888000000100ULL;
	assert_none(FIRST - 1);
}

/* Red-black trees are up to twice as deep as balanced ones: for 65,530 mappings 2 * log2(65,531).
 */
Test(vma, red_black_tree_as_deep_as_they_get)
{
	const int depth = 32;

	make_rb(depth - 1, depth);
	for (int i = 0; i < depth - 1; i++)
		k.vma[i].rb.rb_right = &k.vma[i + 1].rb;
	k.mm.rb.rb_node = &k.vma[0].rb;
	assert_all(depth);
}

/* --- files ------------------------------------------------------------------------------------ */

static void set_file(void)
{
	k.sb.s_dev = 8 << 20 | 3;
	k.inode.i_ino = 0x123456789abULL;
	k.inode.i_ctime = (struct timespec64){ 1ULL << 33, 510 };
	k.inode.ctime_6_6 = (struct timespec64){ 1ULL << 34, 606 };
	k.inode.ctime_6_11.sec = 1ULL << 35;
	k.inode.ctime_6_11.nsec = 611;
}

static void assert_key(__u64 sec, __u32 nsec)
{
	struct unwind_file_key key;

	memset(&key, 0xa5, sizeof(key));
	file_key(&k.file, &key);
	cr_assert(eq(u64, key.ino, k.inode.i_ino));
	cr_assert(eq(u32, key.dev, 8 << 20 | 3));
	cr_assert(eq(u64, key.ctime_sec, sec));
	cr_assert(eq(u32, key.ctime_nsec, nsec));
}

Test(vma, file_key_of_each_kernel)
{
	static const char *const v6_6[] = { "struct inode___6_6.__i_ctime", NULL };
	static const char *const v6_11[] = { "struct inode___6_11.i_ctime_sec", NULL };

	set_file();
	assert_key(1ULL << 33, 510);
	kernel_fields = v6_6;
	assert_key(1ULL << 34, 606);
	kernel_fields = v6_11;
	assert_key(1ULL << 35, 611);
	k.inode.ctime_6_11.nsec |= 1u << 31; /* 6.13: somebody has asked */
	assert_key(1ULL << 35, 611);
}

/* --- states ----------------------------------------------------------------------------------- */

static void assert_state(bool has, __u64 want)
{
	__u64 state = 0;

	cr_assert(eq(int, vma_state(&k.mm, &state), has));
	if (has)
		cr_assert(eq(u64, state, want));
}

Test(vma, state_of_each_kernel)
{
	static const char *const v5_10[] = { "struct mm_struct___5_10.vmacache_seqnum", NULL };
	static const char *const v6_4[] = { "struct mm_struct___6_4.mm_lock_seq", NULL };
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq", NULL };

	set_sequences(1ULL << 40, 7, 1000);
	assert_state(false, 0); /* 6.1 to 6.3 */
	kernel_fields = v5_10;
	assert_state(true, 1ULL << 40);
	kernel_fields = v6_4;
	assert_state(true, 7);
	kernel_fields = v6_13;
	assert_state(true, 1000);
}

/* The lock is held for writing: whatever is found, it may not be so a moment later. */
Test(vma, mappings_that_are_being_changed_have_no_state)
{
	static const char *const v6_13[] = { "struct mm_struct___6_13.mm_lock_seq", NULL };

	kernel_fields = v6_13;
	set_sequences(0, 0, 1001);
	assert_state(false, 0);
	set_sequences(0, 0, 1002);
	assert_state(true, 1002);
}

Test(vma, address_space_and_vdso)
{
	k.mm.context.ctx_id = 77;
	k.mm.context.id.counter = 77;
	k.mm.context.vdso = (void *)0x7ffff7fc1000;
	cr_assert(eq(u64, vma_space_id(&k.mm), 77));
	cr_assert(eq(u64, vma_vdso(&k.mm), 0x7ffff7fc1000));
}
