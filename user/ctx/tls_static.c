/* SPDX-License-Identifier: Apache-2.0 */
/* What the models whose variable lies at a fixed offset from the thread pointer have in common. */
#include <errno.h>

#include "ctx/tls_model.h"

int tls_var_static(enum tls_arch arch, int64_t tp_off, struct tls_var *ret)
{
	const int64_t len = sizeof(uint64_t);
	bool below = tp_off >= INT32_MIN && tp_off <= -len;
	bool above = tp_off >= 0 && tp_off <= INT32_MAX;

	if (arch == TLS_ARCH_X86_64 ? !below : !above)
		return -EBADMSG;

	*ret = (struct tls_var){ .model = TLS_MODEL_STATIC, .off = tp_off };
	return 0;
}
