/* SPDX-License-Identifier: Apache-2.0 */
/* Which of root's rights a process keeps. */
#ifndef BASE_CAPABILITIES_H
#define BASE_CAPABILITIES_H

#include <stdbool.h>

/* None, for good. Negative errno: some are left. */
int capabilities_drop_all(void);

/*
 * Those that sampling needs, of those that there are: BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH,
 * SYSLOG, CHECKPOINT_RESTORE, and SYS_ADMIN instead of the first two on a kernel that does not know
 * them (before 5.8). @write_to_others: DAC_OVERRIDE, too. Negative errno.
 */
int capabilities_keep_for_sampling(bool write_to_others);

#endif
