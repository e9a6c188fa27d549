/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/known_code.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "leak_check.h"

TestSuite(known_code, .fini = leak_check);

static const uint8_t stub[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };

/* The bytes [begin, end) of a page, with a stub at @at. */
static struct code_page page_of(int begin, int end, int at)
{
	struct code_page page = { .machine = EM_X86_64, .begin = begin, .end = end };

	memcpy(page.bytes + (at - begin), stub, sizeof(stub));
	return page;
}

Test(known_code, stub_is_found_where_it_begins)
{
	struct code_page page = page_of(-16, KNOWN_CODE_PAGE + 16, 300);
	int at = 0;

	cr_assert(sigreturn_stub_find(&page, 0, KNOWN_CODE_PAGE, &at));
	cr_assert_eq(at, 300);
	cr_assert(sigreturn_stub_find(&page, 300, 301, &at));
	cr_assert_not(sigreturn_stub_find(&page, 290, 300, &at));
	cr_assert_not(sigreturn_stub_find(&page, 301, KNOWN_CODE_PAGE, &at));
}

/* Rows of another segment may lie anywhere in the page: tests/fuzz found them. */
Test(known_code, places_outside_of_what_was_read)
{
	struct code_page page = page_of(1000, 1100, 1040);
	int at = 0;

	cr_assert_not(sigreturn_stub_find(&page, 0, 10, &at));
	cr_assert_not(sigreturn_stub_find(&page, 2000, 2010, &at));
	cr_assert_not(sigreturn_stub_find(&page, 2000, KNOWN_CODE_PAGE, &at));
	cr_assert(sigreturn_stub_find(&page, 0, KNOWN_CODE_PAGE, &at));
	cr_assert_eq(at, 1040);
	page.end = page.begin = 0; /* nothing was */
	cr_assert_not(sigreturn_stub_find(&page, 0, KNOWN_CODE_PAGE, &at));
	cr_assert_not(sigreturn_stub_find(&page, -8, 0, &at));
	cr_assert_not(context_start_is_at(&page, 0));
}

Test(known_code, begin_of_a_context)
{
	static const uint8_t x86[] = { 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff };
	static const uint32_t a64[] = { 0xd503201f, 0xaa1303e0, 0xb5fff9c0, 0x17fff579 };
	struct code_page page = { .machine = EM_X86_64, .begin = -16, .end = KNOWN_CODE_PAGE };

	memcpy(page.bytes + 16 + 512, x86, sizeof(x86));
	memcpy(page.bytes + 16 + 1024, a64, sizeof(a64));
	cr_assert(context_start_is_at(&page, 512));
	cr_assert_not(context_start_is_at(&page, 511));
	cr_assert_not(context_start_is_at(&page, 1024));
	page.end = 520; /* cut */
	cr_assert_not(context_start_is_at(&page, 512));
	page.end = KNOWN_CODE_PAGE;
	page.machine = EM_AARCH64;
	cr_assert(context_start_is_at(&page, 1024));
	cr_assert_not(context_start_is_at(&page, 512));
	memcpy(page.bytes + 16 + 1024 + 8, &(uint32_t){ 0xb4fff9c0 }, 4); /* cbz */
	cr_assert_not(context_start_is_at(&page, 1024));
}
