/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a worker as a whole, as warnings. */
#ifndef APP_WORKER_REPORT_H
#define APP_WORKER_REPORT_H

#include "worker/worker.h"

/* @reads: "ELF files"; @without: what comes of it if there is no worker. */
void worker_report(const struct worker *worker, const char *reads, const char *without);

#endif
