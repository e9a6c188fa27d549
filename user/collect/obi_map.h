/* SPDX-License-Identifier: Apache-2.0 */
/* The pinned map in which OpenTelemetry eBPF Instrumentation (OBI) keeps each thread's span. */
#ifndef COLLECT_OBI_MAP_H
#define COLLECT_OBI_MAP_H

/*
 * Descriptor of the map pinned at @path, for a program that looks up struct obi_context by
 * pid_tgid. Logs; -EINVAL if it is another kind of map, or what bpf(BPF_OBJ_GET) says.
 */
int obi_map_open(const char *path);

#endif
