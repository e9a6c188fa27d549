/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/process_ctx.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/parse.h"
#include "leak_check.h"

TestSuite(process_ctx, .fini = leak_check);

/* Of the sanitizer's allocator; GCC ships it without its header. */
size_t __sanitizer_get_current_allocated_bytes(void);

/* --- what python3-protobuf reads ------------------------------------------------------------- */

#define CASES	 5000
#define LINE_MAX (4 * 65536)

static void print_string(FILE *f, const char *name, const char *value)
{
	if (value)
		fprintf(f, "%s=%s\n", name, value);
}

/* In the form of process_ctx_cases.py. */
static char *describe(const struct process_ctx *pc)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	print_string(f, "service.name", pc->service_name);
	print_string(f, "service.namespace", pc->service_namespace);
	print_string(f, "service.instance.id", pc->service_instance_id);
	print_string(f, "service.version", pc->service_version);
	print_string(f, "deployment.environment.name", pc->deployment_environment_name);
	print_string(f, "telemetry.sdk.language", pc->sdk_language);
	print_string(f, "threadlocal.schema_version", pc->schema_version);
	for (size_t i = 0; i < pc->n_keys; i++)
		fprintf(f, pc->key_map[i] ? "key.%zu=%s\n" : "key.%zu\n", i, pc->key_map[i]);
	fclose(f);
	return text;
}

static FILE *open_cases(void)
{
	char file[] = __FILE__, cmd[512];

	snprintf(cmd, sizeof(cmd), "/usr/bin/python3 -B '%s/process_ctx_cases.py' %d",
		 dirname(file), CASES);
	return popen(cmd, "r");
}

/* The lines up to the next empty one. */
static void read_expected(FILE *f, char *line, char *ret)
{
	char *end = ret;

	*end = '\0';
	while (fgets(line, LINE_MAX, f) && line[0] != '\n')
		end = stpcpy(end, line);
}

static struct process_ctx *decode_hex(char *hex)
{
	struct process_ctx *pc = NULL;
	CLEANUP(freep) uint8_t *buf = NULL;
	size_t len = strcspn(hex, "\n") / 2;

	hex[2 * len] = '\0';
	buf = malloc(len ? len : 1); /* to the byte: a read behind it is seen */
	cr_assert(zero(int, parse_hex(hex, buf, len)));
	cr_assert(zero(int, process_ctx_decode(buf, len, &pc)), "%s", hex);
	return pc;
}

Test(process_ctx, reads_what_python_protobuf_reads)
{
	CLEANUP(freep)
	char *hex = malloc(LINE_MAX), *line = malloc(LINE_MAX), *want = malloc(LINE_MAX);
	FILE *f = open_cases();
	int n = 0;

	cr_assert(ne(ptr, f, NULL));
	while (fgets(hex, LINE_MAX, f)) {
		CLEANUP(process_ctx_freep) struct process_ctx *pc = decode_hex(hex);
		CLEANUP(freep) char *got = describe(pc);

		read_expected(f, line, want);
		cr_assert(eq(str, got, want), "%s", hex);
		n++;
	}
	cr_assert(zero(int, pclose(f)));
	cr_assert(eq(int, n, CASES));
}

/* --- payloads laid down by hand -------------------------------------------------------------- */

static uint8_t buf[PROCESS_CTX_PAYLOAD_MAX];
static size_t buf_len;

static void put(const void *data, size_t len)
{
	cr_assert(le(sz, buf_len + len, sizeof(buf)));
	memcpy(buf + buf_len, data, len);
	buf_len += len;
}

static void put_varint(size_t v)
{
	for (; v > 0x7f; v >>= 7)
		put(&(uint8_t){ v | 0x80 }, 1);
	put(&(uint8_t){ v }, 1);
}

static void put_len(int number, const void *data, size_t len)
{
	put_varint(number << 3 | 2);
	put_varint(len);
	put(data, len);
}

/* Attribute @key of the context (2) or, in a resource of its own, of the resource (1). */
static void put_attribute(int where, const char *key, const void *value, size_t len)
{
	uint8_t any[1024], kv[2048];
	size_t any_len, kv_len, start = buf_len;

	put_len(1, value, len);
	any_len = buf_len - start;
	memcpy(any, buf + start, any_len);

	buf_len = start;
	put_len(1, key, strlen(key));
	put_len(2, any, any_len);
	kv_len = buf_len - start;
	memcpy(kv, buf + start, kv_len);

	buf_len = start;
	put_len(where, kv, kv_len);
	if (where == 1) {
		kv_len = buf_len - start;
		memcpy(kv, buf + start, kv_len);
		buf_len = start;
		put_len(1, kv, kv_len);
	}
}

static struct process_ctx *decode_buf(void)
{
	struct process_ctx *pc = NULL;

	cr_assert(zero(int, process_ctx_decode(buf, buf_len, &pc)));
	return pc;
}

Test(process_ctx, appended_resource_merges_and_the_last_of_a_key_wins)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	put_attribute(1, "service.name", "old", 3);
	put_attribute(1, "service.version", "1.0", 3);
	put_attribute(1, "service.name", "new", 3);
	pc = decode_buf();
	cr_assert(eq(str, pc->service_name, "new"));
	cr_assert(eq(str, pc->service_version, "1.0"));
	cr_assert(zero(ptr, pc->service_namespace));
}

Test(process_ctx, threadlocal_of_the_context_comes_before_that_of_the_resource)
{
	CLEANUP(process_ctx_freep) struct process_ctx *early = NULL, *both = NULL;

	put_attribute(1, "threadlocal.schema_version", "tlsdesc_v1_dev", 14);
	early = decode_buf();
	cr_assert(eq(str, early->schema_version, "tlsdesc_v1_dev"));
	cr_assert(eq(int, process_ctx_schema_of(early), PROCESS_CTX_NATIVE));

	buf_len = 0;
	put_attribute(2, "threadlocal.schema_version", "nodejs_v1", 9);
	put_attribute(1, "threadlocal.schema_version", "tlsdesc_v1_dev", 14);
	put_attribute(2, "service.name", "not the resource's", 18);
	both = decode_buf();
	cr_assert(eq(str, both->schema_version, "nodejs_v1"));
	cr_assert(eq(int, process_ctx_schema_of(both), PROCESS_CTX_NODEJS));
	cr_assert(zero(ptr, both->service_name));
}

Test(process_ctx, empty_string_counts_as_absent)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	put_attribute(1, "deployment.environment.name", "", 0);
	pc = decode_buf();
	cr_assert(zero(ptr, pc->deployment_environment_name));
}

Test(process_ctx, strings_are_cut_to_valid_utf8)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	put_attribute(1, "service.name", "caf\xc3\xa9\xff!", 7);
	put_attribute(1, "service.version", "1.0\xe2\x82", 5);
	put_attribute(1, "service.namespace", "a\0b", 3);
	put_attribute(1, "service.instance.id", "\xff", 1);
	put_attribute(1, "telemetry.sdk.language", "\0go", 3);
	pc = decode_buf();
	cr_assert(eq(str, pc->service_name, "caf\xc3\xa9"));
	cr_assert(eq(str, pc->service_version, "1.0"));
	cr_assert(eq(str, pc->service_namespace, "a"));
	cr_assert(zero(ptr, pc->service_instance_id));
	cr_assert(zero(ptr, pc->sdk_language));
}

/* KeyValue "threadlocal.attribute_key_map" with an array of @n strings, each @len bytes at @name.
 */
static void put_key_map(size_t n, const char *name, size_t len)
{
	static uint8_t scratch[sizeof(buf)];
	static const int wrap[] = { 5, 2 };
	size_t size;

	for (size_t i = 0; i < n; i++) {
		put_varint(1 << 3 | 2); /* ArrayValue.values */
		put_varint(len + 2);
		put_len(1, name, len);
	}
	for (size_t i = 0; i < 2; i++) { /* AnyValue.array_value, KeyValue.value */
		size = buf_len;
		memcpy(scratch, buf, size);
		buf_len = 0;
		put_len(wrap[i], scratch, size);
	}
	put_len(1, "threadlocal.attribute_key_map", 29);
	size = buf_len;
	memcpy(scratch, buf, size);
	buf_len = 0;
	put_len(2, scratch, size);
}

Test(process_ctx, key_map_has_no_more_names_than_an_index_can_tell)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	put_key_map(5000, "abcdef", 6);
	pc = decode_buf();
	cr_assert(eq(sz, pc->n_keys, 256));
	cr_assert(eq(str, pc->key_map[255], "abcdef"));
}

/* Half a name would be another name. */
Test(process_ctx, invalid_name_keeps_its_index_and_is_no_name)
{
	static const char *const names[] = { "ab\xff", "a\0b" };

	for (size_t i = 0; i < 2; i++) {
		CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

		buf_len = 0;
		put_key_map(3, names[i], 3);
		pc = decode_buf();
		cr_assert(eq(sz, pc->n_keys, 3));
		cr_assert(zero(ptr, pc->key_map[2]));
	}
}

Test(process_ctx, empty_payload_is_an_empty_context)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;

	cr_assert(zero(int, process_ctx_decode("", 0, &pc)));
	cr_assert(zero(ptr, pc->service_name));
	cr_assert(zero(sz, pc->n_keys));
}

Test(process_ctx, bytes_that_are_no_message)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {
		{ "\x0a", 1 },						/* no length */
		{ "\x0a\x01", 2 },					/* longer by one */
		{ "\x0a\x05zz", 4 },					/* longer than the rest */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* length 2^64 - 1 */
		{ "\x02\x00", 2 },					/* field number 0 */
		{ "\x48\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12 }, /* varint of 11 bytes */
		{ "\x4d\x01\x02", 3 },					    /* four bytes wanted */
		{ "\x4e", 1 },						    /* wire type 6 */
		{ "\x4b", 1 },						    /* group without end */
		{ "\x4b\x54", 2 },		       /* end of another group */
		{ "\x4c", 1 },			       /* end without group */
		{ "\x12\x02\x0a\x05", 4 },	       /* inside a KeyValue */
		{ "\xf8\xff\xff\xff\xff\x0f\x01", 7 }, /* tag of more than 32 bits */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP(freep) void *copy = malloc(bad[i].len); /* a read behind it is seen */
		struct process_ctx *pc = NULL;

		memcpy(copy, bad[i].data, bad[i].len);
		cr_assert(eq(int, process_ctx_decode(copy, bad[i].len, &pc), -EBADMSG), "case %zu",
			  i);
		cr_assert(zero(ptr, pc));
	}
}

/* Levels of nesting in 64 KiB: more than a recursive decoder has stack for. */
static void nest(uint8_t tag, uint8_t end_tag)
{
	memset(buf, tag, sizeof(buf) / 2);
	memset(buf + sizeof(buf) / 2, end_tag, sizeof(buf) / 2);
	buf_len = sizeof(buf);
}

Test(process_ctx, nested_groups_are_refused)
{
	struct process_ctx *pc = NULL;

	nest(0x4b, 0x4c);
	cr_assert(eq(int, process_ctx_decode(buf, buf_len, &pc), -EBADMSG));
}

static uint64_t decode_cost(void)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	size_t before = __sanitizer_get_current_allocated_bytes();

	(void)process_ctx_decode(buf, buf_len, &pc);
	return __sanitizer_get_current_allocated_bytes() - before;
}

Test(process_ctx, hostile_payloads_cost_little_memory)
{
	put_key_map(6500, "abcdef", 6);
	cr_assert(lt(u64, decode_cost(), 65536));

	buf_len = 0;
	put_key_map(200,
		    "................................................................"
		    "................................................................",
		    120);
	cr_assert(lt(u64, decode_cost(), 65536));

	buf_len = 0;
	while (buf_len + 4 <= sizeof(buf))
		put("\x0a\x02\x0a\x00", 4); /* a resource with an empty attribute */
	cr_assert(lt(u64, decode_cost(), 4096));
}

Test(process_ctx, schemas_of_thread_context)
{
	static const struct {
		const char *name;
		enum process_ctx_schema schema;
	} cases[] = {
		{ "tlsdesc_v1_dev", PROCESS_CTX_NATIVE },
		{ "tlsdesc_v1", PROCESS_CTX_NATIVE },
		{ "tls_v1", PROCESS_CTX_NATIVE },
		{ "nodejs_v1_dev", PROCESS_CTX_NODEJS },
		{ "nodejs_v1", PROCESS_CTX_NODEJS },
		{ "go_pprof_labels_v1", PROCESS_CTX_UNKNOWN },
		{ "tlsdesc_v2", PROCESS_CTX_UNKNOWN },
		{ "tlsdesc_v1_", PROCESS_CTX_UNKNOWN },
		{ "", PROCESS_CTX_UNKNOWN },
	};
	struct process_ctx pc = { 0 };

	cr_assert(eq(int, process_ctx_schema_of(&pc), PROCESS_CTX_NO_THREADS));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pc.schema_version = (char *)cases[i].name;
		cr_assert(eq(int, process_ctx_schema_of(&pc), cases[i].schema), "%s",
			  cases[i].name);
	}
}
