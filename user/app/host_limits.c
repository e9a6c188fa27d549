/* SPDX-License-Identifier: Apache-2.0 */
#include "app/host_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "base/io.h"
#include "base/log.h"

int host_limits_check_frequency(const char *what, unsigned hz)
{
	static const char path[] = "/proc/sys/kernel/perf_event_max_sample_rate";
	uint64_t max = read_number_file(path, UINT64_MAX);

	if (hz <= max)
		return 0;
	log_error("%s %u: the kernel allows %" PRIu64 " Hz; lower it, or raise "
		  "kernel.perf_event_max_sample_rate with sysctl",
		  what, hz, max);
	return -EINVAL;
}

void host_limits_raise_files(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

void host_limits_raise_locked_memory(void)
{
	(void)setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
}
