/* SPDX-License-Identifier: Apache-2.0 */
/* The index alone, its nodes in memory as they would lie in the log: what was put is found, also after
 * every node was written, dropped and read again. */
#include "volume/tree.h"
#include "support.h"
#include "tap.h"
#include "volume/node.h"

#include <stdlib.h>

enum { KEYS = 3000, NODES = 1 << 18, VALUE = 150 };

struct stored {
    uint16_t size;
    uint8_t bytes[NODE_SIZE_MAX];
};

static struct stored *g_nodes[NODES];
static uint32_t g_count;

static int store_read(void *ctx, const struct node_ref *ref, uint8_t *bytes)
{
    (void)ctx;
    REQUIRE(ref->offset < g_count && g_nodes[ref->offset]->size == ref->size);
    memcpy(bytes, g_nodes[ref->offset]->bytes, ref->size);
    return 0;
}

static int store_write(void *ctx, uint8_t level, const struct item_key *first, struct slice bytes,
                       struct node_ref *ret_ref)
{
    (void)ctx;
    (void)level;
    (void)first;
    REQUIRE(g_count < NODES);
    struct stored *node = malloc(sizeof *node);
    REQUIRE(node);
    node->size = (uint16_t)bytes.size;
    memcpy(node->bytes, bytes.bytes, bytes.size);
    g_nodes[g_count] = node;
    *ret_ref = (struct node_ref){1, g_count++, (uint16_t)bytes.size};
    return 0;
}

static void store_dropped(void *ctx, const struct node_ref *ref)
{
    (void)ctx;
    free(g_nodes[ref->offset]);
    g_nodes[ref->offset] = NULL;
}

static void store_done(void)
{
    for (uint32_t i = 0; i < g_count; i++)
        free(g_nodes[i]);
    g_count = 0;
}

static struct item_key key_of(unsigned i)
{
    return (struct item_key){7, ITEM_DIRENT, i};
}

/* Everything is written, dropped, read again and compared with what should be there. */
static void compare(struct tree *tree, const bool *there)
{
    REQUIRE(tree_flush(tree) == 0);
    tree_trim(tree, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        const struct item_key key = key_of(i);
        struct slice value;
        int r = tree_get(tree, &key, &value);
        REQUIRE(r == (there[i] ? 0 : -ENOENT));
        REQUIRE(!there[i] || (value.size == VALUE && value.bytes[0] == (uint8_t)i));
    }
}

static void put(struct tree *tree, bool *there, unsigned i)
{
    uint8_t value[VALUE] = {(uint8_t)i};
    const struct item_key key = key_of(i);
    REQUIRE(tree_put(tree, &key, slice_of(value, sizeof value)) == 0);
    there[i] = true;
}

static void delete (struct tree *tree, bool *there, unsigned i)
{
    const struct item_key key = key_of(i);
    REQUIRE(tree_delete(tree, &key) == 0);
    there[i] = false;
}

static const struct tree_store g_store = {
    .read = store_read, .write = store_write, .dropped = store_dropped};

TEST(tree_keeps_what_is_put_before_leaves_that_went)
{
    static bool there[KEYS];
    struct tree tree = {0};
    memset(there, 0, sizeof there);
    REQUIRE(tree_init_empty(&tree, &g_store) == 0);
    for (unsigned i = 0; i < KEYS; i++)
        put(&tree, there, i);
    for (unsigned i = 0; i < KEYS / 2; i++)
        delete (&tree, there, i);
    compare(&tree, there);
    for (unsigned i = KEYS / 3; i > 0; i--)
        put(&tree, there, i);
    compare(&tree, there);
    tree_done(&tree);
    store_done();
}

TEST(tree_agrees_with_a_table_after_any_ranges_put_and_deleted)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        static bool there[KEYS];
        struct random rn = {seed};
        struct tree tree = {0};
        memset(there, 0, sizeof there);
        REQUIRE(tree_init_empty(&tree, &g_store) == 0);
        for (unsigned step = 0; step < 60; step++) {
            unsigned first = (unsigned)random_below(&rn, KEYS);
            bool down = random_below(&rn, 2) == 1;
            unsigned count = (unsigned)random_below(&rn, step % 3 ? 400 : KEYS), stride = 1;
            bool puts = random_below(&rn, 5) < 3;
            stride += (unsigned)random_below(&rn, 3);
            for (unsigned k = 0; k < count; k++) {
                unsigned i = (first + (down ? count - k : k) * stride) % KEYS;
                if (puts)
                    put(&tree, there, i);
                else
                    delete (&tree, there, i);
            }
            if (random_below(&rn, 4) == 0)
                compare(&tree, there);
        }
        compare(&tree, there);
        tree_done(&tree);
        store_done();
    }
}

/* Volumes written before the first key was kept the smallest have such nodes. */
TEST(the_first_key_of_an_inner_node_is_not_looked_at)
{
    struct node *node = node_new(1), *again = NULL;
    uint8_t bytes[NODE_SIZE_MAX];
    REQUIRE(node);
    const uint64_t subs[] = {50, 20, 30};
    for (unsigned i = 0; i < 3; i++) {
        struct child child = {.key = {7, ITEM_DIRENT, subs[i]}, .ref = {1, i, 100}};
        node->children[node->count++] = child;
    }
    size_t size = node_encode(node, bytes);
    CHECK_EQ(node_decode(slice_of(bytes, size), 1, &again), 0);
    node_free(again);
    again = NULL;
    node->children[2].key.sub = 20;
    size = node_encode(node, bytes);
    CHECK_EQ(node_decode(slice_of(bytes, size), 1, &again), -EBADMSG);
    node_free(node);
}

TAP_MAIN()
