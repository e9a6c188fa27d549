/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_status.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "app/control.h"
#include "base/clock.h"
#include "leak_check.h"

TestSuite(agent_status, .fini = leak_check);

static struct delivery_stats *endpoint(struct agent_shared *s, const char *name, const char *error)
{
	struct delivery_stats *e = delivery_stats_of(s->endpoints, AGENT_ENDPOINT_PLACES, name);

	cr_assert(ne(ptr, e, NULL));
	delivery_stats_set_error(e, error);
	return e;
}

/* The line that begins with @start, without its end. */
static void assert_line(const struct agent_shared *s, const char *start, const char *want)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	char *line;

	agent_status_write(s, out);
	fclose(out);
	line = strstr(text, start);
	cr_assert(ne(ptr, line, NULL), "%s", text);
	line[strcspn(line, "\n")] = '\0';
	cr_expect(eq(str, line, (char *)want));
}

static struct agent_shared *made(void)
{
	CLEANUP(closep) int fd = -1;
	struct agent_shared *s = NULL;

	cr_assert(zero(int, agent_shared_new(&s, &fd)));
	return s;
}

Test(agent_status, a_line_for_each_endpoint)
{
	struct agent_shared *s = made();
	struct delivery_stats *e = endpoint(s, "one", "");

	e->delivered = 7;
	assert_line(s, "endpoint one",
		    "endpoint one: up, 0 profiles with 0 samples queued, 7 samples delivered, 0 "
		    "rejected, 0 uncertain, last error: none");
	e = endpoint(s, "two", "http://x answered 400: \"too old\" \\ no");
	e->state = DELIVERY_FAILING;
	e->failing_since_ns = 1795987714 * NSEC_PER_SEC;
	e->queue_entries = 2;
	e->queue_samples = 300;
	e->rejected = 4;
	e->uncertain = 5;
	assert_line(s, "endpoint two",
		    "endpoint two: failing since 2026-11-29T21:28:34Z, 2 profiles with 300 samples "
		    "queued, 0 samples delivered, 4 rejected, 5 uncertain, last error: \"http://x "
		    "answered 400: \\\"too old\\\" \\\\ no\"");
	assert_line(s, "config_reloads:", "config_reloads: 0");
	agent_shared_free(s);
}

/* Who delivers is the one who speaks to strangers: what it writes is not trusted. */
Test(agent_status, shared_memory_may_hold_anything)
{
	struct agent_shared *s = made();
	struct delivery_stats *e = endpoint(s, "one", "a\nendpoint two: up\x1b[2J\xff");

	memset(e->name, 'x', sizeof(e->name));
	e->name[1] = '\n';
	assert_line(s, "endpoint ",
		    "endpoint x?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: up, "
		    "0 profiles with 0 samples queued, 0 samples delivered, 0 rejected, 0 "
		    "uncertain, last error: \"a?endpoint two: up?[2J?\"");
	agent_shared_free(s);
}

Test(agent_status, all_endpoints_fit_into_an_answer)
{
	struct agent_shared *s = made();
	CLEANUP(freep) char *text = NULL;
	char words[DELIVERY_ERROR_MAX], name[DELIVERY_NAME_MAX];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	memset(words, '"', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	for (int i = 0; i < AGENT_ENDPOINTS_MAX; i++) {
		memset(name, 'a' + i, sizeof(name));
		name[sizeof(name) - 1] = '\0';
		endpoint(s, name, words)->delivered = UINT64_MAX;
	}
	endpoint(s, "gone", "")->state = DELIVERY_REMOVED;
	agent_status_write(s, out);
	fclose(out);
	cr_assert(lt(sz, len, CONTROL_ANSWER_MAX - 1));
	cr_assert(eq(ptr, strstr(text, "endpoint gone"), NULL));
	agent_shared_free(s);
}
