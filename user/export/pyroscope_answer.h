/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Pyroscope's Push API means: whether to go on, and what to tell the user. */
#ifndef EXPORT_PYROSCOPE_ANSWER_H
#define EXPORT_PYROSCOPE_ANSWER_H

#include <stddef.h>

#include "export/http.h"

enum pyroscope_verdict {
	PYROSCOPE_TAKEN,
	PYROSCOPE_RETRY,
	PYROSCOPE_REFUSED,  /* this profile; others may be taken */
	PYROSCOPE_HOPELESS, /* whatever is sent to this address now */
};

/* @err is what http_post() returned for @resp. */
enum pyroscope_verdict pyroscope_judge(int err, const struct http_response *resp);

/*
 * One line for a verdict other than PYROSCOPE_TAKEN: where, what, in the server's own words, and
 * the remedy if one is known. Text of the server is stripped of what a terminal would act on.
 */
void pyroscope_explain(const char *where, int err, const struct http_response *resp, char *ret,
		       size_t size);

#endif
