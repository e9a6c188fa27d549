/* SPDX-License-Identifier: Apache-2.0 */
/* What the host allows to whoever samples. */
#ifndef APP_HOST_LIMITS_H
#define APP_HOST_LIMITS_H

#define FREQUENCY_MAX 20000 /* Hz; at 100,000 two CPUs did nothing but tick */

/* -EINVAL: the kernel allows fewer samples a second; a message about @what has been logged. */
int host_limits_check_frequency(const char *what, unsigned hz);

/* Files stay open from their first sample on, so that they can be named later. */
void host_limits_raise_files(void);

/* Kernels before 5.11 count BPF maps against it. For one who is about to give up the right to. */
void host_limits_raise_locked_memory(void);

#endif
