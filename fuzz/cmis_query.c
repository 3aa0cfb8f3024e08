/* SPDX-License-Identifier: Apache-2.0 */
/* CMIS SQL: what parses stays within its caps, its tree is whole, and its texts can be made into
 * patterns and words. */
#include "dms/cmis/query.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void texts_check(struct arena *arena, const struct query_node *node)
{
    for (size_t i = 0; i < node->literal_count; i++) {
        const char *text = node->literals[i].text;
        const char *plain = query_text(arena, text), *pattern = query_pattern(arena, text);
        assert(text && plain && pattern && strlen(plain) <= 2 * strlen(text));
        if (node->kind == QUERY_CONTAINS)
            (void)!query_match(arena, text);
    }
}

static void tree_check(struct arena *arena, const struct query_node *node, int depth)
{
    assert(node && depth <= QUERY_LITERALS_MAX + QUERY_DEPTH_MAX);
    texts_check(arena, node);
    switch (node->kind) {
    case QUERY_AND:
    case QUERY_OR:
        tree_check(arena, node->left, depth + 1);
        tree_check(arena, node->right, depth + 1);
        break;
    case QUERY_NOT:
        tree_check(arena, node->left, depth + 1);
        break;
    case QUERY_NULL:
        assert(node->column.name && node->literal_count == 0);
        break;
    case QUERY_COMPARE:
        assert(node->op && node->column.name && node->literal_count == 1);
        break;
    case QUERY_IN:
    case QUERY_LIKE:
        assert(node->column.name && node->literal_count >= 1);
        break;
    case QUERY_CONTAINS:
    case QUERY_IN_FOLDER:
    case QUERY_IN_TREE:
        assert(node->literal_count == 1);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.size_max = 8 << 20};
    struct query query;
    const char *wrong = NULL;
    if (size > 4096)
        return 0;
    char *text = arena_text(&arena, slice_of(data, size));
    int r = text ? query_parse(&arena, text, &query, &wrong) : -ENOMEM;
    if (r == 0) {
        assert(query.column_count >= 1 && query.table_count >= 1);
        for (size_t i = 0; i < query.column_count; i++)
            assert(query.columns[i].name);
        if (query.where)
            tree_check(&arena, query.where, 0);
    } else if (r == -EINVAL) {
        assert(wrong);
    }
    arena_done(&arena);
    return 0;
}
