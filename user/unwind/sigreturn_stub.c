/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/sigreturn_stub.h"

#include <elf.h>
#include <string.h>

#define FEW 64

struct stub_code {
	uint8_t bytes[SIGRETURN_CODE_MAX];
	uint8_t len;
};

/* mov $15, %rax; syscall */
static const struct stub_code x86_code = { { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 },
					   9 };
/* mov x8, #139; svc #0 */
static const struct stub_code a64_code = { { 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4 }, 8 };

static const struct stub_code *code_of(uint16_t machine)
{
	return machine == EM_X86_64 ? &x86_code : &a64_code;
}

unsigned sigreturn_stub_size(uint16_t machine)
{
	return code_of(machine)->len;
}

int sigreturn_page_read(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
			uint64_t page_off, struct sigreturn_page *ret)
{
	uint64_t from = page_off > SIGRETURN_CODE_MAX ? page_off - SIGRETURN_CODE_MAX : 0;
	uint64_t to = page_off + SIGRETURN_PAGE + SIGRETURN_CODE_MAX;
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
static const uint8_t *find_code(const uint8_t *bytes, size_t len, const struct stub_code *code)
{
	if (len > FEW)
		return memmem(bytes, len, code->bytes, code->len);
	for (; len >= code->len; bytes++, len--)
		if (memcmp(bytes, code->bytes, code->len) == 0)
			return bytes;
	return NULL;
}

bool sigreturn_stub_find(const struct sigreturn_page *page, int from, int to, int *ret)
{
	const struct stub_code *code = code_of(page->machine);
	int end = to + code->len - 1; /* of the bytes of one that starts just before @to */
	const uint8_t *at;

	if (from < page->begin)
		from = page->begin;
	if (end > page->end)
		end = page->end;
	at = find_code(page->bytes + (from - page->begin), end - from, code);
	if (!at)
		return false;
	*ret = (int)(at - page->bytes) + page->begin;
	return true;
}
