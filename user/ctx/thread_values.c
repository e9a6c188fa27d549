/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/thread_values.h"

#include <errno.h>
#include <fnmatch.h>

#include "ctx/mapped_elf.h"
#include "ctx/tls_model.h"
#include "proc/remote_mem.h"

/* Of glibc, for debuggers: bits, number, offset of struct pthread's array of blocks of values. */
#define SPECIFIC_SYMBOL "_thread_db_pthread_specific"
/* Likewise: the size of struct pthread. */
#define SIZE_SYMBOL "_thread_db_sizeof_pthread"

/* The first mapping of a file. */
struct mapped {
	struct elf_file *ef;
	const struct mapping *m;
	pid_t pid;
};

static int read_at(const struct mapped *file, uint64_t vaddr, void *buf, size_t len)
{
	uint64_t bias;
	int r = mapped_elf_bias(file->ef, file->m, &bias);

	return r < 0 ? r : remote_mem_read(file->pid, bias + vaddr, buf, len);
}

static int read_object(const struct mapped *file, const char *name, void *buf, size_t len)
{
	struct elf_symbol sym;
	int r = elf_file_find_object(file->ef, name, &sym);

	return r < 0 ? r : read_at(file, sym.value, buf, len);
}

/* --- glibc ------------------------------------------------------------------------------------ */

static bool is_glibc(const char *name)
{
	return fnmatch("libc.so.6", name, 0) == 0 || fnmatch("libc-2.*.so", name, 0) == 0 ||
	       fnmatch("libpthread*.so*", name, 0) == 0;
}

static int look_at_glibc(const struct mapped *file, struct thread_values *ret)
{
	uint32_t field[3], size = 0;
	int r = read_object(file, SPECIFIC_SYMBOL, field, sizeof(field));

	/* On aarch64 struct pthread ends at the thread pointer. */
	if (r == 0 && TLS_ARCH_HOST == TLS_ARCH_AARCH64)
		r = read_object(file, SIZE_SYMBOL, &size, sizeof(size));
	if (r < 0)
		return r;
	if (field[2] > UINT16_MAX || size > UINT16_MAX)
		return -EBADMSG;
	*ret = (struct thread_values){ .libc = TLS_LIBC_GLIBC,
				       .self = -(int32_t)size,
				       .specific = (uint16_t)field[2] };
	return 0;
}

/* --- musl ------------------------------------------------------------------------------------- */

/* Debian's is a link to libc.so. */
static bool is_musl(const char *name)
{
	return fnmatch("ld-musl-*", name, 0) == 0 || fnmatch("libc.so", name, 0) == 0;
}

static int look_at_musl(const struct mapped *file, struct thread_values *ret)
{
	uint32_t code[TLS_SELF_CODE];
	struct elf_symbol sym;
	int32_t self = 0;
	int r = elf_file_find_function(file->ef, "pthread_self", &sym);

	if (r == 0 && TLS_ARCH_HOST == TLS_ARCH_AARCH64) {
		r = read_at(file, sym.value, code, sizeof(code));
		if (r == 0)
			r = tls_self_offset(code, &self);
	}
	if (r == 0)
		*ret = (struct thread_values){ .libc = TLS_LIBC_MUSL, .self = self };
	return r;
}

/* --- both ------------------------------------------------------------------------------------- */

static int look_at(const struct mapping *m, pid_t pid, struct thread_values *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct mapped file = { .m = m, .pid = pid };
	int r = mapped_elf_open(m, pid, &ef);

	file.ef = ef;
	if (r < 0)
		return r;
	return is_glibc(m->dso->name) ? look_at_glibc(&file, ret) : look_at_musl(&file, ret);
}

int thread_values_find(const struct process *p, struct thread_values *ret)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		if (m->dso->kind == DSO_FILE && (is_glibc(m->dso->name) || is_musl(m->dso->name)) &&
		    look_at(m, p->pid, ret) == 0)
			return 0;
	}
	return -ENOTSUP;
}
