/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_host.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "collect/collector.h"
#include "proc/pid_namespace.h"

#define DEFAULT_FREQUENCY 99

static void check_kernel(enum finding_state *worst)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	char detail[256];
	struct finding f = { .what = "kernel 5.10 or newer", .follows = detail };

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < 5 ||
	    (major == 5 && minor < 10))
		f.state = FINDING_NO;
	f.remedy = "older ones are not tested";
	snprintf(detail, sizeof(detail), "Linux %s %s", u.release, u.machine);
	finding_print(&f, worst);
}

static uint64_t effective_caps(void)
{
	CLEANUP(freep) char *text = NULL;
	const char *line;
	size_t len;

	if (read_whole_file("/proc/self/status", 65536, &text, &len) < 0)
		return 0;
	line = strstr(text, "\nCapEff:");
	return line ? strtoull(line + strlen("\nCapEff:"), NULL, 16) : 0;
}

static bool has_cap(uint64_t caps, int cap)
{
	/* CAP_SYS_ADMIN stands in for those that were split off it. */
	return caps & (1ULL << cap | (cap >= CAP_PERFMON ? 1ULL << CAP_SYS_ADMIN : 0));
}

static void check_caps(enum finding_state *worst)
{
	static const struct {
		int cap;
		struct finding finding;
	} wanted[] = {
		{ CAP_BPF,
		  { "CAP_BPF", FINDING_FATAL, "BPF programs cannot be loaded", "run as root" } },
		{ CAP_PERFMON,
		  { "CAP_PERFMON", FINDING_FATAL, "CPUs cannot be sampled", "run as root" } },
		{ CAP_SYS_PTRACE,
		  { "CAP_SYS_PTRACE", FINDING_NO,
		    "mappings and contexts of others' processes are "
		    "unreadable",
		    "run as root" } },
		{ CAP_DAC_READ_SEARCH,
		  { "CAP_DAC_READ_SEARCH", FINDING_NO, "others' files cannot be opened for names",
		    "run as root" } },
		{ CAP_CHECKPOINT_RESTORE,
		  { "CAP_CHECKPOINT_RESTORE", FINDING_NO,
		    "deleted files and those of containers have no names", "run as root" } },
		{ CAP_SYSLOG,
		  { "CAP_SYSLOG", FINDING_NO, "kernel functions have no names", "run as root" } },
	};
	uint64_t caps = effective_caps();

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct finding f = wanted[i].finding;

		if (has_cap(caps, wanted[i].cap))
			f = (struct finding){ .what = f.what };
		finding_print(&f, worst);
	}
}

static void check_btf(enum finding_state *worst)
{
	struct finding f = { .what = "kernel types (BTF, /sys/kernel/btf/vmlinux)" };

	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0) {
		f.state = FINDING_FATAL;
		f.follows = "BPF programs cannot be loaded";
		f.remedy = "needs a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, mount "
			   "/sys";
	}
	finding_print(&f, worst);
}

static void check_lockdown(enum finding_state *worst)
{
	struct finding f = { .what = "kernel not locked down (/sys/kernel/security/lockdown)" };

	if (collector_kernel_is_locked_down()) {
		f.state = FINDING_FATAL;
		f.follows = "BPF may not read memory";
		f.remedy = "boot without lockdown=confidentiality";
	}
	finding_print(&f, worst);
}

static void check_namespace(enum finding_state *worst)
{
	struct finding f = { .what = "first PID namespace" };
	struct pid_namespace ns = { .is_first = true, .proc_is_ours = true };

	if (pid_namespace_own(&ns) < 0 || !ns.proc_is_ours) {
		f.what = "/proc of our PID namespace";
		f.state = FINDING_FATAL;
		f.follows = "process ids of samples would not be those seen here";
		f.remedy = "mount it (unshare --mount-proc); in a container, use the host's "
			   "namespace (--pid=host, hostPID: true)";
	} else if (!ns.is_first) {
		f.state = FINDING_NO;
		f.follows = "processes outside of ours are not sampled (counted as "
			    "samples_outside_pidns)";
		f.remedy = "in a container, use the host's (--pid=host, hostPID: true)";
	}
	finding_print(&f, worst);
}

static void check_events(enum finding_state *worst)
{
	int clock = collector_probe_event(COLLECTOR_EVENT_CPU_CLOCK, 0);
	int cycles = collector_probe_event(COLLECTOR_EVENT_CYCLES, 0);
	struct finding f = { .what = "perf event cpu-clock" };

	if (clock < 0) {
		f.state = FINDING_FATAL;
		f.follows = strerror(-clock);
		f.remedy =
			"run as root, or with CAP_PERFMON; in a container, a seccomp profile may "
			"forbid perf_event_open(2)";
	}
	finding_print(&f, worst);

	f = (struct finding){ .what = "perf event cycles" };
	if (cycles < 0) {
		f.state = FINDING_NO;
		f.follows = "cpu-clock is used; code that runs with interrupts off is seen late";
		f.remedy = "a virtual machine needs a virtual PMU for it";
	}
	finding_print(&f, worst);
}

static void check_rate(enum finding_state *worst)
{
	uint64_t rate = read_number_file("/proc/sys/kernel/perf_event_max_sample_rate", 100000);
	char detail[64];
	struct finding f = { .what = "kernel.perf_event_max_sample_rate", .follows = detail };

	snprintf(detail, sizeof(detail), "%" PRIu64 " Hz", rate);
	if (rate < DEFAULT_FREQUENCY) {
		f.state = FINDING_NO;
		f.remedy = "use -F with no more than that, or raise it with sysctl";
	}
	finding_print(&f, worst);
}

/* The only probe that never lies: load the real programs. */
static void check_load(enum finding_state *worst)
{
	struct collector_options opt = { .frequency = DEFAULT_FREQUENCY, .cgroup_fd = -1 };
	struct collector_handlers handlers = { 0 };
	CLEANUP(collector_closep) struct collector *c = NULL;
	struct finding f = { .what = "BPF programs load and process events open" };
	enum log_level level = log_get_level();
	int r;

	opt.filter_pids = opt.follow = true; /* all programs */
	log_set_level(level == LOG_LEVEL_DEBUG ? level : LOG_LEVEL_ERROR);
	r = collector_open(&opt, &handlers, &c);
	log_set_level(level);
	if (r < 0) {
		f.state = FINDING_FATAL;
		f.follows = "nothing can be sampled";
		f.remedy = "the message above says why";
	}
	finding_print(&f, worst);
}

static void check_kallsyms(enum finding_state *worst)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	struct finding f = { .what = "kernel symbols (/proc/kallsyms)" };
	unsigned long addr = 0;

	if (!file || fscanf(file, "%lx", &addr) != 1)
		addr = 0;
	/* The first symbols of x86's per-CPU section are 0 anyhow: look at some more. */
	for (int i = 0; file && !addr && i < 1000; i++)
		if (fscanf(file, "%*[^\n]\n%lx", &addr) != 1)
			break;
	fclosep(&file);
	if (!addr) {
		f.state = FINDING_NO;
		f.follows = "kernel functions have no names";
		f.remedy = "sysctl kernel.kptr_restrict=0 or 1, and CAP_SYSLOG";
	}
	finding_print(&f, worst);
}

static void check_debug_files(enum finding_state *worst)
{
	struct finding f = { .what = "separate debug files (/usr/lib/debug)" };

	if (access("/usr/lib/debug/.build-id", R_OK) < 0) {
		f.state = FINDING_NO;
		f.follows = "stripped files show exported functions only";
		f.remedy = "install -dbgsym or -debuginfo packages of what you look at";
	}
	finding_print(&f, worst);
}

void doctor_host(enum finding_state *worst)
{
	check_kernel(worst);
	check_caps(worst);
	check_btf(worst);
	check_lockdown(worst);
	check_namespace(worst);
	check_events(worst);
	check_rate(worst);
	check_load(worst);
	check_kallsyms(worst);
	check_debug_files(worst);
}
