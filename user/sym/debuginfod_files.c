/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/debuginfod_files.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/hashmap.h"

#define BUILD_ID_LEN_MAX 64
#define NS_PER_S	 1000000000ULL

/*
 * Loaded when it is wanted, as it comes with thirty others, which cost each start of the program,
 * and of its workers, 3 ms.
 */
struct library {
	void *handle;
	__typeof__(&debuginfod_begin) begin;
	__typeof__(&debuginfod_end) end;
	__typeof__(&debuginfod_find_debuginfo) find;
	__typeof__(&debuginfod_set_progressfn) set_progress;
	__typeof__(&debuginfod_set_user_data) set_user_data;
	__typeof__(&debuginfod_get_user_data) get_user_data;
};

struct debuginfod_files {
	struct library lib;
	debuginfod_client *client;
	char *folder;
	struct debuginfod_limits limits;
	struct debuginfod_totals totals;
	uint64_t servers;	/* hash of their URLs */
	uint64_t period_ns;	/* when it began */
	uint64_t waited_ns;	/* in its calls that are over */
	uint64_t call_start_ns; /* of the call at hand */
	atomic_bool is_cancelled;
};

static int load_library(struct library *ret)
{
	/* What its libraries keep for their next use is not to be lost. */
	void *handle = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	struct library lib = { .handle = handle };

	if (!handle)
		return -ENOPKG;
	lib.begin = (__typeof__(lib.begin))dlsym(handle, "debuginfod_begin");
	lib.end = (__typeof__(lib.end))dlsym(handle, "debuginfod_end");
	lib.find = (__typeof__(lib.find))dlsym(handle, "debuginfod_find_debuginfo");
	lib.set_progress = (__typeof__(lib.set_progress))dlsym(handle, "debuginfod_set_progressfn");
	lib.set_user_data =
		(__typeof__(lib.set_user_data))dlsym(handle, "debuginfod_set_user_data");
	lib.get_user_data =
		(__typeof__(lib.get_user_data))dlsym(handle, "debuginfod_get_user_data");
	if (!lib.begin || !lib.end || !lib.find || !lib.set_progress || !lib.set_user_data ||
	    !lib.get_user_data) {
		dlclose(handle);
		return -ENOPKG;
	}
	*ret = lib;
	return 0;
}

static uint64_t waited_ns(const struct debuginfod_files *d)
{
	return d->waited_ns + (d->call_start_ns ? monotonic_ns() - d->call_start_ns : 0);
}

static bool is_time_up(const struct debuginfod_files *d)
{
	return d->is_cancelled || waited_ns(d) >= d->limits.total_seconds * NS_PER_S;
}

/* Of the library that is loaded: who is called back is told no more than the client. */
static __typeof__(&debuginfod_get_user_data) get_user_data;

/* Called by the library while it waits; what is not 0 ends that. */
static int on_progress(debuginfod_client *client, long done, long size)
{
	const struct debuginfod_files *d = get_user_data(client);

	return is_time_up(d);
}

static int set_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return setenv(name, text, 1) < 0 ? -errno : 0;
}

/* The library has no other way to be told. */
static int set_environment(const struct debuginfod_files *d, const char *urls)
{
	int r = setenv(DEBUGINFOD_URLS_ENV_VAR, urls, 1) < 0 ? -errno : 0;

	if (r == 0 && setenv(DEBUGINFOD_CACHE_PATH_ENV_VAR, d->folder, 1) < 0)
		r = -errno;
	if (r == 0)
		r = set_number(DEBUGINFOD_TIMEOUT_ENV_VAR, d->limits.stall_seconds);
	if (r == 0)
		r = set_number(DEBUGINFOD_MAXSIZE_ENV_VAR, d->limits.file_bytes);
	return r == 0 ? set_number(DEBUGINFOD_MAXTIME_ENV_VAR, d->limits.total_seconds) : r;
}

int debuginfod_files_new(const char *urls, const char *folder,
			 const struct debuginfod_limits *limits, struct debuginfod_files **ret)
{
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->limits = *limits;
	d->servers = hash_bytes(0, urls, strlen(urls)) | 1;
	d->period_ns = monotonic_ns();
	d->folder = strdup(folder);
	if (!d->folder)
		return -ENOMEM;
	r = load_library(&d->lib);
	if (r == 0)
		r = folder_make(folder, 0755);
	if (r == 0)
		r = set_environment(d, urls);
	if (r < 0)
		return r;

	d->client = d->lib.begin();
	if (!d->client)
		return -ENOMEM;
	get_user_data = d->lib.get_user_data;
	d->lib.set_user_data(d->client, d);
	d->lib.set_progress(d->client, on_progress);
	*ret = TAKE_PTR(d);
	return 0;
}

void debuginfod_files_free(struct debuginfod_files *d)
{
	if (!d)
		return;

	if (d->client)
		d->lib.end(d->client);
	if (d->lib.handle)
		dlclose(d->lib.handle);
	free(d->folder);
	free(d);
}

static void begin_period(struct debuginfod_files *d)
{
	uint64_t now = monotonic_ns();

	if (!d->limits.period_seconds || now - d->period_ns < d->limits.period_seconds * NS_PER_S)
		return;
	d->period_ns = now;
	d->waited_ns = 0;
}

uint64_t debuginfod_files_asked(struct debuginfod_files *d)
{
	begin_period(d);
	return is_time_up(d) ? 0 : d->servers;
}

static int ask(struct debuginfod_files *d, const uint8_t *build_id, size_t len)
{
	int r;

	if (!debuginfod_files_asked(d))
		return -ETIMEDOUT;
	d->call_start_ns = monotonic_ns();
	r = d->lib.find(d->client, build_id, (int)len, NULL);
	d->waited_ns = waited_ns(d);
	d->call_start_ns = 0;
	return r < 0 && is_time_up(d) ? -ETIMEDOUT : r;
}

int debuginfod_files_open(struct debuginfod_files *d, const uint8_t *build_id, size_t len)
{
	int r;

	if (len == 0 || len > BUILD_ID_LEN_MAX)
		return -ENOENT;
	r = ask(d, build_id, len);
	if (r >= 0) {
		d->totals.found++;
		folder_note_use(r);
		/* Above the second level are the library's settings. */
		(void)folder_bound(d->folder, 2, d->limits.cache_bytes);
		return r;
	}
	if (r == -ENOENT) {
		d->totals.missing++;
		return r;
	}
	d->totals.failed++;
	d->totals.error = r;
	return r;
}

struct debuginfod_totals debuginfod_files_totals(const struct debuginfod_files *d)
{
	return d->totals;
}

void debuginfod_files_cancel(struct debuginfod_files *d)
{
	d->is_cancelled = true;
}
