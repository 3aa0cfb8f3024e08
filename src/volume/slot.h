/* SPDX-License-Identifier: Apache-2.0 */
/* volume/slot.h: named items under an inode, by a keyed hash of the name. A slot is the hash and a
 * number that tells names with the same hash apart; it never changes while the name exists, so it
 * serves as a directory's cookie. */
#ifndef COFFER_VOLUME_SLOT_H
#define COFFER_VOLUME_SLOT_H

#include "volume/store.h"

struct slot {
    uint64_t number;
    struct slice value; /* the item's, valid until the next change to the tree */
};

/* 0: found. -ENOENT: `number` is where the name can go. The name begins at `name_at` of a value:
 * one byte for its length, then the name. */
must_check int slot_find(struct volume *v, uint64_t ino, enum item_type type, size_t name_at,
                         struct slice name, struct slot *ret_slot);

/* The part of a slot that comes from the name. */
uint64_t slot_hash(const struct volume *v, struct slice name);
uint64_t slot_hash_of(uint64_t number);

/* The name in a value, or an empty slice if the value is malformed. */
struct slice slot_name(struct slice value, size_t name_at);

#endif
