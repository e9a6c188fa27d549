/* SPDX-License-Identifier: Apache-2.0 */
/* All keys of `spanprof agent`. docs/agent.md has the same table: tests/unit/test_agent_keys.c. */
#include "app/agent_config.h"
#include "app/host_limits.h"
#include "base/clock.h"
#include "export/pyroscope_split.h"
#include "profile/profile.h"

#define FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define ARRAY(type, member, count)                                                                 \
	.offset = offsetof(type, member), .n_offset = offsetof(type, count)
#define SECTION(s) .type = CONFIG_SECTION, .schema = &(s)

#define SECONDS(n) ((n)*NSEC_PER_SEC)
#define MIB(n)	   ((uint64_t)(n) << 20)
#define GIB(n)	   ((uint64_t)(n) << 30)
#define STR_(x)	   #x
#define STR(x)	   STR_(x)

#define PYROSCOPE (1u << ENDPOINT_PYROSCOPE)
#define SERVERS	  (PYROSCOPE | 1u << ENDPOINT_OTLP_HTTP | 1u << ENDPOINT_OTLP_GRPC)
#define DIRECTORY (1u << ENDPOINT_DIRECTORY)

static const char *const type_names[] = { "pyroscope", "otlp_http", "otlp_grpc", "directory",
					  NULL };
static const char *const tls_names[] = { "1.2", "1.3", NULL };
static const char *const demangle_names[] = { "full", "simple", "none", NULL };
static const char *const scope_names[] = { "leaf", "local-root", NULL };
static const char *const log_names[] = { "text", "logfmt", "json", NULL };
static const char *const level_names[] = { "error", "warning", "info", "debug", NULL };
static const char *const format_names[] = { "otel",   "nodejs",	       "elastic", "go",
					    "python", "custom-labels", NULL };
static const unsigned char format_bits[] = { CTX_FORMAT_OTEL,	 CTX_FORMAT_NODE,
					     CTX_FORMAT_ELASTIC, CTX_FORMAT_GO,
					     CTX_FORMAT_PYTHON,	 CTX_FORMAT_CUSTOM_LABELS };

static const struct config_key relabel_keys[] = {
	{ .name = "source_labels",
	  .type = CONFIG_STRINGS,
	  .max = RELABEL_SOURCES_MAX,
	  ARRAY(struct relabel_rule, source_labels, n_source_labels),
	  .help = "labels whose values, joined, are matched" },
	{ .name = "separator",
	  .type = CONFIG_STRING,
	  FIELD(struct relabel_rule, separator),
	  .help = "between the joined values; `;`" },
	{ .name = "regex",
	  .type = CONFIG_STRING,
	  FIELD(struct relabel_rule, regex),
	  .help = "must match the whole of it; `(.*)`" },
	{ .name = "modulus",
	  .type = CONFIG_NUMBER,
	  FIELD(struct relabel_rule, modulus),
	  .help = "of `hashmod`" },
	{ .name = "target_label",
	  .type = CONFIG_STRING,
	  FIELD(struct relabel_rule, target_label),
	  .help = "label that is set; may have `$1`, `${name}` (`replace`)" },
	{ .name = "replacement",
	  .type = CONFIG_STRING,
	  FIELD(struct relabel_rule, replacement),
	  .help = "what it is set to; `$1`" },
	{ .name = "action",
	  .type = CONFIG_ENUM,
	  .names = relabel_action_names,
	  .def = "replace",
	  FIELD(struct relabel_rule, action),
	  .help = "what is done" },
};

static const struct config_schema relabel_schema = CONFIG_SCHEMA(relabel_keys, struct relabel_rule);

static const struct config_key filter_rule_keys[] = {
	{ .name = "process_name",
	  .type = CONFIG_STRING,
	  FIELD(struct filter_rule, process_name),
	  .help = "pattern for the name (15 bytes of it)" },
	{ .name = "cgroup",
	  .type = CONFIG_STRING,
	  FIELD(struct filter_rule, cgroup),
	  .help = "pattern for the path below the mount of cgroup v2, as the host sees it, such as "
		  "`/system.slice/*`" },
	{ .name = "container_id",
	  .type = CONFIG_STRING,
	  FIELD(struct filter_rule, container_id),
	  .help = "pattern for the id" },
	{ .name = "uid",
	  .type = CONFIG_NUMBER,
	  .max = UINT32_MAX - 1,
	  .unset = (uint64_t)FILTER_ANY_UID,
	  FIELD(struct filter_rule, uid),
	  .help = "number of the user on the host" },
	{ .name = "service_name",
	  .type = CONFIG_STRING,
	  FIELD(struct filter_rule, service_name),
	  .help = "pattern for the service" },
};

static const struct config_schema filter_rule_schema =
	CONFIG_SCHEMA(filter_rule_keys, struct filter_rule);

static const struct config_key filter_keys[] = {
	{ .name = "include",
	  .type = CONFIG_LIST,
	  .schema = &filter_rule_schema,
	  .max = FILTER_RULES_MAX,
	  .reload = true,
	  ARRAY(struct filter, include, n_include),
	  .help = "only processes that one of these rules matches" },
	{ .name = "exclude",
	  .type = CONFIG_LIST,
	  .schema = &filter_rule_schema,
	  .max = FILTER_RULES_MAX,
	  .reload = true,
	  ARRAY(struct filter, exclude, n_exclude),
	  .help = "no process that one of these rules matches" },
};

static const struct config_schema filter_schema = CONFIG_SCHEMA(filter_keys, struct filter);

static const struct config_key basic_auth_keys[] = {
	{ .name = "username",
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_options, username),
	  .help = "of basic authentication" },
	{ .name = "password_file",
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_options, password_file),
	  .help = "its password: the only line there" },
};

static const struct config_schema basic_auth_schema =
	CONFIG_SCHEMA(basic_auth_keys, struct endpoint_options);

static const struct config_key tls_keys[] = {
	{ .name = "ca_file",
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_tls, ca_file),
	  .help = "PEM certificates to trust instead of the system's" },
	{ .name = "cert_file",
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_tls, cert_file),
	  .help = "PEM certificate of the client" },
	{ .name = "key_file",
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_tls, key_file),
	  .help = "its PEM key" },
	{ .name = "server_name",
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_tls, server_name),
	  .help = "that the server's certificate must be for (else the URL's host)" },
	{ .name = "insecure_skip_verify",
	  .type = CONFIG_BOOL,
	  .def = "false",
	  FIELD(struct endpoint_tls, insecure_skip_verify),
	  .help = "accept any certificate" },
	{ .name = "min_version",
	  .type = CONFIG_ENUM,
	  .names = tls_names,
	  .def = "1.2",
	  FIELD(struct endpoint_tls, min_version),
	  .help = "oldest version of TLS" },
};

static const struct config_schema tls_schema = CONFIG_SCHEMA(tls_keys, struct endpoint_tls);

static const struct config_key endpoint_keys[] = {
	{ .name = "name",
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_options, name),
	  .help = "names its queue and its metrics; default: the type, `-2` behind that of a "
		  "second" },
	{ .name = "type",
	  .type = CONFIG_ENUM,
	  .names = type_names,
	  FIELD(struct endpoint_options, type),
	  .help = "what is spoken there; required" },
	{ .name = "url",
	  .only = SERVERS,
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_options, url),
	  .help = "`http(s)://HOST[:PORT][/PREFIX]`, without user and password" },
	{ .name = "path",
	  .only = DIRECTORY,
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_options, path),
	  .help = "folder for the files" },
	{ .name = "headers",
	  .only = SERVERS,
	  .type = CONFIG_HEADERS,
	  .max = 32,
	  ARRAY(struct endpoint_options, headers, n_headers),
	  .help = "more headers: `NAME: VALUE`, or `NAME: {value_file: PATH}` for a secret" },
	{ .name = "tenant",
	  .only = SERVERS,
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_options, tenant),
	  .help = "header `X-Scope-OrgID`" },
	{ .name = "bearer_token_file",
	  .only = SERVERS,
	  .type = CONFIG_PATH,
	  FIELD(struct endpoint_options, bearer_token_file),
	  .help = "token: the only line there" },
	{ .name = "basic_auth", .only = SERVERS, SECTION(basic_auth_schema) },
	{ .name = "tls",
	  .only = SERVERS,
	  SECTION(tls_schema),
	  .offset = offsetof(struct endpoint_options, tls) },
	{ .name = "proxy_url",
	  .only = SERVERS,
	  .type = CONFIG_STRING,
	  FIELD(struct endpoint_options, proxy_url),
	  .help = "else as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say" },
	{ .name = "timeout",
	  .only = SERVERS,
	  .type = CONFIG_DURATION,
	  .def = "30s",
	  .unit = NSEC_PER_MSEC,
	  .min = NSEC_PER_SEC,
	  .max = SECONDS(600),
	  FIELD(struct endpoint_options, timeout_ms),
	  .help = "of one request" },
	{ .name = "series_labels",
	  .only = PYROSCOPE,
	  .type = CONFIG_STRINGS,
	  .max = PYROSCOPE_KEYS_MAX,
	  ARRAY(struct endpoint_options, series_labels, n_series_labels),
	  .help = "labels of samples each value of which makes a series" },
	{ .name = "max_bytes",
	  .only = DIRECTORY,
	  .type = CONFIG_BYTES,
	  .def = "1GiB",
	  FIELD(struct endpoint_options, max_bytes),
	  .help = "of all files, oldest out first; 0: no limit" },
	{ .name = "max_age",
	  .only = DIRECTORY,
	  .type = CONFIG_DURATION,
	  .def = "0",
	  .unit = NSEC_PER_SEC,
	  FIELD(struct endpoint_options, max_age_s),
	  .help = "of a file; 0: no limit" },
};

static const struct config_schema endpoint_schema =
	CONFIG_SCHEMA(endpoint_keys, struct endpoint_options);

static const struct config_key spool_keys[] = {
	{ .name = "directory",
	  .type = CONFIG_PATH,
	  .def = "/var/lib/spanprof/spool",
	  .flag = "spool-directory",
	  .arg = "DIR",
	  FIELD(struct agent_spool, directory),
	  .help = "where profiles wait to be delivered" },
	{ .name = "max_bytes",
	  .type = CONFIG_BYTES,
	  .def = "1GiB",
	  .min = MIB(1),
	  .max = GIB(1ULL << 20),
	  FIELD(struct agent_spool, max_bytes),
	  .help = "of those of an endpoint, oldest out first" },
	{ .name = "max_age",
	  .type = CONFIG_DURATION,
	  .def = "24h",
	  .unit = NSEC_PER_SEC,
	  .min = SECONDS(60),
	  .max = SECONDS(8784ULL * 3600),
	  FIELD(struct agent_spool, max_age_s),
	  .help = "after which one is dropped" },
};

static const struct config_schema spool_schema = CONFIG_SCHEMA(spool_keys, struct agent_spool);

static const struct config_key budget_keys[] = {
	{ .name = "cpu_percent",
	  .type = CONFIG_PERCENT,
	  .def = "1%",
	  .min = 100,
	  .max = 1000000,
	  .reload = true,
	  FIELD(struct agent_budgets, cpu_percent),
	  .help = "of one CPU; above it the frequency is lowered" },
	{ .name = "memory",
	  .type = CONFIG_BYTES,
	  .def = "96MiB",
	  .min = MIB(16),
	  .max = GIB(64),
	  FIELD(struct agent_budgets, memory),
	  .help = "of the agent, with what the kernel holds for it" },
	{ .name = "unwind_tables",
	  .type = CONFIG_BYTES,
	  .def = "32MiB",
	  .min = MIB(1),
	  .max = MIB(128),
	  FIELD(struct agent_budgets, unwind_tables),
	  .help = "kernel memory for unwind tables, part of it" },
};

static const struct config_schema budget_schema = CONFIG_SCHEMA(budget_keys, struct agent_budgets);

static const struct config_key symbol_keys[] = {
	{ .name = "debuginfod",
	  .type = CONFIG_STRING,
	  .def = "",
	  FIELD(struct agent_symbols, debuginfod),
	  .help = "URLs of debuginfod servers, separated by blanks; empty: none is asked" },
	{ .name = "cache",
	  .type = CONFIG_PATH,
	  .def = "/var/cache/spanprof/symbols",
	  FIELD(struct agent_symbols, cache),
	  .help = "where names are kept for the next time; empty: in memory only" },
	{ .name = "demangle",
	  .type = CONFIG_ENUM,
	  .names = demangle_names,
	  .def = "full",
	  FIELD(struct agent_symbols, demangle),
	  .help = "names of C++, Rust and D" },
};

static const struct config_schema symbol_schema = CONFIG_SCHEMA(symbol_keys, struct agent_symbols);

static const struct config_key context_keys[] = {
	{ .name = "formats",
	  .type = CONFIG_SET,
	  .names = format_names,
	  .bits = format_bits,
	  .def = "all",
	  FIELD(struct agent_context, formats),
	  .help = "which trace contexts are looked for" },
	{ .name = "span_scope",
	  .type = CONFIG_ENUM,
	  .names = scope_names,
	  .def = "leaf",
	  FIELD(struct agent_context, scope),
	  .help = "`span_id` is that of the innermost span, or of the first one in the process" },
	{ .name = "max_contexts",
	  .type = CONFIG_NUMBER,
	  .def = STR(PROFILE_CONTEXTS_DEFAULT),
	  .min = 1,
	  .max = 10000000,
	  FIELD(struct agent_context, max),
	  .help = "how many spans and labels are told apart in an interval" },
	{ .name = "obi_map",
	  .type = CONFIG_PATH,
	  FIELD(struct agent_context, obi_map),
	  .help = "the pinned map of OpenTelemetry eBPF Instrumentation" },
	{ .name = "elastic_register",
	  .type = CONFIG_BOOL,
	  .def = "false",
	  FIELD(struct agent_context, elastic_register),
	  .help = "tell Elastic APM agents that wait for a profiler that there is one; keeps "
		  "CAP_DAC_OVERRIDE, for sockets of other users" },
	{ .name = "tls_variables",
	  .type = CONFIG_STRINGS,
	  .by_blanks = true,
	  .max = CTX_VARIABLES_MAX,
	  ARRAY(struct agent_context, variables, n_variables),
	  .help = "thread-local variables of programs, as for `record --tls-var`" },
	{ .name = "service_name",
	  .type = CONFIG_STRING,
	  FIELD(struct agent_context, service_name),
	  .help = "the service of all processes, instead of each one's own" },
	{ .name = "trace_id_label",
	  .type = CONFIG_STRING,
	  FIELD(struct agent_context, trace_id_key),
	  .help = "a label (of Go, custom labels) that is the trace id, in hexadecimal" },
	{ .name = "span_id_label",
	  .type = CONFIG_STRING,
	  FIELD(struct agent_context, span_id_key),
	  .help = "likewise the span id" },
};

static const struct config_schema context_schema =
	CONFIG_SCHEMA(context_keys, struct agent_context);

static const struct config_key log_keys[] = {
	{ .name = "format",
	  .type = CONFIG_ENUM,
	  .names = log_names,
	  .def = "text",
	  .flag = "log-format",
	  .arg = "FORMAT",
	  .reload = true,
	  FIELD(struct agent_log, format),
	  .help = "of messages" },
	{ .name = "level",
	  .type = CONFIG_ENUM,
	  .names = level_names,
	  .def = "info",
	  .flag = "log-level",
	  .arg = "LEVEL",
	  .reload = true,
	  FIELD(struct agent_log, level),
	  .help = "the least important messages that are written" },
};

static const struct config_schema log_schema = CONFIG_SCHEMA(log_keys, struct agent_log);

static const struct config_key keys[] = {
	{ .name = "frequency",
	  .type = CONFIG_NUMBER,
	  .def = "19",
	  .min = 1,
	  .max = FREQUENCY_MAX,
	  .flag = "frequency",
	  .letter = 'F',
	  .arg = "HZ",
	  .reload = true,
	  FIELD(struct agent_config, frequency),
	  .help = "samples a second on each CPU" },
	{ .name = "interval",
	  .type = CONFIG_DURATION,
	  .def = "15s",
	  .unit = 1,
	  .min = NSEC_PER_SEC,
	  .max = SECONDS(3600),
	  .flag = "interval",
	  .arg = "TIME",
	  .reload = true,
	  FIELD(struct agent_config, interval_ns),
	  .help = "how long each profile is" },
	{ .name = "labels",
	  .type = CONFIG_LABELS,
	  .max = 64,
	  .reload = true,
	  ARRAY(struct agent_config, labels, n_labels),
	  .help = "labels that all samples get that have none of this name" },
	{ .name = "relabel_configs",
	  .type = CONFIG_LIST,
	  .schema = &relabel_schema,
	  .max = RELABEL_RULES_MAX,
	  .reload = true,
	  ARRAY(struct agent_config, relabel_rules, n_relabel_rules),
	  .help = "rules that rewrite the labels of samples, or drop these" },
	{ .name = "filters",
	  SECTION(filter_schema),
	  .offset = offsetof(struct agent_config, filter) },
	{ .name = "endpoints",
	  .type = CONFIG_LIST,
	  .schema = &endpoint_schema,
	  .max = AGENT_ENDPOINTS_MAX,
	  .reload = true,
	  ARRAY(struct agent_config, endpoints, n_endpoints),
	  .help = "where profiles go" },
	{ .name = "spool", SECTION(spool_schema), .offset = offsetof(struct agent_config, spool) },
	{ .name = "budgets",
	  SECTION(budget_schema),
	  .offset = offsetof(struct agent_config, budgets) },
	{ .name = "listen",
	  .type = CONFIG_STRING,
	  .def = "127.0.0.1:7071",
	  .flag = "listen",
	  .arg = "HOST:PORT",
	  FIELD(struct agent_config, listen),
	  .help = "address of `/metrics`, `/healthz`, `/readyz`; empty: none" },
	{ .name = "control_socket",
	  .type = CONFIG_PATH,
	  .def = AGENT_CONTROL_SOCKET,
	  FIELD(struct agent_config, control_socket),
	  .help = "where `agent ctl` asks; empty: none" },
	{ .name = "symbols",
	  SECTION(symbol_schema),
	  .offset = offsetof(struct agent_config, symbols) },
	{ .name = "context",
	  SECTION(context_schema),
	  .offset = offsetof(struct agent_config, context) },
	{ .name = "log", SECTION(log_schema), .offset = offsetof(struct agent_config, log) },
};

const struct config_schema agent_config_schema = CONFIG_SCHEMA(keys, struct agent_config);
