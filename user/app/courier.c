/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "app/courier_sandbox.h"
#include "app/listener.h"
#include "base/clock.h"
#include "base/log.h"
#include "export/delivery.h"

#define TICK_MS	      1000
#define STOP_MS	      2000
#define RESTART_MS    1000ULL /* twice as long each time */
#define RESTART_MAX   60000ULL
#define LIVED_LONG_NS (60 * NSEC_PER_SEC)

/* A message is one of these and a number, for 'q' how many ms to flush and to wait for answers. */
struct courier_message {
	char what; /* 'w'ake, 'r'eload, 'q'uit */
	unsigned number;
};

struct courier {
	struct courier_options opt;
	const struct agent_config *config;
	int sock;
	pid_t pid; /* 0: does not run */
	uint64_t started_ns, restart_ns;
	uint64_t pause_ms;
};

/* --- in the process itself -------------------------------------------------------------------- */

struct office {
	struct courier_options *opt;
	const struct agent_config *config;
	struct agent_config *own; /* the same, if it was read here */
	struct delivery *delivery;
	struct listener *listener;
	int sock;
};

static void on_change(const struct delivery_event *ev, void *arg)
{
	char when[REALTIME_TEXT_MAX];

	switch (ev->change) {
	case DELIVERY_EVENT_FAILING:
		log_warning("endpoint %s: failing since %s, spooling: %s", ev->endpoint,
			    realtime_text(ev->since_ns, when), ev->message);
		break;
	case DELIVERY_EVENT_RECOVERED:
		log_info("endpoint %s: recovered, %" PRIu64 " profiles replayed", ev->endpoint,
			 ev->replayed);
		break;
	case DELIVERY_EVENT_REFUSED:
		log_warning("endpoint %s: refused samples for good: %s", ev->endpoint, ev->message);
		break;
	case DELIVERY_EVENT_UNUSABLE:
		log_error("endpoint %s: %s", ev->endpoint, ev->message);
		break;
	}
}

static void apply(struct office *o)
{
	uint64_t longest = 0;
	int r;

	for (size_t i = 0; i < o->config->n_endpoints; i++)
		if (o->config->endpoints[i].timeout_ms > longest)
			longest = o->config->endpoints[i].timeout_ms;
	atomic_store(&o->opt->shared->endpoint_timeout_ns, longest * NSEC_PER_MSEC);
	r = delivery_set(o->delivery, o->config->endpoints, o->config->n_endpoints);
	if (r < 0)
		log_error_errno(r, "delivery: cannot serve all endpoints");
}

/*
 * It was found to be right by who told us, who has more rights to read it, perhaps. False: then we
 * end, and are started again with what was read there.
 */
static bool reload(struct office *o)
{
	CLEANUP(config_problems_clear) struct config_problems problems = { 0 };
	struct agent_config *fresh, *old = o->own;

	if (agent_config_load(o->opt->sources, &problems, &fresh) < 0) {
		config_problems_log(&problems);
		return false;
	}
	o->config = o->own = fresh;
	apply(o);
	agent_config_free(old);
	return true;
}

/* False: it is time to end. *ret: what was said, if anything was. */
static bool handle(struct office *o, struct courier_message *ret)
{
	ssize_t n;

	*ret = (struct courier_message){ 0 };
	n = recv(o->sock, ret, sizeof(*ret), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != sizeof(*ret))
		return false;
	if (ret->what == 'w')
		delivery_wake(o->delivery);
	else if (ret->what == 'r' && !reload(o))
		return false;
	return ret->what != 'q';
}

static void stop_listening(struct office *o)
{
	listener_stop(o->listener);
	o->listener = NULL;
	closep(&o->opt->listen_fd);
}

/* Unless it was told to, another one of us, or another agent, is to have the address at once. */
static void end(struct office *o, const struct courier_message *last)
{
	bool told = last->what == 'q';
	unsigned grace_ms = DELIVERY_GRACE_MS;

	if (told && last->number < grace_ms)
		grace_ms = last->number;
	if (!told)
		stop_listening(o);
	delivery_stop(o->delivery, told ? last->number : 0, grace_ms);
	stop_listening(o);
}

static void work(struct office *o)
{
	struct pollfd fd = { .fd = o->sock, .events = POLLIN };
	struct courier_message m;

	do {
		agent_shared_note_process(o->opt->shared, AGENT_NUMBER_COURIER_CPU,
					  AGENT_NUMBER_COURIER_MEMORY);
		listener_hang_up_late(o->listener);
		log_tell_left_out();
		(void)poll(&fd, 1, TICK_MS);
	} while (handle(o, &m));
	end(o, &m);
}

/* To @number, which nothing else of ours has. */
static void move_to(int *fd, int number)
{
	if (*fd >= 0)
		*fd = dup2(*fd, number);
}

/* What is not for it: BPF maps, files of strangers, the spool's lock. */
static void close_others(int *sock, int *listen_fd)
{
	enum { SOCK = 3, LISTEN, OTHERS };

	*sock = fcntl(*sock, F_DUPFD, OTHERS);
	if (*listen_fd >= 0)
		*listen_fd = fcntl(*listen_fd, F_DUPFD, OTHERS);
	move_to(sock, SOCK);
	move_to(listen_fd, LISTEN);
	closefrom(*listen_fd >= 0 ? OTHERS : LISTEN);
}

/* One that died before us cannot have said it of endpoints that are gone since. */
static void forget_endpoints(struct agent_shared *s)
{
	for (size_t i = 0; i < AGENT_ENDPOINT_PLACES; i++)
		if (atomic_load(&s->endpoints[i].state) != DELIVERY_UNUSED)
			atomic_store(&s->endpoints[i].state, DELIVERY_REMOVED);
}

static void ignore_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		signal(ours[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void courier_main(const struct courier *c, int sock)
{
	struct courier_options opt = c->opt;
	struct office o = { .opt = &opt, .config = c->config };
	struct delivery_options d = {
		.spool_dir = c->config->spool.directory,
		.stats = opt.shared->endpoints,
		.n_stats = AGENT_ENDPOINT_PLACES,
		.on_event = on_change,
	};

	(void)prctl(PR_SET_NAME, "spanprof-send");
	ignore_signals();
	close_others(&sock, &opt.listen_fd);
	o.sock = sock;
	if (courier_sandbox_enter() < 0 || delivery_new(&d, &o.delivery) < 0)
		_exit(EXIT_FAILURE);
	if (opt.listen_fd >= 0 && listener_start(opt.listen_fd, opt.shared, &o.listener) < 0)
		log_error("cannot serve /metrics");
	forget_endpoints(opt.shared);
	apply(&o);
	work(&o);
	log_tell_all_left_out();
	_exit(EXIT_SUCCESS);
}

/* --- for who started it ----------------------------------------------------------------------- */

static int start(struct courier *c)
{
	int socks[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(socks[0]);
		close(socks[1]);
		return r;
	}
	if (pid == 0)
		courier_main(c, socks[1]);
	close(socks[1]);
	c->sock = socks[0];
	c->pid = pid;
	c->started_ns = monotonic_ns();
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

static void tell(struct courier *c, char what, unsigned number)
{
	struct courier_message m;

	if (c->sock < 0)
		return;
	memset(&m, 0, sizeof(m)); /* its padding, too */
	m.what = what;
	m.number = number;
	(void)send(c->sock, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void courier_wake(struct courier *c)
{
	tell(c, 'w', 0);
}

void courier_reload(struct courier *c, const struct agent_config *config)
{
	c->config = config;
	tell(c, 'r', 0);
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

void courier_tend(struct courier *c)
{
	int status, r;

	if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid)
		note_death(c, status);
	if (c->pid || monotonic_ns() < c->restart_ns)
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
	tell(c, 'q', flush_ms);
	if (c->pid && !has_ended(c, flush_ms + DELIVERY_GRACE_MS + STOP_MS)) {
		log_warning(
			"the process that delivers does not end and is killed; profiles stay in "
			"the spool");
		kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
	}
	closep(&c->sock);
	free(c);
}
