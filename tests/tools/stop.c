/* SPDX-License-Identifier: Apache-2.0 */
#include "stop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/hashmap.h"
#include "proc/maps.h"
#include "tracee.h"

#define MAPS_MAX (64u << 20)
#define RED_ZONE 128

static int load_regions(struct stop *s)
{
	struct maps_cursor c = { .buf = s->maps, .len = s->maps_len };
	struct map_entry e;
	int r = 0;

	s->regions.n = 0;
	s->code_hash = 0;
	for (size_t at = 0; r == 0 && maps_next(&c, &e); at = c.pos) {
		bool vdso = e.path_len == 6 && memcmp(e.path, "[vdso]", 6) == 0;

		r = vec_push(&s->regions,
			     (struct region){ e.start, e.end, e.offset, e.exec, e.ino || vdso });
		if (e.exec)
			s->code_hash = hash_bytes(s->code_hash, s->maps + at, c.pos - at);
	}
	return r;
}

static int load_maps(struct stop *s, bool other_process)
{
	uint64_t before = s->code_hash;
	char *text = NULL;
	size_t len = 0;
	int r = maps_read(s->pid, MAPS_MAX, &text, &len);

	if (r < 0)
		return r;
	free(s->maps);
	s->maps = text;
	s->maps_len = len;
	r = len ? load_regions(s) : -ESRCH;
	s->code_changed = other_process || s->code_hash != before;
	return r;
}

const struct region *stop_region(const struct stop *s, uint64_t addr)
{
	size_t lo = 0, hi = s->regions.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->regions.data[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->regions.n && s->regions.data[lo].start <= addr ? &s->regions.data[lo] : NULL;
}

static size_t read_process(pid_t pid, void *dst, size_t len, uint64_t addr)
{
	struct iovec to = { dst, len }, from = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	return n < 0 ? 0 : n;
}

static void copy_stack(struct stop *s)
{
	uint64_t addr = (s->regs.rsp - RED_ZONE) & ~7ULL;
	const struct region *region = stop_region(s, addr);

	if (!region)
		region = stop_region(s, addr = s->regs.rsp & ~7ULL);
	s->stack_addr = addr;
	s->stack_len = region ? region->end - addr : 0;
	if (s->stack_len > sizeof(s->stack))
		s->stack_len = sizeof(s->stack);
	s->stack_len = read_process(s->pid, s->stack, s->stack_len, addr) & ~7ULL;
}

int stop_take(struct stop *s, pid_t pid, pid_t tid)
{
	bool other_process = s->pid != pid;
	int r;

	s->pid = pid;
	s->tid = tid;
	r = tracee_regs(tid, &s->regs);
	if (r == 0)
		r = load_maps(s, other_process);
	if (r == 0)
		copy_stack(s);
	else
		s->pid = 0;
	return r;
}

void stop_clear(struct stop *s)
{
	free(s->maps);
	vec_free(&s->regions);
	s->maps = NULL;
	s->pid = 0;
}

bool stop_read(const struct stop *s, void *dst, size_t len, uint64_t addr)
{
	if (addr >= s->stack_addr && addr - s->stack_addr <= s->stack_len &&
	    len <= s->stack_len - (addr - s->stack_addr)) {
		memcpy(dst, s->stack + (addr - s->stack_addr), len);
		return true;
	}
	return read_process(s->pid, dst, len, addr) == len;
}

void stop_unwind_regs(const struct stop *s, struct unwind_regs *ret)
{
	const struct user_regs_struct *u = &s->regs;

	*ret = (struct unwind_regs){
		.pc = u->rip,
		.reg = { u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp, u->rsp, u->r8,
			 u->r9, u->r10, u->r11, u->r12, u->r13, u->r14, u->r15 },
		.known = UNWIND_KNOWN_ALL,
		.is_exact = 1,
	};
}
