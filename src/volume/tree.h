/* SPDX-License-Identifier: Apache-2.0 */
/* volume/tree.h: the index, a B+tree of variable values under fixed keys, paged and copy on write.
 *
 * A node is either as it lies in the log (clean: it may be dropped and read again) or changed in
 * memory (dirty: until tree_flush() writes it anew). The tree does no I/O of its own: struct
 * tree_store reads, writes and hears which stored nodes are no longer used. Not safe on several
 * threads; the volume's lock protects it. */
#ifndef COFFER_VOLUME_TREE_H
#define COFFER_VOLUME_TREE_H

#include "volume/format.h"

struct node;

struct tree_store {
    /* Reads and verifies ref->size bytes of a node. */
    int (*read)(void *ctx, const struct node_ref *ref, uint8_t *bytes);
    int (*write)(void *ctx, uint8_t level, const struct item_key *first, struct slice bytes,
                 struct node_ref *ret_ref);
    /* The stored copy is superseded. */
    void (*dropped)(void *ctx, const struct node_ref *ref);
    void *ctx;
};

struct tree {
    struct tree_store store;
    struct node_ref root_ref; /* where the root lies if it is not in memory */
    struct node *root;        /* NULL: not in memory */
    uint8_t level;            /* of the root; 0: a leaf */
    unsigned nodes;           /* in memory */
    unsigned dirty;           /* of these */
    bool is_tolerant;         /* tree_seek() and tree_walk() pass over nodes that do not verify */
    unsigned passed;          /* how many of these there were */
};

struct item {
    struct item_key key;
    struct slice value; /* valid until the next change to the tree, or tree_trim() */
};

enum { TREE_LEVELS_MAX = 12 };

/* An empty tree in memory. -ENOMEM. */
must_check int tree_init_empty(struct tree *tree, const struct tree_store *store);
/* The stored tree under `root`. */
void tree_init(struct tree *tree, const struct tree_store *store, const struct node_ref *root,
               uint8_t level);
void tree_done(struct tree *tree);

/* 0, or -ENOENT, or what reading a node gave (-EBADMSG, -EIO, -ENOMEM). */
must_check int tree_get(struct tree *tree, const struct item_key *key, struct slice *ret_value);
/* The first item at or after `key`; the last at or before it. */
must_check int tree_seek(struct tree *tree, const struct item_key *key, struct item *ret_item);
must_check int tree_seek_back(struct tree *tree, const struct item_key *key, struct item *ret_item);

/* Inserts or replaces. The value is at most VALUE_SIZE_MAX. After an error the tree may have lost
 * its shape: the caller stops using it for anything but reading. */
must_check int tree_put(struct tree *tree, const struct item_key *key, struct slice value);
/* 0 also if there was nothing. */
must_check int tree_delete(struct tree *tree, const struct item_key *key);

/* Writes all dirty nodes, the root last. */
must_check int tree_flush(struct tree *tree);

/* Marks the node of `level` that covers `key` as dirty if it still lies at `ref`: it will be
 * written elsewhere by the next flush. Returns 1 if so, 0 if it was not used any more. */
must_check int tree_relocate(struct tree *tree, uint8_t level, const struct item_key *key,
                             const struct node_ref *ref);

/* Drops clean nodes, the least used first, until about `nodes_max` are left. */
void tree_trim(struct tree *tree, unsigned nodes_max);

typedef int tree_ref_fn(void *ctx, const struct node_ref *ref);
/* Calls `each` for every stored node, the root included. */
must_check int tree_refs(struct tree *tree, tree_ref_fn *each, void *ctx);
/* Checks order and structure of everything, calling `each` for every leaf item; stops at a result
 * other than 0. Few nodes stay in memory; `each` may look things up and walk, but not change. */
typedef int tree_item_fn(void *ctx, const struct item *item);
must_check int tree_walk(struct tree *tree, tree_item_fn *each, void *ctx);

#endif
