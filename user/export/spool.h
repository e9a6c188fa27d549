/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles on disk until their endpoints have them: the side that writes. Each endpoint has a queue
 * of its own, so that a dead one holds back no other; a profile is on disk once. Bounded in bytes
 * and age a queue, the oldest out first. A process or machine that dies at any moment leaves whole
 * profiles. Who reads is export/spool_queue.h, in this or another process. See spool_dir.h for how
 * both work at the same time.
 */
#ifndef EXPORT_SPOOL_H
#define EXPORT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "export/delivery_stats.h"

struct spool_options {
	const char *dir;
	uint64_t max_bytes; /* of a queue; 0: no limit */
	uint64_t max_age_s; /* 0: no limit */
};

struct spool_target {
	const char *name;	      /* of the endpoint */
	struct delivery_stats *stats; /* or NULL */
};

struct spool;

/*
 * One in a folder at a time. What a killed process left half done is finished or removed.
 * -EBUSY: another process has it; -EPERM: the folder belongs to somebody else or others may write
 * to it; -ENOMEM; what mkdir(2) and open(2) say. A process that is forked off must spool_close()
 * its copy, or the folder stays taken as long as it lives.
 */
int spool_open(const struct spool_options *opt, struct spool **ret);
void spool_close(struct spool *s); /* NULL is fine */
DEFINE_CLEANUP(struct spool *, spool_close)

/* Limits may change; the folder may not. */
void spool_set_limits(struct spool *s, uint64_t max_bytes, uint64_t max_age_s);

/*
 * Into which queues profiles go from now on. Those of other names keep what they have until it is
 * too old. One that cannot be made is tried again with each profile, whose samples count as
 * unspooled until then; the others are set, and the result is why: -EINVAL: its name cannot be one;
 * what mkdir(2) and open(2) say; -ENOMEM: it is left out.
 */
int spool_set_queues(struct spool *s, const struct spool_target *targets, size_t n);

struct spool_profile {
	const void *pprof; /* gzip'd, if it is to be sent */
	size_t len;
	uint64_t samples; /* sum of samples/count */
	uint64_t time_ns; /* CLOCK_REALTIME at its start */
};

/*
 * When it returns 0 the profile is on disk, in every queue. When the disk is full the oldest
 * profiles make room. Else the samples are counted as unspooled where it could not be put, and the
 * result says why: -ENOSPC, -EIO, …; -EFBIG. -EDESTADDRREQ: there are no queues, nothing is
 * counted. In any case what was @kept of it (spool_keep(); 0: nothing was) is gone.
 */
int spool_put(struct spool *s, const struct spool_profile *p, uint64_t kept);

/*
 * Keeps a profile that is not ready to be put, so that it outlives this process, if not the
 * machine. *ret is never 0. May be called while another thread is in any other function of the
 * spool. Makes no room: -ENOSPC, -EIO, …; -EFBIG.
 */
int spool_keep(struct spool *s, const struct spool_profile *p, uint64_t *ret);

/* It will not be put. */
void spool_drop_kept(struct spool *s, uint64_t kept);

/*
 * Before the first spool_keep(): what processes before this one have kept and not put, the oldest
 * first. Whatever comes of it, spool_put() or spool_drop_kept() with *ret_kept. *ret is of
 * *ret_file, which the caller frees. -ENODATA: there is no more. -EBADMSG: one is damaged, or a
 * process ended while it put it: it was set aside, the next call gives the next one. -ENOMEM; what
 * opendir(3), rename(2) and unlink(2) say.
 */
int spool_take_kept(struct spool *s, struct spool_profile *ret, uint8_t **ret_file,
		    uint64_t *ret_kept);

/*
 * Samples that the limits cost in queues whose endpoints were configured once, before this process:
 * there are no statistics for them.
 */
uint64_t spool_expired_elsewhere(const struct spool *s);

/* Applies the limits, which spool_put() does, too. */
void spool_trim(struct spool *s);

#endif
