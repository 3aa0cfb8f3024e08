/* SPDX-License-Identifier: Apache-2.0 */
/* volume/node.h: one node of the index in memory. Only for tree.c and its test. */
#ifndef COFFER_VOLUME_NODE_H
#define COFFER_VOLUME_NODE_H

#include "volume/format.h"

enum {
    LEAF_SIZE = 3904, /* slots and cells; encoded at most NODE_SIZE_MAX */
    CELL_HEAD_SIZE = KEY_SIZE + 2,
    CHILDREN_MAX = 80, /* 3 + 80 * (17 + 14) bytes encoded */
    CHILD_SIZE = KEY_SIZE + 14,
    NODE_HEAD_SIZE = 3,
};

struct child {
    struct item_key key; /* the first below it; of children[0], not looked at */
    struct node_ref ref; /* where it lies if it is clean */
    struct node *node;   /* NULL: not in memory */
};

struct leaf {
    uint16_t used;            /* bytes of cells in use, with their slots */
    uint16_t heap;            /* the lowest cell begins here */
    uint8_t bytes[LEAF_SIZE]; /* uint16_t slots upwards, cells downwards */
};

struct node {
    uint8_t level;
    bool dirty;
    bool hot;      /* used since the last trim */
    uint8_t walks; /* tree_walk()s that stand in it: it stays */
    uint16_t count;
    union {
        struct leaf leaf;
        struct child children[1]; /* CHILDREN_MAX of them */
    };
};

must_check struct node *node_new(uint8_t level);
void node_free(struct node *node);

struct item_key leaf_key(const struct node *node, unsigned at);
struct slice leaf_value(const struct node *node, unsigned at);
/* Where `key` is or would be; *ret_found says which. */
unsigned leaf_find(const struct node *node, const struct item_key *key, bool *ret_found);
/* False if there is no room. */
bool leaf_insert(struct node *node, unsigned at, const struct item_key *key, struct slice value);
void leaf_remove(struct node *node, unsigned at);

/* The child that covers `key`. */
unsigned inner_find(const struct node *node, const struct item_key *key);
void inner_insert(struct node *node, unsigned at, const struct child *child);
void inner_remove(struct node *node, unsigned at);

/* The encoded form; at most NODE_SIZE_MAX bytes. */
size_t node_encode(const struct node *node, uint8_t out[NODE_SIZE_MAX]);
/* -EBADMSG unless it is what node_encode() makes; -ENOMEM. */
must_check int node_decode(struct slice in, uint8_t level, struct node **ret_node);

#endif
