/* SPDX-License-Identifier: Apache-2.0 */
/* Time in nanoseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* CLOCK_MONOTONIC: that of samples and process events. */
uint64_t monotonic_ns(void);

/* CLOCK_THREAD_CPUTIME_ID: what this thread has used. */
uint64_t thread_cpu_ns(void);

/* CLOCK_BOOTTIME: since the machine was started, sleep included; nobody sets it. */
uint64_t boottime_ns(void);

/* CLOCK_REALTIME: since 1970, UTC. */
uint64_t realtime_ns(void);

#define REALTIME_TEXT_MAX 32

/* @ns of CLOCK_REALTIME as "2026-11-29T20:38:34Z", in @out. */
const char *realtime_text(uint64_t ns, char out[REALTIME_TEXT_MAX]);

#endif
