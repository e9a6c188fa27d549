/* SPDX-License-Identifier: Apache-2.0 */
/* What was sampled, with names: struct profile to struct pprof. */
#ifndef EXPORT_PROFILE_PPROF_H
#define EXPORT_PROFILE_PPROF_H

#include "export/frame_names.h"
#include "export/pprof.h"
#include "profile/profile.h"

/*
 * Names every frame of @p, each distinct one once, and builds the profile that pprof.h describes.
 * Adds to @counters[STAT_COUNT] what had no name and which stacks are truncated. -ENOMEM.
 */
int profile_to_pprof(const struct profile *p, const struct name_sources *from, uint64_t *counters,
		     struct pprof **ret);

#endif
