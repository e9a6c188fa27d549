/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint_copy.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "export/endpoint_equal.h"
#include "leak_check.h"

TestSuite(endpoint_copy, .fini = leak_check);

/* All that it points to is in @room, which can be overwritten. */
static struct endpoint_options original(char room[32][16])
{
	static struct endpoint_header headers[2];
	static const char *labels[2];

	for (int i = 0; i < 32; i++)
		snprintf(room[i], sizeof(room[i]), "text%d", i);
	headers[0] = (struct endpoint_header){ .name = room[0], .value = room[1] };
	headers[1] = (struct endpoint_header){ .name = room[2], .value_file = room[3] };
	labels[0] = room[4];
	labels[1] = room[5];
	return (struct endpoint_options){
		.name = room[6],
		.type = ENDPOINT_OTLP_GRPC,
		.url = room[7],
		.path = room[8],
		.headers = headers,
		.n_headers = 2,
		.tenant = room[9],
		.bearer_token_file = room[10],
		.username = room[11],
		.password_file = room[12],
		.tls = { room[13], room[14], room[15], room[16], TLS_VERSION_1_3, true },
		.proxy_url = room[17],
		.timeout_ms = 5,
		.series_labels = labels,
		.n_series_labels = 2,
		.max_bytes = 6,
		.max_age_s = 7,
	};
}

Test(endpoint_copy, outlives_the_original)
{
	struct endpoint_options copy, again;
	struct arena memory = { 0 };
	char room[32][16];
	struct endpoint_options from = original(room);

	cr_assert(zero(int, endpoint_options_copy(&memory, &from, &copy)));
	cr_expect(endpoint_options_equal(&copy, &from));
	memset(room, 'x', sizeof(room));
	again = original(room);
	cr_expect(endpoint_options_equal(&copy, &again));
	arena_clear(&memory);
}

/* Each text counts when two are compared, so that none of the copy is the original's. */
Test(endpoint_copy, each_text_counts)
{
	char room[32][16];
	struct endpoint_options a = original(room), copy;
	struct arena memory = { 0 };

	cr_assert(zero(int, endpoint_options_copy(&memory, &a, &copy)));
	for (int i = 0; i < 18; i++) {
		a = original(room);
		room[i][0] = 'T';
		cr_expect(not(endpoint_options_equal(&copy, &a)), "text %d", i);
	}
	arena_clear(&memory);
}

Test(endpoint_copy, nothing_is_said)
{
	struct endpoint_options empty = { .name = "a" }, copy;
	struct arena memory = { 0 };

	cr_assert(zero(int, endpoint_options_copy(&memory, &empty, &copy)));
	cr_expect(endpoint_options_equal(&copy, &empty));
	cr_expect(zero(ptr, (void *)copy.url));
	arena_clear(&memory);
}
