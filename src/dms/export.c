/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/export.h"

#include "base/hex.h"
#include "dms/export_json.h"
#include "dms/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_SIZE = 64 << 10, WHOLE_SIZE = 64 << 10 };

enum phase { PHASE_HEAD, PHASE_NODES, PHASE_ENDED };

struct export
{
    struct store *store;
    int64_t now_ms;
    enum phase phase;
    struct arena arena; /* of the node at hand */
    struct export_node node;
    size_t version; /* of it, the next */
    int fd;         /* of the content at hand; -1: none */
    uint64_t size, left;
};

int export_new(struct store *store, int64_t now_ms, struct export **ret_export)
{
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return -ENOMEM;
    *export = (struct export){.store = store, .now_ms = now_ms, .fd = -1};
    *ret_export = export;
    return 0;
}

void export_free(struct export *export)
{
    if (!export)
        return;
    if (export->fd >= 0)
        (void)close(export->fd);
    arena_done(&export->arena);
    free(export);
}

static int text_add(struct export *export, const char *path, const struct buf *text,
                    int64_t modified_ms, struct buf *out)
{
    const struct tar_member member = {path, text->size, modified_ms / 1000};
    (void)export;
    int r = text->failed ? -ENOMEM : tar_head(&member, out);
    if (r == 0)
        r = buf_append_slice(out, buf_slice(text));
    return r < 0 ? r : tar_pad(text->size, out);
}

static int head_write(struct export *export, struct buf *out)
{
    static const struct {
        const char *path;
        int (*write)(struct store *store, int64_t now_ms, struct buf *out);
    } parts[] = {{"export.json", export_json_head},
                 {"users.json", export_json_users},
                 {"holds.json", export_json_holds},
                 {"types.json", export_json_types}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(parts); i++) {
        SCOPED(buf_done) struct buf text = {0};
        r = parts[i].write(export->store, export->now_ms, &text);
        if (r == 0)
            r = text_add(export, parts[i].path, &text, export->now_ms, out);
    }
    return r;
}

/* The next node's description, and its folder. Its contents follow, one by one. */
static int node_write(struct export *export, struct buf *out)
{
    SCOPED(buf_done) struct buf text = {0};
    int64_t after = export->node.node.key;
    arena_reset(&export->arena);
    export->version = 0;
    int r = export_node_next(export->store, &export->arena, after, &export->node);
    if (r == -ENOENT) {
        export->phase = PHASE_ENDED;
        return tar_end(out);
    }
    if (r == 0)
        r = export_json_node(export->store, &export->node, &text);
    if (r < 0)
        return r;
    const struct node *node = &export->node.node;
    char *path = arena_printf(&export->arena, "nodes/%lld.json", (long long)node->key);
    r = path ? text_add(export, path, &text, node->modified_ms, out) : -ENOMEM;
    if (r == 0 && node->kind == NODE_FOLDER && export->node.path) {
        path = arena_printf(&export->arena, "files/%s%s", export->node.path,
                            *export->node.path ? "/" : "");
        const struct tar_member folder = {path, 0, node->modified_ms / 1000};
        r = path ? tar_head(&folder, out) : -ENOMEM;
    }
    return r;
}

static int version_begin(struct export *export, struct buf *out)
{
    SCOPED(buf_done) struct buf bytes = {0};
    const struct export_version *version = &export->node.versions[export->version++];
    int64_t size = 0;
    if (!version->file)
        return 0;
    int r = content_load(export->store, version->content, &bytes, &export->fd, &size);
    if (r == -ENOENT) { /* purged since it was described; otherwise its content is damaged */
        int there = export_version_there(export->store, export->node.node.key, version->number);
        return there == 1 ? -EIO : there;
    }
    if (r < 0)
        return r;
    const struct tar_member member = {version->file, (uint64_t)size, version->created_ms / 1000};
    r = tar_head(&member, out);
    export->size = (uint64_t)size;
    export->left = export->fd < 0 ? 0 : export->size;
    if (r == 0 && export->fd < 0)
        r = buf_append_slice(out, buf_slice(&bytes));
    return r < 0 || export->fd >= 0 ? r : tar_pad(export->size, out);
}

static int content_go_on(struct export *export, struct buf *out)
{
    size_t size = (size_t)MIN(export->left, (uint64_t)PIECE_SIZE);
    uint8_t *to = buf_reserve(out, size);
    ssize_t n = to ? read(export->fd, to, size) : 0;
    if (!to)
        return -ENOMEM;
    if (n <= 0 && size > 0)
        return n < 0 && errno == EINTR ? 0 : n < 0 ? -errno : -EIO;
    out->size += (size_t)n;
    export->left -= (uint64_t)n;
    if (export->left > 0)
        return 0;
    (void)close(export->fd);
    export->fd = -1;
    return tar_pad(export->size, out);
}

static int step(struct export *export, struct buf *out)
{
    if (export->fd >= 0)
        return content_go_on(export, out);
    if (export->phase == PHASE_HEAD) {
        export->phase = PHASE_NODES;
        return head_write(export, out);
    }
    return export->version < export->node.version_count ? version_begin(export, out)
                                                        : node_write(export, out);
}

int export_write(struct export *export, struct buf *out, bool *ret_ended)
{
    int r = 0;
    while (r == 0 && export->phase != PHASE_ENDED && out->size < WHOLE_SIZE)
        r = step(export, out);
    *ret_ended = export->phase == PHASE_ENDED;
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
