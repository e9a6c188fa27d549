/* SPDX-License-Identifier: Apache-2.0 */
/* A library of one function, which costs less than the way to it. See binding.c. */
void tiny(void);

__attribute__((noinline)) void tiny(void)
{
	__asm__ volatile("");
}
