/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier_office.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "app/agent_config.h"
#include "app/agent_shared.h"
#include "app/courier_sandbox.h"
#include "app/listener.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "export/delivery.h"
#include "worker/message.h"

#define TICK_MS 1000

struct office {
	struct agent_shared *shared;
	struct agent_config *config;
	struct delivery *delivery;
	struct listener *listener;
	struct worker_message in;
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
	case DELIVERY_EVENT_WARNED:
		log_warning("endpoint %s: took what it was sent, but: %s", ev->endpoint,
			    ev->message);
		break;
	case DELIVERY_EVENT_UNUSABLE:
		log_error("endpoint %s: %s", ev->endpoint, ev->message);
		break;
	}
}

static uint64_t longest_timeout_ns(const struct agent_config *c)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i].timeout_ms > longest)
			longest = c->endpoints[i].timeout_ms;
	return longest * NSEC_PER_MSEC;
}

/* A request under way has the time that it began with: whoever took it away would see it hang. */
static void apply(struct office *o)
{
	uint64_t fresh = longest_timeout_ns(o->config);
	int r;

	if (fresh > atomic_load(&o->shared->endpoint_timeout_ns))
		atomic_store(&o->shared->endpoint_timeout_ns, fresh);
	r = delivery_set(o->delivery, o->config->endpoints, o->config->n_endpoints);
	atomic_store(&o->shared->endpoint_timeout_ns, fresh);
	if (r < 0)
		log_error_errno(r, "delivery: cannot serve all endpoints");
}

/* It was found to be right by who sent it. */
static int take_config(int fd, struct agent_config **ret)
{
	CLEANUP(config_problems_clear) struct config_problems problems = { 0 };
	int r = agent_config_receive(fd, &problems, ret);

	if (r < 0) {
		config_problems_log(&problems);
		return log_error_errno(r, "delivery: cannot take the configuration");
	}
	agent_config_set_log(*ret);
	return 0;
}

static int reload(struct office *o)
{
	struct agent_config *old = o->config;
	int r = take_config(o->in.fd, &o->config);

	if (r < 0)
		return r;
	apply(o);
	agent_config_free(old);
	return 0;
}

/* How to end. */
struct ending {
	bool told;
	unsigned flush_ms; /* for what is in the spool, and to wait for answers */
};

/* False: it is time to end. */
static bool handle(struct office *o, struct ending *ret)
{
	int r = worker_message_receive(COURIER_SOCKET, true, &o->in);

	if (r < 0)
		return r == -EAGAIN;
	if (o->in.header.kind == COURIER_WAKE)
		delivery_wake(o->delivery);
	else if (o->in.header.kind == COURIER_CONFIG)
		r = reload(o);
	closep(&o->in.fd);
	if (o->in.header.kind != COURIER_QUIT)
		return r == 0;
	ret->told = true;
	if (o->in.header.len == sizeof(ret->flush_ms))
		memcpy(&ret->flush_ms, o->in.payload, sizeof(ret->flush_ms));
	return false;
}

static void stop_listening(struct office *o)
{
	listener_stop(o->listener);
	o->listener = NULL;
	(void)close(COURIER_LISTENER);
}

/* Unless it was told to, another one of us, or another agent, is to have the address at once. */
static void end(struct office *o, const struct ending *how)
{
	unsigned grace_ms = DELIVERY_GRACE_MS;

	if (how->told && how->flush_ms < grace_ms)
		grace_ms = how->flush_ms;
	if (!how->told)
		stop_listening(o);
	delivery_stop(o->delivery, how->flush_ms, grace_ms);
	if (how->told)
		stop_listening(o);
}

static void work(struct office *o)
{
	struct pollfd fd = { .fd = COURIER_SOCKET, .events = POLLIN };
	struct ending how = { 0 };

	do {
		agent_shared_note_process(o->shared, AGENT_NUMBER_COURIER_CPU,
					  AGENT_NUMBER_COURIER_MEMORY);
		listener_hang_up_late(o->listener);
		log_tell_left_out();
	} while (poll(&fd, 1, TICK_MS) <= 0 || handle(o, &how));
	end(o, &how);
}

/* What those who run us send to each of our processes is not meant for it: it is told to end. */
static void ignore_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		signal(ours[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* What has to be said before anything else. */
static int await_config(struct office *o)
{
	int r = worker_message_receive(COURIER_SOCKET, true, &o->in);

	if (r == 0 && o->in.header.kind != COURIER_CONFIG)
		r = -EBADMSG;
	if (r == 0)
		r = take_config(o->in.fd, &o->config);
	closep(&o->in.fd);
	return r;
}

static int open_office(struct office *o, const char *spool_dir)
{
	struct delivery_options d = { .n_stats = AGENT_ENDPOINT_PLACES, .on_event = on_change };
	int r = agent_shared_map(COURIER_SHARED, &o->shared);

	(void)close(COURIER_SHARED);
	if (r == 0)
		r = await_config(o);
	if (r < 0)
		return r;
	d.spool_dir = spool_dir;
	d.stats = o->shared->endpoints;
	return delivery_new(&d, &o->delivery);
}

void courier_main(char *const *arguments)
{
	static struct office o;

	if (!is_socket(COURIER_SOCKET))
		return;
	(void)prctl(PR_SET_NAME, "spanprof-send");
	memory_stay_small();
	ignore_signals();
	if (courier_sandbox_enter() < 0 || open_office(&o, arguments[0]) < 0)
		_exit(EXIT_FAILURE);
	if (is_socket(COURIER_LISTENER) &&
	    listener_start(COURIER_LISTENER, o.shared, &o.listener) < 0)
		log_error("cannot serve /metrics");
	apply(&o);
	work(&o);
	log_tell_all_left_out();
	_exit(EXIT_SUCCESS);
}
