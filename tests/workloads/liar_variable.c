/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library with a thread-local variable of SIZE words called VARIABLE, as agents bring one.
 * STORAGE is another symbol that they have.
 */
#include <stdint.h>

__thread uint64_t VARIABLE[SIZE];
uint64_t STORAGE;

uint64_t *liar_variable(void);

uint64_t *liar_variable(void)
{
	return VARIABLE;
}
