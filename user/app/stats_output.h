/* SPDX-License-Identifier: Apache-2.0 */
/* The counters for people and for programs. */
#ifndef APP_STATS_OUTPUT_H
#define APP_STATS_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

/* One line each of those that say that something is missing or incomplete, and are not zero. */
void stats_print_losses(const uint64_t *counters, FILE *out);

/* All as a JSON object, name: value, into @path (replaced when whole). Negative errno. */
int stats_write_json(const uint64_t *counters, const char *path);

#endif
