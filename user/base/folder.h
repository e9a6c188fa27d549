/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that hold what can be had again: made when needed, bounded in bytes. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include <stdint.h>
#include <sys/types.h>

/* Makes @path and the folders above it that are missing. What mkdir(2) says. */
int folder_make(const char *path, mode_t mode);

/*
 * Removes files until those of @path, at @level at least below it (1: in it), have no more than
 * @max bytes together: those that were used least recently first. Links are not followed. What is
 * open stays readable for those who have it open. -ENOMEM, or what opendir(3) says.
 */
int folder_bound(const char *path, int level, uint64_t max);

/* The file counts as used now, on file systems that do not note that by themselves, too. */
void folder_note_use(int fd);

#endif
