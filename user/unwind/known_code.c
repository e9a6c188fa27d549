/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/known_code.h"

#include <elf.h>
#include <string.h>

#define FEW 64

struct known_code {
	uint8_t bytes[KNOWN_CODE_MAX];
	uint8_t len;
};

/* mov $15, %rax; syscall */
static const struct known_code x86_code = {
	{ 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 }, 9
};
/* mov x8, #139; svc #0 */
static const struct known_code a64_code = { { 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4 }, 8 };

static const struct known_code *code_of(uint16_t machine)
{
	return machine == EM_X86_64 ? &x86_code : &a64_code;
}

unsigned sigreturn_stub_size(uint16_t machine)
{
	return code_of(machine)->len;
}

int code_page_read(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
		   uint64_t page_off, struct code_page *ret)
{
	uint64_t from = page_off > KNOWN_CODE_MAX ? page_off - KNOWN_CODE_MAX : 0;
	uint64_t to = page_off + KNOWN_CODE_PAGE + KNOWN_CODE_MAX;
	int r;

	if (from < segment->off)
		from = segment->off;
	if (to > segment->off + segment->size)
		to = segment->off + segment->size;
	ret->machine = machine;
	ret->begin = ret->end = 0;
	if (from >= to)
		return 0;
	r = elf_span_read(ef, from, ret->bytes, to - from);
	if (r < 0)
		return r;
	ret->begin = (int)((int64_t)from - (int64_t)page_off);
	ret->end = (int)(to - page_off);
	return 0;
}

/* Mostly in the few bytes between two functions, for which memmem() would take long to prepare. */
static const uint8_t *find_code(const uint8_t *bytes, size_t len, const struct known_code *code)
{
	if (len > FEW)
		return memmem(bytes, len, code->bytes, code->len);
	for (; len >= code->len; bytes++, len--)
		if (memcmp(bytes, code->bytes, code->len) == 0)
			return bytes;
	return NULL;
}

bool sigreturn_stub_find(const struct code_page *page, int from, int to, int *ret)
{
	const struct known_code *code = code_of(page->machine);
	int end = to + code->len - 1; /* of the bytes of one that starts just before @to */
	const uint8_t *at;

	if (from < page->begin)
		from = page->begin;
	if (end > page->end)
		end = page->end;
	if (from >= end)
		return false;
	at = find_code(page->bytes + (from - page->begin), end - from, code);
	if (!at)
		return false;
	*ret = (int)(at - page->bytes) + page->begin;
	return true;
}

/* mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi */
static const struct known_code x86_context = {
	{ 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff }, 10
};

static uint32_t a64_word(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* nop; mov x0, x19; cbnz x0, setcontext; b exit */
static bool is_a64_context(const uint8_t *at)
{
	uint32_t cbnz = a64_word(at + 8), b = a64_word(at + 12);

	return a64_word(at) == 0xd503201f && a64_word(at + 4) == 0xaa1303e0 &&
	       (cbnz & 0xff00001f) == 0xb5000000 && (b & 0xfc000000) == 0x14000000;
}

bool context_start_is_at(const struct code_page *page, int at)
{
	const uint8_t *bytes = page->bytes + (at - page->begin);

	if (at < page->begin || at + KNOWN_CODE_MAX > page->end)
		return false;
	if (page->machine == EM_X86_64)
		return memcmp(bytes, x86_context.bytes, x86_context.len) == 0;
	return is_a64_context(bytes);
}

unsigned context_start_size(uint16_t machine)
{
	return machine == EM_X86_64 ? 3 : 8;
}
