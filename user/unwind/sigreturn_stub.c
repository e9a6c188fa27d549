/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/sigreturn_stub.h"

#include <elf.h>
#include <string.h>

#include "unwind/unwind_table.h"

#define CODE_MAX 9 /* bytes of the longer one */

struct stub_code {
	uint8_t bytes[CODE_MAX];
	size_t len;
};

/* mov $15, %rax; syscall */
static const struct stub_code x86_code = { { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 },
					   9 };
/* mov x8, #139; svc #0 */
static const struct stub_code a64_code = { { 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4 }, 8 };

/* The bytes of the page that the segment has, and so many on both sides that no stub is cut. */
static int read_around(struct elf_file *ef, const struct elf_span *segment, uint64_t page_off,
		       uint8_t *buf, struct elf_span *ret)
{
	uint64_t from = page_off > CODE_MAX ? page_off - CODE_MAX : 0;
	uint64_t to = page_off + UNWIND_PAGE_SIZE + CODE_MAX;

	if (from < segment->off)
		from = segment->off;
	if (to > segment->off + segment->size)
		to = segment->off + segment->size;
	*ret = (struct elf_span){ .off = from, .size = from < to ? to - from : 0 };
	return ret->size ? elf_span_read(ef, from, buf, ret->size) : 0;
}

int sigreturn_stub_find(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
			uint64_t page_off, struct sigreturn_stub ret[SIGRETURN_STUBS_MAX],
			size_t *ret_n)
{
	const struct stub_code *code = machine == EM_X86_64 ? &x86_code : &a64_code;
	uint8_t buf[UNWIND_PAGE_SIZE + 2 * CODE_MAX];
	const uint8_t *at = buf;
	struct elf_span bytes;
	size_t n = 0;
	int r;

	r = read_around(ef, segment, page_off, buf, &bytes);
	if (r < 0)
		return r;
	while (n < SIGRETURN_STUBS_MAX &&
	       (at = memmem(at, buf + bytes.size - at, code->bytes, code->len))) {
		int64_t from = (int64_t)(bytes.off - page_off) + (at - buf);
		int64_t to = from + (int64_t)code->len;

		/* A handler returns to the first byte, and a return address is looked up one
		 * before. */
		from--;
		at += code->len;
		if (to <= 0 || from >= UNWIND_PAGE_SIZE)
			continue;
		ret[n].from = from < 0 ? 0 : from;
		ret[n++].to = to > UNWIND_PAGE_SIZE ? UNWIND_PAGE_SIZE : to;
	}
	*ret_n = n;
	return 0;
}
