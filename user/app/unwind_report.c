/* SPDX-License-Identifier: Apache-2.0 */
#include "app/unwind_report.h"

#include "app/worker_report.h"
#include "base/log.h"

#define BAD_FILES_SHOWN 10

void unwind_report(const struct rows_client *reader)
{
	const struct bad_file *bad;
	size_t i;

	worker_report(rows_client_worker(reader), "unwind tables",
		      "stacks depend on frame pointers");
	for (i = 0; i < BAD_FILES_SHOWN && (bad = rows_client_bad_file(reader, i)); i++)
		log_warning("cannot read the unwind tables of '%s': %s; stacks through it depend "
			    "on frame pointers",
			    bad->path, bad->reason);
	if (i == BAD_FILES_SHOWN && rows_client_bad_file(reader, i))
		log_warning("the same with other files; unwind_worker_failed counts them");
}
