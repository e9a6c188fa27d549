/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WORKER_SERVICE_DEMANGLE: readable forms of the linker's names that strangers chose. The parent
 * sends DEMANGLE_ASK; the worker answers with as many strings as there were, in their order.
 */
#ifndef SYM_DEMANGLE_PROTOCOL_H
#define SYM_DEMANGLE_PROTOCOL_H

#include "sym/demangle.h"
#include "worker/message.h"

#define DEMANGLE_READABLE_MAX 1024 /* bytes, with the 0 */

enum demangle_message {
	DEMANGLE_ASK,	  /* uint32_t, the style; then names, each with a 0 behind */
	DEMANGLE_STRINGS, /* each with a 0 behind; empty: it cannot be read */
};

#endif
