/* SPDX-License-Identifier: Apache-2.0 */
/* The header's protocol, on contexts that the test itself publishes in its memory. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ctx/process_ctx.h"
#include "ctx/process_ctx_find.h"
#include "leak_check.h"
#include "proc/maps.h"

TestSuite(process_ctx_read, .fini = leak_check);

/* Offsets of OTEP 4719, written as bytes. */
enum { SIGNATURE = 0, VERSION = 8, SIZE = 12, TIME = 16, PAYLOAD = 24, HEADER_LEN = 32 };

/* ProcessContext{resource{attributes{key: "service.name" value{string_value: "cart"}}}} */
static uint8_t cart[] = "\x0a\x18\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04"
			"cart";

#define CART_PREFIX 22 /* bytes before the name */

static uint8_t header[HEADER_LEN] __attribute__((aligned(8)));

static void set_u32(int off, uint32_t v)
{
	memcpy(header + off, &v, sizeof(v));
}

static void set_u64(int off, uint64_t v)
{
	memcpy(header + off, &v, sizeof(v));
}

static void publish(void)
{
	memcpy(header, "OTEL_CTX", 8);
	set_u32(VERSION, 2);
	set_u32(SIZE, sizeof(cart) - 1);
	set_u64(TIME, 1234567890123);
	set_u64(PAYLOAD, (uintptr_t)cart);
}

static int read_own(uint64_t known)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	int r = process_ctx_read(getpid(), (uintptr_t)header, known, &pc);

	cr_assert(eq(int, r == 0, pc != NULL));
	return r;
}

Test(process_ctx_read, whole_context)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	publish();
	cr_assert(zero(int, process_ctx_read(getpid(), (uintptr_t)header, 0, &pc)));
	cr_assert(eq(str, pc->service_name, "cart"));
	cr_assert(eq(u64, pc->published_at_ns, 1234567890123));
}

Test(process_ctx_read, known_one_is_not_read_again_and_an_older_one_is_new)
{
	publish();
	cr_assert(eq(int, read_own(1234567890123), -EALREADY));
	cr_assert(zero(int, read_own(1234567890124)));
	cr_assert(zero(int, read_own(1)));
}

Test(process_ctx_read, being_written)
{
	publish();
	set_u64(TIME, 0);
	cr_assert(eq(int, read_own(0), -EAGAIN));
}

Test(process_ctx_read, header_of_another_form)
{
	static const uint32_t versions[] = { 0, 1, 3, 0x02000000 };
	static const uint32_t sizes[] = { 0, 65537, UINT32_MAX };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		publish();
		set_u32(VERSION, versions[i]);
		cr_assert(eq(int, read_own(0), -EBADMSG), "version %u", versions[i]);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		publish();
		set_u32(SIZE, sizes[i]);
		cr_assert(eq(int, read_own(0), -EBADMSG), "size %u", sizes[i]);
	}
	for (int i = 0; i < 8; i++) {
		publish();
		header[SIGNATURE + i] ^= 0x20;
		cr_assert(eq(int, read_own(0), -EBADMSG), "signature, byte %d", i);
	}
}

Test(process_ctx_read, payload_that_is_not_there)
{
	static const uint64_t addrs[] = { 0, 8, 0x7fffffffe000, UINT64_MAX, 1ull << 63 };

	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		publish();
		set_u64(PAYLOAD, addrs[i]);
		cr_assert(eq(int, read_own(0), -EBADMSG), "payload at %lx", addrs[i]);
	}
}

Test(process_ctx_read, payload_of_rubbish)
{
	static uint8_t rubbish[] = { 0x0a, 0x20, 0x01 };

	publish();
	set_u64(PAYLOAD, (uintptr_t)rubbish);
	set_u32(SIZE, sizeof(rubbish));
	cr_assert(eq(int, read_own(0), -EBADMSG));
}

Test(process_ctx_read, largest_payload)
{
	CLEANUP(freep) uint8_t *large = malloc(PROCESS_CTX_PAYLOAD_MAX);
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	size_t rest = PROCESS_CTX_PAYLOAD_MAX - (sizeof(cart) - 1) - 4;

	/* An unknown field fills it up. */
	memcpy(large, (uint8_t[]){ 0x4a, rest | 0x80, rest >> 7 | 0x80, rest >> 14 }, 4);
	memset(large + 4, 0xff, rest);
	memcpy(large + 4 + rest, cart, sizeof(cart) - 1);
	publish();
	set_u64(PAYLOAD, (uintptr_t)large);
	set_u32(SIZE, PROCESS_CTX_PAYLOAD_MAX);
	cr_assert(zero(int, process_ctx_read(getpid(), (uintptr_t)header, 0, &pc)));
	cr_assert(eq(str, pc->service_name, "cart"));
}

Test(process_ctx_read, header_or_process_that_is_gone)
{
	struct process_ctx *pc = NULL;
	pid_t pid = fork();

	cr_assert(eq(int, process_ctx_read(getpid(), 4096, 0, &pc), -EFAULT));
	cr_assert(eq(int, process_ctx_read(getpid(), UINT64_MAX - 20, 0, &pc), -EFAULT));

	if (pid == 0)
		_exit(0);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	publish();
	cr_assert(eq(int, process_ctx_read(pid, (uintptr_t)header, 0, &pc), -ESRCH));
}

/* --- a writer at work ------------------------------------------------------------------------ */

static atomic_bool stop;

/* cart with a name of @n letters, the @n-th one, in memory of its own. */
static uint8_t *make_payload(uint8_t n)
{
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, cart, CART_PREFIX);
	p[1] = n + 20;
	p[3] = n + 18;
	p[19] = n + 2;
	p[21] = n;
	memset(p + CART_PREFIX, 'a' + n - 1, n);
	return p;
}

/* A publisher as the specification has it: time 0, new payload, new time, old payload freed. */
static void *write_on(void *arg)
{
	_Atomic uint64_t *time = (_Atomic uint64_t *)(header + TIME);
	uint8_t *old = NULL;

	for (uint64_t now = 1; !atomic_load(&stop); now++) {
		uint8_t n = 1 + now % 26;
		uint8_t *p = make_payload(n);

		atomic_store(time, 0);
		set_u32(SIZE, CART_PREFIX + n);
		set_u64(PAYLOAD, (uintptr_t)p);
		atomic_store(time, now);
		if (old)
			munmap(old, 4096);
		old = p;
	}

	munmap(old, 4096);
	return NULL;
}

static void assert_of_one_piece(const struct process_ctx *pc)
{
	size_t n = 1 + pc->published_at_ns % 26;

	cr_assert(eq(sz, strlen(pc->service_name), n));
	for (size_t i = 0; i < n; i++)
		cr_assert(eq(int, pc->service_name[i], 'a' + (int)n - 1));
}

Test(process_ctx_read, what_is_read_under_a_writer_is_of_one_piece)
{
	size_t n_read = 0, n_again = 0;
	pthread_t writer;

	publish();
	set_u64(TIME, 0);
	cr_assert(zero(int, pthread_create(&writer, NULL, write_on, NULL)));
	for (int i = 0; i < 200000; i++) {
		CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
		int r = process_ctx_read(getpid(), (uintptr_t)header, 0, &pc);

		cr_assert(r == 0 || r == -EAGAIN, "%d", r);
		n_read += r == 0;
		n_again += r == -EAGAIN;
		if (pc)
			assert_of_one_piece(pc);
	}
	atomic_store(&stop, true);
	pthread_join(writer, NULL);

	cr_assert(gt(sz, n_read, 100));
	cr_log_info("read %zu, being written %zu", n_read, n_again);
}

/* --- finding it ------------------------------------------------------------------------------ */

Test(process_ctx_read, mapping_names)
{
	cr_assert(process_ctx_is_mapping("/memfd:OTEL_CTX (deleted)"));
	cr_assert(process_ctx_is_mapping("/memfd:OTEL_CTX"));
	cr_assert(process_ctx_is_mapping("[anon_shmem:OTEL_CTX]"));
	cr_assert(process_ctx_is_mapping("[anon:OTEL_CTX]"));
	cr_assert(not(process_ctx_is_mapping("")));
	cr_assert(not(process_ctx_is_mapping("/memfd:OTEL_CTX_BACKUP (deleted)")));
	cr_assert(not(process_ctx_is_mapping("[anon:OTEL_CTX")));
	cr_assert(not(process_ctx_is_mapping("/tmp/memfd:OTEL_CTX")));
	cr_assert(not(process_ctx_is_mapping("OTEL_CTX")));
}

Test(process_ctx_read, candidates_in_order_without_executable_ones)
{
	static const char maps[] = "1000-2000 rw-p 00000000 00:01 7    /memfd:OTEL_CTX_BACKUP\n"
				   "2000-3000 rwxp 00000000 00:01 7    /memfd:OTEL_CTX (deleted)\n"
				   "3000-4000 rw-p 00000000 00:01 7    /memfd:OTEL_CTX (deleted)\n"
				   "4000-6000 r--p 00000000 00:00 0    [anon:OTEL_CTX]\n"
				   "broken\n"
				   "7000-8000 rw-p 00000000 00:00 0    [anon_shmem:OTEL_CTX]\n";
	uint64_t found[4] = { 0 };

	cr_assert(eq(sz, process_ctx_find(maps, sizeof(maps) - 1, found, 4), 3));
	cr_assert(eq(u64, found[0], 0x3000));
	cr_assert(eq(u64, found[1], 0x4000));
	cr_assert(eq(u64, found[2], 0x7000));

	found[1] = 0;
	cr_assert(eq(sz, process_ctx_find(maps, sizeof(maps) - 1, found, 1), 1));
	cr_assert(zero(u64, found[1]));
}

/* As the writers do it: memfd, private mapping, prctl on kernels that can, descriptor closed. */
Test(process_ctx_read, published_mapping_is_found_in_proc_maps)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	CLEANUP(freep) char *maps = NULL;
	int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
	uint64_t found[4];
	size_t len;
	void *p;

	cr_assert(zero(int, ftruncate(fd, HEADER_LEN)));
	p = mmap(NULL, HEADER_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	cr_assert(ne(ptr, p, MAP_FAILED));
	close(fd);
	publish();
	memcpy(p, header, sizeof(header));

	for (int named = 0; named < 2; named++) {
		cr_assert(zero(int, maps_read(getpid(), 1 << 24, &maps, &len)));
		cr_assert(eq(sz, process_ctx_find(maps, len, found, 4), 1));
		cr_assert(eq(u64, found[0], (uintptr_t)p));
		(void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, HEADER_LEN, "OTEL_CTX");
		freep(&maps);
		maps = NULL;
	}
	cr_assert(zero(int, process_ctx_read(getpid(), found[0], 0, &pc)));
	cr_assert(eq(str, pc->service_name, "cart"));
}
