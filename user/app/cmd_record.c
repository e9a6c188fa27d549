/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statfs.h>

#include "app/child.h"
#include "app/host_limits.h"
#include "app/progress.h"
#include "app/record_options.h"
#include "app/sample_dump.h"
#include "app/session.h"
#include "app/stats_output.h"
#include "app/stop_signal.h"
#include "base/clock.h"
#include "base/log.h"
#include "export/pyroscope.h"

#define EXIT_USAGE		  2
#define EXIT_CANNOT_RUN		  126
#define EXIT_NOT_FOUND		  127
#define PUSH_TIMEOUT_MS		  15000
#define CGROUP2_SUPER_MAGIC_VALUE 0x63677270 /* linux/magic.h */

struct recording {
	const struct record_options *opt;
	struct child child;
	int cgroup_fd;
	FILE *dump;
	struct atomic_file *output;
	struct session *session;
	struct pprof *pprof;
	bool failed; /* something beside the recording itself: push, stats */
};

static void recording_clear(struct recording *rec)
{
	session_close(rec->session);
	child_stop(&rec->child);
	pprof_free(rec->pprof);
	atomic_file_close(rec->output);
	fclosep(&rec->dump);
	closep(&rec->cgroup_fd);
}

/* --- checks before anything is started -------------------------------------------------------- */

/* The number behind "Tgid:" in /proc/PID/status. */
static int read_tgid(pid_t pid, pid_t *ret)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	const char *line;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	r = read_whole_file(path, 65536, &text, &len);
	if (r < 0)
		return r;
	line = strstr(text, "\nTgid:");
	if (!line)
		return -EBADMSG;
	*ret = atoi(line + strlen("\nTgid:"));
	return 0;
}

static int check_pid(pid_t pid)
{
	pid_t tgid;
	int r = read_tgid(pid, &tgid);

	if (r == -ENOENT || r == -ESRCH) {
		log_error("there is no process %d; 'ps -e' lists those that there are", pid);
		return -ESRCH;
	}
	if (r < 0)
		return log_error_errno(r, "cannot read process %d", pid);
	if (tgid != pid) {
		log_error("%d is a thread of process %d; use -p %d", pid, tgid, tgid);
		return -EINVAL;
	}
	return 0;
}

static int check_pids(const struct record_options *opt)
{
	for (size_t i = 0; i < opt->pids.n; i++) {
		int r = check_pid(opt->pids.data[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int open_cgroup(struct recording *rec)
{
	const char *path = rec->opt->cgroup;
	struct statfs fs;

	if (!path)
		return 0;
	rec->cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rec->cgroup_fd < 0)
		return log_error_errno(-errno,
				       "cannot open cgroup '%s'; 'find /sys/fs/cgroup -type d' "
				       "lists those that there are",
				       path);
	if (fstatfs(rec->cgroup_fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC_VALUE) {
		log_error(
			"'%s' is no folder of the cgroup v2 hierarchy; that is usually mounted at "
			"/sys/fs/cgroup, or /sys/fs/cgroup/unified beside v1",
			path);
		return -EINVAL;
	}
	return 0;
}

static const char *remedy_of_write(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return "; make its folder first, or name another file";
	case -EACCES:
	case -EPERM:
	case -EROFS:
	case -EISDIR:
		return "; name another file";
	case -ENOSPC:
	case -EDQUOT:
		return "; make room, or name a file on another disk";
	default:
		return "";
	}
}

static int cannot_write(int err, const char *path)
{
	return log_error_errno(err, "cannot write '%s'%s", path, remedy_of_write(err));
}

static int open_dump(struct recording *rec)
{
	if (!rec->opt->dump)
		return 0;
	rec->dump = fopen(rec->opt->dump, "we");
	return rec->dump ? 0 : cannot_write(-errno, rec->opt->dump);
}

static int check_stats(const struct record_options *opt)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	int r = opt->stats ? atomic_file_open(opt->stats, &f) : 0;

	return r < 0 ? cannot_write(r, opt->stats) : 0;
}

static int check_push_url(const struct record_options *opt)
{
	struct pyroscope_result res = { 0 };
	int r = opt->push_url ? pyroscope_check_url(opt->push_url, &res) : 0;

	if (r < 0)
		log_error("--push: %s", res.message);
	return r;
}

static int open_output(struct recording *rec)
{
	int r = atomic_file_open(rec->opt->output, &rec->output);

	return r < 0 ? cannot_write(r, rec->opt->output) : 0;
}

/* All that can be known to be wrong is found before a minute of recording is wasted. */
static int prepare(struct recording *rec)
{
	const struct record_options *opt = rec->opt;
	int r;

	r = host_limits_check_frequency("-F", opt->frequency);
	if (r == 0)
		r = check_pids(opt);
	if (r == 0)
		r = check_push_url(opt);
	if (r == 0)
		r = open_cgroup(rec);
	if (r == 0)
		r = check_stats(opt);
	if (r == 0)
		r = open_output(rec);
	if (r == 0)
		r = open_dump(rec);
	return r;
}

/* --- recording -------------------------------------------------------------------------------- */

static void dump_sample(void *out, const struct session_sample *s)
{
	sample_dump(out, s->rec, s->context, s->frames, s->finished);
}

static int open_session(struct recording *rec)
{
	const struct record_options *opt = rec->opt;
	struct session_options so = {
		.collector = {
			.frequency = opt->frequency,
			.event = opt->event,
			.filter_pids = opt->pids.n || opt->command,
			.follow = opt->command,
			.cgroup_fd = rec->cgroup_fd,
			.unwind_budget = opt->unwind_budget,
		},
		.pids = opt->pids.data,
		.n_pids = opt->pids.n,
		.context = opt->context,
		.symbols = opt->symbols,
		.observe = rec->dump ? dump_sample : NULL,
		.observe_arg = rec->dump,
	};

	if (opt->command) {
		so.pids = &rec->child.pid;
		so.n_pids = 1;
	}
	return session_open(&so, &rec->session);
}

static int start_command(struct recording *rec)
{
	int r;

	if (!rec->opt->command)
		return 0;
	r = child_start(&rec->child, rec->opt->command);
	return r < 0 ? log_error_errno(r, "cannot start a process") : 0;
}

static int release_command(struct recording *rec)
{
	int r;

	/* Stopped while we were getting ready: it is not even begun. */
	if (!rec->opt->command || atomic_load(&stop_signal_count))
		return 0;
	r = child_release(&rec->child);
	return r < 0 ? log_error_errno(r, "cannot run '%s'", rec->opt->command[0]) : 0;
}

static bool is_over(struct recording *rec, uint64_t deadline_ns)
{
	if (atomic_load(&stop_signal_count) || (deadline_ns && monotonic_ns() >= deadline_ns))
		return true;
	if (rec->opt->command)
		return child_is_over(&rec->child);
	if (rec->opt->pids.n && !session_n_targets(rec->session)) {
		if (!rec->opt->quiet)
			log_info("the process has ended");
		return true;
	}
	return false;
}

static int sample(struct recording *rec)
{
	uint64_t deadline_ns = rec->opt->duration_ns ? monotonic_ns() + rec->opt->duration_ns : 0;
	struct progress progress;
	int r = 0;

	progress_start(&progress, rec->opt->quiet);
	while (r == 0 && !is_over(rec, deadline_ns)) {
		r = session_poll(rec->session);
		progress_update(&progress, rec->session);
	}
	progress_end(&progress);
	if (r == 0)
		r = session_finish(rec->session);
	/* What is not sampled any more shall not go on while we write and push. */
	child_stop(&rec->child);
	return r;
}

/* Samples; the exit status of a command that could not be run is in *ret_status. */
static int record(struct recording *rec, int *ret_status)
{
	int r;

	r = start_command(rec);
	host_limits_raise_files(); /* not for the command */
	if (r == 0)
		r = open_session(rec);
	if (r == 0)
		r = session_start(rec->session);
	if (r < 0)
		return r;
	r = release_command(rec);
	if (r < 0) {
		*ret_status = r == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
		return r;
	}
	return sample(rec);
}

/* --- results ---------------------------------------------------------------------------------- */

static int write_output(struct recording *rec)
{
	const struct record_options *opt = rec->opt;
	int r;

	r = output_write(rec->output, opt->format, rec->pprof, "spanprof");
	if (r == 0)
		r = atomic_file_commit(rec->output);
	return r < 0 ? cannot_write(r, opt->output) : 0;
}

static void push(struct recording *rec, uint64_t *counters)
{
	struct pyroscope_options po = {
		.url = rec->opt->push_url,
		.timeout_ms = PUSH_TIMEOUT_MS,
		.labels = { rec->opt->push_labels, rec->opt->n_push_labels },
		.stop = &stop_signal_count,
	};
	struct pyroscope_result res = { 0 };

	if (!po.url)
		return;
	/* The signal that ended the recording is no reason not to send it; the next one is. */
	atomic_store(&stop_signal_count, 0);
	if (pyroscope_push(&po, rec->pprof, &res) < 0) {
		counters[STAT_PUSH_REJECTED] += res.samples_failed;
		rec->failed = true;
		log_error("--push: %" PRIu64 " of %" PRIu64 " samples were not taken: %s; they are "
			  "in '%s'",
			  res.samples_failed, res.samples_failed + res.samples_sent, res.message,
			  rec->opt->output);
		return;
	}
	if (!rec->opt->quiet)
		log_info("pushed %" PRIu64 " samples in %zu series", res.samples_sent, res.series);
}

static void write_stats(struct recording *rec, const uint64_t *counters)
{
	int r = rec->opt->stats ? stats_write_json(counters, rec->opt->stats) : 0;

	if (r < 0) {
		cannot_write(r, rec->opt->stats);
		rec->failed = true;
	}
}

static void close_dump(struct recording *rec)
{
	FILE *dump = TAKE_PTR(rec->dump);

	if (dump && fclose(dump) != 0) {
		cannot_write(-errno, rec->opt->dump);
		rec->failed = true;
	}
}

static void print_summary(struct recording *rec, const uint64_t *counters)
{
	struct session_totals totals = session_totals(rec->session);

	if (rec->opt->quiet)
		return;
	log_info("%" PRIu64 " samples of %s, %.2f s of CPU time, %zu processes, %" PRIu64
		 " samples in a span -> %s",
		 totals.samples, totals.event, totals.cpu_ns / 1e9, totals.processes,
		 counters[STAT_CTX_READ], rec->opt->output);
	stats_print_losses(counters, stderr);
}

static int finish(struct recording *rec)
{
	uint64_t counters[STAT_COUNT] = { 0 };
	int r;

	r = session_pprof(rec->session, &rec->pprof);
	if (r == 0)
		r = write_output(rec);
	if (r < 0)
		return r;
	r = session_stats(rec->session, counters);
	if (r < 0)
		return log_error_errno(r, "cannot read the counters");
	push(rec, counters);
	write_stats(rec, counters);
	close_dump(rec);
	print_summary(rec, counters);
	return rec->failed ? -EIO : 0;
}

static int run(const struct record_options *opt)
{
	struct recording rec = { .opt = opt, .cgroup_fd = -1 };
	int status = EXIT_FAILURE;
	int r;

	log_set_level(opt->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	r = stop_signal_install();
	if (r == 0)
		r = prepare(&rec);
	if (r == 0)
		r = record(&rec, &status);
	if (r == 0)
		r = finish(&rec);
	if (r == 0)
		status = opt->command ? child_exit_status(&rec.child) : EXIT_SUCCESS;
	recording_clear(&rec);
	return status;
}

int cmd_record(int argc, char **argv)
{
	struct record_options opt;
	int r = record_options_parse(argc, argv, &opt);
	int status = EXIT_USAGE;

	if (r == 0 && opt.help) {
		fputs(record_help, stdout);
		status = EXIT_SUCCESS;
	} else if (r == 0) {
		status = run(&opt);
	}
	record_options_clear(&opt);
	return status;
}
