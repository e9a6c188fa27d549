/* SPDX-License-Identifier: Apache-2.0 */
/* Results as messages: strings and lists of frames once each, then what refers to them. */
#ifndef SYM_NAMES_SENDER_H
#define SYM_NAMES_SENDER_H

#include "sym/symbolizer.h"
#include "worker/service.h"

/*
 * Sends results whose equal frames and strings have equal addresses. A name that would go past a
 * limit of the protocol is left out; bytes that it does not allow become '?'. -ENOMEM, or what
 * worker_link_send() says.
 */
int names_send(struct worker_link *link, const struct sym_result *results, size_t n);

#endif
