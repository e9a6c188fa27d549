/* SPDX-License-Identifier: Apache-2.0 */
/* What an endpoint's answer means for what was sent: the same for all kinds of endpoints. */
#ifndef EXPORT_VERDICT_H
#define EXPORT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#define VERDICT_MESSAGE_MAX 512

enum verdict {
	VERDICT_TAKEN,	   /* never to be sent again, even if part of it was rejected */
	VERDICT_RETRY,	   /* the same again, after a while */
	VERDICT_REFUSED,   /* this request for good; others may be taken */
	VERDICT_TOO_LARGE, /* its halves may be taken; of a single sample: as VERDICT_REFUSED */
	VERDICT_HOPELESS,  /* nor would any other request be taken now: address, credentials */
};

struct verdict_detail {
	enum verdict verdict;
	int64_t retry_after_s; /* > 0: not before that, as the server wishes; 0: it said nothing */
	uint64_t rejected;     /* profiles of a taken request that the server has dropped */
	bool refused;	       /* some of what was sent before, or now, for good */
	/* One line of printable UTF-8 with the server's own words; "": there is nothing to say. */
	char message[VERDICT_MESSAGE_MAX];
};

#endif
