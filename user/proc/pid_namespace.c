/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/pid_namespace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_PID_INIT_INO 0xEFFFFFFCu /* linux/proc_ns.h: of the first PID namespace */

int pid_namespace_own(struct pid_namespace *ret)
{
	char self[32] = "";
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	if (readlink("/proc/self", self, sizeof(self) - 1) < 0)
		return -errno;
	*ret = (struct pid_namespace){
		.inode = (uint32_t)st.st_ino,
		.is_first = st.st_ino == PROC_PID_INIT_INO,
		.proc_is_ours = atoi(self) == getpid(),
	};
	return 0;
}
