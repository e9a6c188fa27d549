/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of demangle_protocol.h. */
#ifndef SYM_DEMANGLE_SERVICE_H
#define SYM_DEMANGLE_SERVICE_H

#include "worker/service.h"

/* Answers the request link->in. Negative errno: nobody is there to be answered. */
int demangle_service(struct worker_link *link);

#endif
