/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/tree.h"
#include "volume/node.h"

#include <errno.h>
#include <stdlib.h>

enum { WALK_NODES = 64 }; /* clean ones that a walk leaves in memory, or twice as many */

/* The way from the root to a leaf: which child was taken at each level. */
struct path {
    struct node *nodes[TREE_LEVELS_MAX];
    unsigned at[TREE_LEVELS_MAX];
    unsigned depth; /* of the leaf: nodes[depth] */
};

int tree_init_empty(struct tree *tree, const struct tree_store *store)
{
    *tree = (struct tree){.store = *store, .root = node_new(0), .nodes = 1, .dirty = 1};
    if (!tree->root)
        return -ENOMEM;
    tree->root->dirty = true;
    return 0;
}

void tree_init(struct tree *tree, const struct tree_store *store, const struct node_ref *root,
               uint8_t level)
{
    *tree = (struct tree){.store = *store, .root_ref = *root, .level = level};
}

static void subtree_free(struct node *node)
{
    if (!node)
        return;
    for (unsigned i = 0; node->level > 0 && i < node->count; i++)
        subtree_free(node->children[i].node);
    node_free(node);
}

void tree_done(struct tree *tree)
{
    subtree_free(tree->root);
    *tree = (struct tree){0};
}

/* --- reading --- */

static int node_load(struct tree *tree, const struct node_ref *ref, uint8_t level,
                     struct node **ret_node)
{
    uint8_t bytes[NODE_SIZE_MAX];
    if (ref->size > sizeof bytes)
        return -EBADMSG;
    int r = tree->store.read(tree->store.ctx, ref, bytes);
    if (r == 0)
        r = node_decode(slice_of(bytes, ref->size), level, ret_node);
    secret_wipe(bytes, ref->size);
    if (r == 0)
        tree->nodes++;
    return r;
}

static int root_load(struct tree *tree)
{
    if (tree->root)
        return 0;
    return tree->level < TREE_LEVELS_MAX
               ? node_load(tree, &tree->root_ref, tree->level, &tree->root)
               : -EBADMSG;
}

static int child_load(struct tree *tree, struct node *node, unsigned at, struct node **ret_child)
{
    struct child *child = &node->children[at];
    if (!child->node) {
        int r = node_load(tree, &child->ref, (uint8_t)(node->level - 1), &child->node);
        if (r < 0)
            return r;
    }
    child->node->hot = true;
    *ret_child = child->node;
    return 0;
}

/* Fills `path` down to the leaf, or to `level`, that covers `key`. */
static int descend(struct tree *tree, const struct item_key *key, uint8_t level, struct path *path)
{
    int r = root_load(tree);
    if (r < 0)
        return r;
    path->depth = 0;
    path->nodes[0] = tree->root;
    while (path->nodes[path->depth]->level > level) {
        struct node *node = path->nodes[path->depth];
        unsigned at = path->at[path->depth] = inner_find(node, key);
        r = child_load(tree, node, at, &path->nodes[path->depth + 1]);
        if (r < 0)
            return r;
        path->depth++;
    }
    return 0;
}

int tree_get(struct tree *tree, const struct item_key *key, struct slice *ret_value)
{
    struct path path;
    bool found;
    int r = descend(tree, key, 0, &path);
    if (r < 0)
        return r;
    struct node *leaf = path.nodes[path.depth];
    unsigned at = leaf_find(leaf, key, &found);
    if (!found)
        return -ENOENT;
    *ret_value = leaf_value(leaf, at);
    return 0;
}

static int item_at(const struct node *leaf, unsigned at, struct item *ret_item)
{
    *ret_item = (struct item){leaf_key(leaf, at), leaf_value(leaf, at)};
    return 0;
}

static bool is_passed(struct tree *tree, int r)
{
    if (r != -EBADMSG || !tree->is_tolerant)
        return false;
    tree->passed++;
    return true;
}

/* Moves to the leaf after (step 1) or before (-1) the one below nodes[depth]'s parent. -ENOENT: there
 * is none. */
static int path_step_from(struct tree *tree, struct path *path, unsigned depth, int step)
{
again:
    for (;;) {
        if (depth == 0)
            return -ENOENT;
        depth--;
        unsigned at = path->at[depth];
        if (step > 0 ? at + 1u < path->nodes[depth]->count : at > 0)
            break;
    }
    path->at[depth] += (unsigned)step;
    for (; depth < path->depth; depth++) {
        struct node *next;
        int r = child_load(tree, path->nodes[depth], path->at[depth], &next);
        if (is_passed(tree, r)) {
            depth++;
            goto again;
        }
        if (r < 0)
            return r;
        path->nodes[depth + 1] = next;
        if (next->level > 0)
            path->at[depth + 1] = step > 0 ? 0 : next->count - 1u;
    }
    return 0;
}

static int path_step(struct tree *tree, struct path *path, int step)
{
    return path_step_from(tree, path, path->depth, step);
}

int tree_seek(struct tree *tree, const struct item_key *key, struct item *ret_item)
{
    struct path path;
    bool found;
    unsigned at = 0;
    int r = descend(tree, key, 0, &path);
    if (tree->root && is_passed(tree, r)) {
        unsigned broken = path.depth + 1;
        path.depth = tree->level;
        r = path_step_from(tree, &path, broken, 1);
    } else if (r == 0) {
        at = leaf_find(path.nodes[path.depth], key, &found);
    }
    if (r < 0)
        return r;
    while (at >= path.nodes[path.depth]->count) {
        r = path_step(tree, &path, 1);
        if (r < 0)
            return r;
        at = 0;
    }
    return item_at(path.nodes[path.depth], at, ret_item);
}

int tree_seek_back(struct tree *tree, const struct item_key *key, struct item *ret_item)
{
    struct path path;
    bool found;
    int r = descend(tree, key, 0, &path);
    if (r < 0)
        return r;
    unsigned at = leaf_find(path.nodes[path.depth], key, &found);
    if (found)
        return item_at(path.nodes[path.depth], at, ret_item);
    while (at == 0) {
        r = path_step(tree, &path, -1);
        if (r < 0)
            return r;
        at = path.nodes[path.depth]->count;
    }
    return item_at(path.nodes[path.depth], at - 1, ret_item);
}

/* --- changing --- */

static void node_dirty(struct tree *tree, struct node *node, const struct node_ref *ref)
{
    if (node->dirty)
        return;
    tree->store.dropped(tree->store.ctx, ref);
    node->dirty = true;
    tree->dirty++;
}

static void path_dirty(struct tree *tree, const struct path *path)
{
    node_dirty(tree, path->nodes[0], &tree->root_ref);
    for (unsigned i = 0; i < path->depth; i++)
        node_dirty(tree, path->nodes[i + 1], &path->nodes[i]->children[path->at[i]].ref);
}

static struct node *node_new_dirty(struct tree *tree, uint8_t level)
{
    struct node *node = node_new(level);
    if (!node)
        return NULL;
    node->dirty = true;
    tree->nodes++;
    tree->dirty++;
    return node;
}

static void node_forget(struct tree *tree, struct node *node)
{
    tree->nodes--;
    tree->dirty -= node->dirty;
    node_free(node);
}

/* Makes room in the parent chain for a new right sibling of path->nodes[depth]. */
static int sibling_insert(struct tree *tree, struct path *path, unsigned depth,
                          const struct item_key *key, struct node *sibling)
{
    struct child child = {.key = *key, .node = sibling};
    if (depth == 0) {
        struct node *root = tree->level + 1 < TREE_LEVELS_MAX
                                ? node_new_dirty(tree, (uint8_t)(tree->level + 1))
                                : NULL;
        if (!root)
            return -ENOMEM;
        root->children[0] = (struct child){.node = tree->root};
        root->count = 1;
        inner_insert(root, 1, &child);
        tree->root = root;
        tree->level = root->level;
        return 0;
    }
    struct node *parent = path->nodes[depth - 1];
    unsigned at = path->at[depth - 1] + 1;
    if (parent->count < CHILDREN_MAX) {
        inner_insert(parent, at, &child);
        return 0;
    }
    struct node *right = node_new_dirty(tree, parent->level);
    if (!right)
        return -ENOMEM;
    /* Appending fills nodes; inserting elsewhere halves them. */
    unsigned keep = at == parent->count ? parent->count - 1u : parent->count / 2u;
    right->count = (uint16_t)(parent->count - keep);
    memcpy(right->children, &parent->children[keep], right->count * sizeof(struct child));
    parent->count = (uint16_t)keep;
    if (at <= keep)
        inner_insert(parent, at, &child);
    else
        inner_insert(right, at - keep, &child);
    struct item_key right_key = right->children[0].key;
    return sibling_insert(tree, path, depth - 1, &right_key, right);
}

/* Deals the items of `old`, and the new one at `at`, to `left` until it has half the bytes, the
 * rest to `right`. Always fits, for no cell is larger than half a leaf. */
static bool items_deal(const struct node *old, unsigned at, const struct item_key *key,
                       struct slice value, struct node *left, struct node *right)
{
    size_t half = (old->leaf.used + CELL_HEAD_SIZE + value.size) / 2;
    for (unsigned i = 0, from = 0; i <= old->count; i++) {
        struct item item = {*key, value};
        if (i != at) {
            item = (struct item){leaf_key(old, from), leaf_value(old, from)};
            from++;
        }
        /* Appending leaves the left one full: files and directories grow at their end. */
        bool fill_left = right->count == 0 && (at == old->count ? i < at : left->leaf.used < half);
        if (fill_left && leaf_insert(left, left->count, &item.key, item.value))
            continue;
        if (!leaf_insert(right, right->count, &item.key, item.value))
            return false;
    }
    return right->count > 0;
}

/* Splits the full leaf of `path` and inserts the item at `at`. */
static int leaf_split(struct tree *tree, struct path *path, unsigned at, const struct item_key *key,
                      struct slice value)
{
    struct node *left = path->nodes[path->depth];
    struct node *old = node_new(0);
    struct node *right = node_new_dirty(tree, 0);
    if (!old || !right) {
        node_free(old);
        if (right)
            node_forget(tree, right);
        return -ENOMEM;
    }
    old->count = left->count;
    old->leaf = left->leaf;
    left->count = 0;
    left->leaf.used = 0;
    left->leaf.heap = LEAF_SIZE;
    bool dealt = items_deal(old, at, key, value, left, right);
    node_free(old);
    if (!dealt)
        return -EINVAL;
    struct item_key right_key = leaf_key(right, 0);
    return sibling_insert(tree, path, path->depth, &right_key, right);
}

int tree_put(struct tree *tree, const struct item_key *key, struct slice value)
{
    struct path path;
    bool found;
    if (value.size > VALUE_SIZE_MAX)
        return -EINVAL;
    int r = descend(tree, key, 0, &path);
    if (r < 0)
        return r;
    struct node *leaf = path.nodes[path.depth];
    path_dirty(tree, &path);
    unsigned at = leaf_find(leaf, key, &found);
    if (found) {
        struct slice old = leaf_value(leaf, at);
        if (old.size == value.size) {
            if (value.size > 0)
                memcpy((uint8_t *)(uintptr_t)old.bytes, value.bytes, value.size);
            return 0;
        }
        leaf_remove(leaf, at);
    }
    return leaf_insert(leaf, at, key, value) ? 0 : leaf_split(tree, &path, at, key, value);
}

/* Takes an empty node out of its parents, and a root with one child away. */
static void empty_remove(struct tree *tree, struct path *path)
{
    unsigned depth = path->depth;
    while (depth > 0 && path->nodes[depth]->count == 0) {
        node_forget(tree, path->nodes[depth]);
        inner_remove(path->nodes[depth - 1], path->at[depth - 1]);
        depth--;
    }
    if (tree->root->level > 0 && tree->root->count == 0) {
        /* Everything is gone: an inner node without children becomes a leaf again. */
        tree->root->level = 0;
        tree->root->leaf.used = 0;
        tree->root->leaf.heap = LEAF_SIZE;
        tree->level = 0;
    }
    while (tree->root->level > 0 && tree->root->count == 1 && tree->root->children[0].node) {
        struct node *child = tree->root->children[0].node;
        struct node_ref ref = tree->root->children[0].ref;
        node_forget(tree, tree->root);
        tree->root = child;
        tree->root_ref = ref;
        tree->level = child->level;
    }
}

/* Moves the items of the leaf right of children[at] into it if both fit. An unreadable neighbour
 * is left alone: merging only saves space. */
static void leaves_merge(struct tree *tree, struct node *parent, unsigned at)
{
    struct node *left, *right;
    if (at + 1u >= parent->count || child_load(tree, parent, at, &left) < 0 ||
        child_load(tree, parent, at + 1, &right) < 0 ||
        left->leaf.used + right->leaf.used > LEAF_SIZE * 3 / 4)
        return;
    node_dirty(tree, left, &parent->children[at].ref);
    node_dirty(tree, right, &parent->children[at + 1].ref);
    for (unsigned i = 0; i < right->count; i++) {
        struct item_key key = leaf_key(right, i);
        if (!leaf_insert(left, left->count, &key, leaf_value(right, i)))
            abort(); /* the sum was checked */
    }
    node_forget(tree, right);
    inner_remove(parent, at + 1);
}

int tree_delete(struct tree *tree, const struct item_key *key)
{
    struct path path;
    bool found;
    int r = descend(tree, key, 0, &path);
    if (r < 0)
        return r;
    struct node *leaf = path.nodes[path.depth];
    unsigned at = leaf_find(leaf, key, &found);
    if (!found)
        return 0;
    path_dirty(tree, &path);
    leaf_remove(leaf, at);
    if (path.depth > 0 && leaf->count > 0 && leaf->leaf.used < LEAF_SIZE / 4) {
        struct node *parent = path.nodes[path.depth - 1];
        unsigned child = path.at[path.depth - 1];
        leaves_merge(tree, parent, child > 0 ? child - 1 : 0);
        path.depth--; /* the leaf may be gone; its parent is not empty */
        empty_remove(tree, &path);
        return 0;
    }
    empty_remove(tree, &path);
    return 0;
}

/* --- writing, moving, dropping --- */

static int node_flush(struct tree *tree, struct node *node, struct node_ref *ref,
                      const struct item_key *first)
{
    uint8_t bytes[NODE_SIZE_MAX];
    for (unsigned i = 0; node->level > 0 && i < node->count; i++) {
        struct child *child = &node->children[i];
        if (!child->node || !child->node->dirty)
            continue;
        int r = node_flush(tree, child->node, &child->ref, i > 0 ? &child->key : first);
        if (r < 0)
            return r;
    }
    size_t size = node_encode(node, bytes);
    int r = tree->store.write(tree->store.ctx, node->level, first, slice_of(bytes, size), ref);
    secret_wipe(bytes, size);
    if (r < 0)
        return r;
    node->dirty = false;
    tree->dirty--;
    return 0;
}

int tree_flush(struct tree *tree)
{
    static const struct item_key lowest = {0};
    if (!tree->root || !tree->root->dirty)
        return 0;
    return node_flush(tree, tree->root, &tree->root_ref, &lowest);
}

static bool ref_equals(const struct node_ref *a, const struct node_ref *b)
{
    return a->segment == b->segment && a->offset == b->offset && a->size == b->size;
}

int tree_relocate(struct tree *tree, uint8_t level, const struct item_key *key,
                  const struct node_ref *ref)
{
    struct path path;
    if (level > tree->level)
        return 0;
    int r = descend(tree, key, level, &path);
    if (r < 0)
        return r;
    const struct node_ref *at =
        path.depth == 0 ? &tree->root_ref
                        : &path.nodes[path.depth - 1]->children[path.at[path.depth - 1]].ref;
    if (path.nodes[path.depth]->dirty || !ref_equals(at, ref))
        return 0;
    path_dirty(tree, &path);
    return 1;
}

/* Returns whether anything below `node` stays in memory. */
static void children_trim(struct tree *tree, struct node *node, unsigned nodes_max, bool all)
{
    for (unsigned i = 0; i < node->count && tree->nodes > nodes_max; i++) {
        struct node *child = node->children[i].node;
        if (!child)
            continue;
        bool pinned = child->dirty || child->walks > 0;
        if (child->level > 0) {
            children_trim(tree, child, nodes_max, all);
            for (unsigned k = 0; k < child->count; k++)
                pinned = pinned || child->children[k].node;
        }
        if (pinned || (child->hot && !all)) {
            child->hot = false;
            continue;
        }
        node->children[i].node = NULL;
        node_forget(tree, child);
    }
}

void tree_trim(struct tree *tree, unsigned nodes_max)
{
    if (!tree->root || tree->root->level == 0 || tree->nodes - tree->dirty == 0)
        return;
    if (tree->nodes > nodes_max)
        children_trim(tree, tree->root, nodes_max, false);
    if (tree->nodes > nodes_max)
        children_trim(tree, tree->root, nodes_max, true);
}

/* --- checking --- */

/* `each` may look things up, and walk itself: nodes on the way stay, others go where they are too many. */
static int subtree_walk(struct tree *tree, struct node *node, const struct item_key *low,
                        const struct item_key *high, tree_item_fn *each, void *ctx)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < node->count; i++) {
        if (node->level == 0) {
            struct item item;
            r = item_at(node, i, &item);
            if ((low && item_key_compare(&item.key, low) < 0) ||
                (high && item_key_compare(&item.key, high) >= 0))
                return -EBADMSG;
            r = r == 0 ? each(ctx, &item) : r;
            continue;
        }
        struct node *child;
        r = child_load(tree, node, i, &child);
        if (is_passed(tree, r)) {
            r = 0;
            continue;
        }
        if (r < 0)
            return r;
        child->walks++;
        r = subtree_walk(tree, child, i > 0 ? &node->children[i].key : low,
                         i + 1u < node->count ? &node->children[i + 1].key : high, each, ctx);
        child->walks--;
        if (tree->nodes > tree->dirty + 2 * WALK_NODES)
            tree_trim(tree, tree->dirty + WALK_NODES);
    }
    return r;
}

int tree_walk(struct tree *tree, tree_item_fn *each, void *ctx)
{
    int r = root_load(tree);
    return r < 0 ? r : subtree_walk(tree, tree->root, NULL, NULL, each, ctx);
}

static int subtree_refs(struct tree *tree, struct node *node, tree_ref_fn *each, void *ctx)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && node->level > 0 && i < node->count; i++) {
        struct node *child;
        if (!node->children[i].node || !node->children[i].node->dirty)
            r = each(ctx, &node->children[i].ref);
        if (r == 0 && node->level > 1)
            r = child_load(tree, node, i, &child);
        if (r == 0 && node->level > 1)
            r = subtree_refs(tree, child, each, ctx);
    }
    return r;
}

int tree_refs(struct tree *tree, tree_ref_fn *each, void *ctx)
{
    int r = root_load(tree);
    if (r == 0 && !tree->root->dirty)
        r = each(ctx, &tree->root_ref);
    return r < 0 ? r : subtree_refs(tree, tree->root, each, ctx);
}
