/* SPDX-License-Identifier: Apache-2.0 */
/* volume/fault/fault.h: a host that fails by plan, for tests. It keeps a journal of everything it
 * was asked to do, and can play what a disk might hold after a crash at any point of it: what was
 * synced is there; of the rest each write is there, lost, or torn by sectors, and changes of names
 * are there up to some point. */
#ifndef COFFER_VOLUME_FAULT_FAULT_H
#define COFFER_VOLUME_FAULT_FAULT_H

#include "volume/backend.h"

enum fault_op {
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_CREATE,
    FAULT_REMOVE,
    FAULT_RENAME,
    FAULT_SYNC_NAMES,
    FAULT_RESERVE
};

enum fault_tail { FAULT_TAIL_KEPT, FAULT_TAIL_LOST, FAULT_TAIL_RANDOM };

must_check int volume_fault_new(struct volume_backend **ret_backend);
void volume_fault_free(struct volume_backend *backend);

/* Operations in the journal so far. */
size_t volume_fault_count(const struct volume_backend *backend);

/* A new backend in memory with what the disk may hold after the first `count` operations. `seed`
 * chooses among the possibilities with FAULT_TAIL_RANDOM. */
must_check int volume_fault_image(const struct volume_backend *backend, size_t count,
                                  enum fault_tail tail, uint64_t seed,
                                  struct volume_backend **ret_mem);

/* The next operation of kind `op` but `skip` fails with `error`, and all after it too if `always`;
 * a write that fails may have been done in part. error 0: works again. */
void volume_fault_fail(struct volume_backend *backend, enum fault_op op, unsigned skip, int error,
                       bool always);

/* Files may have this many bytes in all; 0: no limit. */
void volume_fault_space(struct volume_backend *backend, uint64_t size_max);

#endif
