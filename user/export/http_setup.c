/* SPDX-License-Identifier: Apache-2.0 */
#include "export/http_setup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "export/curl_cleanup.h"
#include "export/secret_file.h"

/*
 * A server closes what is idle, perhaps at the moment at which it is used again. Kept connections
 * serve the requests of one interval, which follow each other.
 */
#define IDLE_SECONDS 5L

#define HIDDEN_MIN 4 /* bytes of a secret that is hidden in an answer: shorter ones are in any */

void http_lists_clear(struct http_lists *l)
{
	curl_slist_free_all(l->headers);
	curl_slist_free_all(l->connect_to);
	curl_slist_free_all(l->secrets);
	*l = (struct http_lists){ 0 };
}

static bool is_base64(char c)
{
	return isalnum((unsigned char)c) || c == '+' || c == '/' || c == '=';
}

/* User and password of basic authentication, as RFC 7617 has them sent: known by their length. */
static void hide_basic(size_t n, char *text, size_t len)
{
	static const char scheme[] = "Basic ";
	char *at = text, *end = text + len;

	while (n && (at = memmem(at, (size_t)(end - at), scheme, strlen(scheme)))) {
		size_t run = 0;

		at += strlen(scheme);
		while (at + run < end && is_base64(at[run]))
			run++;
		if (run == n)
			memset(at, '*', n);
	}
}

void http_lists_hide(const struct http_lists *l, char *text, size_t len)
{
	hide_basic(l->basic_len, text, len);
	for (const struct curl_slist *s = l->secrets; s; s = s->next) {
		size_t n = strlen(s->data), left = len;
		char *at = text, *found;

		while (n >= HIDDEN_MIN && (found = memmem(at, left, s->data, n))) {
			memset(found, '*', n);
			at = found + n;
			left = len - (size_t)(at - text);
		}
	}
}

bool http_files_changed(const struct endpoint_options *opt, struct http_files *f)
{
	const char *const paths[] = { opt->tls.ca_file, opt->tls.cert_file, opt->tls.key_file };
	struct http_files now;
	bool changed;

	memset(&now, 0, sizeof(now)); /* padding too: compared as bytes */
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct stat st;

		if (!paths[i] || stat(paths[i], &st) < 0)
			continue;
		now.stamp[i].dev = st.st_dev;
		now.stamp[i].ino = st.st_ino;
		now.stamp[i].size = st.st_size;
		now.stamp[i].mtime = st.st_mtim;
		now.stamp[i].ctime = st.st_ctim;
	}
	changed = memcmp(&now, f, sizeof(now)) != 0;
	memcpy(f, &now, sizeof(now));
	return changed;
}

static int append(struct curl_slist **list, const char *text)
{
	struct curl_slist *head = curl_slist_append(*list, text);

	if (!head)
		return -ENOMEM;
	*list = head;
	return 0;
}

/* The line may hold a secret: its buffer is wiped. An empty value needs libcurl's own form. */
static int add_header(struct http_lists *l, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 3;
	char *line = malloc(size);
	int r;

	if (!line)
		return -ENOMEM;
	snprintf(line, size, *value ? "%s: %s" : "%s;%s", name, value);
	r = append(&l->headers, line);
	explicit_bzero(line, size);
	free(line);
	return r;
}

/* A line break would make a header of its own out of the rest. */
static bool is_header_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* What describes the body is ours to say. */
static bool is_our_own(const char *name)
{
	return strncasecmp(name, "content-", 8) == 0 || strcasecmp(name, "te") == 0 ||
	       strcasecmp(name, "transfer-encoding") == 0;
}

static int read_secret(struct http_lists *l, const char *path, char *buf, const char *what,
		       char *message, size_t size)
{
	int r = secret_file_read(path, buf);

	if (r >= 0)
		return append(&l->secrets, buf);
	snprintf(message, size, "cannot use %s '%s': %s", what, path,
		 r == -ENODATA	? "it is empty"
		 : r == -EILSEQ ? "it has control characters"
				: strerror(-r));
	return -ENOKEY;
}

static int add_from_file(struct http_lists *l, const struct endpoint_header *h, char *message,
			 size_t size)
{
	CLEANUP(secret_wipe) char value[SECRET_MAX];
	int r = read_secret(l, h->value_file, value, "value_file", message, size);

	return r < 0 ? r : add_header(l, h->name, value);
}

static int add_custom(struct http_lists *l, const struct endpoint_header *h, char *message,
		      size_t size)
{
	if (*h->name && !strpbrk(h->name, ":; ") && is_header_text(h->name) &&
	    !is_our_own(h->name)) {
		if (h->value_file)
			return add_from_file(l, h, message, size);
		if (h->value && is_header_text(h->value))
			return add_header(l, h->name, h->value);
	}
	snprintf(message, size, "header '%.60s' cannot be sent: its name or value",
		 is_header_text(h->name) ? h->name : "?");
	return -EINVAL;
}

static int add_all_custom(struct http_lists *l, const struct endpoint_options *opt, char *message,
			  size_t size)
{
	for (size_t i = 0; i < opt->n_headers; i++) {
		int r = add_custom(l, &opt->headers[i], message, size);

		if (r < 0)
			return r;
	}
	if (opt->tenant && !is_header_text(opt->tenant)) {
		snprintf(message, size, "the tenant has control characters");
		return -EINVAL;
	}
	return opt->tenant ? add_header(l, "X-Scope-OrgID", opt->tenant) : 0;
}

static int set_bearer(struct http_lists *l, const char *path, char *message, size_t size)
{
	static const char scheme[] = "Bearer ";
	CLEANUP(secret_wipe) char token[SECRET_MAX];
	CLEANUP(secret_wipe) char value[SECRET_MAX];
	int r = read_secret(l, path, token, "bearer_token_file", message, size);

	if (r < 0)
		return r;
	if (strlen(token) + sizeof(scheme) > sizeof(value)) {
		snprintf(message, size, "cannot use bearer_token_file '%s': it is too long", path);
		return -ENOKEY;
	}
	memcpy(value, scheme, sizeof(scheme));
	strcpy(value + sizeof(scheme) - 1, token);
	return add_header(l, "Authorization", value);
}

static int set_password(CURL *c, const struct endpoint_options *opt, struct http_lists *l,
			char *message, size_t size)
{
	CLEANUP(secret_wipe) char password[SECRET_MAX];
	int r = 0;

	password[0] = '\0';
	if (opt->password_file)
		r = read_secret(l, opt->password_file, password, "password_file", message, size);
	if (r < 0)
		return r;
	l->basic_len = (strlen(opt->username) + 1 + strlen(password) + 2) / 3 * 4;
	curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(c, CURLOPT_USERNAME, opt->username);
	curl_easy_setopt(c, CURLOPT_PASSWORD, password); /* copied */
	return 0;
}

/*
 * The certificate is to be for another name than the URL's: libcurl is given a URL of that name,
 * which is what TLS is asked for and checked with, and connects it to where the real URL points.
 * The Host header stays that of the real one.
 */
static int set_server_name(CURL *c, const struct http_request *req, struct http_lists *l)
{
	CLEANUP(curlup) CURLU *u = curl_url();
	CLEANUP(curl_freep) char *host = NULL;
	CLEANUP(curl_freep) char *port = NULL;
	CLEANUP(curl_freep) char *given_port = NULL;
	CLEANUP(curl_freep) char *url = NULL;
	CLEANUP(freep) char *connect = NULL;
	CLEANUP(freep) char *authority = NULL;
	const char *name = req->options->tls.server_name;
	int r;

	if (!u)
		return -ENOMEM;
	if (curl_url_set(u, CURLUPART_URL, req->url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return -EINVAL;
	curl_url_get(u, CURLUPART_PORT, &given_port, 0);
	if (curl_url_set(u, CURLUPART_HOST, name, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &url, 0) != CURLUE_OK)
		return -EINVAL;
	if (asprintf(&connect, "%s:%s:%s:%s", name, port, host, port) < 0 ||
	    asprintf(&authority, "%s%s%s", host, given_port ? ":" : "",
		     given_port ? given_port : "") < 0)
		return -ENOMEM;

	r = append(&l->connect_to, connect);
	if (r >= 0)
		r = add_header(l, "Host", authority);
	if (r < 0)
		return r;
	curl_easy_setopt(c, CURLOPT_CONNECT_TO, l->connect_to);
	curl_easy_setopt(c, CURLOPT_URL, url);
	return 0;
}

static void set_tls(CURL *c, const struct endpoint_tls *tls)
{
	long lowest = tls->min_version == TLS_VERSION_1_3 ? CURL_SSLVERSION_TLSv1_3
							  : CURL_SSLVERSION_TLSv1_2;

	curl_easy_setopt(c, CURLOPT_SSLVERSION, lowest);
	curl_easy_setopt(c, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A session would be resumed with what the certificates were before. */
	curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (tls->ca_file) {
		curl_easy_setopt(c, CURLOPT_CAINFO, tls->ca_file);
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL); /* in place of the system's */
	}
	if (tls->cert_file)
		curl_easy_setopt(c, CURLOPT_SSLCERT, tls->cert_file);
	if (tls->key_file) {
		curl_easy_setopt(c, CURLOPT_SSLKEY, tls->key_file);
		/* Or the TLS library asks for one that it needs, and waits, at the terminal. */
		curl_easy_setopt(c, CURLOPT_KEYPASSWD, "");
	}
	if (tls->insecure_skip_verify) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static int set_options(CURL *c, const struct http_request *req, struct http_lists *l, char *message,
		       size_t size)
{
	const struct endpoint_options *opt = req->options;
	int r = add_all_custom(l, opt, message, size);

	set_tls(c, &opt->tls);
	curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, IDLE_SECONDS);
	if (r >= 0 && opt->bearer_token_file)
		r = set_bearer(l, opt->bearer_token_file, message, size);
	if (r >= 0 && opt->username)
		r = set_password(c, opt, l, message, size);
	if (r >= 0 && opt->tls.server_name && strncasecmp(req->url, "https:", 6) == 0)
		r = set_server_name(c, req, l);
	if (r == -EINVAL && !*message)
		snprintf(message, size, "the URL or tls.server_name is malformed");
	return r;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/*
 * The one of the options counts before NO_PROXY. Those of the environment are libcurl's to find,
 * but for HTTP_PROXY in capitals, which it leaves out as CGI makes it of a header.
 */
static void set_proxy(CURL *c, const struct http_request *req)
{
	const char *url = req->options ? req->options->proxy_url : NULL;

	if (url)
		curl_easy_setopt(c, CURLOPT_NOPROXY, "");
	else if (strncasecmp(req->url, "http:", 5) == 0 && !variable("http_proxy"))
		url = variable("HTTP_PROXY");
	if (url)
		curl_easy_setopt(c, CURLOPT_PROXY, url);
	/* What is for the server is not for the proxy that is asked to CONNECT. */
	curl_easy_setopt(c, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

/* h2c must be known beforehand; behind TLS the handshake says whether the server has it. */
static void set_version(CURL *c, const struct http_request *req)
{
	bool tls = strncasecmp(req->url, "https:", 6) == 0;

	if (!req->grpc) {
		curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
		return;
	}
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
			 tls ? (long)CURL_HTTP_VERSION_2TLS
			     : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	/* A proxy for http:// would be spoken to in HTTP/1. */
	curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L);
}

int http_setup(CURL *c, const struct http_request *req, struct http_lists *ret, char *message,
	       size_t size)
{
	int r = add_header(ret, "Content-Type", req->content_type);

	/* Bodies over 1 MB would wait a second for a "100 Continue" that many servers never send.
	 */
	if (r >= 0)
		r = append(&ret->headers, "Expect:");
	if (r >= 0 && req->gzip)
		r = add_header(ret, req->grpc ? "grpc-encoding" : "Content-Encoding", "gzip");
	if (r >= 0 && req->grpc)
		r = add_header(ret, "TE", "trailers");
	set_version(c, req);
	set_proxy(c, req);
	if (r >= 0 && req->options)
		r = set_options(c, req, ret, message, size);
	if (r >= 0)
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, ret->headers);
	return r;
}
