/* SPDX-License-Identifier: Apache-2.0 */
/* aarch64: a C library's struct pthread ends at the thread pointer; pthread_self() knows its size.
 */
#include <errno.h>

#include "ctx/tls_model.h"

#define AARCH64_MRS_X0 0xd53bd040 /* mrs x0, tpidr_el0 */
#define AARCH64_SUB_X0 0xd1000000 /* sub x0, x0, #bits 10 to 21 */
#define AARCH64_IMM    0x003ffc00

int tls_self_offset(const uint32_t code[TLS_SELF_CODE], int32_t *ret)
{
	int i = (code[0] & AARCH64_HINT_MASK) == AARCH64_HINT;

	if (code[i] != AARCH64_MRS_X0 || (code[i + 1] & ~AARCH64_IMM) != AARCH64_SUB_X0 ||
	    code[i + 2] != AARCH64_RET)
		return -ENOTSUP;
	*ret = -(int32_t)((code[i + 1] & AARCH64_IMM) >> 10);
	return 0;
}
