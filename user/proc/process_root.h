/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a process writes for whoever profiles it, as it sees them: below its own root. The
 * process may be hostile, and so may what it has put there. Never logs.
 */
#ifndef PROC_PROCESS_ROOT_H
#define PROC_PROCESS_ROOT_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct process_ids {
	pid_t ns_pid;	     /* in its own PID namespace: what the process calls itself */
	uid_t euid;	     /* as we see it */
	uint64_t started_ns; /* CLOCK_REALTIME, give or take a tick of the clock */
};

/* -ESRCH: it is gone; -EBADMSG; otherwise what open(2) and read(2) say. */
int process_ids_read(pid_t pid, struct process_ids *ret);

/*
 * The folder @path below the root of @pid, for process_file_open() only. Symbolic links are
 * followed as the process would, and lead nowhere out of its root. It outlives the process. The
 * caller closes it.
 */
int process_folder_open(pid_t pid, const char *path);

/*
 * Opens the file @name in @folder for reading, if it is a regular one that belongs to @owner or to
 * root: what others may write is not the process's word. Symbolic links, FIFOs and devices are
 * looked at without effect, and refused. The caller closes it.
 * -ELOOP: a symbolic link; -ENOTSUP: nothing that can be read like a file; -EPERM: of another
 * owner.
 */
int process_file_open(int folder, const char *name, uid_t owner, struct stat *ret_st);

/*
 * The Unix socket @path of @pid's own mount namespace, if it is one of @owner's that @owner may
 * write to: by our rights, a process could make us write to what it may not itself. Symbolic links
 * lead nowhere out of its root. The descriptor is an O_PATH one; the caller closes it.
 * -ENOTSOCK; -EPERM: of another owner.
 */
int process_socket_open(pid_t pid, const char *path, uid_t owner);

#endif
