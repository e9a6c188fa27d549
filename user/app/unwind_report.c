/* SPDX-License-Identifier: Apache-2.0 */
#include "app/unwind_report.h"

#include "base/log.h"

#define BAD_FILES_SHOWN 10

void unwind_report(const struct rows_client *reader)
{
	const struct worker *worker = rows_client_worker(reader);
	const struct worker_failure *last = worker_last_failure(worker);
	const struct bad_file *bad;
	char text[WORKER_TEXT_MAX];
	size_t i;

	worker_gaps_print(worker, text);
	if (text[0])
		log_warning("unwind tables are read in a process with less protection than meant: "
			    "%s",
			    text);
	if (last->kind == WORKER_NOT_STARTED) {
		worker_failure_print(last, text);
		log_warning("cannot read unwind tables, stacks depend on frame pointers: %s", text);
	}
	for (i = 0; i < BAD_FILES_SHOWN && (bad = rows_client_bad_file(reader, i)); i++)
		log_warning("cannot read the unwind tables of '%s': %s; stacks through it depend "
			    "on frame pointers",
			    bad->path, bad->reason);
	if (i == BAD_FILES_SHOWN && rows_client_bad_file(reader, i))
		log_warning("the same with other files; unwind_worker_failed counts them");
}
