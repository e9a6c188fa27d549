/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/run_time.h"

#include <bpf/bpf.h>
#include <errno.h>

int run_time_enable(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

int run_time_add(int prog_fd, struct run_time *to)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0)
		return -errno;
	to->ns += info.run_time_ns;
	to->runs += info.run_cnt;
	return 0;
}
