/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seccomp_filter.h"

#include <errno.h>
#include <seccomp.h>

#include "base/cleanup.h"

static const char *const of_the_machine[] = {
	"acct",
	"add_key",
	"chroot",
	"clock_settime",
	"create_module",
	"delete_module",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"mknod",
	"mknodat",
	"mount",
	"mount_setattr",
	"move_mount",
	"open_by_handle_at",
	"open_tree",
	"pivot_root",
	"quotactl",
	"reboot",
	"request_key",
	"setns",
	"settimeofday",
	"swapoff",
	"swapon",
	"umount2",
	"unshare",
	"userfaultfd",
	"vhangup",
};

static void seccomp_releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int refuse(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		/* Negative: this architecture has no such call. */
		int r = nr < 0 ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);

		if (r < 0)
			return r;
	}
	return 0;
}

int seccomp_refuse(const char *const *names, size_t n)
{
	CLEANUP(seccomp_releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	/* It is no protection against code of our own that spies on itself: not slowed down. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = refuse(ctx, of_the_machine, sizeof(of_the_machine) / sizeof(of_the_machine[0]));
	if (r == 0)
		r = refuse(ctx, names, n);
	return r < 0 ? r : seccomp_load(ctx);
}
