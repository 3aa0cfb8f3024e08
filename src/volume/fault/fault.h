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

/* Every image that a crash after the first `count` operations may leave, once: any subset of the sectors
 * that were not synced, with any of the states of the names. A sector that would be written with what is
 * on the disk already is no choice; if such sectors make the file longer, those of one write come
 * together. `each` is given the image, which is freed afterwards; it returns 0 to go on. If there are
 * more than `max`, that many are picked at random by `seed`. *ret_all: how many there are (UINT64_MAX:
 * more than that), *ret_done: how many were shown. 0, what `each` returned, or -ENOMEM. */
typedef int volume_fault_image_fn(void *ctx, struct volume_backend *mem);
must_check int volume_fault_images(const struct volume_backend *backend, size_t count, uint64_t max,
                                   uint64_t seed, volume_fault_image_fn *each, void *ctx,
                                   uint64_t *ret_all, uint64_t *ret_done);

/* Is operation `at` (or the end) one after which less may be lost than before? What a crash right before
 * it may leave, includes what a crash before any operation since the last such one may. */
bool volume_fault_syncs(const struct volume_backend *backend, size_t at);

/* How many operations of this kind are in the journal. */
size_t volume_fault_count_of(const struct volume_backend *backend, enum fault_op op);

/* The next operation of kind `op` but `skip` fails with `error`, and all after it too if `always`;
 * a write that fails may have been done in part. error 0: works again. */
void volume_fault_fail(struct volume_backend *backend, enum fault_op op, unsigned skip, int error,
                       bool always);

/* Files may have this many bytes in all; 0: no limit. */
void volume_fault_space(struct volume_backend *backend, uint64_t size_max);

#endif
