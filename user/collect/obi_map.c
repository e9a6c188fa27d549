/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/obi_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "shared/record.h"

/* bpf/bpfcore/… of OBI: traces_ctx_v1, which may grow at its end. */
static int check(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	if (info.type != BPF_MAP_TYPE_LRU_HASH || info.key_size != sizeof(uint64_t) ||
	    info.value_size < TRACE_ID_LEN + SPAN_ID_LEN)
		return -EINVAL;
	return 0;
}

int obi_map_open(const char *path)
{
	CLEANUP(closep) int fd = bpf_obj_get(path);
	int r;

	if (fd < 0 && errno == ENOENT)
		return log_error_errno(-ENOENT,
				       "--obi-map: no map at '%s'; it is there once OBI runs with "
				       "OTEL_EBPF_BPF_POPULATE_TRACE_CONTEXT=true, by default as "
				       "/sys/fs/bpf/otel/traces_ctx_v1",
				       path);
	if (fd < 0)
		return log_error_errno(-errno,
				       "--obi-map: cannot open '%s'; it must be a map that is "
				       "pinned in a bpf file system",
				       path);
	r = check(fd);
	if (r < 0)
		return log_error_errno(r, "--obi-map: '%s' is no map of OBI's", path);
	return TAKE_FD(fd);
}
