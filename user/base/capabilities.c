/* SPDX-License-Identifier: Apache-2.0 */
#include "base/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/capability.h>

#include "base/cleanup.h"

static void cap_freep(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

int capabilities_drop_all(void)
{
	CLEANUP(cap_freep) cap_t none = cap_init();
	CLEANUP(cap_freep) cap_t have = NULL;

	if (!none)
		return -ENOMEM;
	/* Also takes them from the bounding set, for which we need to have CAP_SETPCAP. */
	if (cap_set_mode(CAP_MODE_NOPRIV) < 0 && cap_set_proc(none) < 0)
		return -errno;
	have = cap_get_proc();
	if (!have)
		return -errno;
	return cap_compare(have, none) == 0 ? 0 : -EPERM;
}

static int keep(cap_t from, cap_t to, cap_value_t which)
{
	cap_flag_value_t has = CAP_CLEAR;

	if (!CAP_IS_SUPPORTED(which) || cap_get_flag(from, which, CAP_PERMITTED, &has) < 0 ||
	    has != CAP_SET)
		return 0;
	if (cap_set_flag(to, CAP_PERMITTED, 1, &which, CAP_SET) < 0 ||
	    cap_set_flag(to, CAP_EFFECTIVE, 1, &which, CAP_SET) < 0)
		return -errno;
	return 0;
}

int capabilities_keep_for_sampling(bool write_to_others)
{
	static const cap_value_t wanted[] = { CAP_BPF,	      CAP_PERFMON,
					      CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
					      CAP_SYSLOG,     CAP_CHECKPOINT_RESTORE };
	CLEANUP(cap_freep) cap_t have = cap_get_proc();
	CLEANUP(cap_freep) cap_t kept = cap_init();
	int r = 0;

	if (!have || !kept)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		r = keep(have, kept, wanted[i]);
	if (r == 0 && write_to_others)
		r = keep(have, kept, CAP_DAC_OVERRIDE);
	if (r == 0 && !CAP_IS_SUPPORTED(CAP_BPF))
		r = keep(have, kept, CAP_SYS_ADMIN);
	if (r == 0 && cap_set_proc(kept) < 0)
		r = -errno;
	return r;
}
