/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One endpoint's profiles on disk: the side that reads and removes. At any moment a profile belongs
 * to one of the two sides: it is claimed by a rename(2) before it is sent, and given back between
 * tries, so that the oldest can make room for new ones. What has been sent of it is noted before
 * and after each request: after a kill -9 nothing is sent twice.
 */
#ifndef EXPORT_SPOOL_QUEUE_H
#define EXPORT_SPOOL_QUEUE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "export/spool_dir.h"

struct spool_queue;

/*
 * -EBUSY: another process reads it (or one of ours that ends only now); otherwise as
 * spool_dir_open(). @stats may be NULL.
 */
int spool_queue_open(const char *dir, const char *name, struct delivery_stats *stats,
		     struct spool_queue **ret);
void spool_queue_close(struct spool_queue *q); /* NULL is fine */
DEFINE_CLEANUP(struct spool_queue *, spool_queue_close)

struct spool_entry {
	struct spool_name name;
	struct spool_header header;
	uint8_t *file; /* the whole of it */
	const uint8_t *pprof;
	size_t len;
	struct spool_progress progress;
	bool unsaved; /* some of the progress is not on disk */
};

/*
 * Claims the oldest. -ENOENT: there is none. Damaged ones are set aside and counted on the way.
 * -ENOMEM, -EMFILE and others of open(2): none can be had now. *ret then belongs to the caller
 * until one of the next three.
 */
int spool_queue_take(struct spool_queue *q, struct spool_entry *ret);

/* Back into the queue, with its progress; @e is cleared. */
void spool_queue_release(struct spool_queue *q, struct spool_entry *e);

/* The same, but those behind it have their turn first. */
void spool_queue_postpone(struct spool_queue *q, struct spool_entry *e);

/* All of it is accounted for: it goes. */
void spool_queue_done(struct spool_queue *q, struct spool_entry *e);

/* It is no profile after all. What of it is not accounted for counts as damaged. */
void spool_queue_set_aside(struct spool_queue *q, struct spool_entry *e);

/*
 * Notes what became of samples, in the entry and on disk, and counts them in the statistics.
 * @ranges are those of the request; of the outcome of a SPOOL_BEGUN none are given. On a full disk
 * it is noted in memory only. -EINVAL: none was begun; -ENOMEM: it is not noted.
 */
int spool_queue_note(struct spool_queue *q, struct spool_entry *e, struct spool_record *rec,
		     const struct spool_range *ranges);

/* Looks at the folder again, for the statistics and for what is new. */
void spool_queue_look(struct spool_queue *q);

#endif
