/* SPDX-License-Identifier: Apache-2.0 */
#include "app/worker_report.h"

#include "base/log.h"

void worker_report(const struct worker *worker, const char *reads, const char *without)
{
	const struct worker_failure *last = worker_last_failure(worker);
	char text[WORKER_TEXT_MAX];

	worker_gaps_print(worker, text);
	if (text[0])
		log_warning("%s are read in a process with less protection than meant: %s", reads,
			    text);
	if (last->kind == WORKER_NOT_STARTED) {
		worker_failure_print(last, text);
		log_warning("cannot read %s, %s: %s", reads, without, text);
	}
}
