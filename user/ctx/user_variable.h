/* SPDX-License-Identifier: Apache-2.0 */
/* Thread-local variables that the user tells us of, for programs with tracing of their own. */
#ifndef CTX_USER_VARIABLE_H
#define CTX_USER_VARIABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "shared/proc_info.h"
#include "shared/record.h"

enum user_value {
	USER_VALUE_BYTES,  /* of an id, in W3C order; as a label in hexadecimal */
	USER_VALUE_HEX,	   /* text: hexadecimal digits of an id */
	USER_VALUE_STRING, /* text, which ends with a NUL or with the length */
	USER_VALUE_UINT,   /* 4 or 8 bytes, native */
};

enum user_role { USER_ROLE_TRACE_ID, USER_ROLE_SPAN_ID, USER_ROLE_LOCAL_ROOT, USER_ROLE_LABEL };

struct user_variable {
	char *module;	 /* pattern (glob(7)) for the file: its name, or with a '/' its path */
	char *symbol;	 /* of the variable; NULL: it is at a known place: */
	int64_t tls_off; /* bytes from the thread pointer */
	struct ctx_variable how;
	enum user_value value;
	enum user_role role;
	char *label; /* key, of USER_ROLE_LABEL */
};

void user_variable_clear(struct user_variable *v); /* a zeroed one is fine */

#define USER_VARIABLE_WHY_MAX 128

/*
 * From text: fields KEY=VALUE, separated by commas.
 *   module=GLOB           required
 *   symbol=NAME | offset=BYTES from the thread pointer; one of the two
 *   path=OFF[:OFF...]     bytes to add to the variable's address; ':' follows the pointer there
 *   type=bytes8, bytes16, hex16, hex32, u32, u64, string or stringN (N at most 63)
 *   as=trace_id, span_id, local_root_span_id or label:KEY
 * -EINVAL: *@why says why; -ENOMEM. *@ret is to be cleared in either case.
 */
int user_variable_parse(const char *text, struct user_variable *ret,
			char why[USER_VARIABLE_WHY_MAX]);

/* Is the variable one of the file at @path? */
bool user_variable_matches(const struct user_variable *v, const char *path);

#endif
