/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_jit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/sample_code.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "shared/stat.h"
#include "sym/jit_names.h"

#define CMDLINE_MAX	 (1u << 20)
#define PYTHON_MINOR_MIN 12 /* the first 3.x with -X perf */

/* --- runtimes --------------------------------------------------------------------------------- */

struct runtime {
	bool (*is)(const struct mapping *m, const struct process *p);
	const char
		*unseen; /* what of it has no name without any code made at run time; NULL: none */
	const char *remedy;
};

static bool starts(const struct mapping *m, const char *name)
{
	return strncmp(m->dso->name, name, strlen(name)) == 0;
}

static bool is_java(const struct mapping *m, const struct process *p)
{
	(void)p;
	return strcmp(m->dso->name, "libjvm.so") == 0;
}

static bool is_dotnet(const struct mapping *m, const struct process *p)
{
	(void)p;
	return strcmp(m->dso->name, "libcoreclr.so") == 0;
}

static bool is_node(const struct mapping *m, const struct process *p)
{
	return starts(m, "libnode.so") ||
	       (m->dso == p->exe &&
		(strcmp(m->dso->name, "node") == 0 || strcmp(m->dso->name, "nodejs") == 0));
}

static bool is_python(const struct mapping *m, const struct process *p)
{
	int minor;

	if (sscanf(m->dso->name, "libpython3.%d", &minor) != 1 &&
	    (m->dso != p->exe || sscanf(m->dso->name, "python3.%d", &minor) != 1))
		return false;
	return minor >= PYTHON_MINOR_MIN;
}

static const struct runtime runtimes[] = {
	{ is_java, NULL,
	  "java: -agentpath:/…/libperf-jvmti.so writes a jitdump; "
	  "-XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit a map when it ends, "
	  "`jcmd PID Compiler.perfmap` one now" },
	{ is_node, NULL,
	  "node: start it with --perf-basic-prof, and with --interpreted-frames-native-stack for "
	  "what is not compiled yet" },
	{ is_python, "Python's functions show as _PyEval_EvalFrameDefault",
	  "python: start it with -X perf, or PYTHONPERFSUPPORT=1" },
	{ is_dotnet, NULL, ".NET: start it with DOTNET_PerfMapEnabled=1" },
};

static const struct runtime unknown_runtime = {
	.remedy = "its runtime has to write /tmp/perf-PID.map, or a jit-PID.dump that it maps",
};

static const struct runtime *find_runtime(const struct process *p)
{
	for (size_t i = 0; i < p->maps.n; i++)
		for (size_t k = 0; k < sizeof(runtimes) / sizeof(runtimes[0]); k++)
			if (runtimes[k].is(&p->maps.data[i], p))
				return &runtimes[k];
	return &unknown_runtime;
}

/* --- findings --------------------------------------------------------------------------------- */

struct report {
	enum finding_state *worst;
	uint64_t counters[STAT_COUNT];
};

/* A file that is there and not used, or not to its end. */
static void report_trouble(void *ctx, pid_t pid, const char *path, int error)
{
	struct report *report = ctx;
	const char *why = sample_code_reason(error);
	char what[512];
	struct finding f = { what, FINDING_NO, why ? why : strerror(-error), NULL };

	(void)pid;
	if (error == -EPERM)
		f.remedy = "let the process itself write it";
	snprintf(what, sizeof(what), "%s with the names of its code", path);
	finding_print(&f, report->worst);
}

/* Java was told to write its map, but does so when it ends. */
static bool is_to_come(pid_t pid)
{
	static const char option[] = "-XX:+DumpPerfMapAtExit";
	CLEANUP(freep) char *words = NULL;
	char path[48];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	return read_whole_file(path, CMDLINE_MAX, &words, &len) == 0 &&
	       memmem(words, len, option, sizeof(option)) != NULL;
}

static const char *why_none(pid_t pid, bool is_read)
{
	if (is_to_come(pid))
		return ", and has names in what is recorded until it ends, when it writes its map";
	return is_read ? ", as that file names none so far" : "";
}

static void report_names(const struct report *report, const struct process *p,
			 const struct jit_files *files, const struct runtime *runtime)
{
	uint64_t malformed = report->counters[STAT_JIT_MALFORMED];
	bool is_read = files->map_read || files->dump_read;
	char follows[768], bad[64] = "";
	struct finding f = { "names of code made at run time (JIT)", FINDING_YES, follows,
			     runtime->remedy };

	if (malformed)
		snprintf(bad, sizeof(bad), " (%llu malformed entries)",
			 (unsigned long long)malformed);
	snprintf(follows, sizeof(follows), "%u from %s%s%s%s%s", files->n_names,
		 files->map_read ? "/tmp/" : "", files->map_read ? files->map : "",
		 files->map_read && files->dump_read ? " and " : "",
		 files->dump_read ? files->dump : "", bad);
	if (!is_read || !files->n_names) {
		f.state = FINDING_NO;
		snprintf(follows, sizeof(follows), "it shows as [anon+0x…]%s",
			 why_none(p->pid, is_read));
	}
	finding_print(&f, report->worst);
}

/* As a recording does, from the first 4 MiB of each file. */
static int probe(const struct process *p, const struct runtime *runtime, struct report *report)
{
	const struct jit_observer observer = { report, report_trouble, report->counters, 0 };
	CLEANUP(jit_names_freep) struct jit_names *jn = NULL;
	struct jit_process *jp;
	struct jit_files files;
	int r = jit_names_new(&observer, &jn);

	if (r == 0)
		r = jit_names_enter(jn, p, &jp);
	if (r < 0)
		return r;
	jit_process_files(jp, &files);
	if (files.map_old) {
		char what[64];

		snprintf(what, sizeof(what), "/tmp/%s with the names of its code", files.map);
		finding_print(&(struct finding){ what, FINDING_NO,
						 "is not used: an earlier process of this number "
						 "has left it",
						 NULL },
			      report->worst);
	}
	report_names(report, p, &files, runtime);
	return 0;
}

/* Of the kernel's own kinds of memory that a process may run code in, none is its. */
static bool is_made_at_run_time(const struct dso *dso)
{
	return dso->kind == DSO_ANON && strcmp(dso->path, "[vsyscall]") != 0 &&
	       strcmp(dso->path, "[uprobes]") != 0;
}

static bool makes_code(const struct process *p)
{
	for (size_t i = 0; i < p->maps.n; i++)
		if (is_made_at_run_time(p->maps.data[i].dso))
			return true;
	return false;
}

bool doctor_is_jit_dump(const struct dso *dso)
{
	int end = 0;

	sscanf(dso->name, "jit-%*u.dump%n", &end);
	return end && !dso->name[end];
}

void doctor_jit(const struct process *p, enum finding_state *worst)
{
	const struct runtime *runtime = find_runtime(p);
	struct report report = { .worst = worst };
	int r;

	if (!makes_code(p)) {
		if (runtime->unseen)
			finding_print(&(struct finding){ "names of interpreted functions",
							 FINDING_NO, runtime->unseen,
							 runtime->remedy },
				      worst);
		return;
	}
	r = probe(p, runtime, &report);
	if (r < 0)
		finding_print(&(struct finding){ "names of code made at run time (JIT)", FINDING_NO,
						 strerror(-r), NULL },
			      worst);
	finding_print(
		&(struct finding){ "unwind tables of code made at run time", FINDING_NO,
				   "stacks through it depend on frame pointers (counted as "
				   "frames_by_fallback)",
				   "java: -XX:+PreserveFramePointer; node keeps them anyway" },
		worst);
}
