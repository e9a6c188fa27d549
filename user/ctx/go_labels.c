/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/go_labels.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "elf/elf_go.h"
#include "proc/remote_mem.h"
#include "unwind/go_code.h"
#include "unwind/go_table.h"

/* Releases whose containers are known: a map, from 1.24 on a slice. */
#define GO_MINOR_MIN   17
#define GO_MINOR_SLICE 24
#define GO_MINOR_MAX   27

/* Where labels can be in a struct g; it was at 344 to 360 so far. */
#define LABELS_MIN 256
#define LABELS_MAX 1024

#define SET_LABELS "runtime/pprof.runtime_setProfLabel"
#define SWITCHES_G "runtime.morestack"

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* mov %fs:…, %reg with an absolute address, or one in rcx. */
static bool loads_fs_absolute(const uint8_t *p)
{
	return memcmp(p, "\x64\x48\x8b", 3) == 0 && (p[3] & 0xc7) == 0x04 && p[4] == 0x25;
}

static bool loads_fs_rcx(const uint8_t *p)
{
	return memcmp(p, "\x64\x48\x8b", 3) == 0 && (p[3] & 0xc7) == 0x01;
}

/*
 * Three ways: at an address that the linker knew; by rcx, loaded with a number; by rcx, loaded from
 * the GOT.
 */
int go_labels_find_g(const uint8_t *code, size_t len, uint64_t vaddr, struct go_labels *ret)
{
	if (len < 16)
		return -ENOTSUP;
	ret->got_vaddr = 0;
	if (loads_fs_absolute(code)) {
		ret->var.g_off = (int32_t)u32(code + 5);
		return 0;
	}
	if (!loads_fs_rcx(code + 7))
		return -ENOTSUP;
	if (memcmp(code, "\x48\xc7\xc1", 3) == 0) { /* mov $imm32, %rcx */
		ret->var.g_off = (int32_t)u32(code + 3);
		return 0;
	}
	if (memcmp(code, "\x48\x8b\x0d", 3) != 0) /* mov rel32(%rip), %rcx */
		return -ENOTSUP;
	ret->got_vaddr = vaddr + 7 + (uint64_t)(int64_t)(int32_t)u32(code + 3);
	return 0;
}

/* mov %reg, disp32(%reg): all that it stores that far from a pointer is one field. */
int go_labels_find_offset(const uint8_t *code, size_t len, uint16_t *ret)
{
	uint32_t found = 0;

	for (size_t i = 0; i + 7 <= len; i++) {
		uint32_t off = u32(code + i + 3);

		if ((code[i] & 0xf8) != 0x48 || code[i + 1] != 0x89 || code[i + 2] >> 6 != 2 ||
		    (code[i + 2] & 7) == 4 || off < LABELS_MIN || off > LABELS_MAX || off % 8)
			continue;
		if (found && found != off)
			return -ENOTSUP;
		found = off;
	}
	*ret = (uint16_t)found;
	return found ? 0 : -ENOTSUP;
}

static int find_form(struct elf_file *ef, uint32_t *ret)
{
	unsigned int minor;

	if (elf_go_version(ef, &minor) < 0 || minor < GO_MINOR_MIN || minor > GO_MINOR_MAX)
		return -ENOTSUP;
	*ret = minor < GO_MINOR_SLICE ? GO_LABELS_MAP : GO_LABELS_SLICE;
	return 0;
}

static int decode(struct elf_file *ef, const struct go_code *set, const struct go_code *more,
		  struct go_labels *ret)
{
	int r;

	if (elf_file_machine(ef) != EM_X86_64)
		return -ENOTSUP;
	r = find_form(ef, &ret->var.form);
	if (r == 0)
		r = go_labels_find_g(more->bytes, more->len, more->vaddr, ret);
	if (r == 0)
		r = go_labels_find_offset(set->bytes, set->len, &ret->var.labels);
	ret->var.curg = go_stack_offsets_x86(more->bytes, more->len).curg;
	return r == 0 && !ret->var.curg ? -ENOTSUP : r;
}

int go_labels_find(struct elf_file *ef, struct go_labels *ret)
{
	CLEANUP(go_table_freep) struct go_table *t = NULL;
	struct go_code code[] = { { .name = SET_LABELS }, { .name = SWITCHES_G } };
	int r = go_table_open(ef, &t);

	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	go_table_find_code(t, code, 2);
	if (!code[0].len || !code[1].len)
		return -ENOENT;
	*ret = (struct go_labels){ 0 };
	return decode(ef, &code[0], &code[1], ret);
}

int go_labels_locate(const struct go_labels *gl, pid_t pid, uint64_t bias, struct go_var *ret)
{
	int64_t off = gl->var.g_off;
	int r = 0;

	if (gl->got_vaddr)
		r = remote_mem_read(pid, bias + gl->got_vaddr, &off, sizeof(off));
	if (r < 0)
		return r;
	if (off >= 0 || off < INT32_MIN)
		return off ? -EBADMSG : -EAGAIN; /* 0: not relocated yet */
	*ret = gl->var;
	ret->g_off = off;
	return 0;
}
