/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/libc_fork.h: libc's fork(), which puts libc's own locks in order in the child, with
 * what clone() can be told beyond it. */
#ifndef COFFER_RUNTIME_PROCESS_LIBC_FORK_H
#define COFFER_RUNTIME_PROCESS_LIBC_FORK_H

/* `flags`: of clone(2), with the signal that the parent gets at the child's end; nothing that shares
 * memory. The child's process id, 0 in the child, -1 with errno. */
int libc_fork(unsigned flags);

#endif
