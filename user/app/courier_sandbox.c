/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier_sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/capabilities.h"
#include "base/cleanup.h"
#include "base/log.h"

static void seccomp_releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/*
 * TLS, name look-up and files need too many calls to list those that are allowed, in this and in
 * later versions of their libraries; what a thief would want is a short list.
 */
static const char *const refused[] = {
	"acct",
	"add_key",
	"bpf",
	"chroot",
	"clock_settime",
	"create_module",
	"delete_module",
	"execve",
	"execveat",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"init_module",
	"io_uring_enter",
	"io_uring_register",
	"io_uring_setup",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"mknod",
	"mknodat",
	"mount",
	"mount_setattr",
	"move_mount",
	"name_to_handle_at",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"pidfd_getfd",
	"pivot_root",
	"process_madvise",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
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

static int load_filter(void)
{
	CLEANUP(seccomp_releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++) {
		int nr = seccomp_syscall_resolve_name(refused[i]);

		/* Negative: this architecture has no such call. */
		if (nr >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	return r < 0 ? r : seccomp_load(ctx);
}

int courier_sandbox_enter(void)
{
	int r = capabilities_drop_all();

	if (r < 0)
		return log_error_errno(r, "delivery: cannot give up capabilities");
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("delivery: runs without no_new_privs, which this kernel refuses");
	r = load_filter();
	if (r < 0)
		log_warning("delivery: runs without a filter of system calls: this kernel has no "
			    "seccomp, or refuses it");
	return 0;
}
