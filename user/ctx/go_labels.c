/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/go_labels.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/load.h"
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
#define LOADS_G	   "runtime.load_g"

/* --- x86_64 ----------------------------------------------------------------------------------- */

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
int go_labels_find_g_x86(const uint8_t *code, size_t len, uint64_t vaddr, struct go_labels *ret)
{
	if (len < 16)
		return -ENOTSUP;
	ret->got_vaddr = 0;
	if (loads_fs_absolute(code)) {
		ret->var.g_off = (int32_t)load_u32(code + 5);
		return 0;
	}
	if (!loads_fs_rcx(code + 7))
		return -ENOTSUP;
	if (memcmp(code, "\x48\xc7\xc1", 3) == 0) { /* mov $imm32, %rcx */
		ret->var.g_off = (int32_t)load_u32(code + 3);
		return 0;
	}
	if (memcmp(code, "\x48\x8b\x0d", 3) != 0) /* mov rel32(%rip), %rcx */
		return -ENOTSUP;
	ret->got_vaddr = vaddr + 7 + (uint64_t)(int64_t)(int32_t)load_u32(code + 3);
	return 0;
}

/* All that setProfLabel() stores that far from a pointer is one field: @off is none, or the same.
 */
static int take_offset(uint32_t off, uint16_t *found)
{
	if (off < LABELS_MIN || off > LABELS_MAX || off % 8)
		return 0;
	if (*found && *found != off)
		return -ENOTSUP;
	*found = (uint16_t)off;
	return 0;
}

/* mov %reg, disp32(%reg) */
int go_labels_find_offset_x86(const uint8_t *code, size_t len, uint16_t *ret)
{
	uint16_t found = 0;

	for (size_t i = 0; i + 7 <= len; i++)
		if ((code[i] & 0xf8) == 0x48 && code[i + 1] == 0x89 && code[i + 2] >> 6 == 2 &&
		    (code[i + 2] & 7) != 4 && take_offset(load_u32(code + i + 3), &found) < 0)
			return -ENOTSUP;
	*ret = found;
	return found ? 0 : -ENOTSUP;
}

/* --- aarch64 ---------------------------------------------------------------------------------- */

#define MRS_X0_TPIDR	 0xd53bd040u
#define LDR_X28_X0_X27	 0xf87b681cu			    /* ldr x28, [x0, x27] */
#define IS_ADRP_X27(i)	 (((i)&0x9f00001fu) == 0x9000001bu) /* adrp x27, page */
#define IS_ADD_X27(i)	 (((i)&0xffc003ffu) == 0x9100037bu) /* add x27, x27, #n */
#define IS_LDRSB_X0(i)	 (((i)&0xffc003ffu) == 0x39800360u) /* ldrsb x0, [x27, #n] */
#define IS_LDR_X27(i)	 (((i)&0xffc003ffu) == 0xf940037bu) /* ldr x27, [x27, #n] */
#define IS_MOVZ_X27(i)	 (((i)&0xffc0001fu) == 0xd280001bu) /* movz x27, #n, or n << 16 */
#define IS_MOVK_X27(i)	 (((i)&0xffe0001fu) == 0xf280001bu) /* movk x27, #n */
#define IS_CBZ_X0(i)	 (((i)&0xff00001fu) == 0xb4000000u)
#define IS_STR_OFF(i)	 (((i)&0xffc00000u) == 0xf9000000u && ((i) >> 5 & 31) != 31) /* not sp */
#define IMM12(i)	 ((i) >> 10 & 0xfff)
#define IMM16(i)	 ((i) >> 5 & 0xffff)
#define MOVZ_VALUE(i)	 (IMM16(i) << ((i) >> 21 & 1) * 16)
#define LOAD_G_INSNS_MAX 8

static uint64_t page_of_adrp(uint32_t insn, uint64_t vaddr)
{
	uint64_t pages = (insn >> 29 & 3) | (insn >> 5 & 0x7ffff) << 2;

	pages = (pages ^ 1 << 20) - (1 << 20); /* its sign */
	return (vaddr & ~0xfffULL) + (pages << 12);
}

/* Where in TLS, at @insn: a number of one or two parts, or one from the GOT. */
static int find_tls_a64(const uint32_t *insn, uint64_t vaddr, struct go_labels *ret)
{
	if (IS_MOVZ_X27(insn[0])) {
		bool has_more = IS_MOVK_X27(insn[1]);
		uint32_t off = MOVZ_VALUE(insn[0]);

		ret->var.g_off = has_more ? (off & 0xffff0000) | IMM16(insn[1]) : off;
		return insn[has_more ? 2 : 1] == LDR_X28_X0_X27 ? 0 : -ENOTSUP;
	}
	if (!IS_ADRP_X27(insn[0]) || !IS_LDR_X27(insn[1]) || insn[2] != LDR_X28_X0_X27)
		return -ENOTSUP;
	ret->got_vaddr = page_of_adrp(insn[0], vaddr) + IMM12(insn[1]) * 8;
	return 0;
}

/* `if (iscgo) g = *(thread pointer + off)` */
int go_labels_find_g_a64(const uint8_t *code, size_t len, uint64_t vaddr, struct go_labels *ret)
{
	uint32_t insn[LOAD_G_INSNS_MAX] = { 0 };
	size_t i = 1, n = sizeof(insn);

	memcpy(insn, code, len < n ? len : n);
	if (!IS_ADRP_X27(insn[0]))
		return -ENOTSUP;
	ret->got_vaddr = 0;
	ret->iscgo_vaddr = page_of_adrp(insn[0], vaddr);
	if (IS_ADD_X27(insn[i]))
		ret->iscgo_vaddr += IMM12(insn[i++]);
	if (!IS_LDRSB_X0(insn[i]) || !IS_CBZ_X0(insn[i + 1]) || insn[i + 2] != MRS_X0_TPIDR)
		return -ENOTSUP;
	ret->iscgo_vaddr += IMM12(insn[i]);
	return find_tls_a64(insn + i + 3, vaddr + 4 * (i + 3), ret);
}

/* str %reg, [%reg, #n] */
int go_labels_find_offset_a64(const uint8_t *code, size_t len, uint16_t *ret)
{
	uint16_t found = 0;

	for (size_t i = 0; i + 4 <= len; i += 4)
		if (IS_STR_OFF(load_u32(code + i)) &&
		    take_offset(IMM12(load_u32(code + i)) * 8, &found) < 0)
			return -ENOTSUP;
	*ret = found;
	return found ? 0 : -ENOTSUP;
}

/* --- files ------------------------------------------------------------------------------------ */

static int find_form(struct elf_file *ef, uint32_t *ret)
{
	unsigned int minor;

	if (elf_go_version(ef, &minor) < 0 || minor < GO_MINOR_MIN || minor > GO_MINOR_MAX)
		return -ENOTSUP;
	*ret = minor < GO_MINOR_SLICE ? GO_LABELS_MAP : GO_LABELS_SLICE;
	return 0;
}

static int decode_x86(const struct go_code *set, const struct go_code *more, struct go_labels *ret)
{
	int r = go_labels_find_g_x86(more->bytes, more->len, more->vaddr, ret);

	if (r == 0)
		r = go_labels_find_offset_x86(set->bytes, set->len, &ret->var.labels);
	ret->var.curg = go_stack_offsets_x86(more->bytes, more->len).curg;
	return r;
}

static int decode_a64(const struct go_code *set, const struct go_code *more,
		      const struct go_code *load, struct go_labels *ret)
{
	int r = go_labels_find_g_a64(load->bytes, load->len, load->vaddr, ret);

	if (r == 0)
		r = go_labels_find_offset_a64(set->bytes, set->len, &ret->var.labels);
	ret->var.curg = go_curg_a64(more->bytes, more->len);
	return r;
}

int go_labels_find(struct elf_file *ef, struct go_labels *ret)
{
	CLEANUP(go_table_freep) struct go_table *t = NULL;
	struct go_code code[] = { { .name = SET_LABELS },
				  { .name = SWITCHES_G },
				  { .name = LOADS_G } };
	bool is_a64 = elf_file_machine(ef) == EM_AARCH64;
	int r = go_table_open(ef, &t);

	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	go_table_find_code(t, code, is_a64 ? 3 : 2);
	if (!code[0].len || !code[1].len)
		return -ENOENT;
	*ret = (struct go_labels){ 0 };
	r = find_form(ef, &ret->var.form);
	if (r == 0)
		r = is_a64 ? decode_a64(&code[0], &code[1], &code[2], ret)
			   : decode_x86(&code[0], &code[1], ret);
	return r == 0 && !ret->var.curg ? -ENOTSUP : r;
}

/* --- processes -------------------------------------------------------------------------------- */

/* Below the thread pointer on x86_64, above it on aarch64. 0: not relocated yet. */
static int check_offset(int64_t off, bool is_a64)
{
	if (off == 0)
		return -EAGAIN;
	if (is_a64)
		off = -off;
	return off < 0 && off >= INT32_MIN ? 0 : -EBADMSG;
}

int go_labels_locate(const struct go_labels *gl, pid_t pid, uint64_t bias, struct go_var *ret)
{
	struct go_var var = gl->var;
	uint8_t iscgo = 1;
	int r = 0;

	if (gl->iscgo_vaddr)
		r = remote_mem_read(pid, bias + gl->iscgo_vaddr, &iscgo, sizeof(iscgo));
	if (r == 0 && iscgo && gl->got_vaddr)
		r = remote_mem_read(pid, bias + gl->got_vaddr, &var.g_off, sizeof(var.g_off));
	if (r == 0 && iscgo)
		r = check_offset(var.g_off, gl->iscgo_vaddr);
	if (r < 0)
		return r;
	if (!iscgo) {
		var.g_off = 0;
		var.g_in_reg = 1;
	}
	*ret = var;
	return 0;
}
