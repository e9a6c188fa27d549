/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "app/courier_office.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "export/delivery.h"
#include "worker/message.h"

#define STOP_MS	      2000
#define RESTART_MS    1000ULL /* twice as long each time */
#define RESTART_MAX   60000ULL
#define LIVED_LONG_NS (60 * NSEC_PER_SEC)
#define DEATH_NS      (5 * NSEC_PER_SEC) /* one that hangs in a file system may take its time */

struct courier {
	struct courier_options opt;
	const struct agent_config *config;
	int sock;
	pid_t pid;     /* 0: does not run */
	pid_t undying; /* was killed, and had not gone yet */
	uint64_t started_ns, restart_ns;
	uint64_t pause_ms;
	uint64_t killed_ns; /* 0: it was not */
	bool was_stuck;	    /* a second ago */
};

/* --- its start -------------------------------------------------------------------------------- */

/* Its libraries look into the environment: proxies, certificates, look-up of names. */
static int spawn_with(const struct courier *c, int sock, pid_t *ret)
{
	char *argv[] = { (char *)"spanprof", (char *)COURIER_ARGUMENT, (char *)c->opt.spool_dir,
			 NULL };
	const int fds[COURIER_OTHERS] = {
		SPAWN_SAME,
		SPAWN_SAME,
		SPAWN_SAME,
		[COURIER_SOCKET] = sock,
		[COURIER_SHARED] = c->opt.shared_fd,
		[COURIER_LISTENER] = c->opt.listen_fd < 0 ? SPAWN_NULL : c->opt.listen_fd,
	};
	const struct spawn_options opt = {
		.program = "/proc/self/exe",
		.argv = argv,
		.envp = environ,
		.fds = fds,
		.n_fds = COURIER_OTHERS,
	};

	return spawn(&opt, ret);
}

static int tell(const struct courier *c, enum courier_message what, unsigned number, int fd)
{
	struct worker_header h = {
		.protocol = WORKER_PROTOCOL,
		.kind = what,
		.len = what == COURIER_QUIT ? sizeof(number) : 0,
	};

	return c->sock < 0 ? 0 : worker_message_send(c->sock, &h, &number, fd);
}

static int tell_config(const struct courier *c)
{
	CLEANUP(closep) int fd = -1;
	int r = agent_config_send(c->config, &fd);

	return r < 0 ? r : tell(c, COURIER_CONFIG, 0, fd);
}

/* One that died before it cannot have said it of endpoints that are gone since. */
static void forget_endpoints(struct agent_shared *s)
{
	for (size_t i = 0; i < AGENT_ENDPOINT_PLACES; i++)
		delivery_stats_remove(&s->endpoints[i]);
}

static int start(struct courier *c)
{
	CLEANUP(closep) int theirs = -1;
	int socks[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	c->sock = socks[0];
	theirs = socks[1];
	forget_endpoints(c->opt.shared);
	/* What it is told first waits for it. Whoever does not listen is not waited for. */
	r = fcntl(c->sock, F_SETFL, O_NONBLOCK) < 0 ? -errno : tell_config(c);
	if (r == 0)
		r = spawn_with(c, theirs, &c->pid);
	if (r < 0) {
		closep(&c->sock);
		return r;
	}
	c->started_ns = monotonic_ns();
	c->killed_ns = 0;
	c->was_stuck = false;
	agent_shared_add(c->opt.shared, AGENT_NUMBER_COURIER_STARTS, 1);
	return 0;
}

int courier_start(const struct courier_options *opt, const struct agent_config *config,
		  struct courier **ret)
{
	CLEANUP(freep) struct courier *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->config = config;
	c->sock = -1;
	r = start(c);
	if (r < 0)
		return log_error_errno(r, "cannot start the process that delivers");
	*ret = TAKE_PTR(c);
	return 0;
}

/* --- its life --------------------------------------------------------------------------------- */

void courier_wake(struct courier *c)
{
	(void)tell(c, COURIER_WAKE, 0, -1); /* one that does not hear it looks by itself */
}

void courier_reload(struct courier *c, const struct agent_config *config)
{
	int r;

	c->config = config;
	r = tell_config(c);
	if (r < 0)
		log_error_errno(r, "cannot tell the process that delivers of the configuration");
}

static void note_death(struct courier *c, int status)
{
	uint64_t now = monotonic_ns();
	bool killed = WIFSIGNALED(status);

	if (now - c->started_ns > LIVED_LONG_NS || !c->pause_ms)
		c->pause_ms = RESTART_MS;
	else if (c->pause_ms < RESTART_MAX)
		c->pause_ms *= 2;
	c->restart_ns = now + c->pause_ms * NSEC_PER_MSEC;
	c->pid = 0;
	closep(&c->sock);
	log_error("the process that delivers has ended (%s %d); it is started again in %" PRIu64
		  " s, profiles wait in the spool",
		  killed ? "signal" : "status", killed ? WTERMSIG(status) : WEXITSTATUS(status),
		  c->pause_ms / 1000);
}

/* Only of one at a time: what hangs keeps its queue locked, so that the next one stays out of it.
 */
static void leave_behind_if_undying(struct courier *c, uint64_t now)
{
	if (c->undying || now - c->killed_ns < DEATH_NS)
		return;
	log_error("the process that delivers hangs in the kernel; another one is started beside "
		  "it, without what it holds");
	c->undying = c->pid;
	c->pid = 0;
	closep(&c->sock);
}

/* Seen twice: after all of us were stopped for a while, the first look is nobody's fault. */
static void end_if_stuck(struct courier *c, uint64_t now)
{
	bool stuck = agent_shared_delivery_is_stuck(c->opt.shared, now);

	if (stuck && c->was_stuck) {
		log_error("the process that delivers is ended, as an endpoint's thread hangs");
		kill(c->pid, SIGKILL);
		c->killed_ns = now;
		agent_shared_add(c->opt.shared, AGENT_NUMBER_COURIER_STUCK, 1);
	}
	c->was_stuck = stuck;
}

void courier_tend(struct courier *c)
{
	uint64_t now = monotonic_ns();
	int status, r;

	if (c->undying && waitpid(c->undying, NULL, WNOHANG) == c->undying)
		c->undying = 0;
	if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid)
		note_death(c, status);
	else if (c->pid && c->killed_ns)
		leave_behind_if_undying(c, now);
	else if (c->pid)
		end_if_stuck(c, now);
	if (c->pid || now < c->restart_ns)
		return;
	r = start(c);
	if (r < 0) {
		log_error_errno(r, "cannot start the process that delivers");
		c->restart_ns = monotonic_ns() + RESTART_MAX * NSEC_PER_MSEC;
	}
}

static bool has_ended(struct courier *c, unsigned ms)
{
	const struct timespec step = { .tv_nsec = 10 * NSEC_PER_MSEC };
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	do {
		if (waitpid(c->pid, NULL, WNOHANG) != 0)
			return true;
		nanosleep(&step, NULL);
	} while (monotonic_ns() < end);
	return false;
}

void courier_stop(struct courier *c, unsigned flush_ms)
{
	if (!c)
		return;
	(void)tell(c, COURIER_QUIT, flush_ms, -1);
	if (c->pid && !has_ended(c, flush_ms + DELIVERY_GRACE_MS + STOP_MS)) {
		log_warning(
			"the process that delivers does not end and is killed; profiles stay in "
			"the spool");
		kill(c->pid, SIGKILL);
		(void)has_ended(c, STOP_MS);
	}
	closep(&c->sock);
	free(c);
}
