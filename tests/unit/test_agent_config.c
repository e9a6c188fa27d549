/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_config.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "app/config_overlay.h"
#include "base/clock.h"
#include "base/log.h"
#include "command.h"
#include "leak_check.h"
#include "shared/proc_info.h"

TestSuite(agent_config, .fini = leak_check, .timeout = 60);

#define CHANGES_MAX 64

static char *joined(const config_texts *texts)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < texts->n; i++)
		fprintf(f, "%s\n", texts->data[i]);
	fclose(f);
	return text;
}

/* Good, without a word. The caller frees. */
static struct agent_config *parsed(const char *text)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	int r = agent_config_parse("a.yaml", text, strlen(text), &p, &c);
	char *errors = joined(&p.errors);

	cr_assert(zero(int, r), "%s%s", errors, text);
	free(errors);
	return c;
}

/* Refused, with exactly the @n errors that @want has, in any order: "LINE: words of it". */
static void assert_refused(const char *text, const char *const *want, size_t n)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	char *said;

	cr_assert(eq(int, agent_config_parse("a.yaml", text, strlen(text), &p, &c), -EINVAL), "%s",
		  text);
	said = joined(&p.errors);
	cr_expect(eq(sz, p.errors.n, n), "%s", said);
	for (size_t i = 0; i < n; i++) {
		const char *words = strchr(want[i], ' ') + 1;
		char place[32];
		bool found = false;

		snprintf(place, sizeof(place), "a.yaml:%.*s ", (int)(words - 1 - want[i]), want[i]);
		for (size_t k = 0; k < p.errors.n; k++)
			found |= strncmp(p.errors.data[k], place, strlen(place)) == 0 &&
				 strstr(p.errors.data[k], words) != NULL;
		cr_expect(found, "no '%s' in:\n%s", want[i], said);
	}
	free(said);
}

#define REFUSED(text, ...)                                                                         \
	assert_refused(text, (const char *const[]){ __VA_ARGS__ },                                 \
		       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

#define EQ_STR(a, b) cr_expect(eq(str, (char *)(a), (char *)(b)))

/* --- values -------------------------------------------------------------------------------------
 */

Test(agent_config, an_empty_one_has_the_defaults)
{
	CLEANUP(agent_config_freep) struct agent_config *c = parsed("");

	cr_expect(eq(u32, c->frequency, 19));
	cr_expect(eq(u64, c->interval_ns, 15 * NSEC_PER_SEC));
	cr_expect(zero(sz, c->n_labels + c->n_relabel_rules + c->n_endpoints));
	cr_expect(zero(sz, c->filter.n_include + c->filter.n_exclude));
	EQ_STR(c->spool.directory, "/var/lib/spanprof/spool");
	cr_expect(eq(u64, c->spool.max_bytes, 1ULL << 30));
	cr_expect(eq(u64, c->spool.max_age_s, 24 * 3600));
	cr_expect(eq(dbl, c->budgets.cpu_percent, 1));
	cr_expect(eq(u64, c->budgets.memory, 96ULL << 20));
	cr_expect(eq(u64, c->budgets.unwind_tables, 32ULL << 20));
	EQ_STR(c->listen, "127.0.0.1:7071");
	EQ_STR(c->control_socket, "/run/spanprof/control.sock");
	EQ_STR(c->symbols.debuginfod, "");
	cr_expect(eq(int, (int)c->symbols.demangle, DEMANGLE_FULL));
	cr_expect(eq(u32, c->context.formats, ~0u));
	cr_expect(eq(int, (int)c->context.scope, SPAN_SCOPE_LEAF));
	cr_expect(eq(u32, c->context.max, 20000));
	cr_expect(eq(int, (int)c->log.format, AGENT_LOG_TEXT));
	cr_expect(eq(u32, c->log.level, LOG_LEVEL_INFO));
}

static const char all_of_it[] =
	"frequency: 99\n"
	"interval: 1m\n"
	"labels: {env: prod, k8s.node.name: \"n 1\"}\n"
	"relabel_configs:\n"
	"  - {source_labels: [a, b], separator: '-', regex: x(.*), target_label: c, replacement: "
	"y}\n"
	"  - {action: hashmod, source_labels: [a], target_label: d, modulus: 7}\n"
	"filters:\n"
	"  include: [{process_name: 'ng*'}, {uid: 0, cgroup: /a/*}]\n"
	"  exclude: [{container_id: abc, service_name: s}]\n"
	"endpoints:\n"
	"  - name: main\n"
	"    type: pyroscope\n"
	"    url: https://p.example/x\n"
	"    headers: {X-A: b, Authorization: {value_file: /t}}\n"
	"    tenant: t1\n"
	"    tls: {ca_file: /ca, cert_file: /c, key_file: /k, server_name: s, min_version: 1.3,\n"
	"          insecure_skip_verify: true}\n"
	"    proxy_url: http://proxy:3128\n"
	"    timeout: 1500ms\n"
	"    series_labels: [a, b]\n"
	"  - {type: otlp_http, url: 'https://o:4318', basic_auth: {username: u, password_file: "
	"/p}}\n"
	"  - {type: otlp-grpc, url: 'https://o:4317', bearer_token_file: /b}\n"
	"  - {type: directory, path: /d, max_bytes: 1.5GB, max_age: 2h}\n"
	"spool: {directory: /s, max_bytes: 64MiB, max_age: 90m}\n"
	"budgets: {cpu_percent: 2.5%, memory: 64MiB, unwind_tables: 8MiB}\n"
	"listen: '[::1]:80'\n"
	"control_socket: ''\n"
	"symbols: {debuginfod: 'https://a https://b', cache: /c, demangle: simple}\n"
	"context: {formats: [go, otel], span_scope: local-root, max_contexts: 5, obi_map: /m, "
	"elastic_register: true,\n"
	"          tls_variables: ['module=m,symbol=s,type=bytes8,as=span_id'], service_name: "
	"svc,\n"
	"          trace_id_label: t, span_id_label: s}\n"
	"log: {format: JSON, level: Debug}\n";

Test(agent_config, every_key_is_read)
{
	CLEANUP(agent_config_freep) struct agent_config *c = parsed(all_of_it);

	cr_expect(eq(u32, c->frequency, 99));
	cr_expect(eq(u64, c->interval_ns, 60 * NSEC_PER_SEC));
	cr_assert(eq(sz, c->n_labels, 2));
	EQ_STR(c->labels[1].name, "k8s.node.name");
	EQ_STR(c->labels[1].value, "n 1");
	cr_assert(eq(sz, c->n_relabel_rules, 2));
	cr_assert(eq(sz, c->relabel_rules[0].n_source_labels, 2));
	EQ_STR(c->relabel_rules[0].source_labels[1], "b");
	EQ_STR(c->relabel_rules[0].separator, "-");
	EQ_STR(c->relabel_rules[0].regex, "x(.*)");
	EQ_STR(c->relabel_rules[0].target_label, "c");
	EQ_STR(c->relabel_rules[0].replacement, "y");
	cr_expect(eq(int, (int)c->relabel_rules[0].action, RELABEL_REPLACE));
	cr_expect(eq(int, (int)c->relabel_rules[1].action, RELABEL_HASHMOD));
	cr_expect(eq(u64, c->relabel_rules[1].modulus, 7));
	cr_assert(eq(sz, c->filter.n_include, 2));
	EQ_STR(c->filter.include[0].process_name, "ng*");
	cr_expect(eq(i64, c->filter.include[0].uid, FILTER_ANY_UID));
	cr_expect(eq(i64, c->filter.include[1].uid, 0));
	EQ_STR(c->filter.include[1].cgroup, "/a/*");
	cr_assert(eq(sz, c->filter.n_exclude, 1));
	EQ_STR(c->filter.exclude[0].container_id, "abc");
	EQ_STR(c->filter.exclude[0].service_name, "s");
	EQ_STR(c->spool.directory, "/s");
	cr_expect(eq(u64, c->spool.max_bytes, 64ULL << 20));
	cr_expect(eq(u64, c->spool.max_age_s, 5400));
	cr_expect(eq(dbl, c->budgets.cpu_percent, 2.5));
	EQ_STR(c->listen, "[::1]:80");
	EQ_STR(c->control_socket, "");
	EQ_STR(c->symbols.debuginfod, "https://a https://b");
	EQ_STR(c->symbols.cache, "/c");
	cr_expect(eq(int, (int)c->symbols.demangle, DEMANGLE_SIMPLE));
	cr_expect(eq(u32, c->context.formats, 1u << CTX_FORMAT_GO | 1u << CTX_FORMAT_OTEL));
	cr_expect(eq(int, (int)c->context.scope, SPAN_SCOPE_LOCAL_ROOT));
	cr_expect(eq(u32, c->context.max, 5));
	EQ_STR(c->context.obi_map, "/m");
	cr_expect(c->context.elastic_register);
	cr_assert(eq(sz, c->context.n_variables, 1));
	EQ_STR(c->context.service_name, "svc");
	EQ_STR(c->context.trace_id_key, "t");
	EQ_STR(c->context.span_id_key, "s");
	cr_expect(eq(int, (int)c->log.format, AGENT_LOG_JSON));
	cr_expect(eq(u32, c->log.level, LOG_LEVEL_DEBUG));
}

Test(agent_config, every_key_of_an_endpoint_is_read)
{
	CLEANUP(agent_config_freep) struct agent_config *c = parsed(all_of_it);
	const struct endpoint_options *e = c->endpoints;

	cr_assert(eq(sz, c->n_endpoints, 4));
	EQ_STR(e->name, "main");
	cr_expect(eq(int, (int)e->type, ENDPOINT_PYROSCOPE));
	EQ_STR(e->url, "https://p.example/x");
	cr_assert(eq(sz, e->n_headers, 2));
	EQ_STR(e->headers[0].name, "X-A");
	EQ_STR(e->headers[0].value, "b");
	cr_expect(e->headers[1].value == NULL);
	EQ_STR(e->headers[1].value_file, "/t");
	EQ_STR(e->tenant, "t1");
	EQ_STR(e->tls.ca_file, "/ca");
	EQ_STR(e->tls.cert_file, "/c");
	EQ_STR(e->tls.key_file, "/k");
	EQ_STR(e->tls.server_name, "s");
	cr_expect(eq(int, (int)e->tls.min_version, TLS_VERSION_1_3));
	cr_expect(eq(int, e->tls.insecure_skip_verify, true));
	EQ_STR(e->proxy_url, "http://proxy:3128");
	cr_expect(eq(u32, e->timeout_ms, 1500));
	cr_assert(eq(sz, e->n_series_labels, 2));
	EQ_STR(e->series_labels[1], "b");

	EQ_STR(e[1].name, "otlp_http");
	EQ_STR(e[1].username, "u");
	EQ_STR(e[1].password_file, "/p");
	cr_expect(eq(u32, e[1].timeout_ms, 30000));
	cr_expect(eq(int, (int)e[1].tls.min_version, TLS_VERSION_1_2));
	EQ_STR(e[2].name, "otlp_grpc");
	cr_expect(eq(int, (int)e[2].type, ENDPOINT_OTLP_GRPC));
	EQ_STR(e[2].bearer_token_file, "/b");
	EQ_STR(e[3].path, "/d");
	cr_expect(eq(u64, e[3].max_bytes, 1500000000));
	cr_expect(eq(u64, e[3].max_age_s, 7200));
}

Test(agent_config, endpoints_without_a_name_get_one)
{
	CLEANUP(agent_config_freep)
	struct agent_config *c = parsed("endpoints:\n"
					"- {type: directory, path: /a}\n"
					"- {type: directory, path: /b, name: directory-2}\n"
					"- {type: directory, path: /c}\n");

	EQ_STR(c->endpoints[0].name, "directory");
	EQ_STR(c->endpoints[2].name, "directory-3");
}

/* --- what is wrong ------------------------------------------------------------------------------
 */

Test(agent_config, unknown_keys_get_the_nearest_name)
{
	REFUSED("frequncy: 1\nspool: {max_byte: 1GiB}\nendpoints:\n- type: directory\n  path: /d\n"
		"  tls: {ca: x}\n  bearer_token: geheim\nzzzzzz: 1\n",
		"1: unknown key 'frequncy'; did you mean 'frequency'?",
		"2: unknown key 'max_byte' in spool; did you mean 'max_bytes'?",
		"6: unknown key 'ca' in endpoints[0].tls", "6: means nothing",
		"7: unknown key 'bearer_token' in endpoints[0]; did you mean 'bearer_token_file'?",
		"8: unknown key 'zzzzzz'");
}

Test(agent_config, wrong_types_are_told_with_what_would_be_right)
{
	REFUSED("frequency: often\ninterval: 15\nspool:\n  max_bytes: 1 pebibyte\n  directory: "
		"here\n"
		"log: {level: loud}\nbudgets: {cpu_percent: [1]}\nlabels: [a]\nfilters: {include: "
		"{}}\n"
		"context: {formats: gopher}\nlisten: {a: b}\n",
		"1: 'often' is no number from 1 to 20000", "2: '15' is no duration from 1s to 1h",
		"4: '1 pebibyte' is no size from 1MiB", "5: spool.directory is no absolute path",
		"6: 'loud' is not error, warning, info or debug",
		"7: cpu_percent must be one value", "8: labels must be a map",
		"9: filters.include must be a list", "10: 'gopher' is not all, none, otel",
		"11: listen must be one value");
	REFUSED("frequency: 0", "1: from 1 to 20000");
	REFUSED("frequency: 20001", "1: from 1 to 20000");
	REFUSED("frequency: 1e3", "1: from 1 to 20000");
	REFUSED("frequency: -1", "1: from 1 to 20000");
	REFUSED("interval: 0.5s", "1: interval");
	REFUSED("- a\n- b", "1: all of it must be a map");
	REFUSED("abc", "1: all of it must be a map");
}

Test(agent_config, keys_that_stand_twice)
{
	REFUSED("frequency: 1\ninterval: 1s\nfrequency: 2\nlabels: {a: b, a: c}\n",
		"3: 'frequency' stands twice; first in line 1", "4: 'a' stands twice");
}

Test(agent_config, yaml_that_is_none_is_told_in_the_librarys_words)
{
	REFUSED("a:\n\tb: c\n", "2: no YAML");
	REFUSED("labels: {a: b\nfrequency: 19\n", "2: no YAML");
	REFUSED("frequency: 19\n---\nfrequency: 19\n", "2: a second document");
	REFUSED("frequency: *f\n", "1: no anchor 'f'");
	REFUSED("labels: {a: \"x\\ny\"}\n", "1: control character");
	REFUSED("labels: {a: \"x\\0y\"}\n", "1: control character");
	REFUSED("labels: !include x\n", "1: the tag '!include'", "1: labels must be a map");
	REFUSED("? [a]\n: b\n", "1: a key must be a word");
	REFUSED("frequency: 19 # \xff\n", "1: no YAML: ");
}

Test(agent_config, anchors_and_merges)
{
	CLEANUP(agent_config_freep)
	struct agent_config *c = parsed(
		"endpoints:\n"
		"- &one {type: otlp_http, url: 'https://a', timeout: 3s, tls: &t {ca_file: /a}}\n"
		"- <<: *one\n"
		"  url: https://b\n"
		"- {type: otlp_grpc, url: 'https://c', tls: {<<: [*t, {server_name: x}]}}\n");

	EQ_STR(c->endpoints[1].url, "https://b");
	cr_expect(eq(u32, c->endpoints[1].timeout_ms, 3000));
	EQ_STR(c->endpoints[2].tls.ca_file, "/a");
	EQ_STR(c->endpoints[2].tls.server_name, "x");
}

Test(agent_config, labels_rules_and_filters_are_checked)
{
	REFUSED("labels:\n  span_id: x\n  __a: b\n  service.name: c\n"
		"relabel_configs:\n- {target_label: a, regex: '('}\n- {action: hashmod, "
		"target_label: b}\n"
		"filters:\n  include: [{}]\nlisten: here\n"
		"context: {tls_variables: [nothing]}\n",
		"2: 'span_id' is a label that the agent sets", "3: '__a'",
		"4: context.service_name",
		"6: relabel_configs[0].regex: missing closing parenthesis",
		"7: relabel_configs[1].modulus", "9: filters.include[0] has no condition",
		"10: listen: 'here' is no HOST:PORT", "11: context.tls_variables[0]");
}

Test(agent_config, endpoints_are_checked)
{
	REFUSED("endpoints:\n"
		"- {name: ../x, type: pyroscope, url: 'ftp://x'}\n"
		"- {name: a, url: 'http://x'}\n"
		"- {name: b, type: directory}\n"
		"- {name: c, type: pyroscope, url: 'http://x', path: /x}\n"
		"- {name: c, type: otlp_http, url: 'http://x', series_labels: [a]}\n"
		"- {name: d, type: otlp_http}\n"
		"- {name: e, type: otlp_http, url: 'http://h/?a=b'}\n"
		"- {name: f, type: otlp_http, url: 'https://x', tls: {cert_file: /c}}\n"
		"- {name: g, type: otlp_http, url: 'https://x', basic_auth: {username: u}}\n"
		"- {name: h, type: otlp_http, url: 'https://x', headers: {Host: y, 'a b': c}}\n"
		"- {name: i, type: otlp_http, url: 'https://x', proxy_url: 'http://u:p@h'}\n",
		"2: endpoints[0].name: must be", "2: endpoints[0].url: is no http",
		"3: endpoints[1].type: is missing", "4: endpoints[2].path: is missing",
		"5: endpoints[3].path: means nothing", "6: endpoints[4].name",
		"6: endpoints[4].series_labels", "7: endpoints[5].url: is missing",
		"8: endpoints[6].url: has a query", "9: endpoints[7].tls: cert_file and key_file",
		"10: endpoints[8].basic_auth: username without",
		"11: 'Host' is a header that the agent", "11: 'a b' is no name",
		"12: endpoints[10].proxy_url: may hold no user");
}

/* A password in a URL, a value of a key that does not exist: neither is repeated. */
Test(agent_config, messages_show_no_secret)
{
	static const char *const texts[] = {
		"endpoints: [{type: pyroscope, url: 'https://u:geheim@h'}]",
		"endpoints: [{type: pyroscope, url: 'geheim@h'}]",
		"endpoints: [{type: pyroscope, url: 'https://h', bearer_token: geheim}]",
		"endpoints: [{type: pyroscope, url: 'https://h', headers: {Host: geheim}}]",
		"endpoints: [{type: pyroscope, url: 'https://h', headers: {A: [geheim]}}]",
		"endpoints: [{type: pyroscope, url: 'https://h', proxy_url: 'http://u:geheim@h'}]",
		"endpoints: [{type: pyroscope, url: 'https://h', basic_auth: {password: geheim}}]",
		"endpoints: [{type: pyroscope, url: 'https://h', basic_auth: geheim}]",
		"endpoints: [{type: pyroscope, url: 'https://h', bearer_token_file: geheim}]",
		"endpoints: [{type: pyroscope, url: 'https://h', basic_auth: {username: a, "
		"password_file: geheim}}]",
		"endpoints: [{type: pyroscope, url: 'https://h', headers: {A: {value_file: "
		"geheim}}}]",
		"symbols: {debuginfod: 'https://a https://u:geheim@h'}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(config_problems_clear) struct config_problems p = { 0 };
		struct agent_config *c = NULL;
		char *said;

		cr_expect(eq(int, agent_config_parse("a", texts[i], strlen(texts[i]), &p, &c),
			     -EINVAL),
			  "%s", texts[i]);
		said = joined(&p.errors);
		cr_expect(strstr(said, "geheim") == NULL, "%s", said);
		free(said);
	}
}

Test(agent_config, values_that_could_not_be_used)
{
	CLEANUP(agent_config_freep) struct agent_config *c = NULL;
	char text[200];

	snprintf(text, sizeof(text), "control_socket: /%0110d\n", 7);
	REFUSED(text, "1: control_socket: a socket's path has at most 107 bytes");
	c = parsed("endpoints: [{type: directory, path: /d, max_age: 500ms}]");
	cr_expect(eq(u64, c->endpoints[0].max_age_s, 1), "0 would be no limit");
}

static char *warnings_of(const char *text)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	CLEANUP(agent_config_freep) struct agent_config *c = NULL;

	cr_assert(zero(int, agent_config_parse("a", text, strlen(text), &p, &c)));
	return joined(&p.warnings);
}

Test(agent_config, what_is_odd_gets_a_warning)
{
	static const char *const cases[][2] = {
		{ "", "no endpoint is configured" },
		{ "endpoints: [{type: otlp_http, url: 'http://x', bearer_token_file: /t}]",
		  "clear text" },
		{ "endpoints: [{type: otlp_http, url: 'http://x', tls: {ca_file: /t}}]",
		  "means nothing to an http" },
		{ "endpoints: [{type: otlp_http, url: 'https://x', tls: {insecure_skip_verify: "
		  "yes}}]",
		  "whoever answers" },
		{ "endpoints: [{type: otlp_http, url: 'http://127.0.0.1', bearer_token_file: /t}]",
		  "" },
		{ "endpoints: [{type: otlp_http, url: 'https://x', headers: {X-API-Key: geheim}}]",
		  "'X-API-Key' may be a secret, which is better in a file that only we can read: "
		  "{value_file: PATH}" },
		{ "endpoints: [{type: otlp_http, url: 'https://x', headers: {X-Room: blue, "
		  "Authorization: {value_file: /t}}}]",
		  "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *said = warnings_of(cases[i][0]);

		cr_expect(cases[i][1][0] ? strstr(said, cases[i][1]) != NULL : said[0] == 0,
			  "%zu: %s", i, said);
		cr_expect(strstr(said, "geheim") == NULL, "%s", said);
		free(said);
	}
}

/* --- hostile texts ------------------------------------------------------------------------------
 */

static void assert_ends_soon(const char *text)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	uint64_t start = thread_cpu_ns();

	cr_expect(eq(int, agent_config_parse("a", text, strlen(text), &p, &c), -EINVAL), "%.20s",
		  text);
	agent_config_free(c);
	cr_expect(thread_cpu_ns() - start < 3 * NSEC_PER_SEC);
	cr_expect(p.errors.n <= CONFIG_PROBLEMS_MAX);
}

static char *repeated(const char *begin, const char *what, size_t n)
{
	char *text = malloc(strlen(begin) + n * strlen(what) + 1), *at = stpcpy(text, begin);

	while (n--)
		at = stpcpy(at, what);
	return text;
}

Test(agent_config, bombs)
{
	static const char *const parts[][2] = {
		{ "", "[" },	       { "", "{" },
		{ "a: ", "- " },       { "", "a: b\n" },
		{ "a: [", "b," },      { "", "? " },
		{ "&a a: ", "*a " },   { "a: ", "&a " },
		{ "labels: {", "a," }, { "a: \"", "\\u0041" },
		{ "", "!" },	       { "a: |\n", " b\n" },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *text = repeated(parts[i][0], parts[i][1], 500000 / strlen(parts[i][1]));

		assert_ends_soon(text);
		free(text);
	}
}

Test(agent_config, a_billion_laughs)
{
	char *list = NULL, *map = NULL;
	size_t n;
	FILE *f = open_memstream(&list, &n);

	fprintf(f, "a0: &a0 [x]\n");
	for (int i = 1; i < 30; i++)
		fprintf(f, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1);
	fprintf(f, "endpoints: *a29\nlabels: *a29\nrelabel_configs: *a29\n");
	fclose(f);
	assert_ends_soon(list);
	free(list);

	f = open_memstream(&map, &n);
	fprintf(f, "a0: &a0 {x: y}\n");
	for (int i = 1; i < 300; i++)
		fprintf(f, "a%d: &a%d {<<: [*a%d, *a%d], k%d: v}\n", i, i, i - 1, i - 1, i);
	fclose(f);
	assert_ends_soon(map);
	free(map);
}

Test(agent_config, a_text_that_is_too_long)
{
	char *text = repeated("", "# a comment\n", (1 << 20) / 12 + 1);

	assert_ends_soon(text);
	free(text);
}

/* --- environment and command line ---------------------------------------------------------------
 */

static struct agent_config *loaded(const struct agent_sources *s)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	int r = agent_config_load(s, &p, &c);
	char *errors = joined(&p.errors);

	cr_assert(zero(int, r), "%s", errors);
	free(errors);
	return c;
}

#define ENVIRONMENT(...)                                                                           \
	.environment = (char *[])                                                                  \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

Test(agent_config, options_count_more_than_the_environment_and_that_more_than_the_file)
{
	char *folder = command_make_folder(), file[128], variable[160];
	static const char text[] = "frequency: 1\ninterval: 2s\nlog: {level: error, format: json}\n"
				   "labels: {a: file, b: file}\n"
				   "endpoints: [{type: directory, path: /file}]\n";
	CLEANUP(agent_config_freep) struct agent_config *c = NULL;

	snprintf(file, sizeof(file), "%s/a.yaml", folder);
	snprintf(variable, sizeof(variable), "SPANPROF_CONFIG=%s", file);
	command_write_file(file, text, strlen(text));
	c = loaded(&(struct agent_sources){
		.flags = { { "frequency", "3" },
			   { "log-level", "debug" },
			   { "label", "a=flag" },
			   { "endpoint", "pyroscope+http://localhost:4040" } },
		.n_flags = 4,
		ENVIRONMENT(variable, "SPANPROF_FREQUENCY=2", "SPANPROF_INTERVAL=3s",
			    "SPANPROF_LOG_LEVEL=", "SPANPROF_ENDPOINT_TYPE=otlp_http",
			    "SPANPROF_ENDPOINT_URL=https://o", "SPANPROF_ENDPOINT_TLS_CA_FILE=/ca",
			    "SPANPROF_ENDPOINT_HEADERS=X-A=b, X-C=d",
			    "SPANPROF_ENDPOINT_BASIC_AUTH_USERNAME=u",
			    "SPANPROF_ENDPOINT_BASIC_AUTH_PASSWORD_FILE=/p"),
	});
	cr_expect(eq(u32, c->frequency, 3));
	cr_expect(eq(u64, c->interval_ns, 3 * NSEC_PER_SEC));
	cr_expect(eq(u32, c->log.level, LOG_LEVEL_DEBUG));
	cr_expect(eq(int, (int)c->log.format, AGENT_LOG_JSON));
	cr_assert(eq(sz, c->n_labels, 2));
	EQ_STR(c->labels[0].value, "flag");
	EQ_STR(c->labels[1].value, "file");
	cr_assert(eq(sz, c->n_endpoints, 3));
	EQ_STR(c->endpoints[0].path, "/file");
	EQ_STR(c->endpoints[1].url, "https://o");
	EQ_STR(c->endpoints[1].tls.ca_file, "/ca");
	EQ_STR(c->endpoints[1].headers[1].name, "X-C");
	EQ_STR(c->endpoints[1].headers[1].value, "d");
	EQ_STR(c->endpoints[1].password_file, "/p");
	cr_expect(eq(int, (int)c->endpoints[2].type, ENDPOINT_PYROSCOPE));
	EQ_STR(c->endpoints[2].url, "http://localhost:4040");
	command_remove_folder(folder);
}

/* A value other than the default of each type; NULL: for a test of its own. */
static const char *other_value(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_NUMBER:
	case CONFIG_PERCENT:
		return "7";
	case CONFIG_DURATION:
		return "77s";
	case CONFIG_BYTES:
		return "17MiB";
	case CONFIG_BOOL:
		return strcmp(key->def, "true") == 0 ? "false" : "true";
	case CONFIG_STRING:
		return "127.0.0.1:99";
	case CONFIG_PATH:
		return "/other";
	case CONFIG_ENUM:
		return key->names[1 + (key->def && strcmp(key->names[1], key->def) == 0)];
	case CONFIG_SET:
		return "go, python";
	case CONFIG_STRINGS:
		return "module=m,symbol=s,type=bytes8,as=span_id "
		       "module=n,symbol=s,type=bytes8,as=span_id";
	case CONFIG_LABELS:
		return "a=b, c=d";
	default:
		return key->schema == config_key_find(&agent_config_schema, "endpoints")->schema
			       ? "[{type: directory, path: /x}]"
		       : strcmp(key->name, "relabel_configs") == 0 ? "[{action: drop, regex: x}]"
								   : "[{uid: 1}, {uid: 2}]";
	}
}

static size_t try_variables(const struct config_schema *s, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		CLEANUP(agent_config_freep) struct agent_config *before = NULL;
		CLEANUP(agent_config_freep) struct agent_config *c = NULL;
		char inner[CONFIG_PATH_MAX], name[CONFIG_VARIABLE_MAX], *text;
		struct config_change changes[CHANGES_MAX];

		config_path_join(inner, path, s->keys[i].name);
		if (s->keys[i].type == CONFIG_SECTION) {
			n += try_variables(s->keys[i].schema, inner);
			continue;
		}
		config_variable_name("SPANPROF", inner, name);
		cr_assert(asprintf(&text, "%s=%s", name, other_value(&s->keys[i])) > 0);
		before = parsed("");
		c = loaded(&(struct agent_sources){ .file = "/dev/null", ENVIRONMENT(text) });
		cr_expect(eq(sz, agent_config_compare(before, c, changes, CHANGES_MAX), 1), "%s",
			  text);
		EQ_STR(changes[0].path, inner);
		cr_expect(eq(int, changes[0].reload, s->keys[i].reload));
		free(text);
		n++;
	}
	return n;
}

Test(agent_config, every_key_has_its_variable)
{
	cr_expect(ge(sz, try_variables(&agent_config_schema, ""), 25));
}

static void assert_load_refused(const struct agent_sources *s, const char *word)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	struct agent_config *c = NULL;
	char *said;

	cr_expect(eq(int, agent_config_load(s, &p, &c), -EINVAL), "%s", word);
	said = joined(&p.errors);
	cr_expect(strstr(said, word) != NULL, "no '%s' in: %s", word, said);
	free(said);
}

Test(agent_config, a_file_that_is_no_map_and_a_variable)
{
	static const char *const texts[] = { "- a\n", "abc\n", "[1, 2]" };
	char *folder = command_make_folder(), file[128];

	snprintf(file, sizeof(file), "%s/a.yaml", folder);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(config_problems_clear) struct config_problems p = { 0 };
		struct agent_sources s = { .file = file, ENVIRONMENT("SPANPROF_FREQUENCY=2") };
		struct agent_config *c;

		command_write_file(file, texts[i], strlen(texts[i]));
		cr_expect(eq(int, agent_config_load(&s, &p, &c), -EINVAL));
		cr_assert(eq(sz, p.errors.n, 1));
		cr_expect(ne(ptr, strstr(p.errors.data[0], "all of it must be a map"), NULL));
	}
	command_remove_folder(folder);
}

Test(agent_config, entries_without_a_value)
{
	REFUSED("labels: {team: ~}\n", "1: labels.team: an entry without a value");
	REFUSED("endpoints:\n- type: pyroscope\n  url: http://a\n  headers: {X-A: null}\n",
		"4: endpoints[0].headers.X-A: an entry without a value");
}

Test(agent_config, errors_name_the_variable_or_option)
{
	assert_load_refused(&(struct agent_sources){ .file = "/dev/null",
						     ENVIRONMENT("SPANPROF_SPOOL_MAX_BYTES=much") },
			    "SPANPROF_SPOOL_MAX_BYTES: spool.max_bytes: 'much' is no size");
	assert_load_refused(
		&(struct agent_sources){ .file = "/dev/null", ENVIRONMENT("SPANPROF_ENDPOINTS=x") },
		"SPANPROF_ENDPOINTS: wants YAML");
	assert_load_refused(
		&(struct agent_sources){ .file = "/dev/null", ENVIRONMENT("SPANPROF_LABELS=x") },
		"SPANPROF_LABELS: wants NAME=VALUE");
	assert_load_refused(&(struct agent_sources){ .file = "/dev/null",
						     ENVIRONMENT("SPANPROF_LISTEN=\xff\n:1") },
			    "SPANPROF_LISTEN: listen is no text");
	assert_load_refused(&(struct agent_sources){ .file = "/dev/null",
						     .flags = { { "endpoint", "x" } },
						     .n_flags = 1 },
			    "--endpoint: wants TYPE+URL");
	assert_load_refused(&(struct agent_sources){ .file = "/dev/null",
						     .flags = { { "label", "x" } },
						     .n_flags = 1 },
			    "--label: wants NAME=VALUE");
	assert_load_refused(&(struct agent_sources){ .file = "/nonexistent/a.yaml" },
			    "/nonexistent/a.yaml: cannot be read: No such file");
}

Test(agent_config, a_misspelt_variable_gets_a_warning_and_kubernetes_own_do_not)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	CLEANUP(agent_config_freep) struct agent_config *c = NULL;
	struct agent_sources s = {
		.file = "/dev/null",
		.flags = { { "endpoint", "directory+/x" } },
		.n_flags = 1,
		ENVIRONMENT("SPANPROF_FREQENCY=3", "SPANPROF_PORT=tcp://10.0.0.1:80",
			    "SPANPROF_SERVICE_HOST=10.0.0.1", "SPANPROF_ENDPOINT_ULR=x",
			    "SPANPROF_PORT_80_TCP_ADDR=10.0.0.1", "SPANPROF_SERVICE_PORT=80"),
	};
	char *said;

	cr_assert(zero(int, agent_config_load(&s, &p, &c)));
	said = joined(&p.warnings);
	EQ_STR(said, "SPANPROF_FREQENCY: no setting; did you mean SPANPROF_FREQUENCY?\n"
		     "SPANPROF_ENDPOINT_ULR: no setting; did you mean SPANPROF_ENDPOINT_URL?\n");
	free(said);
}

/* --- printing, comparing ------------------------------------------------------------------------
 */

static char *printed(const struct agent_config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert(zero(int, agent_config_print(c, f)));
	fclose(f);
	return text;
}

/* What is printed is YAML that means the same. */
static void assert_round_trip(const struct agent_config *c)
{
	struct config_change changes[CHANGES_MAX] = { 0 };
	char *text = printed(c);
	CLEANUP(agent_config_freep) struct agent_config *again = parsed(text);

	cr_expect(zero(sz, agent_config_compare(c, again, changes, CHANGES_MAX)), "%s in:\n%s",
		  changes[0].path, text);
	free(text);
}

Test(agent_config, what_is_printed_means_the_same)
{
	static const char *const texts[] = {
		"",
		all_of_it,
		"labels: {}\nendpoints: []\nfilters: {include: [], exclude: null}\nspool:\n",
		"context: {formats: none}",
		"context: {formats: []}",
		"endpoints: [{type: otlp_http, url: 'http://[::1]:4318'}, {type: otlp_http, url: "
		"'http://b'}]",
		"listen: ''\nsymbols: {cache: ''}\ncontext: {service_name: ''}",
		"endpoints: [{type: otlp_http, url: 'http://h', headers: {a: {value: x}, b: ''}}]",
		"relabel_configs: [{target_label: a, replacement: '', separator: '', regex: ''}]",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(agent_config_freep) struct agent_config *c = parsed(texts[i]);

		assert_round_trip(c);
	}
}

Test(agent_config, odd_labels_are_printed_so_that_they_can_be_read)
{
	CLEANUP(agent_config_freep)
	struct agent_config *c = parsed(
		"labels: {'a b': \"# x: y\", 'null': '~', c: \"\\\"\\\\\", d: '  ', e: "
		"\"\\u00e9\\u2028\\U0001F600\\u0085\\ufeff\", f: '- x', g: 'true', '<<': h}");

	cr_expect(eq(sz, c->n_labels, 8));
	assert_round_trip(c);
}

static void assert_line(const char *text, const char *begin, const char *end)
{
	const char *at = strstr(text, begin);
	size_t len = at ? strcspn(at, "\n") : 0;

	cr_assert(at != NULL, "no '%s' in:\n%s", begin, text);
	cr_expect(len >= strlen(end) && strncmp(at + len - strlen(end), end, strlen(end)) == 0,
		  "'%.*s' does not end with '%s'", (int)len, at, end);
}

Test(agent_config, each_line_says_where_it_is_from)
{
	CLEANUP(agent_config_freep)
	struct agent_config *c =
		loaded(&(struct agent_sources){ .file = "/dev/null",
						.flags = { { "spool-directory", "/x" } },
						.n_flags = 1,
						ENVIRONMENT("SPANPROF_FREQUENCY=5") });
	CLEANUP(agent_config_freep) struct agent_config *file = parsed("\n\ninterval: 3s");
	char *text = printed(c), *text2 = printed(file);

	assert_line(text, "frequency: 5", "# SPANPROF_FREQUENCY");
	assert_line(text, "  directory: /x", "# --spool-directory");
	assert_line(text, "interval: 15s", "# default");
	assert_line(text2, "interval: 3s", "# a.yaml:3");
	free(text);
	free(text2);
}

/* A name of a file may be anything; its lines must not become keys. */
Test(agent_config, a_files_name_with_a_line_break_stays_in_its_comment)
{
	CLEANUP(config_problems_clear) struct config_problems p = { 0 };
	CLEANUP(agent_config_freep) struct agent_config *c = NULL;
	char *text;

	cr_assert(
		zero(int, agent_config_parse("x\nfrequency: 7\n\xff", "interval: 3s", 12, &p, &c)));
	text = printed(c);
	assert_line(text, "interval: 3s", "# x?frequency: 7??:1");
	cr_expect(strstr(text, "\nfrequency: 7") == NULL);
	free(text);
}

Test(agent_config, values_of_headers_that_may_be_secrets_are_hidden)
{
	CLEANUP(agent_config_freep)
	struct agent_config *c = parsed(
		"endpoints:\n- type: otlp_http\n  url: https://h\n  headers:\n"
		"    Authorization: geheim1\n    X-Api-Key: geheim2\n    X-Token: {value: "
		"geheim3}\n"
		"    X-Secret-Thing: geheim4\n    X-Plain: shown\n    Cookie: {value_file: /c}\n");
	char *text = printed(c);

	cr_expect(strstr(text, "geheim") == NULL, "%s", text);
	cr_expect(strstr(text, "X-Plain: shown") != NULL, "%s", text);
	cr_expect(strstr(text, "Cookie: {value_file: /c}") != NULL, "%s", text);
	/* And what is shown instead is not taken for the secret. */
	{
		CLEANUP(config_problems_clear) struct config_problems p = { 0 };
		struct agent_config *again = NULL;

		cr_expect(
			eq(int, agent_config_parse("a", text, strlen(text), &p, &again), -EINVAL));
		cr_expect(eq(sz, p.errors.n, 4));
	}
	free(text);
}

Test(agent_config, another_process_gets_all_of_it)
{
	CLEANUP(agent_config_freep) struct agent_config *c = parsed(all_of_it);
	CLEANUP(agent_config_freep)
	struct agent_config *secret = parsed("endpoints:\n- type: otlp_http\n  url: https://h\n"
					     "  headers: {X-Api-Key: \"geheim\\\\ \\\"2\"}\n");
	const struct agent_config *sent[] = { c, secret };

	for (size_t i = 0; i < 2; i++) {
		CLEANUP(config_problems_clear) struct config_problems p = { 0 };
		CLEANUP(agent_config_freep) struct agent_config *got = NULL;
		CLEANUP(closep) int fd = -1;
		struct config_change changes[CHANGES_MAX] = { 0 };

		cr_assert(zero(int, agent_config_send(sent[i], &fd)));
		cr_assert(zero(int, agent_config_receive(fd, &p, &got)));
		cr_expect(zero(sz, agent_config_compare(sent[i], got, changes, CHANGES_MAX)), "%s",
			  changes[0].path);
		if (sent[i] == secret)
			cr_expect_str_eq(got->endpoints[0].headers[0].value, "geheim\\ \"2");
	}
}

Test(agent_config, what_changed_and_what_of_it_can_be_taken_over)
{
	CLEANUP(agent_config_freep) struct agent_config *a = parsed(all_of_it);
	CLEANUP(agent_config_freep) struct agent_config *b = parsed("frequency: 99");
	struct config_change changes[CHANGES_MAX];
	size_t n = agent_config_compare(a, b, changes, CHANGES_MAX), reload = 0;

	for (size_t i = 0; i < n; i++)
		reload += changes[i].reload;
	cr_expect(eq(sz, n, 28));
	EQ_STR(changes[0].path, "interval");
	cr_expect(eq(sz, reload, 9));
	cr_expect(eq(sz, agent_config_compare(a, b, changes, 3), 3));
}

Test(agent_config, distance_of_words)
{
	cr_expect(eq(u32, config_edit_distance("abc", "abc", 5), 0));
	cr_expect(eq(u32, config_edit_distance("abc", "acb", 5), 1));
	cr_expect(eq(u32, config_edit_distance("", "abc", 5), 3));
	cr_expect(eq(u32, config_edit_distance("kitten", "sitting", 5), 3));
	cr_expect(eq(u32, config_edit_distance("kitten", "sitting", 1), 2));
}
