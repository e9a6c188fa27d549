/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays: VEC(T) is a struct with data, n, cap; a zeroed one is empty. */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *data;                                                                        \
		size_t n;                                                                          \
		size_t cap;                                                                        \
	}

/* Makes room for @need elements of @elem bytes in *data. 0 or -ENOMEM (*data stays valid). */
int vec_reserve_bytes(void **data, size_t *cap, size_t need, size_t elem);

/* Room for @more further elements; 0 or -ENOMEM. */
#define vec_reserve(v, more)                                                                       \
	vec_reserve_bytes((void **)&(v)->data, &(v)->cap, (v)->n + (more), sizeof(*(v)->data))

/* Appends one element; 0 or -ENOMEM. */
#define vec_push(v, ...)                                                                           \
	({                                                                                         \
		int vec_r_ = vec_reserve((v), 1);                                                  \
		if (vec_r_ == 0)                                                                   \
			(v)->data[(v)->n++] = (__VA_ARGS__);                                       \
		vec_r_;                                                                            \
	})

#define vec_free(v)                                                                                \
	do {                                                                                       \
		free((v)->data);                                                                   \
		(v)->data = NULL;                                                                  \
		(v)->n = (v)->cap = 0;                                                             \
	} while (0)

#endif
