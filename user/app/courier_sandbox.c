/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier_sandbox.h"

#include "base/capabilities.h"
#include "base/core_dump.h"
#include "base/log.h"
#include "base/seccomp_filter.h"

/*
 * TLS, name look-up and files need too many calls to list those that are allowed, in this and in
 * later versions of their libraries; what a thief would want is a short list.
 */
static const char *const refused[] = {
	"bpf",
	"execve",
	"execveat",
	"kcmp",
	"name_to_handle_at",
	"perf_event_open",
	"pidfd_getfd",
	"process_madvise",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
};

int courier_sandbox_enter(void)
{
	int r = capabilities_drop_all();

	if (r < 0)
		return log_error_errno(r, "delivery: cannot give up capabilities");
	core_dump_refuse(); /* after the capabilities: a change of these may undo it */
	r = seccomp_refuse(refused, sizeof(refused) / sizeof(refused[0]));
	if (r < 0)
		log_warning("delivery: runs without a filter of system calls, which this kernel "
			    "does not have, or refuses");
	return 0;
}
