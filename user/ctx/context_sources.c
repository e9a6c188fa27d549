/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/context_sources.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "ctx/elastic_storage.h"
#include "ctx/go_labels.h"
#include "ctx/mapped_elf.h"
#include "ctx/tls_symbol.h"
#include "elf/elf_file.h"
#include "proc/remote_mem.h"

#define OTEL_TLS_SYMBOL "otel_thread_ctx_v1"
#define NODE_TLS_SYMBOL "otel_thread_ctx_nodejs_v1"
#define NODE_VAR_SIZE	32 /* struct node_var */

#define CUSTOM_LABELS_TLS_SYMBOL "custom_labels_current_set"
#define CUSTOM_LABELS_VERSION	 "custom_labels_abi_version" /* uint32_t */

/* A form of publishing, and for the user's variables which of them. */
struct wanted {
	enum ctx_format format;
	unsigned number;
	const struct user_variable *variable;
};

/* What one file says of the variable; files do not change under their inode, we hope. */
struct writer_file {
	const struct dso *dso;
	struct wanted wanted;
	bool is_main;
	int error; /* of tls_symbol_find(), or -ENOEXEC */
	struct tls_symbol symbol;
	struct go_labels go;	/* of CTX_FORMAT_GO, in place of the symbol */
	uint64_t storage_vaddr; /* of CTX_FORMAT_ELASTIC */
	uint64_t version_vaddr; /* of CTX_FORMAT_CUSTOM_LABELS */
	enum tls_libc libc;	/* of the program itself: that of its libraries */
};

struct context_files {
	struct hashmap files;
};

int context_files_new(struct context_files **ret)
{
	struct context_files *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*ret = f;
	return 0;
}

void context_files_free(struct context_files *f)
{
	if (!f)
		return;
	hashmap_clear_free(&f->files);
	free(f);
}

/* --- files ------------------------------------------------------------------------------------ */

static uint64_t file_hash(const struct writer_file *key)
{
	uint64_t what = (uint64_t)key->wanted.number << 8 | key->wanted.format << 1 | key->is_main;

	return hash_u64(what, key->dso->id);
}

static bool file_eq(const void *value, const void *k)
{
	const struct writer_file *a = value, *b = k;

	return a->dso == b->dso && a->wanted.format == b->wanted.format &&
	       a->wanted.number == b->wanted.number && a->is_main == b->is_main;
}

static int find_elastic(struct elf_file *ef, struct writer_file *file)
{
	struct elf_symbol storage;
	int r = elf_file_find_object(ef, ELASTIC_STORAGE_SYMBOL, &storage);

	if (r < 0)
		return r;
	file->storage_vaddr = storage.value;
	return tls_symbol_find(ef, ELASTIC_TLS_SYMBOL, sizeof(uint64_t), file->is_main,
			       &file->symbol);
}

static int find_custom_labels(struct elf_file *ef, struct writer_file *file)
{
	struct elf_symbol version;
	int r = elf_file_find_object(ef, CUSTOM_LABELS_VERSION, &version);

	if (r < 0)
		return r;
	file->version_vaddr = version.value;
	return tls_symbol_find(ef, CUSTOM_LABELS_TLS_SYMBOL, sizeof(uint64_t), file->is_main,
			       &file->symbol);
}

static int find_variable(struct elf_file *ef, struct writer_file *file)
{
	const struct user_variable *v = file->wanted.variable;

	if (v->symbol)
		return tls_symbol_find(ef, v->symbol, 0, file->is_main, &file->symbol);
	file->symbol = (struct tls_symbol){ .access = TLS_ACCESS_LOCAL_EXEC, .off = v->tls_off };
	return 0;
}

static int find_writer(struct elf_file *ef, struct writer_file *file)
{
	switch (file->wanted.format) {
	case CTX_FORMAT_ELASTIC:
		return find_elastic(ef, file);
	case CTX_FORMAT_CUSTOM_LABELS:
		return find_custom_labels(ef, file);
	case CTX_FORMAT_VARIABLE:
		return find_variable(ef, file);
	case CTX_FORMAT_GO:
		return go_labels_find(ef, &file->go);
	case CTX_FORMAT_NODE:
		return tls_symbol_find(ef, NODE_TLS_SYMBOL, NODE_VAR_SIZE, file->is_main,
				       &file->symbol);
	default:
		return tls_symbol_find(ef, OTEL_TLS_SYMBOL, sizeof(uint64_t), file->is_main,
				       &file->symbol);
	}
}

/* What the file says is kept; that it could not be reached now is not, it may be next time. */
static int examine_file(struct writer_file *file, pid_t pid, const struct mapping *m)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r = mapped_elf_open(m, pid, &ef);

	if (r < 0 && r != -ENOEXEC)
		return r;
	if (r == 0 && file->is_main)
		file->libc = tls_libc_of(ef);
	if (r == 0)
		r = find_writer(ef, file);
	if (r == -ENOMEM)
		return r;
	file->error = r;
	return 0;
}

static struct writer_file *find_of(const struct context_files *f, const struct dso *dso)
{
	struct writer_file *file;
	size_t pos = 0;

	while ((file = hashmap_next(&f->files, &pos)))
		if (file->dso == dso)
			return file;
	return NULL;
}

void context_files_forget(struct context_files *f, const struct dso *dso)
{
	struct writer_file *file;

	while ((file = find_of(f, dso)))
		free(hashmap_remove(&f->files, file_hash(file), file_eq, file));
}

static int get_file(struct context_files *f, const struct process *p, const struct mapping *m,
		    const struct wanted *wanted, const struct writer_file **ret)
{
	struct writer_file key = { .dso = m->dso, .wanted = *wanted, .is_main = m->dso == p->exe };
	CLEANUP(freep) struct writer_file *fresh = NULL;
	int r;

	*ret = hashmap_get(&f->files, file_hash(&key), file_eq, &key);
	if (*ret)
		return 0;
	r = examine_file(&key, p->pid, m);
	if (r < 0)
		return r;
	fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	*fresh = key;
	r = hashmap_put(&f->files, file_hash(&key), fresh);
	if (r == 0)
		*ret = TAKE_PTR(fresh);
	return r;
}

/* By the program's own file, which may be mapped anywhere among the others. */
static enum tls_libc libc_of(struct context_files *f, const struct process *p,
			     const struct wanted *wanted)
{
	const struct writer_file *file;

	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		if (m->dso == p->exe && get_file(f, p, m, wanted, &file) == 0)
			return file->libc;
	}
	return TLS_LIBC_UNKNOWN;
}

/* --- processes -------------------------------------------------------------------------------- */

static int bias_of(const struct process *p, const struct mapping *m, uint64_t *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r = mapped_elf_open(m, p->pid, &ef);

	return r < 0 ? r : mapped_elf_bias(ef, m, ret);
}

/* A copy of the writer may use another one's variable. */
static bool is_known(const struct context_sources *s, const struct ctx_source *source)
{
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(&s->sources[i], source, sizeof(*source)) == 0)
			return true;
	return false;
}

/* Libraries and the program say so of themselves when they are loaded. */
static int check_version(const struct writer_file *file, const struct tls_process *where)
{
	uint32_t version;
	int r;

	if (file->wanted.format != CTX_FORMAT_CUSTOM_LABELS)
		return 0;
	r = remote_mem_read(where->pid, where->bias + file->version_vaddr, &version,
			    sizeof(version));
	return r == 0 && version != 1 ? -ENOTSUP : r;
}

static int locate(struct context_files *f, const struct process *p, const struct writer_file *file,
		  struct tls_process *where, struct ctx_source *ret)
{
	int r;

	if (file->wanted.format == CTX_FORMAT_GO)
		return go_labels_locate(&file->go, p->pid, where->bias, &ret->go);
	r = check_version(file, where);
	if (r < 0)
		return r;
	where->libc = libc_of(f, p, &file->wanted);
	return tls_symbol_locate(&file->symbol, where, &ret->var);
}

/* -ENOENT: this mapping's file does not define the variable; otherwise why it is not added. */
static int add(struct context_files *f, const struct process *p, const struct mapping *m,
	       const struct wanted *wanted, struct context_sources *ret)
{
	struct ctx_source source = { .format = wanted->format, .number = wanted->number };
	struct tls_process where = { .pid = p->pid };
	const struct writer_file *file;
	int r;

	r = get_file(f, p, m, wanted, &file);
	if (r < 0)
		return r;
	if (file->error)
		return file->error;
	r = bias_of(p, m, &where.bias);
	if (r < 0)
		return r;
	r = locate(f, p, file, &where, &source);
	if (r < 0)
		return r;
	if (wanted->format == CTX_FORMAT_ELASTIC)
		ret->elastic_storage = where.bias + file->storage_vaddr;
	if (is_known(ret, &source))
		return 0;
	if (ret->n == CTX_SOURCES_MAX) {
		ret->is_full = true;
		return 0;
	}
	ret->sources[ret->n] = source;
	ret->writers[ret->n++] = m->dso;
	return 0;
}

static bool may_define(const struct process *p, const struct mapping *m,
		       const struct wanted *wanted)
{
	if (m->dso->kind != DSO_FILE)
		return false;
	switch (wanted->format) {
	case CTX_FORMAT_ELASTIC:
		return elastic_is_library(m->dso->path);
	case CTX_FORMAT_NODE:
		return fnmatch("*.node", m->dso->name, 0) == 0; /* an addon */
	case CTX_FORMAT_GO:
		return m->dso == p->exe;
	case CTX_FORMAT_CUSTOM_LABELS:
		return m->dso == p->exe || fnmatch("*custom*labels*", m->dso->name, 0) == 0;
	case CTX_FORMAT_VARIABLE:
		return user_variable_matches(wanted->variable, m->dso->path);
	default:
		return true;
	}
}

static int find(struct context_files *f, const struct process *p, const struct wanted *wanted,
		struct context_sources *ret)
{
	for (size_t i = 0; i < p->maps.n && !ret->is_full; i++) {
		const struct mapping *m = &p->maps.data[i];
		int r;

		if (!may_define(p, m, wanted))
			continue;
		r = add(f, p, m, wanted, ret);
		if (r == -ENOMEM)
			return r;
		if (r == -ENOTSUP) {
			ret->unsupported = m->dso;
			ret->unsupported_format = wanted->format;
		}
	}
	return 0;
}

static int may_write(struct context_files *f, const struct process *p, const struct wanted *wanted)
{
	const struct writer_file *file;

	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];
		int r;

		if (!may_define(p, m, wanted))
			continue;
		r = get_file(f, p, m, wanted, &file);
		if (r < 0)
			return r;
		if (!file->error || file->error == -ENOTSUP)
			return 1;
	}
	return 0;
}

int context_files_may_write(struct context_files *f, const struct process *p)
{
	int r = may_write(f, p, &(struct wanted){ .format = CTX_FORMAT_OTEL });

	return r ? r : may_write(f, p, &(struct wanted){ .format = CTX_FORMAT_NODE });
}

int context_sources_find(struct context_files *f, const struct process *p, enum ctx_format format,
			 struct context_sources *ret)
{
	return find(f, p, &(struct wanted){ .format = format }, ret);
}

int context_sources_find_variable(struct context_files *f, const struct process *p,
				  const struct user_variable *v, unsigned number,
				  struct context_sources *ret)
{
	struct wanted wanted = { CTX_FORMAT_VARIABLE, number, v };

	return find(f, p, &wanted, ret);
}

const char *context_format_name(enum ctx_format format)
{
	static const char *const names[CTX_FORMAT_COUNT] = {
		[CTX_FORMAT_NONE] = "none",
		[CTX_FORMAT_OTEL] = "OpenTelemetry, otel_thread_ctx_v1",
		[CTX_FORMAT_ELASTIC] = "Elastic APM correlation",
		[CTX_FORMAT_NODE] = "OpenTelemetry, otel_thread_ctx_nodejs_v1",
		[CTX_FORMAT_GO] = "Go pprof labels",
		[CTX_FORMAT_CUSTOM_LABELS] = "custom labels v1",
		[CTX_FORMAT_VARIABLE] = "--tls-var",
		[CTX_FORMAT_PYTHON] = "OpenTelemetry SDK of CPython",
		[CTX_FORMAT_OBI] = "OpenTelemetry eBPF Instrumentation",
	};

	return names[format];
}

void context_place_print(const struct ctx_source *source, char ret[CONTEXT_PLACE_MAX])
{
	const struct tls_var *var = &source->var;

	if (source->format == CTX_FORMAT_GO && source->go.g_in_reg)
		snprintf(ret, CONTEXT_PLACE_MAX, "g+%u, g in x28", source->go.labels);
	else if (source->format == CTX_FORMAT_GO)
		snprintf(ret, CONTEXT_PLACE_MAX, "g+%u, g at thread pointer %+lld",
			 source->go.labels, (long long)source->go.g_off);
	else if (source->format == CTX_FORMAT_PYTHON)
		snprintf(ret, CONTEXT_PLACE_MAX, "context variable current_context");
	else if (var->model == TLS_MODEL_STATIC || var->model == TLS_MODEL_NONE)
		snprintf(ret, CONTEXT_PLACE_MAX, "thread pointer %+lld", (long long)var->off);
	else
		snprintf(ret, CONTEXT_PLACE_MAX, "module %u (%s) %+lld", var->module,
			 var->model == TLS_MODEL_MUSL ? "musl" : "glibc", (long long)var->off);
}
