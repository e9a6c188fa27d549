/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool and delivery without the profiler, for tests/e2e/test_delivery.py.
 *
 *   deliver SPOOL [KEY=VALUE]… [-- [KEY=VALUE]…]…    endpoints, the words of which "--" divides
 *
 * Reads commands, a line each, and answers each with a line:
 *   put N [SECONDS]   N profiles of 100 samples in 5 services, so long ago; -N: ahead
 *   stats    statistics as JSON
 *   set      the endpoints that FILE holds (a line of KEY=VALUE words each): set FILE
 *   quit MS GRACE   flushes so long, ends, statistics as JSON
 * What delivery tells goes to stderr.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/parse.h"
#include "export/delivery.h"
#include "export/spool.h"
#include "profile_fixture.h"

#define ENDPOINTS_MAX 8

static struct delivery_stats stats[ENDPOINTS_MAX];
static struct endpoint_header headers[ENDPOINTS_MAX];

static uint64_t number(const char *text)
{
	uint64_t v = 0;

	if (parse_u64(text, 0, UINT64_MAX, &v) < 0)
		abort();
	return v;
}

static enum endpoint_type type_of(const char *text)
{
	static const char *const names[] = { "pyroscope", "otlp_http", "otlp_grpc", "directory" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	abort();
}

static void set_option(struct endpoint_options *e, struct endpoint_header *h, char *word)
{
	char *value = strchr(word, '=');
	const struct {
		const char *key;
		const char **to;
	} strings[] = {
		{ "name", &e->name },
		{ "url", &e->url },
		{ "path", &e->path },
		{ "tenant", &e->tenant },
		{ "token", &e->bearer_token_file },
		{ "username", &e->username },
		{ "password", &e->password_file },
		{ "proxy", &e->proxy_url },
		{ "ca", &e->tls.ca_file },
		{ "cert", &e->tls.cert_file },
		{ "key", &e->tls.key_file },
		{ "server_name", &e->tls.server_name },
	};

	if (!value)
		abort();
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (strcmp(word, strings[i].key) == 0)
			*strings[i].to = value;
	if (strcmp(word, "type") == 0)
		e->type = type_of(value);
	if (strcmp(word, "timeout") == 0)
		e->timeout_ms = number(value);
	if (strcmp(word, "max_bytes") == 0)
		e->max_bytes = number(value);
	if (strcmp(word, "min_version") == 0)
		e->tls.min_version = strcmp(value, "1.3") == 0 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
	if (strcmp(word, "insecure") == 0)
		e->tls.insecure_skip_verify = true;
	if (strcmp(word, "header") == 0) {
		*h = (struct endpoint_header){ "X-Test", value, NULL };
		e->headers = h;
		e->n_headers = 1;
	}
}

static void on_event(const struct delivery_event *e, void *arg)
{
	static const char *const names[] = { "failing", "recovered", "refused", "warned",
					     "unusable" };

	fprintf(stderr, "%s: %s, replayed %lu: %s\n", e->endpoint, names[e->change], e->replayed,
		e->message);
}

static void print_stats(void)
{
	static const char *const outcomes[] = { "taken", "partial", "refused",	 "too_large",
						"later", "denied",  "unreached", "no_answer" };
	const char *comma = "";

	printf("{");
	for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
		struct delivery_stats *s = &stats[i];
		char error[DELIVERY_ERROR_MAX];

		if (s->state == DELIVERY_UNUSED)
			continue;
		delivery_stats_error(s, error);
		for (char *c = error; *c; c++)
			if (*c == '"' || *c == '\\')
				*c = '\'';
		printf("%s\"%s\": {\"state\": %u, \"error\": \"%s\"", comma, s->name, s->state,
		       error);
#define FIELD(name) printf(", \"" #name "\": %lu", s->name)
		FIELD(found);
		FIELD(put);
		FIELD(unspooled);
		FIELD(delivered);
		FIELD(rejected);
		FIELD(expired);
		FIELD(damaged);
		FIELD(uncertain);
		FIELD(queue_entries);
		FIELD(queue_samples);
		FIELD(progress_unsaved);
		FIELD(heartbeat_ns);
		FIELD(failing_since_ns);
		for (size_t k = 0; k < DELIVERY_OUTCOMES; k++)
			printf(", \"%s\": %lu", outcomes[k], s->requests[k]);
		printf("}");
		comma = ", ";
	}
	printf("}\n");
}

static int put(struct spool *s, const char *words)
{
	unsigned n = 0;
	int ago_s = 0, r = 0;

	if (sscanf(words, "%u %d", &n, &ago_s) < 1)
		abort();
	for (unsigned i = 0; i < n; i++) {
		struct pprof *p = fixture_shop();
		struct spool_profile profile = { .samples = 100 };
		uint8_t *bytes;
		int err;

		profile.time_ns = realtime_ns() - ago_s * (int64_t)NSEC_PER_SEC;
		p->time_nanos = profile.time_ns;
		fixture_check(pprof_encode(p, true, &bytes, &profile.len));
		profile.pprof = bytes;
		err = spool_put(s, &profile, 0);
		if (r == 0)
			r = err;
		free(bytes);
		pprof_free(p);
	}
	return r;
}

static void set_endpoints(struct spool *s, struct delivery *d, const struct endpoint_options *e,
			  size_t n)
{
	struct spool_target targets[ENDPOINTS_MAX];

	for (size_t i = 0; i < n; i++) {
		targets[i].name = e[i].name;
		targets[i].stats = delivery_stats_of(stats, ENDPOINTS_MAX, e[i].name);
	}
	(void)spool_set_queues(s, targets, n); /* one that cannot be made is tried again */
	fixture_check(delivery_set(d, e, n));
}

/* Lines and options live until the program ends. */
static void set_from_file(struct spool *s, struct delivery *d, const char *path)
{
	struct endpoint_options *e = calloc(ENDPOINTS_MAX, sizeof(*e));
	struct endpoint_header *h = calloc(ENDPOINTS_MAX, sizeof(*h));
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0, n = 0;

	for (; f && n < ENDPOINTS_MAX && getline(&line, &size, f) > 0; n++) {
		char *rest = strdup(line), *word;

		rest[strcspn(rest, "\n")] = '\0';
		while ((word = strsep(&rest, " ")))
			set_option(&e[n], &h[n], word);
	}
	free(line);
	fclose(f);
	set_endpoints(s, d, e, n);
}

int main(int argc, char **argv)
{
	static struct endpoint_options endpoints[ENDPOINTS_MAX];
	struct spool_options spool_opt = { .dir = argv[1], .max_bytes = 1 << 20 };
	struct delivery_options opt = { argv[1], stats, ENDPOINTS_MAX, on_event, NULL };
	struct delivery *d;
	struct spool *s;
	size_t n = 1;
	char line[4096];

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			n++;
		else
			set_option(&endpoints[n - 1], &headers[n - 1], argv[i]);
	}
	fixture_check(spool_open(&spool_opt, &s));
	fixture_check(delivery_new(&opt, &d));
	set_endpoints(s, d, endpoints, n);
	setlinebuf(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "put ", 4) == 0) {
			printf("%d\n", put(s, line + 4));
			delivery_wake(d);
		} else if (strncmp(line, "set ", 4) == 0) {
			set_from_file(s, d, line + 4);
			printf("set\n");
		} else if (strncmp(line, "quit ", 5) == 0) {
			char *grace = strchr(line + 5, ' ');

			*grace++ = '\0';
			delivery_stop(d, number(line + 5), number(grace));
			print_stats();
			spool_close(s);
			return 0;
		} else {
			print_stats();
		}
	}
	return 1;
}
