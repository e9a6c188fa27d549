/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a CPython process's threads have their thread states, in an image of the interpreter's and
 * both C libraries' structures in our own memory. Nothing is imported in it, which is what -EAGAIN
 * says once the place is found. That layouts are those of real interpreters, and the way on from
 * there, is shown by tests/e2e/test_python.py.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "ctx/python_process.h"
#include "leak_check.h"

/* src/internal/pthread_impl.h of musl 1.2, 1.1; key of the thread state. */
#define TSD_1_2	    128
#define TSD_1_1	    136
#define SPECIFIC    784 /* glibc's pointer to the first block, which is behind it */
#define FIRST_BLOCK 272
#define KEY	    3

#define THREADS 2

/* What differs between releases of CPython. */
static const struct place {
	unsigned version, main, threads, id;
} v3_11 = { 0x030b02f0, 48, 16, 152 }, v3_13 = { 0x030d05f0, 640, 7344, 152 },
  v3_14 = { 0x030e03f0, 816, 7344, 152 };

static struct image {
	uint8_t runtime[2560];
	uint8_t interp[8192];
	uint8_t state[THREADS][512];
	uint8_t pthread[THREADS][1024];
	uint64_t array[THREADS][128];
	uint64_t version;
} image;

static struct python_file file;
static struct python_process process;
static struct python_info info;

static void put(void *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put_address(void *at, const void *address)
{
	put(at, (uintptr_t)address);
}

static void put_interpreter(const struct place *v)
{
	memset(&image, 0, sizeof(image));
	memset(&info, 0, sizeof(info));
	image.version = v->version;
	memcpy(image.runtime, "xdebugpy", 8);
	put_address(image.runtime + v->main, image.interp);
	put(image.runtime + 1000, 1 | (uint64_t)(KEY + 1) << 32); /* some other key */
	put(image.runtime + 1400, 1 | (uint64_t)KEY << 32);
	put_address(image.interp + v->threads, image.state[0]);
	for (int i = 0; i < THREADS; i++) {
		put_address(image.state[i] + 8, i + 1 < THREADS ? image.state[i + 1] : NULL);
		put_address(image.state[i] + 16, image.interp);
		put_address(image.state[i] + v->id, image.pthread[i]);
	}
	file = (struct python_file){ .runtime = (uintptr_t)image.runtime,
				     .version = (uintptr_t)&image.version };
	process = (struct python_process){ .pid = getpid() };
}

/* A thread of musl whose pointer to its values is at @tsd. */
static void put_musl(int i, unsigned tsd)
{
	put_address(image.pthread[i], image.pthread[i]);
	put_address(image.pthread[i] + 16, image.pthread[1 - i]); /* list of threads */
	put_address(image.pthread[i] + tsd, image.array[i]);
	put_address(&image.array[i][KEY], image.state[i]);
	process.values.libc = TLS_LIBC_MUSL;
}

static void put_glibc(int i)
{
	uint8_t *block = image.pthread[i] + FIRST_BLOCK;

	put_address(image.pthread[i] + 16, image.pthread[i]);
	put_address(image.pthread[i] + SPECIFIC, block);
	put_address(block + 16 * KEY + 8, image.state[i]);
	process.values.libc = TLS_LIBC_GLIBC;
	process.values.specific = SPECIFIC;
}

static void set_up(void)
{
	put_interpreter(&v3_11);
	for (int i = 0; i < THREADS; i++)
		put_musl(i, TSD_1_2);
}

TestSuite(python_state, .init = set_up, .fini = leak_check);

static int find(void)
{
	return python_find_objects(&file, &process, &info);
}

static void assert_musl(int tsd)
{
	cr_assert(eq(int, find(), -EAGAIN), "nothing is imported");
	cr_assert(eq(i32, info.state, tsd));
	cr_assert(eq(u16, info.pointed, 8 * KEY));
	cr_assert(ne(u16, info.flags & PYTHON_STATE_POINTED, 0));
}

/* --- musl ------------------------------------------------------------------------------------- */

Test(python_state, musl)
{
	assert_musl(TSD_1_2);
}

Test(python_state, musl_of_another_release_and_cpython)
{
	put_interpreter(&v3_13);
	put_musl(0, TSD_1_1);
	assert_musl(TSD_1_1);
}

Test(python_state, musl_thread_that_has_just_begun)
{
	image.array[0][KEY] = 0;
	assert_musl(TSD_1_2);
	put(image.pthread[0] + TSD_1_2, 0);
	assert_musl(TSD_1_2);
	image.array[1][KEY] = 0;
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, musl_thread_that_is_gone)
{
	put(image.state[0] + v3_11.id, 16);
	assert_musl(TSD_1_2);
	put(image.pthread[1], 0);
	cr_assert(eq(int, find(), -ENOTSUP), "no struct pthread is there");
}

Test(python_state, musl_two_words_that_lead_there)
{
	for (int i = 0; i < THREADS; i++)
		put_address(image.pthread[i] + TSD_1_2 - 16, image.array[i]);
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, musl_two_keys_that_lead_there)
{
	for (int i = 0; i < THREADS; i++)
		put_address(&image.array[i][KEY + 1], image.state[i]);
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, musl_state_under_no_key_of_the_interpreter)
{
	put(image.runtime + 1400, 1 | (uint64_t)(KEY + 2) << 32);
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, musl_state_of_another_thread)
{
	put_address(&image.array[0][KEY], image.state[1]);
	put_address(&image.array[1][KEY], image.state[0]);
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, musl_pointer_that_is_none)
{
	for (int i = 0; i < THREADS; i++)
		put(image.pthread[i] + TSD_1_2, (uintptr_t)image.array[i] + 4);
	cr_assert(eq(int, find(), -ENOTSUP));
	for (int i = 0; i < THREADS; i++)
		put(image.pthread[i] + TSD_1_2, 4096);
	cr_assert(eq(int, find(), -ENOTSUP));
}

/* --- glibc ------------------------------------------------------------------------------------ */

Test(python_state, glibc)
{
	put_interpreter(&v3_11);
	for (int i = 0; i < THREADS; i++)
		put_glibc(i);
	cr_assert(eq(int, find(), -EAGAIN));
	cr_assert(eq(i32, info.state, FIRST_BLOCK + 16 * KEY + 8));
	cr_assert(zero(u16, info.flags & PYTHON_STATE_POINTED));
}

/* aarch64: struct pthread, whose address is a thread's id, ends at the thread pointer. */
Test(python_state, from_the_thread_pointer)
{
	process.values.self = -200;
	assert_musl(TSD_1_2 - 200);
	put_interpreter(&v3_11);
	put_glibc(1);
	process.values.self = -1856;
	cr_assert(eq(int, find(), -EAGAIN));
	cr_assert(eq(i32, info.state, FIRST_BLOCK + 16 * KEY + 8 - 1856));
}

Test(python_state, not_as_the_other_library_has_it)
{
	process.values.libc = TLS_LIBC_GLIBC;
	process.values.specific = TSD_1_2;
	for (int i = 0; i < THREADS; i++)
		put(&image.array[i][KEY], 0);
	cr_assert(eq(int, find(), -ENOTSUP));
	put_interpreter(&v3_11);
	for (int i = 0; i < THREADS; i++)
		put_glibc(i);
	process.values.libc = TLS_LIBC_MUSL;
	cr_assert(eq(int, find(), -ENOTSUP));
}

/* --- builds ----------------------------------------------------------------------------------- */

Test(python_state, thread_states_of_another_interpreter)
{
	put_address(image.state[0] + 16, image.interp + 8);
	cr_assert(eq(int, find(), -ENOTSUP));
}

Test(python_state, not_without_the_interpreters_lock)
{
	const struct place *const versions[] = { &v3_13, &v3_14 };

	for (int i = 0; i < 2; i++) {
		put_interpreter(versions[i]);
		put_musl(0, TSD_1_2);
		put(image.runtime + 16, 1); /* debug_offsets.free_threaded */
		cr_assert(eq(int, find(), -ENOTSUP));
		put(image.runtime + 16, 0);
		assert_musl(TSD_1_2);
		image.runtime[0] = 'y';
		cr_assert(eq(int, find(), -ENOTSUP), "no such head");
	}
}
