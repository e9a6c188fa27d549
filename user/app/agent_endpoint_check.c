/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <string.h>

#include "app/agent_config_check.h"
#include "app/config_read.h"
#include "export/curl_cleanup.h"
#include "export/delivery_stats.h"

#define NAME_CHARS                                                                                 \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"                           \
	"_.-"
#define TOKEN_CHARS NAME_CHARS "!#$%&'*+^`|~" /* RFC 9110 */
#define NAME_MAX_   (DELIVERY_NAME_MAX - 1)

struct check {
	const struct agent_config *c;
	const struct endpoint_options *e;
	struct config_problems *p;
	size_t number;
};

static struct config_origin where(const struct check *ck, const char *key)
{
	char path[CONFIG_PATH_MAX];

	snprintf(path, sizeof(path), "endpoints[%zu]%s%s", ck->number, *key ? "." : "", key);
	return config_origin_of(ck->c->root, path);
}

/* Was it said, whatever it is? */
static bool is_said(const struct check *ck, const char *key)
{
	const struct config_node *list = config_node_get(ck->c->root, "endpoints");
	const struct config_node *n;

	if (!list || list->kind != CONFIG_NODE_LIST || ck->number >= list->n)
		return false;
	n = config_node_get(list->entries[ck->number].value, key);
	return n && !config_node_is_null(n);
}

static void refuse(const struct check *ck, const char *key, const char *why)
{
	config_error(ck->p, where(ck, key), "endpoints[%zu]%s%s: %s", ck->number, *key ? "." : "",
		     key, why);
}

static void warn(const struct check *ck, const char *key, const char *why)
{
	config_warning(ck->p, where(ck, key), "endpoints[%zu]%s%s: %s", ck->number, *key ? "." : "",
		       key, why);
}

static void check_name(const struct check *ck)
{
	const char *name = ck->e->name ? ck->e->name : "";
	size_t len = strlen(name);

	if (!len || len > NAME_MAX_ || strspn(name, NAME_CHARS) < len || *name == '.')
		refuse(ck, "name",
		       "must be 1 to 64 of letters, digits, '_', '-' and '.', not '.' first");
	for (size_t i = 0; i < ck->number; i++)
		if (ck->c->endpoints[i].name && strcmp(ck->c->endpoints[i].name, name) == 0)
			refuse(ck, "name", "an endpoint before this one has the same");
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && *text;

	curl_free(text);
	return has;
}

static bool has_scheme(const char *url, const char *const *schemes)
{
	for (; *schemes; schemes++)
		if (strncasecmp(url, *schemes, strlen(*schemes)) == 0)
			return true;
	return false;
}

/* NULL: fine. The text of the URL is not repeated: it may hold what it should not. */
static const char *complain_of_url(const char *url, bool proxy)
{
	static const char *const of_servers[] = { "http://", "https://", NULL };
	static const char *const of_proxies[] = { "http://", "https://", "socks5://", "socks5h://",
						  NULL };
	CLEANUP(curlup) CURLU *u = curl_url();
	CURLUcode r;

	if (!has_scheme(url, proxy ? of_proxies : of_servers))
		return proxy ? "is no http://, https://, socks5:// or socks5h:// URL"
			     : "is no http:// or https:// URL";
	r = u ? curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME)
	      : CURLUE_OUT_OF_MEMORY;
	if (r != CURLUE_OK || !has_part(u, CURLUPART_HOST))
		return "is no well-formed URL";
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return proxy ? "may hold no user and password; HTTPS_PROXY in the environment may"
			     : "may hold no user and password; put the password into a file: "
			       "basic_auth: {username, password_file}";
	if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
		return "has a query or fragment; give only the server's address and prefix";
	return NULL;
}

static bool has_password(const char *url)
{
	CLEANUP(curlup) CURLU *u = curl_url();

	return u &&
	       curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) ==
		       CURLUE_OK &&
	       (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD));
}

bool agent_urls_have_password(const char *urls)
{
	CLEANUP(freep) char *copy = strdup(urls);
	bool found = false;
	char *rest = NULL;

	for (char *one = copy ? strtok_r(copy, " ", &rest) : NULL; one && !found;
	     one = strtok_r(NULL, " ", &rest))
		found = has_password(one);
	return found;
}

static bool is_https(const struct endpoint_options *e)
{
	return e->url && strncasecmp(e->url, "https://", 8) == 0;
}

static bool is_local(const char *url)
{
	static const char *const local[] = { "http://127.", "http://localhost", "http://[::1]",
					     NULL };

	return has_scheme(url, local);
}

static void check_auth(const struct check *ck)
{
	const struct endpoint_options *e = ck->e;

	if (e->username && !e->password_file)
		refuse(ck, "basic_auth", "username without password_file");
	if (e->password_file && !e->username)
		refuse(ck, "basic_auth", "password_file without username");
	if (e->username && e->bearer_token_file)
		refuse(ck, "basic_auth", "there is a bearer_token_file, too");
	if (e->username && strchr(e->username, ':'))
		refuse(ck, "basic_auth.username", "may have no ':'");
	if ((e->password_file || e->bearer_token_file) && !is_https(e) && !is_local(e->url))
		warn(ck, "url", "the password or token goes over the network in clear text");
}

static void check_tls(const struct check *ck)
{
	const struct endpoint_tls *tls = &ck->e->tls;

	if (!tls->cert_file != !tls->key_file)
		refuse(ck, "tls", "cert_file and key_file go together");
	if (tls->insecure_skip_verify)
		warn(ck, "tls.insecure_skip_verify", "whoever answers is believed");
	if (is_said(ck, "tls") && !is_https(ck->e))
		warn(ck, "tls", "means nothing to an http:// URL");
}

static bool contains(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(text, *words))
			return true;
	return false;
}

bool agent_header_is_secret(const char *name)
{
	static const char *const words[] = { "auth",   "token",	  "key",	"secret", "pass",
					     "cookie", "session", "credential", NULL };

	return contains(name, words);
}

/* Those that we set ourselves, or that would break the request. */
static bool is_own_header(const char *name)
{
	static const char *const own[] = {
		"Content-Type", "Content-Length", "Content-Encoding", "Host",
		"Connection",	"Expect",	  "Upgrade",	      "Transfer-Encoding",
		"TE",		"Trailer",	  "User-Agent",	      "Accept-Encoding",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcasecmp(name, own[i]) == 0)
			return true;
	return false;
}

static const char *complain_of_header(const struct endpoint_options *e,
				      const struct endpoint_header *h)
{
	if (!*h->name || strspn(h->name, TOKEN_CHARS) < strlen(h->name))
		return "is no name of a header";
	if (is_own_header(h->name))
		return "is a header that the agent sets itself";
	if (strcasecmp(h->name, "Authorization") == 0 && (e->username || e->bearer_token_file))
		return "is set by basic_auth or bearer_token_file, too";
	if (strcasecmp(h->name, "X-Scope-OrgID") == 0 && e->tenant)
		return "is set by tenant, too";
	if (h->value && strcmp(h->value, "<hidden>") == 0)
		return "has the value that --print-config shows instead of a secret";
	return NULL;
}

static void warn_of_secret(const struct check *ck, const struct endpoint_header *h)
{
	if (!h->value || !*h->value || !agent_header_is_secret(h->name))
		return;
	config_warning(ck->p, where(ck, "headers"),
		       "endpoints[%zu].headers: '%.64s' may be a secret, which is better in a file "
		       "that only we can read: {value_file: PATH}",
		       ck->number, h->name);
}

static void check_headers(const struct check *ck)
{
	const struct endpoint_options *e = ck->e;

	for (size_t i = 0; i < e->n_headers; i++) {
		const char *complaint = complain_of_header(e, &e->headers[i]);

		if (complaint)
			config_error(ck->p, where(ck, "headers"),
				     "endpoints[%zu].headers: '%.64s' %s", ck->number,
				     e->headers[i].name, complaint);
		else
			warn_of_secret(ck, &e->headers[i]);
		for (size_t k = 0; k < i; k++)
			if (strcasecmp(e->headers[k].name, e->headers[i].name) == 0)
				config_error(ck->p, where(ck, "headers"),
					     "endpoints[%zu].headers: '%.64s' stands twice",
					     ck->number, e->headers[i].name);
	}
}

/* Keys that are for other types of endpoints. */
static void check_keys(const struct check *ck)
{
	const struct config_schema *s = config_key_find(&agent_config_schema, "endpoints")->schema;

	for (size_t i = 0; i < s->n; i++)
		if (!config_key_applies(&s->keys[i], (int)ck->e->type) &&
		    is_said(ck, s->keys[i].name))
			refuse(ck, s->keys[i].name, "means nothing to an endpoint of this type");
}

static void check_server(const struct check *ck)
{
	const char *url = ck->e->url, *proxy = ck->e->proxy_url;
	const char *complaint = url ? complain_of_url(url, false) : "is missing";

	if (complaint)
		refuse(ck, "url", complaint);
	complaint = proxy ? complain_of_url(proxy, true) : NULL;
	if (complaint)
		refuse(ck, "proxy_url", complaint);
	if (!url)
		return;
	check_auth(ck);
	check_tls(ck);
	check_headers(ck);
}

void agent_endpoint_check(const struct agent_config *c, size_t i, struct config_problems *p)
{
	struct check ck = { c, &c->endpoints[i], p, i };

	if (!is_said(&ck, "type")) {
		refuse(&ck, "type", "is missing: pyroscope, otlp_http, otlp_grpc or directory");
		return;
	}
	check_name(&ck);
	check_keys(&ck);
	if (ck.e->type != ENDPOINT_DIRECTORY)
		check_server(&ck);
	else if (!ck.e->path || !*ck.e->path)
		refuse(&ck, "path", "is missing");
}
