/* SPDX-License-Identifier: Apache-2.0 */
#include "base/core_dump.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* The limit is not what the kernel goes by if kernel.core_pattern is a pipe. */
void core_dump_refuse(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}
