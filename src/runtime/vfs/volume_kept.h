/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/volume_kept.h: what a client of a volume server need not ask again: where paths led, and files
 * that it has closed but keeps open at the server for its next open(2).
 *
 * Where a path led holds as long as nothing has changed a name or an attribute: the server counts
 * that (owner_public.generation), before it answers who changed it. A kept file takes nobody's
 * room: the server closes it when its last name goes, or when it is short of handles. Safe on any
 * thread. */
#ifndef COFFER_RUNTIME_VFS_VOLUME_KEPT_H
#define COFFER_RUNTIME_VFS_VOLUME_KEPT_H

#include "runtime/vfs/ring.h"

/* A walk that is known to end in WALK_DONE: answered in `rq`. */
must_check bool volume_kept_walk(struct ring *ring, struct request *rq);
/* `asked` was answered so; `generation` is from before it was sent. */
void volume_kept_note_walk(const struct request *asked, const struct request *answer,
                           uint64_t generation);

/* A kept file is opened again: rq->handle. */
must_check bool volume_kept_open(struct ring *ring, struct request *rq);
/* Keeps the file. False: close rq->handle, which may now be another. */
must_check bool volume_kept_close(struct ring *ring, struct request *rq);

/* After fork(), in the child, which has none of this. */
void volume_kept_forget(void);

#endif
