/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with the reading of unwind tables, in words. */
#ifndef APP_UNWIND_REPORT_H
#define APP_UNWIND_REPORT_H

#include "unwind/rows_client.h"

/* Warns of files that could not be read, and of a reader that has more rights than meant. Logs. */
void unwind_report(const struct rows_client *reader);

#endif
