/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint that is a folder: a pprof file for each profile, the oldest ones removed. */
#ifndef EXPORT_DIRECTORY_H
#define EXPORT_DIRECTORY_H

#include "export/endpoint_options.h"

/*
 * Writes FOLDER/spanprof-20260131T235959Z-ID.pb.gz, whole or not at all, and applies
 * opt->max_bytes and opt->max_age_s to files of such names. The folder is made. The same profile
 * again, which has the same @id, takes the place of the first. What mkdir(2), open(2), write(2) and
 * rename(2) say.
 */
int directory_put(const struct endpoint_options *opt, uint64_t time_ns, uint64_t id,
		  const void *pprof, size_t len);

#endif
