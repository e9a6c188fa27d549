/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_code.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static int resolve_frame(struct process_table *procs, const struct jit_process *jp, uint64_t owner,
			 uint64_t time_ns, struct profile_frame *f)
{
	struct dso *own;
	int r = dso_table_get_owned(&procs->dsos, f->dso, owner, &own);

	if (r < 0)
		return r;
	f->dso = own;
	f->code = jit_code_at(jp, f->offset, time_ns);
	return 0;
}

int sample_code_resolve(struct jit_names *jit, struct process_table *procs, const struct process *p,
			uint64_t time_ns, struct sample_stack *stack)
{
	struct jit_process *jp = NULL;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < stack->n; i++) {
		struct profile_frame *f = &stack->frames[i];

		if (f->dso->kind != DSO_ANON)
			continue;
		if (!jp)
			r = jit_names_enter(jit, p, &jp);
		if (r == 0)
			r = resolve_frame(procs, jp, p->id, time_ns, f);
	}
	return r;
}

const char *sample_code_reason(int error)
{
	switch (error) {
	case -EPERM:
		return "is not used: it belongs neither to the process's user nor to root";
	case -ELOOP:
		return "is not used: it is a symbolic link";
	case -ENOTSUP:
		return "is not used: it is no regular file";
	case -EBADMSG:
		return "is not used further: it is malformed";
	case -EFBIG:
		return "is too large: code that comes now has no names";
	default:
		return NULL;
	}
}

void sample_code_log_trouble(void *ctx, pid_t pid, const char *path, int error)
{
	const char *why = sample_code_reason(error);

	if (why)
		log_warning("process %d: '%s' with the names of its code %s", pid, path, why);
	else
		log_warning("process %d: '%s' with the names of its code cannot be read: %s", pid,
			    path, strerror(-error));
}
