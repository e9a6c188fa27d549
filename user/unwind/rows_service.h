/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of rows_protocol.h. */
#ifndef UNWIND_ROWS_SERVICE_H
#define UNWIND_ROWS_SERVICE_H

#include "worker/service.h"

/* Answers one request that is link->in. Negative errno: nobody is there to be answered. */
int rows_service(struct worker_link *link);

/* Closes what nobody has asked for in the last minute. False: nothing is open. */
bool rows_service_tidy(void);

/* Closes what is kept open for the next requests. */
void rows_service_close(void);

#endif
