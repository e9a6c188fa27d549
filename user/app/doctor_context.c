/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_context.h"

#include <stdio.h>
#include <string.h>

#include "ctx/context_sources.h"
#include "ctx/context_tracker.h"
#include "ctx/runtime.h"
#include "meta/identity.h"
#include "proc/remote_mem.h"
#include "shared/stat.h"

#define DETAIL_MAX 512

/* --- process context -------------------------------------------------------------------------- */

static const char *or_none(const char *text)
{
	return text ? text : "(none)";
}

static void describe(const struct context_finding *ctx, char ret[DETAIL_MAX])
{
	const struct process_ctx *pc = ctx->process_ctx;

	snprintf(ret, DETAIL_MAX,
		 "service.name=%s, service.version=%s, deployment.environment.name=%s, thread "
		 "context schema %s, %zu keys of labels%s",
		 or_none(pc->service_name), or_none(pc->service_version),
		 or_none(pc->deployment_environment_name), or_none(pc->schema_version), pc->n_keys,
		 ctx->is_inherited ? " (of the process that it was forked from)" : "");
}

/* Reads that were given up on, of those for the lines below. */
static void report_stuck(enum finding_state *worst)
{
	finding_print(
		&(struct finding){
			"memory of the process", FINDING_NO,
			"it cannot be read: a page of it is waited for that a file system or "
			"another program does not bring (counted as memory_reads_stuck)",
			"mend what stands behind its files, or its userfaultfd(2)" },
		worst);
}

static void report_process_context(const struct context_finding *ctx, enum finding_state *worst)
{
	struct finding f = { .what = "process context (OpenTelemetry OTEL_CTX)" };
	char detail[DETAIL_MAX];

	if (ctx->state == CONTEXT_UNREADABLE) {
		f.state = FINDING_NO;
		f.follows = "its memory may not be read; no spans";
		f.remedy = finding_remedy_of(-EACCES);
	} else if (ctx->process_ctx) {
		describe(ctx, detail);
		f.follows = detail;
	} else {
		f.state = FINDING_NO;
		f.follows = ctx->state == CONTEXT_MALFORMED
				    ? "published, but it does not decode"
				    : "service name is told by other things (below)";
		f.remedy = "use a tracing library that publishes it for profilers";
	}
	finding_print(&f, worst);
}

/* --- thread context --------------------------------------------------------------------------- */

static const enum ctx_format formats[] = { CTX_FORMAT_OTEL,	     CTX_FORMAT_NODE,
					   CTX_FORMAT_ELASTIC,	     CTX_FORMAT_GO,
					   CTX_FORMAT_CUSTOM_LABELS, CTX_FORMAT_PYTHON };

static bool has_format(const struct context_finding *ctx, enum ctx_format format)
{
	for (size_t i = 0; i < CTX_SOURCES_MAX && ctx->info.sources[i].format; i++)
		if (ctx->info.sources[i].format == format)
			return true;
	return false;
}

static void report_source(const struct context_finding *ctx, size_t i, enum finding_state *worst)
{
	const struct ctx_source *source = &ctx->info.sources[i];
	char what[128], detail[DETAIL_MAX], place[CONTEXT_PLACE_MAX];

	context_place_print(source, place);
	snprintf(what, sizeof(what), "thread context (%s)", context_format_name(source->format));
	snprintf(detail, sizeof(detail), "in %s, at %s", ctx->writers[i], place);
	finding_print(&(struct finding){ what, FINDING_YES, detail, NULL }, worst);
}

static void append(char *list, const char *word)
{
	size_t len = strlen(list);

	snprintf(list + len, DETAIL_MAX - len, "%s%s", len ? "; " : "", word);
}

static void list_missing(const struct context_finding *ctx, char ret[DETAIL_MAX])
{
	*ret = '\0';
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!has_format(ctx, formats[i]))
			append(ret, context_format_name(formats[i]));
}

/* Why a variable that is there is not read. */
static void report_unsupported(const struct context_finding *ctx, const char *program,
			       enum finding_state *worst)
{
	const struct process_ctx *pc = ctx->process_ctx;
	char detail[DETAIL_MAX];

	if (ctx->unsupported)
		snprintf(detail, sizeof(detail),
			 "%s defines %s, in a form that this version does not read (dynamic TLS of "
			 "an unknown libc, an unknown release of Go or version of the writer)",
			 ctx->unsupported, context_format_name(ctx->unsupported_format));
	else
		snprintf(detail, sizeof(detail), "unsupported schema %s of %s",
			 or_none(pc ? pc->schema_version : NULL), program);
	finding_print(&(struct finding){ "thread context of the version at hand", FINDING_NO,
					 detail, "a newer spanprof" },
		      worst);
}

/* Those at the end of the order, which the lines above do not name. */
static void report_left_out(const struct context_finding *ctx, enum finding_state *worst)
{
	char detail[DETAIL_MAX];

	if (!ctx->sources_left_out)
		return;
	snprintf(detail, sizeof(detail),
		 "it has more than the %d that are read of a process (counted as "
		 "thread_variables_left_out)",
		 CTX_SOURCES_MAX);
	finding_print(&(struct finding){ "all thread contexts of the process", FINDING_NO, detail,
					 "leave out those of no use by --context, or a --tls-var" },
		      worst);
}

/* Of a CPython process: it needs no writer, but a version that is known. */
static void report_python(const struct context_finding *ctx, enum finding_state *worst)
{
	struct finding f = { "spans of OpenTelemetry's SDK for Python", FINDING_NO, NULL, NULL };
	char version[128];

	if (ctx->python_error == 0 || ctx->python_error == -ENOENT)
		return;
	f.follows = strerror(-ctx->python_error);
	if (ctx->python_error == -EAGAIN) {
		f.follows = "the SDK is not imported, or has made no span yet";
		f.remedy = "use opentelemetry-sdk in the process";
	} else if (ctx->python_error == -ENOTSUP) {
		snprintf(version, sizeof(version),
			 ctx->python_minor ? "unsupported: CPython 3.%u that is free-threaded, or "
					     "changed, or on another libc than glibc and musl"
					   : "unsupported version of CPython: 3.9 to 3.14 are read",
			 ctx->python_minor);
		f.follows = version;
		f.remedy = "a newer spanprof, or a tracing library that publishes its spans";
	}
	finding_print(&f, worst);
}

static void report_none(const struct context_finding *ctx, const struct process *p,
			enum finding_state *worst)
{
	enum runtime runtime = runtime_of(p);
	char missing[DETAIL_MAX], what[128], detail[DETAIL_MAX + 64];

	if (ctx->state == CONTEXT_THREAD)
		return;
	list_missing(ctx, missing);
	snprintf(what, sizeof(what), "thread context (%s program)", runtime_name(runtime));
	snprintf(detail, sizeof(detail), "no spans; not found: %s", missing);
	finding_print(&(struct finding){ what, FINDING_NO, detail, runtime_remedy(runtime) },
		      worst);
}

static void report_thread_context(const struct context_finding *ctx, const struct process *p,
				  enum finding_state *worst)
{
	for (size_t i = 0; i < CTX_SOURCES_MAX && ctx->info.sources[i].format; i++)
		report_source(ctx, i, worst);
	if (ctx->unsupported || ctx->state == CONTEXT_UNSUPPORTED)
		report_unsupported(ctx, process_name(p), worst);
	report_left_out(ctx, worst);
	report_python(ctx, worst);
	report_none(ctx, p, worst);
}

/* --- who it is -------------------------------------------------------------------------------- */

static void print_attributes(const char *const *resource, char ret[DETAIL_MAX])
{
	size_t len = strlen(ret);

	for (int i = PROFILE_SERVICE_NAME + 1; i < PROFILE_RESOURCES && len < DETAIL_MAX; i++)
		if (resource[i])
			len += snprintf(ret + len, DETAIL_MAX - len, ", %s=%s",
					profile_resource_key(i), resource[i]);
}

static int report_identity(const struct context_finding *ctx, const struct process *p,
			   const char *configured, enum finding_state *worst)
{
	struct process_table parents = { 0 }; /* it lives: none is asked */
	uint64_t counters[STAT_COUNT] = { 0 };
	struct identity_options opt = { .processes = &parents, .counters = counters };
	CLEANUP(identity_table_freep) struct identity_table *table = NULL;
	struct identity_claims claims = { configured, ctx, NULL, p };
	const char *resource[PROFILE_RESOURCES];
	enum identity_source source;
	char detail[DETAIL_MAX];
	int r;

	r = identity_table_new(&opt, &table);
	if (r == 0)
		r = identity_get(table, p, &claims.identity);
	if (r < 0)
		return r;
	source = identity_resolve(&claims, resource);
	snprintf(detail, sizeof(detail), "%s, as told by %s", resource[PROFILE_SERVICE_NAME],
		 identity_source_name(source));
	print_attributes(resource, detail);
	finding_print(&(struct finding){ "service name", FINDING_YES, detail, NULL }, worst);
	if (counters[STAT_RESOURCE_MALFORMED])
		finding_print(&(struct finding){ "OTEL_RESOURCE_ATTRIBUTES", FINDING_NO,
						 "not as specified, so none of it counts",
						 "write key=value,key=value; others as %XX" },
			      worst);
	return 0;
}

int doctor_context(const struct process *p, const char *maps, size_t len,
		   const struct context_options *opt, enum finding_state *worst)
{
	CLEANUP(context_tracker_freep) struct context_tracker *tracker = NULL;
	struct context_maps text = { .text = maps, .len = len };
	uint64_t given_up = remote_mem_given_up();
	struct context_finding ctx;
	int r;

	r = context_tracker_new(
		&(struct context_choice){ opt->formats, opt->variables, opt->n_variables },
		&tracker);
	if (r == 0)
		r = context_tracker_look(tracker, p, &text, &ctx);
	if (remote_mem_given_up() != given_up)
		report_stuck(worst);
	if (r < 0)
		return r;
	report_process_context(&ctx, worst);
	report_thread_context(&ctx, p, worst);
	return report_identity(&ctx, p, opt->service_name, worst);
}
