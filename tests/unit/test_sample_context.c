/* SPDX-License-Identifier: Apache-2.0 */
/* Labels as the kernel side copies them: which are ids, what the others are called. */
#include "ctx/sample_context.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "leak_check.h"
#include "shared/proc_info.h"

#define SPAN  "0123456789abcdef"
#define TRACE "00112233445566778899aabbccddeeff"

static char *keys[] = { "datadog.local_root_span_id", "http.route", NULL, "user" };
static struct sample_context_names names;
static struct sample_record rec;
static uint8_t bytes[2048];
static struct sample_context ctx;

static void set_up(void)
{
	memset(&ctx, 0xa5, sizeof(ctx));
	rec = (struct sample_record){ .ctx_format = CTX_FORMAT_GO };
	names = (struct sample_context_names){ .key_map = keys, .n_keys = 4 };
}

TestSuite(sample_context, .init = set_up, .fini = leak_check);

static void put(const void *data, size_t len)
{
	memcpy(bytes + rec.labels_len, data, len);
	rec.labels_len += len;
}

static void add_pair(const char *key, const char *value)
{
	uint8_t head[] = { strlen(key), strlen(value) };

	put(head, 2);
	put(key, head[0]);
	put(value, head[1]);
}

/* Of a record, or the user's. */
static void add_numbered(uint8_t number, const void *value, uint8_t len)
{
	put(&number, 1);
	put(&len, 1);
	put(value, len);
}

static void decode(void)
{
	sample_context_decode(&rec, bytes, &names, &ctx);
}

/* Everything of it, as text. */
static void assert_context(const char *want)
{
	static const struct {
		const char *name;
		size_t off, len;
	} ids[] = {
		{ "trace", offsetof(struct sample_context, trace_id), TRACE_ID_LEN },
		{ "span", offsetof(struct sample_context, span_id), SPAN_ID_LEN },
		{ "root", offsetof(struct sample_context, local_root_id), SPAN_ID_LEN },
	};
	char text[8192] = "", hex[33];

	decode();
	for (int i = 0; i < 3; i++) {
		const uint8_t *id = (uint8_t *)&ctx + ids[i].off;

		if (sample_context_is_zero(id, ids[i].len))
			continue;
		format_hex(id, ids[i].len, hex);
		sprintf(text + strlen(text), "%s %s; ", ids[i].name, hex);
	}
	for (size_t i = 0; i < ctx.n_labels; i++)
		sprintf(text + strlen(text), "%s=%s; ", ctx.labels[i].key, ctx.labels[i].value);
	if (ctx.n_malformed)
		sprintf(text + strlen(text), "%u malformed; ", ctx.n_malformed);
	if (ctx.n_cut)
		sprintf(text + strlen(text), "%u cut; ", ctx.n_cut);
	cr_assert(eq(str, text, (char *)want));
}

/* --- pairs of strings ------------------------------------------------------------------------- */

Test(sample_context, no_context)
{
	rec.ctx_format = CTX_FORMAT_NONE;
	assert_context("");
}

Test(sample_context, ids_in_labels)
{
	add_pair("span_id", SPAN);
	add_pair("span_name", "GET /");
	add_pair("trace_id", TRACE);
	assert_context("trace " TRACE "; span " SPAN "; span_name=GET /; ");
}

Test(sample_context, other_spellings)
{
	add_pair("profile_id", "0123456789ABCDEF");
	add_pair("otel.traceid", TRACE);
	assert_context("trace " TRACE "; span " SPAN "; ");
	set_up();
	add_pair("span id", "81985529216486895"); /* 0x0123456789abcdef */
	add_pair("local root span id", "18446744073709551615");
	add_pair("trace endpoint", "GET /");
	assert_context("span " SPAN "; root ffffffffffffffff; trace endpoint=GET /; ");
}

Test(sample_context, ids_that_are_none)
{
	static const char *const cases[][2] = {
		{ "span_id", "0123456789abcde" },
		{ "span_id", "0123456789abcdef0" },
		{ "span_id", "0123456789abcdeg" },
		{ "span_id", "0000000000000000" },
		{ "span_id", "" },
		{ "span id", "12a" },
		{ "span id", "-1" },
		{ "span id", " 1" },
		{ "span id", "0" },
		{ "span id", "" },
		{ "span id", "18446744073709551616" },
		{ "span id", "000000000000000000001" },
		{ "trace_id", SPAN },
		{ "trace_id", TRACE "0" },
		{ "trace_id", "00000000000000000000000000000000" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		add_pair(cases[i][0], cases[i][1]);
		add_pair("kept", "x");
		assert_context("kept=x; 1 malformed; ");
	}
}

Test(sample_context, keys_that_the_user_names)
{
	names.trace_id_key = "my trace";
	names.span_id_key = "trace_id"; /* whatever it is elsewhere */
	add_pair("my trace", TRACE);
	add_pair("trace_id", SPAN);
	add_pair("span", SPAN);
	assert_context("trace " TRACE "; span " SPAN "; span=" SPAN "; ");
}

Test(sample_context, labels_are_in_order_of_their_keys)
{
	add_pair("b", "1");
	add_pair("a", "2");
	add_pair("c", "3");
	assert_context("a=2; b=1; c=3; ");
}

Test(sample_context, key_that_comes_twice)
{
	add_pair("a", "1");
	add_pair("a", "2");
	assert_context("a=2; ");
	rec.ctx_format = CTX_FORMAT_CUSTOM_LABELS; /* their specification says so */
	assert_context("a=1; ");
}

/* What a shortened value ends with may be half of a character. */
Test(sample_context, text_that_is_not_utf8)
{
	add_pair("ok", "caf\xc3\xa9");
	add_pair("cut", "caf\xc3");
	add_pair("b\xff"
		 "d",
		 "x");
	add_pair("", "x");
	assert_context("cut=caf; ok=caf\xc3\xa9; 2 malformed; ");
	set_up();
	put("\1\5kab\0cd", 8);
	put("\2\1k\0v", 5);
	assert_context("k=ab; 1 malformed; ");
}

Test(sample_context, no_more_labels_than_there_is_room_for)
{
	char key[] = "!";

	for (int i = 0; i < SAMPLE_LABELS_MAX + 3; i++, key[0]++)
		add_pair(key, "");
	decode();
	cr_assert(eq(sz, ctx.n_labels, SAMPLE_LABELS_MAX));
	cr_assert(eq(uint, ctx.n_cut, 3));
}

/* --- attributes of a record ------------------------------------------------------------------- */

static void record_of_ids(enum ctx_format format)
{
	rec.ctx_format = format;
	rec.trace_id[0] = rec.span_id[0] = 1;
}

#define IDS "trace 01000000000000000000000000000000; span 0100000000000000; "

Test(sample_context, attributes_by_the_key_map)
{
	for (int i = 0; i < 2; i++) {
		set_up();
		record_of_ids(i ? CTX_FORMAT_OTEL : CTX_FORMAT_NODE);
		add_numbered(0, SPAN, 16);
		add_numbered(1, "/pay", 4);
		add_numbered(3, "", 0);
		add_numbered(1, "/cart", 5);
		assert_context(IDS "root " SPAN "; http.route=/cart; user=; ");
		cr_assert(not(ctx.has_unknown_key));
	}
}

Test(sample_context, attributes_without_a_name)
{
	record_of_ids(CTX_FORMAT_OTEL);
	add_numbered(2, "x", 1); /* no valid name */
	add_numbered(0, "", 0);	 /* in no local root */
	assert_context(IDS);
	cr_assert(not(ctx.has_unknown_key));
	add_numbered(4, "x", 1);
	assert_context(IDS);
	cr_assert(ctx.has_unknown_key);
	set_up();
	names.n_keys = 0;
	names.key_map = NULL;
	record_of_ids(CTX_FORMAT_OTEL);
	add_numbered(0, "x", 1);
	assert_context(IDS);
	cr_assert(ctx.has_unknown_key);
}

Test(sample_context, attributes_that_end_early)
{
	record_of_ids(CTX_FORMAT_OTEL);
	add_numbered(1, "/pay", 4);
	put("\3", 1); /* less than a head: padding */
	assert_context(IDS "http.route=/pay; ");
	put("\5ab", 3);
	assert_context(IDS "http.route=/pay; 1 malformed; ");
}

Test(sample_context, local_root_of_a_record)
{
	record_of_ids(CTX_FORMAT_ELASTIC);
	rec.local_root_id[7] = 9;
	assert_context(IDS "root 0000000000000009; ");
}

/* --- the user's variables --------------------------------------------------------------------- */

static struct user_variable variables[] = {
	{ .value = USER_VALUE_BYTES, .role = USER_ROLE_TRACE_ID },
	{ .value = USER_VALUE_UINT, .role = USER_ROLE_SPAN_ID },
	{ .value = USER_VALUE_HEX, .role = USER_ROLE_LOCAL_ROOT },
	{ .value = USER_VALUE_UINT, .role = USER_ROLE_LABEL, .label = "n" },
	{ .value = USER_VALUE_STRING, .role = USER_ROLE_LABEL, .label = "text" },
	{ .value = USER_VALUE_BYTES, .role = USER_ROLE_LABEL, .label = "hex" },
};

static void use_variables(void)
{
	rec.ctx_format = CTX_FORMAT_VARIABLE;
	names.variables = variables;
	names.n_variables = sizeof(variables) / sizeof(variables[0]);
}

Test(sample_context, variables_of_the_user)
{
	uint64_t number = 0x0123456789abcdef;
	uint32_t small = 4294967295;

	use_variables();
	add_numbered(0, "\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	add_numbered(1, &number, 8);
	add_numbered(2, "00000000000000aB", 16);
	add_numbered(3, &small, 4);
	add_numbered(4, "abc\0def", 7);
	add_numbered(5, "\1\xab", 2);
	assert_context("trace ff000000000000000000000000000001; span " SPAN
		       "; root 00000000000000ab; hex=01ab; n=4294967295; text=abc; ");
}

Test(sample_context, variables_that_say_nothing)
{
	uint64_t zero[2] = { 0 };

	use_variables();
	add_numbered(0, zero, 16);
	add_numbered(1, zero, 8);
	add_numbered(2, zero, 16);
	add_numbered(4, zero, 8);
	assert_context("");
	add_numbered(3, zero, 8);
	assert_context("n=0; ");
	add_numbered(2, "no hexadecimal..", 16);
	add_numbered(99, "x", 1);
	assert_context("n=0; 2 malformed; ");
}

/* --- hostile ---------------------------------------------------------------------------------- */

Test(sample_context, random_bytes)
{
	static const enum ctx_format formats[] = { CTX_FORMAT_OTEL, CTX_FORMAT_GO,
						   CTX_FORMAT_CUSTOM_LABELS, CTX_FORMAT_VARIABLE };
	size_t n_labels = 0;

	use_variables();
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		rec.ctx_format = formats[i % 4];
		rec.labels_len = random() % (CTX_LABELS_ROOM + 1);
		for (int k = 0; k < rec.labels_len; k++)
			bytes[k] = random() % 8 ? random() % 12 : random();
		decode();
		n_labels += ctx.n_labels;
		for (size_t k = 0; k < ctx.n_labels; k++)
			cr_assert(ne(chr, ctx.labels[k].key[0], 0));
	}
	cr_assert(gt(sz, n_labels, 1000));
}
