/* SPDX-License-Identifier: Apache-2.0 */
/* Process and thread storage of Elastic APM agents, from memory of this process. */
#include "ctx/elastic_storage.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <linux/types.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "leak_check.h"
#include "shared/elastic_ctx.h"

TestSuite(elastic_storage, .fini = leak_check);

/* --- process storage -------------------------------------------------------------------------- */

static uint8_t bytes[4096];
static size_t len;

static void put(const void *p, size_t n)
{
	memcpy(bytes + len, p, n);
	len += n;
}

static void put_string(const char *s)
{
	uint32_t n = (uint32_t)strlen(s);

	put(&n, sizeof(n));
	put(s, n);
}

static void begin(uint16_t minor)
{
	len = 0;
	put(&minor, sizeof(minor));
}

static int read_bytes(struct elastic_storage **ret)
{
	uint64_t at = (uintptr_t)bytes;

	return elastic_storage_read(getpid(), (uintptr_t)&at, ret);
}

Test(elastic_storage, is_read)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;

	begin(1);
	put_string("checkout");
	put_string("production");
	put_string("/tmp/essocket");
	cr_assert(zero(int, read_bytes(&es)));
	cr_assert(eq(str, es->service_name, "checkout"));
	cr_assert(eq(str, es->service_environment, "production"));
	cr_assert(eq(str, es->socket_path, "/tmp/essocket"));
}

Test(elastic_storage, later_versions_and_empty_strings)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;

	begin(7);
	put_string("");
	put_string("");
	cr_assert(zero(int, read_bytes(&es)));
	cr_assert(eq(ptr, es->service_name, NULL));
	cr_assert(eq(ptr, es->service_environment, NULL));
}

Test(elastic_storage, invalid_bytes_are_cut_off)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;

	begin(1);
	put_string("caf\xc3\xa9 \xff rest");
	put_string("\xff");
	cr_assert(zero(int, read_bytes(&es)));
	cr_assert(eq(str, es->service_name, "caf\xc3\xa9 "));
	cr_assert(eq(ptr, es->service_environment, NULL));
}

Test(elastic_storage, text_ends_with_a_nul)
{
	CLEANUP(elastic_storage_freep) struct elastic_storage *es = NULL;
	uint32_t four = 4;

	begin(1);
	put(&four, sizeof(four));
	put("a\0bc", 4);
	put(&four, sizeof(four));
	put("\0abc", 4);
	cr_assert(zero(int, read_bytes(&es)));
	cr_assert(eq(str, es->service_name, "a"));
	cr_assert(eq(ptr, es->service_environment, NULL));
}

Test(elastic_storage, not_there_yet)
{
	struct elastic_storage *es;
	uint64_t none = 0;

	cr_assert(eq(int, elastic_storage_read(getpid(), (uintptr_t)&none, &es), -EAGAIN));
	cr_assert(eq(int, elastic_storage_read(getpid(), 8, &es), -EFAULT));
}

Test(elastic_storage, malformed)
{
	static const uint32_t lens[] = { 129, 1u << 31, UINT32_MAX };
	struct elastic_storage *es;

	begin(0);
	put_string("checkout");
	put_string("");
	cr_assert(eq(int, read_bytes(&es), -EBADMSG));
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		begin(1);
		put(&lens[i], sizeof(lens[i]));
		cr_assert(eq(int, read_bytes(&es), -EBADMSG));
	}
	begin(1);
	put_string("");
	put_string("");
	put(&(uint32_t){ 1025 }, sizeof(uint32_t));
	cr_assert(eq(int, read_bytes(&es), -EBADMSG));
}

/* Each string leads to the next one, the last of them into memory that is not there. */
Test(elastic_storage, ends_with_the_memory)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *two =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct elastic_storage *es;

	/* Kept mapped: the thread that reads is to find no room for its stack there. */
	mprotect(two + page, page, PROT_NONE);
	begin(1);
	put_string("checkout");
	put_string("production");
	put_string("/tmp/essocket");
	for (size_t n = 0; n < len; n++) {
		uint64_t at = (uintptr_t)two + page - n;

		memcpy(two + page - n, bytes, n);
		cr_assert(eq(int, elastic_storage_read(getpid(), (uintptr_t)&at, &es), -EFAULT),
			  "%zu bytes", n);
	}
	munmap(two, 2 * page);
}

Test(elastic_storage, library)
{
	cr_assert(elastic_is_library("/tmp/elastic-jvmti-linux-x64-0a1b.so"));
	cr_assert(elastic_is_library("/a/b/elastic-jvmti-linux-arm64.so"));
	cr_assert(not(elastic_is_library("/a/b/libelastic-jvmti-linux-x64.so")));
	cr_assert(not(elastic_is_library("/a/elastic-jvmti-linux-x64.so.bak")));
}

/* --- thread storage --------------------------------------------------------------------------- */

static const struct elastic_ctx good = { .minor_version = 1,
					 .valid = 1,
					 .trace_present = 1,
					 .trace_id = { 1 },
					 .span_id = { 2 },
					 .transaction_id = { 3 } };

Test(elastic_storage, fields_lie_where_the_specification_has_them)
{
	cr_assert(eq(sz, offsetof(struct elastic_ctx, valid), 2));
	cr_assert(eq(sz, offsetof(struct elastic_ctx, trace_present), 3));
	cr_assert(eq(sz, offsetof(struct elastic_ctx, trace_id), 5));
	cr_assert(eq(sz, offsetof(struct elastic_ctx, span_id), 21));
	cr_assert(eq(sz, offsetof(struct elastic_ctx, transaction_id), 29));
}

Test(elastic_storage, records)
{
	struct elastic_ctx ec = good;

	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_OK));
	ec.minor_version = 2;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_OK));
	ec.minor_version = 0;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_INVALID));
	ec = good;
	ec.valid = 0;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_NOT_VALID));
	ec.valid = 2;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_INVALID));
	ec = good;
	ec.trace_present = 0;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_NO_IDS));
	ec.trace_present = 2;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_INVALID));
	ec = good;
	ec.trace_id[0] = 0;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_INVALID));
	ec = good;
	ec.span_id[0] = 0;
	cr_assert(eq(int, elastic_ctx_check(&ec), THREAD_CTX_INVALID));
}
