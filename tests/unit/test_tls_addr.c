/* SPDX-License-Identifier: Apache-2.0 */
/* Ways from a thread pointer to a variable, over made-up vectors of modules. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"
#include "shared/tls_addr.h"

#define WORDS 64
#define BASE  0x7f0000000000ULL /* of the memory; what is left of it cannot be read */
#define TP    (BASE + 8 * 4)
#define DTV   (BASE + 8 * 20)
#define BLOCK 0x7f1234560000ULL

struct ctx_memory {
	__u64 word[WORDS];
	int n_reads;
};

static struct ctx_memory mem;

static long ctx_read(struct ctx_memory *m, void *dst, __u32 len, __u64 addr)
{
	m->n_reads++;
	if (addr < BASE || addr - BASE > sizeof(m->word) - len)
		return -14;
	memcpy(dst, (char *)m->word + (addr - BASE), len);
	return 0;
}

static __u64 *at(__u64 addr)
{
	return &mem.word[(addr - BASE) / 8];
}

/* glibc: three modules, of generation 5; musl: three modules. */
static void set_up(void)
{
	memset(&mem, 0, sizeof(mem));
}

static void put_glibc(void)
{
	*at(TP + TLS_DTV_GLIBC) = DTV;
	*at(DTV - 16) = 3;
	*at(DTV) = 5;
	*at(DTV + 16 * 3) = BLOCK;
}

static void put_musl(void)
{
	*at(TP + TLS_DTV_MUSL) = DTV;
	*at(DTV) = 3;
	*at(DTV + 8 * 3) = BLOCK;
}

TestSuite(tls_addr, .init = set_up, .fini = leak_check);

static void assert_found(const struct tls_var *var, __u64 want)
{
	__u64 addr = 0;

	cr_assert(eq(int, tls_addr(&mem, var, TP, &addr), TLS_FOUND));
	cr_assert(eq(u64, addr, want));
}

static void assert_none(const struct tls_var *var, enum tls_found want)
{
	__u64 addr = 0;

	cr_assert(eq(int, tls_addr(&mem, var, TP, &addr), want));
}

Test(tls_addr, beside_the_thread_pointer)
{
	assert_found(&(struct tls_var){ .model = TLS_MODEL_STATIC, .off = -72 }, TP - 72);
	assert_found(&(struct tls_var){ .model = TLS_MODEL_STATIC, .off = 16 }, TP + 16);
	cr_assert(zero(int, mem.n_reads));
}

Test(tls_addr, without_a_thread_pointer)
{
	__u64 addr = 0;

	for (__u32 model = TLS_MODEL_STATIC; model <= TLS_MODEL_MUSL; model++) {
		struct tls_var var = { .model = model, .module = 1 };

		cr_assert(eq(int, tls_addr(&mem, &var, 0, &addr), TLS_NO_POINTER));
	}
	cr_assert(zero(int, mem.n_reads));
}

Test(tls_addr, in_a_module)
{
	put_glibc();
	assert_found(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0x110, 0 }, BLOCK + 0x110);
	cr_assert(eq(int, mem.n_reads, 3));
	set_up();
	put_musl();
	assert_found(&(struct tls_var){ TLS_MODEL_MUSL, 3, 0x110, 0 }, BLOCK + 0x110);
	cr_assert(eq(int, mem.n_reads, 3));
}

/* What stands behind the vector's end is somebody else's. */
Test(tls_addr, vector_that_is_too_short)
{
	put_glibc();
	*at(DTV - 16) = 2;
	assert_none(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0, 0 }, TLS_NOT_ALLOCATED);
	set_up();
	put_musl();
	*at(DTV) = 2;
	assert_none(&(struct tls_var){ TLS_MODEL_MUSL, 3, 0, 0 }, TLS_NOT_ALLOCATED);
}

/* The block is that of a library which had the number before. */
Test(tls_addr, vector_that_is_too_old)
{
	put_glibc();
	assert_found(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0, 5 }, BLOCK);
	assert_none(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0, 6 }, TLS_NOT_ALLOCATED);
}

Test(tls_addr, block_that_was_never_used)
{
	put_glibc();
	*at(DTV + 16 * 3) = TLS_DTV_UNALLOCATED;
	assert_none(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0, 0 }, TLS_NOT_ALLOCATED);
	*at(DTV + 16 * 3) = 0;
	assert_none(&(struct tls_var){ TLS_MODEL_GLIBC, 3, 0, 0 }, TLS_NOT_ALLOCATED);
	set_up();
	put_musl();
	*at(DTV + 8 * 3) = 0;
	assert_none(&(struct tls_var){ TLS_MODEL_MUSL, 3, 0, 0 }, TLS_NOT_ALLOCATED);
}

Test(tls_addr, what_cannot_be_read)
{
	static const __u64 bad[] = { 0, 8, UINT64_MAX, BASE - 8, BASE + sizeof(mem.word) };
	struct tls_var glibc = { TLS_MODEL_GLIBC, 3, 0, 0 }, musl = { TLS_MODEL_MUSL, 3, 0, 0 },
		       far = { TLS_MODEL_GLIBC, 60000, 0, 0 };
	__u64 addr;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_glibc();
		*at(TP + TLS_DTV_GLIBC) = bad[i];
		assert_none(&glibc, TLS_UNREADABLE);
		put_musl();
		*at(TP + TLS_DTV_MUSL) = bad[i];
		assert_none(&musl, TLS_UNREADABLE);
		if (bad[i])
			cr_assert(eq(int, tls_addr(&mem, &glibc, bad[i], &addr), TLS_UNREADABLE));
	}
	set_up();
	put_glibc();
	*at(DTV - 16) = UINT64_MAX; /* the vector claims to be longer than it is */
	assert_none(&far, TLS_UNREADABLE);
}

/* Whatever a process has there, three reads are enough. */
Test(tls_addr, random_memory)
{
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		struct tls_var var = { TLS_MODEL_GLIBC + i % 2, random() % 65536, random(),
				       random() % 4 };
		__u64 addr = 0;

		for (int w = 0; w < WORDS; w++)
			mem.word[w] = random() % 3 ? BASE + random() % (8 * WORDS)
						   : (__u64)random() << random() % 34;
		mem.n_reads = 0;
		(void)tls_addr(&mem, &var, TP, &addr);
		cr_assert(le(int, mem.n_reads, 3));
	}
}
