/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/volume_client.h: the way from a process to the volume server of its family, through shared
 * memory. */
#ifndef COFFER_RUNTIME_VFS_VOLUME_CLIENT_H
#define COFFER_RUNTIME_VFS_VOLUME_CLIENT_H

#include "runtime/vfs/ring.h"
#include "runtime/vfs/volume_file.h"

struct volume_client {
    struct ring *ring;
    int ring_fd;  /* hidden; a program started by a host exec maps it again */
    int arena_fd; /* of shared mappings; -1: none */
    _Atomic bool lost;
    struct ring_spin spin;
};

/* As owner_execute(); -EIO once the server is gone. Reads and writes of any size, in pieces. Safe on
 * any thread. */
int64_t volume_client_call(struct volume_client *client, struct request *rq);

struct file_position *volume_client_position(struct volume_client *client, uint32_t handle);
_Atomic uint32_t *volume_client_unlock_count(struct volume_client *client);

/* What the server published of the file behind `handle`, without asking it; of its size alone if
 * `size_only`. False: ask. */
must_check bool volume_client_attr(struct volume_client *client, uint32_t handle,
                                   struct volume_attr *ret_attr, bool size_only);

/* The arena of shared mappings, as a descriptor. */
int volume_client_arena(struct volume_client *client);

/* This process asks for nothing more. The last one to say so waits until all is committed. */
void volume_client_goodbye(struct volume_client *client);

#endif
