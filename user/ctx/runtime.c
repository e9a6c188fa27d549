/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/runtime.h"

#include <fnmatch.h>
#include <stddef.h>

#include "elf/elf_go.h"

static const struct {
	const char *name;
	const char *remedy;
	const char *program; /* pattern of the program's name, or NULL */
	const char *library; /* of one that it maps */
} runtimes[] = {
	[RUNTIME_NATIVE] = {
		"native",
		"link a library that publishes OpenTelemetry thread context (libdatadog's "
		"libdd-otel-thread-ctx), or use --tls-var",
		NULL, NULL,
	},
	[RUNTIME_GO] = {
		"Go",
		"wrap its TracerProvider by github.com/grafana/otel-profiling-go, or use dd-trace-go 2",
		NULL, NULL,
	},
	[RUNTIME_NODE] = {
		"Node.js",
		"start Node.js 24 or later with dd-trace 6 and DD_TRACE_OTEL_CTX_ENABLED=true",
		"node", "libnode.so*",
	},
	[RUNTIME_JVM] = {
		"JVM",
		"start it with dd-java-agent and -Ddd.profiling.enabled=true "
		"-Ddd.profiling.ddprof.enabled=true, or with elastic-apm-agent and "
		"-Delastic.apm.universal_profiling_integration_enabled=true",
		NULL, "libjvm.so",
	},
	[RUNTIME_CPYTHON] = {
		"CPython",
		"run it by ddtrace-run of ddtrace 4.16 or later, with DD_TRACE_OTEL_CTX_ENABLED=true",
		"python*", "libpython*",
	},
	[RUNTIME_RUBY] = { "Ruby", "no tracing library publishes it yet", "ruby*", "libruby*" },
	[RUNTIME_PHP] = { "PHP", "use dd-trace-php", "php*", "libphp*" },
	[RUNTIME_DOTNET] = { ".NET", "no tracing library publishes it yet", NULL,
			     "libcoreclr.so" },
};

static bool is_named(const char *pattern, const char *name)
{
	return pattern && fnmatch(pattern, name, 0) == 0;
}

static enum runtime by_file(const struct process *p, const struct mapping *m)
{
	for (size_t r = 0; r < sizeof(runtimes) / sizeof(runtimes[0]); r++)
		if (is_named(runtimes[r].library, m->dso->name) ||
		    (m->dso == p->exe && is_named(runtimes[r].program, m->dso->name)))
			return r;
	return RUNTIME_NATIVE;
}

static bool is_go(const struct process *p, const struct mapping *m)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int fd = m->dso == p->exe ? dso_open(m->dso, p->pid, m->start, m->end) : -ENOENT;
	unsigned minor;

	return fd >= 0 && elf_file_open_fd(fd, &ef) == 0 && elf_go_version(ef, &minor) == 0;
}

enum runtime runtime_of(const struct process *p)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];
		enum runtime r;

		if (m->dso->kind != DSO_FILE)
			continue;
		r = by_file(p, m);
		if (r != RUNTIME_NATIVE)
			return r;
		if (is_go(p, m))
			return RUNTIME_GO;
	}
	return RUNTIME_NATIVE;
}

const char *runtime_name(enum runtime r)
{
	return runtimes[r].name;
}

const char *runtime_remedy(enum runtime r)
{
	return runtimes[r].remedy;
}
