/* SPDX-License-Identifier: Apache-2.0 */
/* The options of an endpoint, for one who outlives the configuration that they are from. */
#ifndef EXPORT_ENDPOINT_COPY_H
#define EXPORT_ENDPOINT_COPY_H

#include "base/arena.h"
#include "export/endpoint_options.h"

/* All that @from points to is copied to @memory. -ENOMEM. */
int endpoint_options_copy(struct arena *memory, const struct endpoint_options *from,
			  struct endpoint_options *ret);

#endif
