/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of names_protocol.h. */
#ifndef SYM_NAMES_SERVICE_H
#define SYM_NAMES_SERVICE_H

#include "worker/service.h"

/* Answers one request that begins with link->in. Negative errno: nobody is there to be answered. */
int names_service(struct worker_link *link);

#endif
