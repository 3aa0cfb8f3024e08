/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/write_behind.h: what a program has written reaches the host, encrypted, a moment later, though
 * nobody asked for a sync: kill -9 then loses no more of it than it would of the kernel's page cache,
 * save the last WRITE_BEHIND_MS. It is not a sync: power may still fail.
 *
 * A process that owns its volumes has a thread of the runtime's for that, from the first change until
 * nothing has changed for a while; a volume server does it where it waits for its clients. */
#ifndef COFFER_RUNTIME_VFS_WRITE_BEHIND_H
#define COFFER_RUNTIME_VFS_WRITE_BEHIND_H

#include <stdbool.h>

#define WRITE_BEHIND_MS 100

struct owner;

/* After a request that the process's own volumes answered. Cheap if nothing changed. */
void write_behind_note(struct owner *owner);

/* The volumes are about to be closed: no thread looks at them from here on. */
void write_behind_end(void);

/* The thread's number, which the guest does not see in /proc/self/task; 0: there is none. */
int write_behind_tid(void);

/* In a child of fork(): there is no thread. */
void write_behind_after_fork(void);

#endif
