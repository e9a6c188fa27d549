/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/identity.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "meta/cgroup.h"
#include "meta/cgroup_root.h"
#include "meta/environ.h"
#include "meta/host_name.h"
#include "meta/script.h"
#include "shared/stat.h"

#define AGAIN_NS (1 * NSEC_PER_SEC) /* after the first look, the second one */
#define LAST_NS	 (9 * NSEC_PER_SEC) /* after that one, the last */

#define CGROUP_TEXT_MAX 65536
#define STATUS_MAX	8192 /* bytes of /proc/PID/status that are looked at */
#define PARENTS_MAX	8    /* that are asked, one after the other */

struct identity_table {
	struct identity_options opt;
	struct hashmap by_pid; /* of struct identity */
	char host[HOST_NAME_LEN_MAX + 1];
	char text[ENVIRON_MAX]; /* what was read of /proc last; that is the longest */
	char *cgroup_root; /* of our namespace, seen from the host's; "": not known, or the same */
};

const char *identity_source_name(enum identity_source source)
{
	static const char *const names[] = {
		[IDENTITY_CONFIG] = "the configuration",
		[IDENTITY_PROCESS_CTX] = "its process context",
		[IDENTITY_ELASTIC] = "its Elastic APM agent",
		[IDENTITY_ENVIRONMENT] = "OTEL_… variables of its environment",
		[IDENTITY_UNIT] = "its systemd unit",
		[IDENTITY_CONTAINER] = "its container",
		[IDENTITY_SCRIPT] = "what its interpreter runs",
		[IDENTITY_EXECUTABLE] = "its executable",
	};

	return names[source];
}

/* --- the table -------------------------------------------------------------------------------- */

static void identity_free(struct identity *i)
{
	if (!i)
		return;
	attributes_clear(&i->known);
	free(i->unit_service);
	free(i->script);
	free(i->cgroup);
	free(i);
}
DEFINE_CLEANUP(struct identity *, identity_free)

static bool pid_eq(const void *value, const void *key)
{
	return ((const struct identity *)value)->pid == *(const pid_t *)key;
}

int identity_table_new(const struct identity_options *opt, struct identity_table **ret)
{
	struct identity_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->opt = *opt;
	t->cgroup_root = cgroup_root();
	if (!t->cgroup_root) {
		free(t);
		return -ENOMEM;
	}
	host_name(t->host);
	*ret = t;
	return 0;
}

void identity_table_free(struct identity_table *t)
{
	struct identity *i;
	size_t pos = 0;

	if (!t)
		return;
	while ((i = hashmap_next(&t->by_pid, &pos)))
		identity_free(i);
	hashmap_clear(&t->by_pid);
	free(t->cgroup_root);
	free(t);
}

void identity_set_users(struct identity_table *t, bool users)
{
	struct identity *i;
	size_t pos = 0;

	t->opt.users = users;
	while (users && (i = hashmap_next(&t->by_pid, &pos)))
		i->again_ns = 0;
}

void identity_forget(struct identity_table *t, pid_t pid)
{
	identity_free(hashmap_remove(&t->by_pid, hash_u64(0, pid), pid_eq, &pid));
}

/* --- /proc ------------------------------------------------------------------------------------ */

/* At most @max bytes of /proc/@pid/@name, in t->text. */
static int read_proc(struct identity_table *t, pid_t pid, const char *name, size_t max,
		     size_t *ret_len)
{
	CLEANUP(closep) int fd = -1;
	char path[48];
	size_t len = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < max && (n = read(fd, t->text + len, max - len)) != 0) {
		if (n < 0)
			return -errno;
		len += n;
	}
	*ret_len = len;
	return 0;
}

/*
 * Does @p still run the program that was sampled, rather than the next one? On overlayfs the number
 * of a file that was changed is not that of its mapping; its path is.
 */
static bool runs_the_same(const struct process *p)
{
	char path[32], exe[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (!p->exe)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
	if (stat(path, &st) == 0 && st.st_ino == p->exe->ino)
		return true;
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	return strcmp(exe, p->exe->path) == 0;
}

static int set_text(struct attributes *a, enum profile_resource which, const char *text)
{
	return text ? attributes_set(a, which, text, strlen(text)) : 0;
}

static int name_container(const struct identity_options *opt, struct attributes *a)
{
	const char *id = a->value[PROFILE_CONTAINER_ID];

	if (!id || !opt->container_name)
		return 0;
	return set_text(a, PROFILE_CONTAINER_NAME, opt->container_name(opt->ctx, id));
}

static int take_facts(const struct cgroup_facts *facts, struct identity *i)
{
	char service[UNIT_NAME_MAX + 1];
	int r;

	r = set_text(&i->known, PROFILE_CONTAINER_ID, facts->container_id);
	if (r == 0)
		r = set_text(&i->known, PROFILE_CONTAINER_RUNTIME_NAME, facts->container_runtime);
	if (r == 0)
		r = set_text(&i->known, PROFILE_K8S_POD_UID, facts->pod_uid);
	if (r == 0)
		r = set_text(&i->known, PROFILE_SYSTEMD_UNIT, facts->unit);
	if (r < 0)
		return r;
	cgroup_unit_service(facts->unit, service);
	free(i->unit_service);
	i->unit_service = NULL;
	if (!*service)
		return 0;
	i->unit_service = strdup(service);
	return i->unit_service ? 0 : -ENOMEM;
}

static int read_cgroup(struct identity_table *t, struct identity *i)
{
	struct cgroup_facts facts;
	size_t len;
	int r = read_proc(t, i->pid, "cgroup", CGROUP_TEXT_MAX, &len);

	if (r < 0)
		return r;
	cgroup_identify(t->text, len, &facts);
	free(i->cgroup);
	i->cgroup = cgroup_path(t->text, len, t->cgroup_root);
	r = take_facts(&facts, i);
	return r < 0 ? r : name_container(&t->opt, &i->known);
}

/* One that may not be read, or is that of a kernel thread, says nothing. */
static int read_environ(struct identity_table *t, struct identity *i)
{
	size_t len;
	int r = read_proc(t, i->pid, "environ", ENVIRON_MAX, &len);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = environ_take(t->text, len, &i->known);
	explicit_bzero(t->text, len); /* passwords are in there */
	if (r == -EBADMSG)
		t->opt.counters[STAT_RESOURCE_MALFORMED]++;
	return r == -ENOMEM ? r : 0;
}

static int read_script(struct identity_table *t, const struct process *p, struct identity *i)
{
	char name[SCRIPT_NAME_MAX + 1];
	size_t len;
	int r;

	if (!script_has_interpreter(process_name(p)))
		return 0;
	r = read_proc(t, p->pid, "cmdline", COMMAND_LINE_MAX, &len);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	script_name(process_name(p), t->text, len, name);
	if (!*name)
		return 0;
	i->script = strdup(name);
	return i->script ? 0 : -ENOMEM;
}

/* "Uid:" and four numbers: the real, the effective, the saved one, and that for files. */
static int read_uid(struct identity_table *t, struct identity *i)
{
	const char *line;
	size_t len;
	int r = read_proc(t, i->pid, "status", STATUS_MAX, &len);

	if (r < 0)
		return r;
	if (!len)
		return -ESRCH;
	t->text[len - 1] = '\0';
	line = strstr(t->text, "\nUid:");
	if (line)
		i->uid = strtoll(line + strlen("\nUid:"), NULL, 10);
	return 0;
}

/* -ESRCH: it has ended, or runs another program by now. */
static int read_all(struct identity_table *t, const struct process *p, struct identity *i)
{
	int r;

	if (p->exited_ns)
		return -ESRCH;
	r = read_cgroup(t, i);
	if (r == 0 && t->opt.users)
		r = read_uid(t, i);
	if (r == 0)
		r = read_environ(t, i);
	if (r == 0)
		r = read_script(t, p, i);
	if (r == 0 && !runs_the_same(p))
		return -ESRCH;
	return r == 0 || r == -ENOMEM ? r : -ESRCH;
}

/* --- parents ---------------------------------------------------------------------------------- */

static int get(struct identity_table *t, const struct process *p, int depth,
	       const struct identity **ret);

static int copy_known(const struct identity *from, bool same_program, struct identity *to)
{
	for (int k = 0; k < PROFILE_RESOURCES; k++) {
		int r = set_text(&to->known, k, from->known.value[k]);

		if (r < 0)
			return r;
	}
	if (from->unit_service && !(to->unit_service = strdup(from->unit_service)))
		return -ENOMEM;
	if (from->cgroup && !(to->cgroup = strdup(from->cgroup)))
		return -ENOMEM;
	to->uid = from->uid;
	if (same_program && from->script && !(to->script = strdup(from->script)))
		return -ENOMEM;
	return 0;
}

static const struct process *parent_of(const struct identity_table *t, const struct process *p)
{
	const struct process *parent = p->parent ? process_find(t->opt.processes, p->parent) : NULL;

	return parent && parent->born == p->parent_born ? parent : NULL;
}

/* A child is in its parent's cgroup and has its environment, unless it changed them since. */
static int inherit(struct identity_table *t, const struct process *p, int depth,
		   struct identity *to)
{
	const struct process *parent = parent_of(t, p);
	const struct identity *from;
	int r;

	if (!parent || depth == PARENTS_MAX) {
		t->opt.counters[STAT_IDENTITY_UNKNOWN]++;
		return 0;
	}
	r = get(t, parent, depth + 1, &from);
	if (r == 0)
		r = copy_known(from, p->forked_from == parent->id, to);
	return r;
}

static int make(struct identity_table *t, const struct process *p, int depth, struct identity **ret)
{
	CLEANUP(identity_freep) struct identity *i = calloc(1, sizeof(*i));
	int r;

	if (!i)
		return -ENOMEM;
	*i = (struct identity){ .pid = p->pid, .id = p->id, .uid = -1, .host = t->host };
	r = read_all(t, p, i);
	i->again_ns = monotonic_ns() + AGAIN_NS;
	if (r == -ESRCH) {
		identity_free(i);
		i = calloc(1, sizeof(*i));
		if (!i)
			return -ENOMEM;
		*i = (struct identity){ .pid = p->pid, .id = p->id, .uid = -1, .host = t->host };
		i->again_ns = UINT64_MAX;
		r = inherit(t, p, depth, i);
	}
	if (r == 0)
		*ret = TAKE_PTR(i);
	return r;
}

/*
 * Programs take their user, and who starts them puts them into their cgroup, when they have begun.
 * The environment is that of the begin: some write over it.
 */
static void look_again(struct identity_table *t, const struct process *p, struct identity *i)
{
	uint64_t now = monotonic_ns();

	if (now < i->again_ns)
		return;
	i->again_ns = i->is_looked_at ? UINT64_MAX : now + LAST_NS;
	i->is_looked_at = true;
	if (p->exited_ns || !runs_the_same(p))
		return;
	if (t->opt.users)
		(void)read_uid(t, i);
	(void)read_cgroup(t, i);
}

static int get(struct identity_table *t, const struct process *p, int depth,
	       const struct identity **ret)
{
	CLEANUP(identity_freep) struct identity *fresh = NULL;
	struct identity *found = hashmap_get(&t->by_pid, hash_u64(0, p->pid), pid_eq, &p->pid);
	int r;

	if (found && found->id == p->id) {
		if (found->again_ns != UINT64_MAX)
			look_again(t, p, found);
		*ret = found;
		return 0;
	}
	r = make(t, p, depth, &fresh);
	if (r < 0)
		return r;
	identity_forget(t, p->pid); /* of the program before */
	r = hashmap_put(&t->by_pid, hash_u64(0, p->pid), fresh);
	if (r == 0)
		*ret = TAKE_PTR(fresh);
	return r;
}

int identity_get(struct identity_table *t, const struct process *p, const struct identity **ret)
{
	return get(t, p, 0, ret);
}

/* --- what counts ------------------------------------------------------------------------------ */

static void take_identity(const struct identity *i, const char **ret)
{
	for (int k = 0; k < PROFILE_RESOURCES; k++)
		ret[k] = i->known.value[k];
	ret[PROFILE_HOST_NAME] = i->host;
}

static void set(const char **to, const char *text)
{
	if (text)
		*to = text;
}

static void take_context(const struct context_finding *f, const char **ret)
{
	const struct process_ctx *pc = f->process_ctx;

	if (f->elastic) {
		set(&ret[PROFILE_SERVICE_NAME], f->elastic->service_name);
		set(&ret[PROFILE_DEPLOYMENT_ENVIRONMENT_NAME], f->elastic->service_environment);
	}
	if (!pc)
		return;
	set(&ret[PROFILE_SERVICE_NAME], pc->service_name);
	set(&ret[PROFILE_DEPLOYMENT_ENVIRONMENT_NAME], pc->deployment_environment_name);
	set(&ret[PROFILE_SERVICE_NAMESPACE], pc->service_namespace);
	set(&ret[PROFILE_SERVICE_VERSION], pc->service_version);
	if (!f->is_inherited) /* another instance */
		set(&ret[PROFILE_SERVICE_INSTANCE_ID], pc->service_instance_id);
}

static const char *container_or_pod(const struct identity *i)
{
	static const enum profile_resource from[] = {
		PROFILE_CONTAINER_NAME,
		PROFILE_K8S_CONTAINER_NAME,
		PROFILE_K8S_POD_NAME,
	};

	for (size_t n = 0; n < sizeof(from) / sizeof(from[0]); n++)
		if (i->known.value[from[n]])
			return i->known.value[from[n]];
	return NULL;
}

static enum identity_source name_service(const struct identity_claims *c, const char **ret)
{
	static const struct identity nothing;
	const struct identity *i = c->identity ? c->identity : &nothing;
	const struct process_ctx *pc = c->finding->process_ctx;
	const struct elastic_storage *elastic = c->finding->elastic;
	const char *names[] = {
		[IDENTITY_CONFIG] = c->configured,
		[IDENTITY_PROCESS_CTX] = pc ? pc->service_name : NULL,
		[IDENTITY_ELASTIC] = elastic ? elastic->service_name : NULL,
		[IDENTITY_ENVIRONMENT] = i->known.value[PROFILE_SERVICE_NAME],
		[IDENTITY_UNIT] = i->unit_service,
		[IDENTITY_CONTAINER] = container_or_pod(i),
		[IDENTITY_SCRIPT] = i->script,
		[IDENTITY_EXECUTABLE] = process_name(c->process),
	};
	enum identity_source source = IDENTITY_CONFIG;

	while (source < IDENTITY_EXECUTABLE && !names[source])
		source++;
	ret[PROFILE_SERVICE_NAME] = names[source];
	return source;
}

enum identity_source identity_resolve(const struct identity_claims *claims, const char **ret)
{
	memset(ret, 0, PROFILE_RESOURCES * sizeof(ret[0]));
	if (claims->identity)
		take_identity(claims->identity, ret);
	if (claims->process->exe)
		ret[PROFILE_EXECUTABLE_PATH] = claims->process->exe->path;
	take_context(claims->finding, ret);
	return name_service(claims, ret);
}
