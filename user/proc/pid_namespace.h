/* SPDX-License-Identifier: Apache-2.0 */
/* Whose process ids are ours? Never logs. */
#ifndef PROC_PID_NAMESPACE_H
#define PROC_PID_NAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

struct pid_namespace {
	uint32_t inode;	   /* of the PID namespace that we are in */
	bool is_first;	   /* the host's; others see no process outside of them */
	bool proc_is_ours; /* /proc has the pids of this namespace */
};

/* What stat(2) says of /proc. */
int pid_namespace_own(struct pid_namespace *ret);

#endif
