/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the wire for an OTLP request: compressed or not, in gRPC's frame or not. */
#ifndef EXPORT_OTLP_BODY_H
#define EXPORT_OTLP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HTTP: POST /v1development/profiles, Content-Type: application/x-protobuf; if @gzip also
 *       Content-Encoding: gzip
 * gRPC: POST OTLP_GRPC_PATH over HTTP/2, Content-Type: application/grpc, TE: trailers; if @gzip
 * also grpc-encoding: gzip
 */
#define OTLP_HTTP_PATH "/v1development/profiles"
#define OTLP_GRPC_PATH                                                                             \
	"/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"

struct otlp_encoding {
	bool gzip, grpc;
};

/* In fresh memory (the caller frees). -ENOMEM; -EFBIG: more than gRPC's frame can have. */
int otlp_body(const struct otlp_encoding *encoding, const void *request, size_t len, uint8_t **ret,
	      size_t *ret_len);

#endif
