/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pyroscope.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/http.h"
#include "export/pyroscope_answer.h"
#include "export/pyroscope_body.h"
#include "export/pyroscope_split.h"
#include "export/pyroscope_url.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS	 (60 * 1000)
#define TRIES_MAX	 10
#define CONNECT_TRIES	 3 /* nobody there: a person may be waiting for the message */
#define SLEEP_STEP_MS	 50
#define TIMEOUTS_MAX	 10

struct pusher {
	const struct pyroscope_options *opt;
	struct pyroscope_url url;
	struct http *http;
	int64_t deadline_ms; /* of the request at hand; CLOCK_MONOTONIC */
	int64_t limit_ms;    /* of all */
	bool hopeless;	     /* what remains is not tried */
	struct pyroscope_result *ret;
};

static void pusher_clear(struct pusher *p)
{
	http_free(p->http);
	pyroscope_url_clear(&p->url);
}

static int64_t now_ms(void)
{
	return monotonic_ns() / NSEC_PER_MSEC;
}

static bool stopped(const struct pusher *p)
{
	return p->opt->stop && atomic_load(p->opt->stop) != 0;
}

/*
 * For the next request. A healthy server takes half a second for each, and a host has many
 * services: a limit for all of them together would leave out those at the end.
 */
static void start_clock(struct pusher *p)
{
	p->deadline_ms = now_ms() + p->opt->timeout_ms;
	if (p->deadline_ms > p->limit_ms)
		p->deadline_ms = p->limit_ms;
}

/* False if it was ended by the stop flag. */
static bool sleep_ms(const struct pusher *p, int64_t ms)
{
	const struct timespec step = { .tv_nsec = SLEEP_STEP_MS * 1000000L };
	int64_t end = now_ms() + ms;

	while (!stopped(p) && now_ms() < end)
		nanosleep(&step, NULL);
	return !stopped(p);
}

/* The first failure is the one that is reported. */
static void note_failure(struct pusher *p, long status, const char *message)
{
	if (*p->ret->message)
		return;
	p->ret->http_status = status;
	snprintf(p->ret->message, sizeof(p->ret->message), "%s", message);
}

static int64_t backoff_ms(unsigned tries, const struct http_response *resp)
{
	int64_t ms = BACKOFF_FIRST_MS << (tries - 1);

	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	/* Compared in seconds: the header may hold any number. */
	if (resp->retry_after_s > ms / 1000)
		ms = resp->retry_after_s < 86400 ? resp->retry_after_s * 1000L : INT64_MAX;
	return ms;
}

/* Waits before the next try if there is to be one. */
static bool may_retry(const struct pusher *p, int err, const struct http_response *resp,
		      unsigned tries)
{
	int64_t wait = backoff_ms(tries, resp);

	if (tries >= (err < 0 ? CONNECT_TRIES : TRIES_MAX))
		return false;
	/* A try that cannot begin in time is not worth the wait. */
	return wait < p->deadline_ms - now_ms() && sleep_ms(p, wait);
}

static int post_once(struct pusher *p, const void *body, size_t len, struct http_response *ret)
{
	struct http_request req = {
		.url = p->url.endpoint,
		.content_type = "application/proto",
		.body = body,
		.len = len,
		.timeout_ms = p->deadline_ms - now_ms(),
		.stop = p->opt->stop,
	};

	*ret = (struct http_response){ 0 };
	if (stopped(p))
		return -ECANCELED;
	if (req.timeout_ms <= 0) {
		snprintf(ret->error, sizeof(ret->error), "the time limit has passed");
		return -ETIMEDOUT;
	}
	return http_post(p->http, &req, ret);
}

/* True if the server took it. */
static bool post(struct pusher *p, const void *body, size_t len)
{
	for (unsigned tries = 1;; tries++) {
		CLEANUP(http_response_clear) struct http_response resp = { 0 };
		int err = post_once(p, body, len, &resp);
		enum pyroscope_verdict verdict = pyroscope_judge(err, &resp);
		char message[sizeof(p->ret->message)];

		if (verdict == PYROSCOPE_TAKEN)
			return true;
		if (verdict == PYROSCOPE_RETRY && may_retry(p, err, &resp, tries))
			continue;

		pyroscope_explain(p->url.shown, err, &resp, message, sizeof(message));
		note_failure(p, resp.status, message);
		p->hopeless = verdict != PYROSCOPE_REFUSED;
		return false;
	}
}

static int send_chunk(struct pusher *p, const struct pyroscope_chunk *chunk, bool *ret_taken)
{
	CLEANUP(freep) uint8_t *body = NULL;
	size_t len;
	int r;

	*ret_taken = false;
	if (!chunk->pprof) {
		note_failure(p, 0, "a stack is larger than the server takes, and was not sent");
		return 0;
	}

	r = pyroscope_pack(chunk, &body, &len);
	if (r < 0)
		return r;
	*ret_taken = post(p, body, len);
	return 0;
}

static int on_chunk(const struct pyroscope_chunk *chunk, void *arg)
{
	struct pusher *p = arg;
	bool taken;
	int r = send_chunk(p, chunk, &taken);

	if (r < 0)
		return r;
	p->ret->series += taken;
	p->ret->samples_sent += taken ? chunk->count : 0;
	start_clock(p);
	return p->hopeless ? -EIO : 0; /* which ends the split */
}

int pyroscope_check_url(const char *url, struct pyroscope_result *ret)
{
	CLEANUP(pyroscope_url_clear) struct pyroscope_url parsed = { 0 };

	*ret = (struct pyroscope_result){ 0 };
	return pyroscope_url_parse(url, &parsed, ret->message, sizeof(ret->message));
}

static int push(struct pusher *p, const struct pprof *profile)
{
	int r = pyroscope_url_parse(p->opt->url, &p->url, p->ret->message, sizeof(p->ret->message));

	if (r >= 0)
		r = http_new(&p->http);
	if (r < 0)
		return r;

	r = pyroscope_split(profile, &p->opt->labels, on_chunk, p);
	if (r == -EINVAL)
		note_failure(p, 0, "the profile has no cpu/nanoseconds, which is what is pushed");
	return r;
}

int pyroscope_push(const struct pyroscope_options *opt, const struct pprof *profile,
		   struct pyroscope_result *ret)
{
	CLEANUP(pusher_clear)
	struct pusher p = {
		.opt = opt,
		.limit_ms = now_ms() + (int64_t)opt->timeout_ms * TIMEOUTS_MAX,
		.ret = ret,
	};
	int r;

	*ret = (struct pyroscope_result){ 0 };
	start_clock(&p);
	r = push(&p, profile);
	if (r == -ENOMEM)
		note_failure(&p, 0, "out of memory");
	ret->samples_failed = pyroscope_count(profile) - ret->samples_sent;
	return r < 0 ? r : *ret->message ? -EIO : 0;
}
