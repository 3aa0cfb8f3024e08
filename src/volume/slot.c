/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/slot.h"

#include <errno.h>

enum { SLOT_NUMBER_BITS = 16 };

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t s[4])
{
    s[0] += s[1];
    s[1] = rotate(s[1], 13) ^ s[0];
    s[0] = rotate(s[0], 32);
    s[2] += s[3];
    s[3] = rotate(s[3], 16) ^ s[2];
    s[0] += s[3];
    s[3] = rotate(s[3], 21) ^ s[0];
    s[2] += s[1];
    s[1] = rotate(s[1], 17) ^ s[2];
    s[2] = rotate(s[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein 2012): so that nobody who chooses names can choose collisions. */
uint64_t name_hash(const struct volume *v, struct slice name)
{
    struct reader key = reader_over(slice_of(v->hash_key, sizeof v->hash_key));
    uint64_t k0 = reader_u64(&key), k1 = reader_u64(&key);
    uint64_t s[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    struct reader rd = reader_over(name);
    while (reader_left(&rd) >= 8) {
        uint64_t word = reader_u64(&rd);
        s[3] ^= word;
        sip_round(s);
        sip_round(s);
        s[0] ^= word;
    }
    uint64_t last = (uint64_t)(name.size & 0xff) << 56 | reader_uint(&rd, reader_left(&rd));
    s[3] ^= last;
    sip_round(s);
    sip_round(s);
    s[0] ^= last;
    s[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s[0] ^ s[1] ^ s[2] ^ s[3];
}

struct slice slot_name(struct slice value, size_t name_at)
{
    struct reader rd = reader_over(value);
    reader_take(&rd, name_at);
    return reader_slice(&rd, reader_u8(&rd));
}

/* 63 bits in all, for a cookie is a signed offset to its users; never 0, where a listing begins. */
uint64_t slot_hash(const struct volume *v, struct slice name)
{
    return name_hash(v, name) >> (SLOT_NUMBER_BITS + 1);
}

uint64_t slot_hash_of(uint64_t number)
{
    return (number & ((1u << SLOT_NUMBER_BITS) - 1)) == 0 ? UINT64_MAX : number >> SLOT_NUMBER_BITS;
}

int slot_find(struct volume *v, uint64_t ino, enum item_type type, size_t name_at,
              struct slice name, struct slot *ret_slot)
{
    uint64_t base = slot_hash(v, name) << SLOT_NUMBER_BITS;
    struct slot slot = {.number = base + 1};
    for (struct item_key key = {ino, (uint8_t)type, base + 1};; key.sub++) {
        struct item item;
        int r = tree_seek(&v->tree, &key, &item);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == -ENOENT || item.key.ino != ino || item.key.type != type ||
            item.key.sub >> SLOT_NUMBER_BITS != base >> SLOT_NUMBER_BITS)
            break;
        if (item.key.sub == slot.number)
            slot.number++;
        key.sub = item.key.sub;
        if (slice_equals(slot_name(item.value, name_at), name)) {
            *ret_slot = (struct slot){item.key.sub, item.value};
            return 0;
        }
    }
    if (slot.number >> SLOT_NUMBER_BITS != base >> SLOT_NUMBER_BITS)
        return -ENOSPC;
    *ret_slot = slot;
    return -ENOENT;
}
