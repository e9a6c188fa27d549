/* SPDX-License-Identifier: Apache-2.0 */
/* The look-up of mappings in the running kernel, against what /proc says of this process. */
#include "vma_lookup.h" /* before the skeleton, which uses its types */

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "vma_lookup.skel.h"

#include "base/vec.h"
#include "leak_check.h"

#define PAGE	  4096UL
#define VM_EXEC	  0x4
#define SPAN	  (1UL << 40) /* of addresses, for our mappings */
#define CHURN_MS  1200
#define CHURNED	  64		   /* pages that are mapped and unmapped meanwhile */
#define CHURN_OFF 100000UL	   /* page of their files, for the first of them */
#define BASE	  0x200000000000UL /* far from what others map */

static struct vma_lookup_bpf *skel;
static int files[2] = { -1, -1 };

static void load(void)
{
	skel = vma_lookup_bpf__open_and_load();
	cr_assert(ne(ptr, skel, NULL));
	for (int i = 0; i < 2; i++) {
		files[i] = memfd_create(i ? "two" : "one", MFD_CLOEXEC);
		cr_assert(ge(int, files[i], 0));
		cr_assert(zero(int, ftruncate(files[i], 1L << 32)));
	}
}

static void unload(void)
{
	vma_lookup_bpf__destroy(skel);
	close(files[0]);
	close(files[1]);
	leak_check();
}

TestSuite(vma_lookup, .init = load, .fini = unload);

static struct unwind_file_key key_of_file(int fd)
{
	struct stat st;

	cr_assert(zero(int, fstat(fd, &st)));
	return (struct unwind_file_key){
		.ino = st.st_ino,
		.ctime_sec = st.st_ctim.tv_sec,
		.ctime_nsec = st.st_ctim.tv_nsec,
		.dev = major(st.st_dev) << 20 | minor(st.st_dev),
	};
}

static bool same_key(const struct unwind_file_key *a, const struct unwind_file_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void assert_key(const struct unwind_file_key *key, const struct unwind_file_key *want)
{
	cr_assert(eq(u64, key->ino, want->ino));
	cr_assert(eq(u32, key->dev, want->dev));
	cr_assert(eq(u64, key->ctime_sec, want->ctime_sec));
	cr_assert(eq(u32, key->ctime_nsec, want->ctime_nsec));
}

/* --- what /proc says -------------------------------------------------------------------------- */

struct known {
	unsigned long start, end, offset, ino;
	unsigned major, minor;
	bool is_exec;
};

static VEC(struct known) known;

static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[8192];

	cr_assert(ne(ptr, f, NULL));
	known.n = 0;
	while (fgets(line, sizeof(line), f)) {
		struct known k;
		char x;

		cr_assert(eq(int, 7,
			     sscanf(line, "%lx-%lx %*2c%c%*c %lx %x:%x %lu", &k.start, &k.end, &x,
				    &k.offset, &k.major, &k.minor, &k.ino)));
		k.is_exec = x == 'x';
		cr_assert(zero(int, vec_push(&known, k)));
	}
	fclose(f);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void run(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	cr_assert(zero(int, bpf_prog_test_run_opts(bpf_program__fd(skel->progs.look_up), &opts)));
}

static const struct vma_lookup *look_up(unsigned long addr)
{
	skel->bss->lookups[0].addr = addr;
	skel->bss->n_lookups = 1;
	run();
	return &skel->bss->lookups[0];
}

static void assert_is(const struct vma_lookup *l, const struct known *k)
{
	cr_assert(eq(u64, l->is_found, 1), "%#llx", l->addr);
	cr_assert(eq(u64, l->start, k->start));
	cr_assert(eq(u64, l->end, k->end));
	cr_assert(eq(int, !!(l->flags & VM_EXEC), k->is_exec));
	cr_assert(eq(u64, l->key.ino, k->ino));
	cr_assert(eq(u32, l->key.dev, k->major << 20 | k->minor));
	if (k->ino)
		cr_assert(eq(u64, l->offset, k->offset));
}

/* Mappings that come and go with a test's own work (stack, heap) may differ meanwhile: not these.
 */
static bool is_ours(const struct known *k)
{
	return k->start >= BASE && k->end <= BASE + SPAN;
}

/* One whose end was read; the kernel's vsyscall page is no mapping. */
static bool is_steady(const struct known *k)
{
	return is_ours(k) || (k->is_exec && k->start < 1UL << 47);
}

static size_t assert_as_in_maps(void)
{
	size_t n = 0;

	read_maps();
	for (size_t i = 0; i < known.n; i++) {
		const struct known *k = &known.data[i];

		if (!is_steady(k))
			continue;
		assert_is(look_up(k->start), k);
		assert_is(look_up(k->end - 1), k);
		if (i + 1 < known.n && known.data[i + 1].start > k->end && is_ours(k))
			cr_assert(zero(u64, look_up(k->end)->is_found));
		n += k->is_exec;
	}
	return n;
}

/* --- mappings --------------------------------------------------------------------------------- */

/* Number @i: one page, of the file's page @i; no two of them become one, and there are gaps. */
static unsigned long addr_of(size_t i)
{
	return BASE + (i + i / 3) * PAGE;
}

static void map_page(unsigned long addr, int file, unsigned long page)
{
	void *p = mmap((void *)addr, PAGE, PROT_READ | (page % 7 ? PROT_EXEC : 0),
		       MAP_PRIVATE | MAP_FIXED, files[file], page * PAGE);

	cr_assert(eq(ptr, p, (void *)addr));
}

static void map_many(size_t n)
{
	for (size_t i = 0; i < n; i++)
		map_page(addr_of(i), i % 2, i);
}

/* --- while they change ------------------------------------------------------------------------ */

static atomic_bool stop;
static unsigned long churn_at;

/* Each page of a range holds one of three: nothing, a page of one file, one of the other. */
static void *churn(void *arg)
{
	unsigned seed = 1;

	while (!stop) {
		unsigned i = rand_r(&seed) % CHURNED, n = 1 + rand_r(&seed) % 8;

		if (i + n > CHURNED)
			n = CHURNED - i;
		if (rand_r(&seed) % 3 == 0) {
			munmap((void *)(churn_at + i * PAGE), n * PAGE);
			continue;
		}
		/* A longer mapping takes the place of several, or of a part of one. */
		mmap((void *)(churn_at + i * PAGE), n * PAGE, PROT_READ | PROT_EXEC,
		     MAP_PRIVATE | MAP_FIXED, files[seed >> 8 & 1], (CHURN_OFF + i) * PAGE);
	}
	return NULL;
}

struct tally {
	size_t n, found, missed;
};

/* In the range that changes: what is found must be one of those that can be there. */
static void check_changing(const struct vma_lookup *l, const struct unwind_file_key *keys,
			   struct tally *t)
{
	t->n++;
	if (!l->is_found)
		return;
	t->found++;
	cr_assert(l->addr >= l->start && l->addr < l->end);
	cr_assert(eq(u64, l->offset + (l->addr - l->start), CHURN_OFF * PAGE + l->addr - churn_at));
	cr_assert(same_key(&l->key, &keys[0]) || same_key(&l->key, &keys[1]));
	cr_assert(ne(u64, l->flags & VM_EXEC, 0));
}

/* Of the others nothing changes; they may be missed at the moment when their node is replaced. */
static void check_steady(const struct vma_lookup *l, size_t i, const struct unwind_file_key *keys,
			 struct tally *t)
{
	t->n++;
	if (!l->is_found) {
		t->missed++;
		return;
	}
	t->found++;
	cr_assert(eq(u64, l->start, addr_of(i)));
	cr_assert(eq(u64, l->end, addr_of(i) + PAGE));
	cr_assert(eq(u64, l->offset, i * PAGE));
	cr_assert(eq(int, !!(l->flags & VM_EXEC), i % 7 != 0));
	assert_key(&l->key, &keys[i % 2]);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The steady ones nearest to the range that changes share their nodes with it. */
static size_t some_steady(size_t n, unsigned *seed)
{
	size_t far = rand_r(seed) % n;

	return rand_r(seed) % 2 || n < 16 ? far : n - 1 - far % 16;
}

static void look_up_while_changing(size_t n_steady, struct tally *steady, struct tally *changing)
{
	const struct unwind_file_key keys[] = { key_of_file(files[0]), key_of_file(files[1]) };
	static unsigned seed = 2;
	size_t which[LOOKUPS];

	skel->bss->n_lookups = LOOKUPS;
	for (int i = 0; i < LOOKUPS; i++) {
		which[i] = i % 2 ? SIZE_MAX : some_steady(n_steady, &seed);
		skel->bss->lookups[i].addr =
			i % 2 ? churn_at + rand_r(&seed) % (CHURNED * PAGE) : addr_of(which[i]);
	}
	run();
	for (int i = 0; i < LOOKUPS; i++)
		if (i % 2)
			check_changing(&skel->bss->lookups[i], keys, changing);
		else
			check_steady(&skel->bss->lookups[i], which[i], keys, steady);
}

static void look_up_among(size_t n)
{
	struct tally steady = { 0 }, changing = { 0 };
	pthread_t thread;
	double end;

	map_many(n);
	churn_at = addr_of(n) + 2 * PAGE;
	cr_assert(ge(sz, assert_as_in_maps(), n * 6 / 7 - 1));

	cr_assert(zero(int, pthread_create(&thread, NULL, churn, NULL)));
	for (end = seconds() + CHURN_MS / 1000.0; seconds() < end;)
		look_up_while_changing(n, &steady, &changing);
	stop = true;
	pthread_join(thread, NULL);
	cr_log_info("of %zu mappings: %zu look-ups, %zu missed; %zu of changing ones, %zu found", n,
		    steady.n, steady.missed, changing.n, changing.found);
	cr_assert(gt(sz, changing.found, changing.n / 10), "nothing changed");
	cr_assert(lt(sz, changing.found, changing.n), "nothing changed");
	cr_assert(lt(sz, steady.missed, steady.n / 100));

	assert_as_in_maps();
	munmap((void *)BASE, churn_at + CHURNED * PAGE - BASE);
	vec_free(&known);
}

Test(vma_lookup, among_10)
{
	look_up_among(10);
}

Test(vma_lookup, among_100)
{
	look_up_among(100);
}

Test(vma_lookup, among_1000)
{
	look_up_among(1000);
}

Test(vma_lookup, among_20000)
{
	look_up_among(20000);
}

/* --- states ----------------------------------------------------------------------------------- */

static uint64_t state_now(void)
{
	skel->bss->n_lookups = 0;
	run();
	cr_assert(ne(u64, skel->bss->has_state, 0));
	return skel->bss->state;
}

/* What can make a mapping another one gives the address space another state. */
Test(vma_lookup, every_change_gives_another_state)
{
	uint64_t before;

	map_page(BASE, 0, 1);
	skel->bss->n_lookups = 0;
	run();
	if (!skel->bss->has_state)
		cr_skip_test("this kernel has nothing that tells whether mappings changed");

	before = state_now();
	cr_assert(eq(u64, state_now(), before), "nothing changed");
	map_page(BASE, 1, 1);
	cr_assert(ne(u64, state_now(), before), "MAP_FIXED");

	before = state_now();
	cr_assert(eq(ptr,
		     mremap((void *)BASE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    (void *)(BASE + 16 * PAGE)),
		     (void *)(BASE + 16 * PAGE)));
	cr_assert(ne(u64, state_now(), before), "mremap");

	before = state_now();
	cr_assert(zero(int, mprotect((void *)(BASE + 16 * PAGE), PAGE, PROT_READ)));
	cr_assert(ne(u64, state_now(), before), "mprotect");

	before = state_now();
	cr_assert(zero(int, munmap((void *)(BASE + 16 * PAGE), PAGE)));
	cr_assert(ne(u64, state_now(), before), "munmap");
}
