/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of an agent in Prometheus's text format, 0.0.4. */
#ifndef APP_AGENT_METRICS_H
#define APP_AGENT_METRICS_H

#include <stdio.h>

#include "app/agent_shared.h"

/* Content-Type of what agent_metrics_write() writes. */
#define AGENT_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * All of them: counters of shared/stat.h as spanprof_NAME_total, those of AGENT_NUMBERS, and of
 * each endpoint. Errors are in ferror(@out).
 */
void agent_metrics_write(const struct agent_shared *s, FILE *out);

#endif
