/* SPDX-License-Identifier: Apache-2.0 */
/* From the state of call frame information at one place to a rule of an unwind table. Pure. */
#ifndef UNWIND_RULE_ENCODE_H
#define UNWIND_RULE_ENCODE_H

#include "shared/unwind_rule.h"
#include "unwind/cfi.h"

/*
 * The rule for the machine of @cie. UNWIND_RULE_EXT(0) means *ret_ext, which is written only then.
 * What cannot be expressed is UNWIND_UNSUPPORTED; a register that cannot be, UNWIND_UNKNOWN.
 */
uint32_t rule_encode(const struct cfi_cie *cie, const struct cfi_state *st,
		     struct unwind_ext *ret_ext);

#endif
