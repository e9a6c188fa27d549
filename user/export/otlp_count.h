/* SPDX-License-Identifier: Apache-2.0 */
/* How many profiles there are in a request: what a partial success counts. */
#ifndef EXPORT_OTLP_COUNT_H
#define EXPORT_OTLP_COUNT_H

#include <stddef.h>
#include <stdint.h>

/* Of an ExportProfilesServiceRequest of ours, not compressed. */
uint64_t otlp_count_profiles(const void *request, size_t len);

#endif
