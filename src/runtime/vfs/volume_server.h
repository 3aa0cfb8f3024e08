/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/volume_server.h: the process that owns the volumes of a family of processes.
 *
 * Forked from the owner when that is about to fork for the first time: it goes on with the open
 * volumes, files and locks as they are, and its parent forgets them, keys first. Invisible to the
 * guest: no child of its, no signal to it. It ends when its last client has. */
#ifndef COFFER_RUNTIME_VFS_VOLUME_SERVER_H
#define COFFER_RUNTIME_VFS_VOLUME_SERVER_H

#include "runtime/vfs/owner.h"
#include "runtime/vfs/ring.h"

/* Starts it on `owner`, whose client 0 is the calling process. No request may be under way. 0 when
 * it serves; the caller then abandons its own copy. */
must_check int volume_server_start(struct owner *owner, struct ring *ring);

#endif
