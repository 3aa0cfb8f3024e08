/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/node.h"

#include <errno.h>
#include <stdlib.h>

enum { SLOT_SIZE = 2 };

struct node *node_new(uint8_t level)
{
    size_t size = level == 0
                      ? sizeof(struct node)
                      : offsetof(struct node, children) + CHILDREN_MAX * sizeof(struct child);
    struct node *node = malloc(MAX(size, sizeof(struct node)));
    if (!node)
        return NULL;
    node->level = level;
    node->dirty = false;
    node->hot = true;
    node->walks = 0;
    node->count = 0;
    node->leaf.used = 0;
    node->leaf.heap = LEAF_SIZE;
    return node;
}

void node_free(struct node *node)
{
    if (node && node->level == 0) /* names and link targets */
        secret_wipe(&node->leaf, sizeof node->leaf);
    free(node);
}

static uint16_t slot_get(const struct node *node, unsigned at)
{
    uint16_t slot;
    memcpy(&slot, node->leaf.bytes + at * SLOT_SIZE, SLOT_SIZE);
    return slot;
}

static void slot_set(struct node *node, unsigned at, uint16_t slot)
{
    memcpy(node->leaf.bytes + at * SLOT_SIZE, &slot, SLOT_SIZE);
}

static uint16_t cell_value_size(const struct node *node, uint16_t cell)
{
    uint16_t size;
    memcpy(&size, node->leaf.bytes + cell + KEY_SIZE, 2);
    return size;
}

struct item_key leaf_key(const struct node *node, unsigned at)
{
    return item_key_decode(node->leaf.bytes + slot_get(node, at));
}

struct slice leaf_value(const struct node *node, unsigned at)
{
    uint16_t cell = slot_get(node, at);
    return slice_of(node->leaf.bytes + cell + CELL_HEAD_SIZE, cell_value_size(node, cell));
}

unsigned leaf_find(const struct node *node, const struct item_key *key, bool *ret_found)
{
    unsigned low = 0, high = node->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        struct item_key found = leaf_key(node, middle);
        int order = item_key_compare(&found, key);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

/* Moves the cells together at the end. */
static void leaf_compact(struct node *node)
{
    /* A copy, because cells overlap where they go. */
    uint8_t copy[LEAF_SIZE];
    uint16_t heap = LEAF_SIZE;
    memcpy(copy, node->leaf.bytes, LEAF_SIZE);
    for (unsigned i = 0; i < node->count; i++) {
        uint16_t cell = slot_get(node, i);
        size_t size = CELL_HEAD_SIZE + (size_t)cell_value_size(node, cell);
        heap = (uint16_t)(heap - size);
        memcpy(copy + heap, node->leaf.bytes + cell, size);
        memcpy(copy + i * SLOT_SIZE, &heap, SLOT_SIZE);
    }
    memcpy(node->leaf.bytes, copy, LEAF_SIZE);
    node->leaf.heap = heap;
    secret_wipe(copy, sizeof copy);
}

bool leaf_insert(struct node *node, unsigned at, const struct item_key *key, struct slice value)
{
    size_t size = CELL_HEAD_SIZE + value.size;
    if (node->leaf.used + size + SLOT_SIZE > LEAF_SIZE)
        return false;
    if (node->leaf.heap < node->count * SLOT_SIZE + size + SLOT_SIZE)
        leaf_compact(node);
    node->leaf.heap = (uint16_t)(node->leaf.heap - size);
    uint8_t *cell = node->leaf.bytes + node->leaf.heap;
    uint16_t value_size = (uint16_t)value.size;
    item_key_encode(key, cell);
    memcpy(cell + KEY_SIZE, &value_size, 2);
    if (value.size > 0)
        memcpy(cell + CELL_HEAD_SIZE, value.bytes, value.size);
    memmove(node->leaf.bytes + (at + 1) * SLOT_SIZE, node->leaf.bytes + at * SLOT_SIZE,
            (node->count - at) * SLOT_SIZE);
    slot_set(node, at, node->leaf.heap);
    node->count++;
    node->leaf.used = (uint16_t)(node->leaf.used + size + SLOT_SIZE);
    return true;
}

void leaf_remove(struct node *node, unsigned at)
{
    uint16_t cell = slot_get(node, at);
    size_t size = CELL_HEAD_SIZE + (size_t)cell_value_size(node, cell);
    memmove(node->leaf.bytes + at * SLOT_SIZE, node->leaf.bytes + (at + 1) * SLOT_SIZE,
            (node->count - at - 1u) * SLOT_SIZE);
    node->count--;
    node->leaf.used = (uint16_t)(node->leaf.used - size - SLOT_SIZE);
    if (node->count == 0)
        node->leaf.heap = LEAF_SIZE;
    else if (cell == node->leaf.heap)
        node->leaf.heap = (uint16_t)(cell + size);
}

unsigned inner_find(const struct node *node, const struct item_key *key)
{
    unsigned low = 1, high = node->count; /* children[0] covers everything below children[1] */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (item_key_compare(&node->children[middle].key, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void inner_insert(struct node *node, unsigned at, const struct child *child)
{
    memmove(&node->children[at + 1], &node->children[at],
            (node->count - at) * sizeof(struct child));
    node->children[at] = *child;
    node->count++;
    /* The first child covers all below the second, also what lay left of it before that was removed:
     * its key may be above one that is split off from it. */
    if (at == 1 && item_key_compare(&node->children[0].key, &child->key) >= 0)
        node->children[0].key = (struct item_key){0};
}

void inner_remove(struct node *node, unsigned at)
{
    memmove(&node->children[at], &node->children[at + 1],
            (node->count - at - 1u) * sizeof(struct child));
    node->count--;
}

size_t node_encode(const struct node *node, uint8_t out[NODE_SIZE_MAX])
{
    struct writer wr = writer_over(out, NODE_SIZE_MAX);
    writer_u8(&wr, node->level);
    writer_u16(&wr, node->count);
    for (unsigned i = 0; i < node->count; i++) {
        uint8_t key[KEY_SIZE];
        if (node->level == 0) {
            uint16_t cell = slot_get(node, i);
            writer_bytes(&wr, node->leaf.bytes + cell,
                         CELL_HEAD_SIZE + (size_t)cell_value_size(node, cell));
            continue;
        }
        item_key_encode(&node->children[i].key, key);
        writer_bytes(&wr, key, KEY_SIZE);
        writer_u64(&wr, node->children[i].ref.segment);
        writer_u32(&wr, node->children[i].ref.offset);
        writer_u16(&wr, node->children[i].ref.size);
    }
    return writer_size(&wr);
}

static int leaf_decode(struct reader *rd, unsigned count, struct node *node)
{
    struct item_key last = {0};
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *bytes = reader_take(rd, KEY_SIZE);
        struct slice value = reader_slice(rd, reader_u16(rd));
        if (!bytes || !reader_ok(rd) || value.size > VALUE_SIZE_MAX)
            return -EBADMSG;
        struct item_key key = item_key_decode(bytes);
        if ((i > 0 && item_key_compare(&last, &key) >= 0) || !leaf_insert(node, i, &key, value))
            return -EBADMSG;
        last = key;
    }
    return 0;
}

static int inner_decode(struct reader *rd, unsigned count, struct node *node)
{
    if (count == 0 || count > CHILDREN_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *bytes = reader_take(rd, KEY_SIZE);
        if (!bytes)
            return -EBADMSG;
        struct child *child = &node->children[i];
        *child = (struct child){.key = item_key_decode(bytes)};
        child->ref.segment = reader_u64(rd);
        child->ref.offset = reader_u32(rd);
        child->ref.size = reader_u16(rd);
        if (!reader_ok(rd) || child->ref.segment == 0 || child->ref.size > NODE_SIZE_MAX)
            return -EBADMSG;
        /* The first key means nothing, and older volumes have some that are not the smallest. */
        if (i > 1 && item_key_compare(&node->children[i - 1].key, &child->key) >= 0)
            return -EBADMSG;
        node->count++;
    }
    return 0;
}

int node_decode(struct slice in, uint8_t level, struct node **ret_node)
{
    struct reader rd = reader_over(in);
    uint8_t found_level = reader_u8(&rd);
    unsigned count = reader_u16(&rd);
    if (!reader_ok(&rd) || found_level != level)
        return -EBADMSG;
    struct node *node = node_new(level);
    if (!node)
        return -ENOMEM;
    int r = level == 0 ? leaf_decode(&rd, count, node) : inner_decode(&rd, count, node);
    if (r == 0 && !reader_finished(&rd))
        r = -EBADMSG;
    if (r < 0) {
        node_free(node);
        return r;
    }
    *ret_node = node;
    return 0;
}
