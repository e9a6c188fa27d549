/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One endpoint: sends a spooled profile in as many requests as its protocol wants, and notes what
 * became of each in the profile's progress. No retries of its own.
 */
#ifndef EXPORT_ENDPOINT_H
#define EXPORT_ENDPOINT_H

#include <stdatomic.h>

#include "base/cleanup.h"
#include "export/endpoint_options.h"
#include "export/spool_queue.h"
#include "export/verdict.h"

struct endpoint;

/* How another thread ends it: first the one, and the other when that takes too long. */
struct endpoint_stop {
	atomic_int asked; /* no request is begun any more; one that runs has its time to end */
	atomic_int now;	  /* it is given up */
};

/*
 * @opt is borrowed until the endpoint is freed; @stats may be NULL. -EINVAL, with a message: the
 * options cannot be used; -ENOMEM.
 */
int endpoint_new(const struct endpoint_options *opt, struct delivery_stats *stats,
		 struct endpoint **ret, char *message, size_t size);
void endpoint_free(struct endpoint *e); /* NULL is fine */
DEFINE_CLEANUP(struct endpoint *, endpoint_free)

/*
 * 0, VERDICT_TAKEN: all of it is accounted for (ret->message tells what was refused, if anything
 * was). 0, VERDICT_RETRY or VERDICT_HOPELESS: the rest is to be tried later. -EBADMSG: it is no
 * profile; -ECANCELED: stopped; -ENOMEM. *ret is always filled.
 *
 * A request that was sent and got no answer may have been counted. Pyroscope cannot tell that it
 * has had it before, so that it is not sent again: its samples are counted as uncertain. Until the
 * server has answered an empty request nothing else is sent to it, so that one that hangs costs one
 * request, not all. OTLP wants such a request to be repeated, and so it is.
 */
int endpoint_send(struct endpoint *e, struct spool_queue *q, struct spool_entry *entry,
		  const struct endpoint_stop *stop, struct verdict_detail *ret);

#endif
