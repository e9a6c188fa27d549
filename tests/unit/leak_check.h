/* SPDX-License-Identifier: Apache-2.0 */
/* Every suite's .fini: Criterion's workers leave without LeakSanitizer's check at exit. */
#ifndef LEAK_CHECK_H
#define LEAK_CHECK_H

#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

/* Aborts after the report: Criterion ignores a failed assertion in .fini. */
static inline void leak_check(void)
{
	if (__lsan_do_recoverable_leak_check())
		abort();
}

#endif
