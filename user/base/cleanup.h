/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound destruction: CLEANUP() on the local, TAKE_PTR()/TAKE_FD() to hand it over. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn##p(), which destroys a variable of @type going out of scope. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		fn(*p);                                                                            \
	}

/* Hand @ptr to the caller and disarm its cleanup. */
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) taken_ = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})

/* The same for a file descriptor. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* For char *, struct … * from malloc: CLEANUP(freep) char *s = NULL; */
static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Closes *fd if it is open and sets it to -1; errno is kept. */
static inline void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#endif
