/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's memory: what it gives back is wiped first, as headers with credentials are in it. */
#ifndef EXPORT_HTTP_MEMORY_H
#define EXPORT_HTTP_MEMORY_H

/* curl_global_init(), once; of no use to a program that has called that by itself before. */
void http_memory_init(void);

#endif
