/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an endpoint is configured as it was before. */
#ifndef EXPORT_ENDPOINT_EQUAL_H
#define EXPORT_ENDPOINT_EQUAL_H

#include "export/endpoint_options.h"

bool endpoint_options_equal(const struct endpoint_options *a, const struct endpoint_options *b);

#endif
