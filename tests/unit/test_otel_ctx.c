/* SPDX-License-Identifier: Apache-2.0 */
/* The writer that the end-to-end tests profile, held against the specification's byte layout. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../workloads/otel_ctx.c"
#include "ctx/process_ctx.h"
#include "leak_check.h"

static const uint8_t trace_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const uint8_t span_id[8] = { 21, 22, 23, 24, 25, 26, 27, 28 };

static const char *const keys[] = { "span.name", "http.route", NULL };

static const struct otel_process process = {
	.service_name = "shop",
	.service_version = "1.0",
	.schema_version = OTEL_SCHEMA_NATIVE,
	.key_map = keys,
};

TestSuite(otel_ctx, .fini = leak_check);

Test(otel_ctx, payload_decodes_to_what_was_published)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	uint8_t buf[PAYLOAD_MAX];
	size_t len = 0;

	cr_assert(zero(int, otel_process_encode(&process, buf, sizeof(buf), &len)));
	cr_assert(zero(int, process_ctx_decode(buf, len, &pc)));
	cr_assert(eq(str, pc->service_name, (char *)"shop"));
	cr_assert(eq(str, pc->service_version, (char *)"1.0"));
	cr_assert(eq(str, pc->schema_version, (char *)"tlsdesc_v1_dev"));
	cr_assert(eq(sz, pc->n_keys, 2));
	cr_assert(eq(str, pc->key_map[1], (char *)"http.route"));
}

Test(otel_ctx, payload_that_does_not_fit_is_refused)
{
	uint8_t buf[100];
	size_t len = 7;

	cr_assert(eq(int, otel_process_encode(&process, buf, sizeof(buf), &len), -ENOSPC));
	cr_assert(eq(sz, len, 7));
}

/* Field by field, as bytes: OTEP 4719's header. */
Test(otel_ctx, header_is_as_specified)
{
	uint8_t *h;
	uint32_t version, size;
	uint64_t time_ns, payload;
	void *mapping;

	cr_assert(zero(int, otel_process_publish_raw(0x1234, 77, 99, &mapping)));
	h = mapping;
	memcpy(&version, h + 8, 4);
	memcpy(&size, h + 12, 4);
	memcpy(&time_ns, h + 16, 8);
	memcpy(&payload, h + 24, 8);
	cr_assert(zero(int, memcmp(h, "OTEL_CTX", 8)));
	cr_assert(eq(u32, version, 2));
	cr_assert(eq(u32, size, 77));
	cr_assert(eq(u64, time_ns, 99));
	cr_assert(eq(u64, payload, 0x1234));
}

/* One mapping, private, not executable, under one of the names that readers look for. */
Test(otel_ctx, republishing_keeps_the_one_mapping)
{
	char line[512];
	FILE *maps;
	int found = 0;

	cr_assert(zero(int, otel_process_publish(&process)));
	cr_assert(zero(int, otel_process_publish(&process)));

	maps = fopen("/proc/self/maps", "re");
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "OTEL_CTX"))
			continue;
		cr_assert(ne(ptr, strstr(line, " rw-p "), NULL), "%s", line);
		found++;
	}
	fclose(maps);
	cr_assert(eq(int, found, 1));
}

Test(otel_ctx, record_is_as_specified)
{
	const uint8_t *r;
	uint16_t attrs;

	cr_assert(zero(int, otel_thread_init(OTEL_SWAP_POINTER)));
	cr_assert(eq(ptr, otel_thread_ctx_v1, NULL));
	otel_thread_attach(trace_id, span_id, "cart");

	r = (const uint8_t *)otel_thread_ctx_v1;
	memcpy(&attrs, r + 26, 2);
	cr_assert(zero(int, memcmp(r, trace_id, 16)));
	cr_assert(zero(int, memcmp(r + 16, span_id, 8)));
	cr_assert(eq(u8, r[24], 1));
	cr_assert(eq(u8, r[25], 1));
	cr_assert(eq(u16, attrs, 6));
	cr_assert(zero(int, memcmp(r + 28, "\0\4cart", 6)));

	otel_thread_detach();
	cr_assert(eq(ptr, otel_thread_ctx_v1, NULL));
	otel_thread_exit();
}

Test(otel_ctx, other_style_leaves_pointer_and_clears_flag)
{
	cr_assert(zero(int, otel_thread_init(OTEL_FLIP_VALID)));
	cr_assert(ne(ptr, otel_thread_ctx_v1, NULL));
	cr_assert(zero(u8, otel_thread_ctx_v1->valid));

	otel_thread_attach(trace_id, span_id, NULL);
	cr_assert(eq(u8, otel_thread_ctx_v1->valid, 1));
	cr_assert(zero(u16, otel_thread_ctx_v1->attrs_size));

	otel_thread_detach();
	cr_assert(ne(ptr, otel_thread_ctx_v1, NULL));
	cr_assert(zero(u8, otel_thread_ctx_v1->valid));
	otel_thread_exit();
	cr_assert(eq(ptr, otel_thread_ctx_v1, NULL));
}

/* MADV_DONTFORK: a child has no context until it publishes one. */
Test(otel_ctx, child_does_not_inherit_the_header)
{
	void *mapping;
	int status;
	pid_t pid;

	cr_assert(zero(int, otel_process_publish(&process)));
	mapping = published;
	pid = fork();
	if (pid == 0) {
		unsigned char vec;

		_exit(mincore(mapping, mapping_size(), &vec) == 0 ? 1 : 0);
	}
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	cr_assert(zero(int, status));
}
