/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes, legal ones of unusual form and hostile ones. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <zlib.h>

#include "base/vec.h"
#include "export/gunzip.h"
#include "export/pprof.h"
#include "export/profile.pb-c.h"
#include "leak_check.h"
#include "profile_fixture.h"

TestSuite(pprof_decode, .fini = leak_check);

/* One sample of one frame; a test changes what it is about and packs it. */
struct message {
	Perftools__Profiles__Profile profile;
	Perftools__Profiles__ValueType type, *types;
	Perftools__Profiles__Sample sample, *samples;
	Perftools__Profiles__Label label, *labels;
	Perftools__Profiles__Mapping mapping, *mappings;
	Perftools__Profiles__Location location, *locations;
	Perftools__Profiles__Line line, *lines;
	Perftools__Profiles__Function function, *functions;
	uint64_t location_id;
	int64_t value;
	char *strings[8];
};

#define BIG_ID 0xfedcba9876543210ULL

/* Every pair of a table and its count that has one element. */
#define ONE(holder, field, table, element)                                                         \
	do {                                                                                       \
		(table) = &(element);                                                              \
		(holder).field = &(table);                                                         \
		(holder).n_##field = 1;                                                            \
	} while (0)

static void message_init(struct message *m)
{
	static const char *const strings[] = { "",   "cpu",	"nanoseconds", "main",
					       "/x", "span_id", "0af7",	       "0f0f" };

	perftools__profiles__profile__init(&m->profile);
	perftools__profiles__value_type__init(&m->type);
	perftools__profiles__sample__init(&m->sample);
	perftools__profiles__label__init(&m->label);
	perftools__profiles__mapping__init(&m->mapping);
	perftools__profiles__location__init(&m->location);
	perftools__profiles__line__init(&m->line);
	perftools__profiles__function__init(&m->function);
	memcpy(m->strings, strings, sizeof(strings));
	ONE(m->profile, sample_type, m->types, m->type);
	ONE(m->profile, sample, m->samples, m->sample);
	ONE(m->profile, mapping, m->mappings, m->mapping);
	ONE(m->profile, location, m->locations, m->location);
	ONE(m->profile, function, m->functions, m->function);
	ONE(m->sample, label, m->labels, m->label);
	ONE(m->location, line, m->lines, m->line);
	m->profile.n_string_table = 8;
	m->profile.string_table = m->strings;
	m->profile.period_type = &m->type;
	m->type.type = 1;
	m->type.unit = 2;
	m->value = 42;
	m->sample.n_value = 1;
	m->sample.value = &m->value;
	m->location_id = BIG_ID;
	m->sample.n_location_id = 1;
	m->sample.location_id = &m->location_id;
	m->label.key = 5;
	m->label.str = 6;
	m->mapping.id = UINT64_MAX;
	m->mapping.filename = 4;
	m->mapping.build_id = 7;
	m->location.id = BIG_ID;
	m->location.mapping_id = UINT64_MAX;
	m->location.address = 0x1234;
	m->function.id = 1ULL << 63;
	m->function.name = 3;
	m->line.function_id = 1ULL << 63;
	m->line.line = 12;
}

static int decode(const struct message *m, struct pprof **ret)
{
	size_t len = perftools__profiles__profile__get_packed_size(&m->profile);
	uint8_t *buf = malloc(len); /* of this length, so that ASAN sees a read past its end */
	int r;

	perftools__profiles__profile__pack(&m->profile, buf);
	r = pprof_decode(buf, len, ret);
	free(buf);
	return r;
}

static void assert_loads(const struct message *m)
{
	struct pprof *p = NULL;

	cr_assert(zero(int, decode(m, &p)));
	cr_assert(eq(sz, p->n_samples, 1));
	cr_assert(eq(i64, p->samples[0].values[0], 42));
	pprof_free(p);
}

static void assert_refused(const struct message *m)
{
	struct pprof *p = NULL;

	cr_assert(eq(int, decode(m, &p), -EBADMSG));
	cr_assert(eq(ptr, p, NULL));
}

Test(pprof_decode, sparse_64_bit_ids)
{
	struct message m;
	struct pprof *p;

	message_init(&m);
	cr_assert(zero(int, decode(&m, &p)));
	cr_assert(eq(str, (char *)p->samples[0].locations[0]->lines[0].function->name, "main"));
	cr_assert(eq(str, (char *)p->samples[0].locations[0]->mapping->build_id, "0f0f"));
	cr_assert(eq(i64, p->samples[0].locations[0]->lines[0].line, 12));
	cr_assert(eq(str, (char *)pprof_sample_label(&p->samples[0], "span_id")->str, "0af7"));
	cr_assert(eq(str, (char *)p->period_type.unit, "nanoseconds"));
	pprof_free(p);
}

Test(pprof_decode, what_perf_converters_leave_out)
{
	struct message m;

	message_init(&m);
	m.line.function_id = 0;
	assert_loads(&m);

	message_init(&m);
	m.location.n_line = 0;
	m.location.mapping_id = 0;
	m.profile.n_mapping = m.profile.n_function = 0;
	assert_loads(&m);

	message_init(&m);
	m.sample.n_location_id = 0;
	assert_loads(&m);
}

Test(pprof_decode, index_0_is_the_empty_string_without_a_table)
{
	struct message m;

	message_init(&m);
	m.profile.n_string_table = 0;
	m.type.type = m.type.unit = m.label.key = m.label.str = 0;
	m.mapping.filename = m.mapping.build_id = m.function.name = 0;
	assert_loads(&m);
}

Test(pprof_decode, string_indexes_out_of_range)
{
	static const int64_t bad[] = { -1, 8, 9, INT64_MAX, INT64_MIN, 1LL << 32 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct message m;
		int64_t *const fields[] = { &m.type.type,
					    &m.type.unit,
					    &m.label.key,
					    &m.label.str,
					    &m.label.num_unit,
					    &m.mapping.filename,
					    &m.mapping.build_id,
					    &m.function.name,
					    &m.function.system_name,
					    &m.function.filename,
					    &m.profile.default_sample_type };

		for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
			message_init(&m);
			*fields[k] = bad[i];
			assert_refused(&m);
		}
		message_init(&m);
		m.profile.n_comment = 1;
		m.profile.comment = (int64_t *)&bad[i];
		assert_refused(&m);
	}
}

Test(pprof_decode, ids_that_lead_nowhere_or_are_taken)
{
	struct message m;
	uint64_t *const fields[] = { &m.location_id, &m.location.mapping_id, &m.line.function_id,
				     &m.location.id, &m.mapping.id,	     &m.function.id };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		message_init(&m);
		*fields[i] = 5;
		assert_refused(&m);
	}
	for (size_t i = 3; i < 6; i++) { /* 0 is reserved */
		message_init(&m);
		*fields[i] = 0;
		assert_refused(&m);
	}

	message_init(&m);
	m.profile.n_location = 2;
	m.profile.location = (Perftools__Profiles__Location *[]){ &m.location, &m.location };
	assert_refused(&m);
}

Test(pprof_decode, values_that_do_not_match_the_types)
{
	struct message m;

	message_init(&m);
	m.sample.n_value = 0;
	assert_refused(&m);
	message_init(&m);
	m.sample.n_value = 2;
	m.sample.value = (int64_t[]){ 1, 2 };
	assert_refused(&m);
	message_init(&m);
	m.profile.n_sample_type = 0;
	assert_refused(&m);
}

Test(pprof_decode, string_0_must_be_empty)
{
	struct message m;
	char text[] = "x";

	message_init(&m);
	m.strings[0] = text;
	assert_refused(&m);
}

Test(pprof_decode, unpacked_numbers_as_old_writers_have_them)
{
	/* sample_type {1, 2}; sample {location_id 7; location_id 7; value 42}; location {id 7};
	 * string_table "", "cpu", "ns" */
	static const uint8_t bytes[] = { 0x0a, 4, 8,   1,   16,	  2,	0x12, 6,   8,	 7,
					 8,    7, 16,  42,  0x22, 2,	8,    7,   0x32, 0,
					 0x32, 3, 'c', 'p', 'u',  0x32, 2,    'n', 's' };
	struct pprof *p;

	cr_assert(zero(int, pprof_decode(bytes, sizeof(bytes), &p)));
	cr_assert(eq(sz, p->samples[0].n_locations, 2));
	cr_assert(eq(i64, p->samples[0].values[0], 42));
	cr_assert(eq(str, (char *)p->sample_types[0].type, "cpu"));
	pprof_free(p);
}

Test(pprof_decode, every_prefix_is_refused_or_whole)
{
	struct pprof *shop = fixture_shop();
	uint8_t *buf;
	size_t len;

	cr_assert(zero(int, pprof_encode(shop, true, &buf, &len)));
	for (size_t n = 0; n < len; n++) {
		uint8_t *part = malloc(n + !n);
		struct pprof *p = NULL;

		memcpy(part, buf, n);
		cr_assert(eq(int, pprof_decode(part, n, &p), -EBADMSG));
		free(part);
	}
	free(buf);
	pprof_free(shop);
}

Test(pprof_decode, text_is_no_profile)
{
	static const char *const texts[] = {
		"",	      "\n",	  "hello, world\n",	     "<!DOCTYPE html>",
		"main;f 1\n", "\x1f\x8b", "\x1f\x8bxxxxxxxxxxxxxxxx"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pprof *p;

		cr_assert(eq(int, pprof_decode(texts[i], strlen(texts[i]), &p), -EBADMSG));
	}
}

Test(pprof_decode, many_references_to_a_long_string_are_cheap)
{
	enum { LEN = 1 << 20, N = 100000 };
	struct message m;
	Perftools__Profiles__Label **labels = calloc(N, sizeof(*labels));
	char *text = malloc(LEN + 1);

	memset(text, 'x', LEN);
	text[LEN] = '\0';
	message_init(&m);
	m.strings[6] = text;
	for (size_t i = 0; i < N; i++)
		labels[i] = &m.label;
	m.sample.n_label = N;
	m.sample.label = labels;
	assert_loads(&m); /* hashing 100 GB would take minutes */
	free(labels);
	free(text);
}

static void deflate_zeros(size_t len, uint8_t **ret, size_t *ret_len)
{
	uint8_t *zeros = calloc(1, len), *out = malloc(len / 100 + 1000);
	z_stream z = {
		.next_in = zeros, .avail_in = len, .next_out = out, .avail_out = len / 100 + 1000
	};

	cr_assert(zero(int, deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY)));
	cr_assert(eq(int, deflate(&z, Z_FINISH), Z_STREAM_END));
	*ret = out;
	*ret_len = z.total_out;
	deflateEnd(&z);
	free(zeros);
}

Test(pprof_decode, inflation_is_bounded)
{
	uint8_t *gz, *out = NULL;
	size_t len, n;

	deflate_zeros(10 << 20, &gz, &len);
	cr_assert(lt(sz, len, 100000));
	cr_assert(eq(int, gunzip(gz, len, 1 << 20, &out, &n), -EFBIG));
	cr_assert(eq(int, gunzip(gz, len, (10 << 20) - 1, &out, &n), -EFBIG));
	cr_assert(eq(int, gunzip(gz, len - 1, 10 << 20, &out, &n), -EBADMSG));
	cr_assert(zero(int, gunzip(gz, len, 10 << 20, &out, &n)));
	cr_assert(eq(sz, n, 10 << 20));
	free(out);
	free(gz);
}
