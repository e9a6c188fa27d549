/* SPDX-License-Identifier: Apache-2.0 */
/* Where profiles go, as the user's configuration says: plain data. */
#ifndef EXPORT_ENDPOINT_OPTIONS_H
#define EXPORT_ENDPOINT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum endpoint_type {
	ENDPOINT_PYROSCOPE, /* POST /push.v1.PusherService/Push */
	ENDPOINT_OTLP_HTTP, /* POST /v1development/profiles */
	ENDPOINT_OTLP_GRPC, /* opentelemetry.proto.collector.profiles.v1development */
	ENDPOINT_DIRECTORY, /* files FOLDER/….pb.gz */
};

struct endpoint_header {
	const char *name;
	const char *value;	/* NULL: what is in */
	const char *value_file; /* this file, for a secret */
};

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct endpoint_tls {
	const char *ca_file;		  /* PEM; NULL: the system's */
	const char *cert_file, *key_file; /* PEM, of the client; NULL: none */
	const char *server_name; /* that the certificate is to be for; NULL: the URL's host */
	enum tls_version min_version;
	bool insecure_skip_verify;
};

/* Strings are borrowed; NULL: not said. Secrets are named by their files only. */
struct endpoint_options {
	const char *name; /* [A-Za-z0-9_.-]+, one of its kind: names its queue and its metrics */
	enum endpoint_type type;
	const char *url;  /* http(s)://host[:port][/prefix], without user and password */
	const char *path; /* ENDPOINT_DIRECTORY: the folder */
	const struct endpoint_header *headers;
	size_t n_headers;
	const char *tenant; /* X-Scope-OrgID */
	const char *bearer_token_file;
	const char *username, *password_file; /* basic authentication */
	struct endpoint_tls tls;
	const char *proxy_url; /* NULL: as the environment says */
	unsigned timeout_ms;   /* of one request, from name look-up to the last byte */
	/* ENDPOINT_PYROSCOPE: string labels that each make series of their own, up to
	 * PYROSCOPE_KEYS_MAX, besides those that all have. */
	const char *const *series_labels;
	size_t n_series_labels;
	uint64_t max_bytes, max_age_s; /* ENDPOINT_DIRECTORY: oldest files out first; 0: no limit */
};

#endif
