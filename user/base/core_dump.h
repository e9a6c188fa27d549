/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that holds secrets does not go to disk. */
#ifndef BASE_CORE_DUMP_H
#define BASE_CORE_DUMP_H

/*
 * No image of this process is written when it crashes, not even by a program that the kernel hands
 * it to, and debuggers of the same user are kept out. Holds until it executes a program; the limit
 * is inherited by that.
 */
void core_dump_refuse(void);

#endif
