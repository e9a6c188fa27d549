/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* __u8 … __s64 on either side: vmlinux.h brings them to BPF, linux/types.h to user space. */
#ifndef SHARED_TYPES_H
#define SHARED_TYPES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#endif
