/* SPDX-License-Identifier: Apache-2.0 */
/* Can this host be profiled? */
#ifndef APP_DOCTOR_HOST_H
#define APP_DOCTOR_HOST_H

#include "app/finding.h"

void doctor_host(enum finding_state *worst);

#endif
