/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that says it were CPython. The input becomes its memory: each two bytes are a word, a
 * pointer into that memory or, with the highest bit set, a small number.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctx/python_process.h"

#define BASE  0x10000000UL
#define WORDS 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t *memory;

static void make_memory(void)
{
	if (memory)
		return;
	memory = mmap((void *)BASE, 8 * WORDS, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	assert(memory == (void *)BASE);
}

static void fill(const uint8_t *data, size_t size)
{
	memset(memory, 0, 8 * WORDS);
	for (size_t i = 0; i + 1 < size && i / 2 < WORDS; i += 2) {
		uint64_t v = data[i] | data[i + 1] << 8;

		memory[i / 2] = v & 0x8000 ? v & 0x7fff : BASE + 8 * (v % WORDS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_file file = { .runtime = 0, .minor = 9 };
	struct python_process p = { .pid = getpid(),
				    .bias = BASE,
				    .values = { TLS_LIBC_GLIBC, 0, 16 } };
	struct python_info info = { 0 };
	unsigned minor;
	int r;

	if (size < 3)
		return 0;
	make_memory();
	fill(data + 1, size - 1);
	if (data[0] % 6 >= 2) {
		file.version = 8UL * (WORDS - 1); /* its last word says which one it is */
		memory[WORDS - 1] = 0x030902f0 + ((uint64_t)(data[0] % 6) << 16);
	}
	file.minor += data[0] % 6;
	file.py_true = 8;
	file.context_var = 16;
	python_version(&file, &p, &minor);
	assert(minor == 9u + data[0] % 6);
	r = python_find_objects(&file, &p, &info);
	assert(r == 0 || r == -EAGAIN || r == -ENOTSUP || r == -EFAULT);
	if (r == 0)
		assert(info.variable && info.span_key && info.spans[0].type);
	return 0;
}
