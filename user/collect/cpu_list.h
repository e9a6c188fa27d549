/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's lists of CPUs: "0-3,8". */
#ifndef COLLECT_CPU_LIST_H
#define COLLECT_CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define CPU_LIST_MAX 8192 /* CONFIG_NR_CPUS's limit */

/* Sets online[0..n) of the CPUs in @text, clears the others. -EINVAL. CPUs from @n on are left out.
 */
int cpu_list_parse(const char *text, bool *online, size_t n);

/* The same from /sys/devices/system/cpu/online. */
int cpu_list_online(bool *online, size_t n);

#endif
