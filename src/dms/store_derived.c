/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_derived.h"

#include "dms/store_internal.h"

#include <errno.h>
#include <unistd.h>

/* Within how many bytes readers look for a PDF's mark (ISO 32000-1, annex H, note 13). */
#define PDF_MARK_WITHIN DERIVED_HEAD_SIZE

static bool head_is(struct slice head, size_t at, const char *mark, size_t size)
{
    return head.size >= at + size && memcmp(head.bytes + at, mark, size) == 0;
}

static bool head_is_pdf(struct slice head)
{
    for (size_t at = 0; at < PDF_MARK_WITHIN && at < head.size; at++)
        if (head_is(head, at, "%PDF-", 5))
            return true;
    return false;
}

/* PNG (W3C PNG, 5.2), JPEG (ITU-T T.81, B.1.1.3), GIF (GIF89a, 17), WebP (RFC 9649, 2.4) */
static bool head_is_image(struct slice head)
{
    return head_is(head, 0, "\x89PNG\r\n\x1a\n", 8) || head_is(head, 0, "\xff\xd8\xff", 3) ||
           head_is(head, 0, "GIF87a", 6) || head_is(head, 0, "GIF89a", 6) ||
           (head_is(head, 0, "RIFF", 4) && head_is(head, 8, "WEBP", 4));
}

unsigned derived_kinds(struct slice head)
{
    if (head_is_image(head))
        return 1U << DERIVED_IMAGE_THUMBNAIL;
    return head_is_pdf(head) ? 1U << DERIVED_PDF_TEXT | 1U << DERIVED_PDF_THUMBNAIL : 0;
}

static int want(struct store *store, int64_t content, struct slice head)
{
    unsigned kinds = derived_kinds(head);
    int r = 0;
    for (int64_t kind = 0; r == 0 && kind < DERIVED_KIND_COUNT; kind++)
        if (kinds & 1U << kind)
            r = store_run(store, STMT_TO_DERIVE_ADD, "ii", kind, content);
    store->to_derive = store->to_derive || kinds;
    return r;
}

int derived_want(struct store *store, int64_t content, int fd, struct slice bytes)
{
    uint8_t head[DERIVED_HEAD_SIZE];
    if (fd < 0)
        return want(store, content, slice_of(bytes.bytes, MIN(bytes.size, sizeof head)));
    ssize_t n = pread(fd, head, sizeof head, 0);
    return n < 0 ? -errno : want(store, content, slice_of(head, (size_t)n));
}

int derived_forget(struct store *store, int64_t content)
{
    int64_t results[DERIVED_KIND_COUNT];
    size_t count = 0;
    int r;
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt = store_query(store, STMT_DERIVED_FORGET, "i", content);
        r = stmt ? 0 : -EIO;
        while (r == 0 && (r = store_step(store, stmt)) == 1 && count < ARRAY_COUNT(results)) {
            results[count++] = sqlite3_column_int64(stmt, 0);
            r = 0;
        }
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        r = content_ref(store, results[i],
                        -1); /* which comes here, one deep: nothing is made of it */
    if (r == 0)
        r = store_run(store, STMT_TO_DERIVE_FORGET, "i", content);
    return r < 0 ? r : store_run(store, STMT_AWAITING_FORGET, "i", content);
}

static int row_has(struct store *store, enum statement id, int64_t first, int64_t second)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, id, "ii", first, second);
    return stmt ? store_step(store, stmt) : -EIO;
}

int derived_text(struct store *store, const struct node *node, struct buf *bytes)
{
    int64_t result = 0;
    int fd = -1, r;
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt =
            store_query(store, STMT_DERIVED_GET, "ii", node->content, (int64_t)DERIVED_PDF_TEXT);
        r = stmt ? store_step(store, stmt) : -EIO;
        if (r == 1)
            result = sqlite3_column_int64(stmt, 0);
    }
    if (r == 1) /* a result of 0: there is no text */
        return result ? content_load(store, result, bytes, &fd, &(int64_t){0}) : 0;
    if (r == 0)
        r = row_has(store, STMT_TO_DERIVE_HAS, DERIVED_PDF_TEXT, node->content);
    if (r == 0)
        r = row_has(store, STMT_TO_DERIVE_HAS, DERIVED_LOOK, node->content);
    return r == 1 ? store_run(store, STMT_AWAITING_ADD, "ii", node->content, node->key) : r;
}

int derived_next(struct store *store, unsigned kinds, int64_t *ret_content,
                 enum derived_kind *ret_kind)
{
    for (int kind = 0; kind < DERIVED_KIND_COUNT; kind++) {
        if (!(kinds & 1U << kind))
            continue;
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt = store_query(store, STMT_TO_DERIVE_NEXT, "i", (int64_t)kind);
        int r = stmt ? store_step(store, stmt) : -EIO;
        if (r < 0)
            return r;
        if (r == 1) {
            *ret_content = sqlite3_column_int64(stmt, 0);
            *ret_kind = (enum derived_kind)kind;
            return 0;
        }
    }
    return -ENOENT;
}

static int look_at(struct store *store, int64_t content)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int fd = -1;
    int64_t size = 0;
    int r = content_load(store, content, &bytes, &fd, &size);
    if (r == 0)
        r = derived_want(store, content, fd, buf_slice(&bytes));
    if (fd >= 0)
        (void)close(fd);
    /* What cannot be read is for the integrity check to say. */
    return store_run(store, STMT_TO_DERIVE_REMOVE, "ii", (int64_t)DERIVED_LOOK, content);
}

int derived_look(struct store *store, int limit)
{
    enum derived_kind kind;
    int64_t content;
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    for (int i = 0; r == 0 && i < limit; i++) {
        r = derived_next(store, 1U << DERIVED_LOOK, &content, &kind);
        if (r == 0)
            r = look_at(store, content);
    }
    bool more = r == 0;
    r = store_step_end(store, r == -ENOENT ? 0 : r);
    return r < 0 ? r : more;
}

/* The documents that wait for a text get it. */
static int awaiting_settle(struct store *store, int64_t content)
{
    for (;;) {
        SCOPED(arena_done) struct arena arena = {0};
        struct node node = {0};
        int64_t key = 0;
        {
            SCOPED(stmt_donep)
            sqlite3_stmt *stmt = store_query(store, STMT_AWAITING_NEXT, "i", content);
            int r = stmt ? store_step(store, stmt) : -EIO;
            if (r <= 0)
                return r;
            key = sqlite3_column_int64(stmt, 0);
        }
        int r = node_get(store, &arena, key, &node);
        if (r == 0 && node.kind == NODE_DOCUMENT && node.content == content)
            r = search_content(store, &node);
        if (r == 0 || r == -ENOENT)
            r = store_run(store, STMT_AWAITING_REMOVE, "ii", content, key);
        if (r < 0)
            return r;
    }
}

static int result_add(struct store *store, struct slice result, int64_t *ret_key)
{
    struct content_draft draft = {.fd = -1, .size = (int64_t)result.size};
    int r = buf_append_slice(&draft.bytes, result);
    if (r == 0)
        r = content_add_result(store, &draft, ret_key);
    if (r == 0)
        r = content_ref(store, *ret_key, 1);
    content_drop(store, &draft);
    return r;
}

static int set(struct store *store, int64_t content, enum derived_kind kind, struct slice result,
               int width, int height)
{
    int64_t key = 0;
    int r = row_has(store, STMT_TO_DERIVE_HAS, kind, content);
    if (r <= 0)
        return r; /* the content is gone, or another by now */
    r = store_run(store, STMT_TO_DERIVE_REMOVE, "ii", (int64_t)kind, content);
    if (r == 0 && result.size > 0)
        r = result_add(store, result, &key);
    if (r == 0)
        r = store_run(store, STMT_DERIVED_ADD, "iiiii", content, (int64_t)kind, key, (int64_t)width,
                      (int64_t)height);
    return r == 0 && kind == DERIVED_PDF_TEXT ? awaiting_settle(store, content) : r;
}

int derived_set(struct store *store, int64_t content, enum derived_kind kind, struct slice result,
                int width, int height)
{
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, set(store, content, kind, result, width, height));
}

int derived_thumbnail(struct store *store, int64_t content, struct thumbnail *ret)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_DERIVED_THUMBNAIL, "i", content);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret = (struct thumbnail){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 3),
                              sqlite3_column_int(stmt, 1), sqlite3_column_int(stmt, 2)};
    return 0;
}
