/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/export.h"

#include "base/log.h"
#include "dms/audit_csv.h"
#include "dms/export_json.h"
#include "dms/store_internal.h"
#include "dms/tar.h"
#include "server/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_SIZE = 64 << 10, WHOLE_SIZE = 64 << 10, BLOCK_SIZE = 4096, AUDIT_PER_MEMBER = 2000 };
/* What a damaged archive may say of it. */
#define DAMAGE_SIZE_MAX ((size_t)16 << 20)

enum phase { PHASE_HEAD, PHASE_NODES, PHASE_AUDIT, PHASE_ENDED };

struct export
{
    struct store *store;
    int64_t now_ms;
    bool rescue;
    enum phase phase;
    struct arena arena; /* of the node at hand */
    struct export_node node;
    int64_t after;  /* the key of the node at hand, or before it */
    size_t version; /* of it, the next */
    int fd;         /* of the content at hand; -1: none */
    uint64_t size, left;
    struct digest_state digest; /* of what was read of it */
    bool holed;                 /* parts of it are zeros instead */
    int64_t audit_after;
    struct buf damage; /* JSON objects, a comma before each */
    uint64_t damage_count;
};

int export_new(struct store *store, int64_t now_ms, bool rescue, struct export **ret_export)
{
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return -ENOMEM;
    *export = (struct export){.store = store, .now_ms = now_ms, .rescue = rescue, .fd = -1};
    export->damage.size_max = DAMAGE_SIZE_MAX;
    *ret_export = export;
    return 0;
}

uint64_t export_damage_count(const struct export *export)
{
    return export->damage_count;
}

void export_free(struct export *export)
{
    if (!export)
        return;
    if (export->fd >= 0)
        (void)close(export->fd);
    arena_done(&export->arena);
    buf_done(&export->damage);
    free(export);
}

/* Notes what is wrong with a node (0: with none in particular) or a version of it. Beyond the largest
 * size it is only counted. */
static void damage_note(struct export *export, int64_t node, const struct export_version *version,
                        const char *what, int64_t from, int64_t to)
{
    SCOPED(buf_done) struct buf text = {0};
    struct json json = json_into(&text);
    char id[24];
    export->damage_count++;
    json_open_object(&json, NULL);
    (void)snprintf(id, sizeof id, "%lld", (long long)node);
    json_put_text(&json, "id", node > 0 ? id : NULL);
    if (version) {
        json_put_int(&json, "version", version->number);
        json_put_text(&json, "file", version->file);
    }
    json_put_text(&json, "what", what);
    if (to > from) {
        json_put_int(&json, "from", from);
        json_put_int(&json, "to", to);
    }
    json_close(&json);
    if (!text.failed && export->damage.size + text.size + 3 < DAMAGE_SIZE_MAX) {
        (void)buf_append_text(&export->damage, export->damage.size > 0 ? ",\n" : "\n");
        (void)buf_append_slice(&export->damage, buf_slice(&text));
    }
    LOG_WARNING("damage", LOG_TEXT("id", node > 0 ? id : "-"),
                LOG_TEXT("file", version && version->file ? version->file : "-"),
                LOG_TEXT("what", what), LOG_INT("from", from), LOG_INT("to", to));
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
        if (r < 0 && r != -ENOMEM && export->rescue) {
            struct export_version part = {.file = (char *)(uintptr_t)parts[i].path};
            damage_note(export, 0, &part, "cannot be read", 0, 0);
            r = 0;
            continue;
        }
        if (r == 0)
            r = text_add(export, parts[i].path, &text, export->now_ms, out);
    }
    return r;
}

static int64_t last_key(struct store *store)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_LAST, "");
    return stmt && store_step(store, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;
}

/* A node, or the page that it is on, cannot be read: the next that can. Goes up key by key, for the
 * database can only seek. -ENOENT: there is none. */
static int node_skip(struct export *export, struct buf *text)
{
    int64_t from = export->after + 1, last = last_key(export->store);
    int r = -EIO;
    while (r < 0 && r != -ENOMEM && r != -ENOENT && export->after < last) {
        export->after++;
        buf_clear(text);
        arena_reset(&export->arena);
        r = export_node_next(export->store, &export->arena, export->after, &export->node);
        if (r == 0)
            r = export_json_node(export->store, &export->node, text);
    }
    damage_note(export, from, NULL,
                r == 0 ? "cannot be read, nor what may be between it and the next that is there"
                       : "neither this nor what follows can be read",
                0, 0);
    return r == 0 || r == -ENOMEM ? r : -ENOENT;
}

/* The next node's description, and its folder. Its contents follow, one by one. */
static int node_write(struct export *export, struct buf *out)
{
    SCOPED(buf_done) struct buf text = {0};
    arena_reset(&export->arena);
    export->version = 0;
    int r = export_node_next(export->store, &export->arena, export->after, &export->node);
    if (r == 0)
        r = export_json_node(export->store, &export->node, &text);
    if (r < 0 && r != -ENOENT && r != -ENOMEM && export->rescue)
        r = node_skip(export, &text);
    if (r == -ENOENT) {
        export->phase = PHASE_AUDIT;
        export->node.version_count = 0;
        return 0;
    }
    if (r < 0)
        return r;
    export->after = export->node.node.key;
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

static const struct export_version *version_at_hand(const struct export *export)
{
    return &export->node.versions[export->version - 1];
}

/* All of it has been read: is it what was stored? */
static void content_judge(struct export *export)
{
    const struct export_version *version = version_at_hand(export);
    uint8_t digest[DIGEST_SIZE];
    digest_end(&export->digest, digest);
    if (export->rescue && !export->holed && version->has_digest &&
        memcmp(digest, version->digest, sizeof digest) != 0)
        damage_note(export, export->node.node.key, version,
                    "its bytes are not those that were stored (SHA-256)", 0, 0);
}

static int version_begin(struct export *export, struct buf *out)
{
    SCOPED(buf_done) struct buf bytes = {0};
    const struct export_version *version = &export->node.versions[export->version++];
    int64_t size = 0;
    if (version->damaged && export->rescue)
        damage_note(export, export->node.node.key, version, "its bytes cannot be opened", 0, 0);
    if (!version->file)
        return 0;
    int r = content_load(export->store, version->content, &bytes, &export->fd, &size);
    if (r == -ENOENT) { /* purged since it was described; otherwise its content is damaged */
        int there = export_version_there(export->store, export->node.node.key, version->number);
        if (there == 0)
            return 0;
        r = there == 1 ? -EIO : there;
    }
    if (r < 0 && r != -ENOMEM && export->rescue) {
        damage_note(export, export->node.node.key, version, "its bytes cannot be read", 0, 0);
        return 0;
    }
    if (r < 0)
        return r;
    const struct tar_member member = {version->file, (uint64_t)size, version->created_ms / 1000};
    r = tar_head(&member, out);
    digest_begin(&export->digest);
    export->holed = false;
    export->size = (uint64_t)size;
    export->left = export->fd < 0 ? 0 : export->size;
    if (r < 0 || export->fd >= 0)
        return r;
    digest_add(&export->digest, buf_slice(&bytes));
    content_judge(export);
    r = buf_append_slice(out, buf_slice(&bytes));
    return r < 0 ? r : tar_pad(export->size, out);
}

/* What does not come, block by block: zeros in its place, and a note. */
static size_t hole_put(struct export *export, uint8_t *to, size_t size)
{
    uint64_t at = export->size - export->left;
    size_t hole = MIN(size, (size_t)(BLOCK_SIZE - at % BLOCK_SIZE));
    memset(to, 0, hole);
    export->holed = true;
    damage_note(export, export->node.node.key, version_at_hand(export),
                "zeros stand for bytes that cannot be read", (int64_t)at, (int64_t)(at + hole));
    return hole;
}

static int content_go_on(struct export *export, struct buf *out)
{
    size_t size = (size_t)MIN(export->left, (uint64_t)PIECE_SIZE);
    uint8_t *to = buf_reserve(out, size);
    off_t at = (off_t)(export->size - export->left);
    ssize_t n = to ? pread(export->fd, to, size, at) : 0;
    if (!to)
        return -ENOMEM;
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0 && size > BLOCK_SIZE && export->rescue)
        n = pread(export->fd, to, BLOCK_SIZE - (size_t)(at % BLOCK_SIZE), at);
    if (n <= 0 && size > 0 && export->rescue)
        n = (ssize_t)hole_put(export, to, size);
    if (n <= 0 && size > 0)
        return n < 0 ? -errno : -EIO;
    digest_add(&export->digest, slice_of(to, (size_t)n));
    out->size += (size_t)n;
    export->left -= (uint64_t)n;
    if (export->left > 0)
        return 0;
    (void)close(export->fd);
    export->fd = -1;
    content_judge(export);
    return tar_pad(export->size, out);
}

/* The audit trail, and the end */

struct audit_part {
    struct export *export;
    struct buf text;
    int64_t first;
};

static int audit_entry_add(void *arg, const struct audit_entry *entry)
{
    struct audit_part *part = arg;
    if (part->first == 0)
        part->first = entry->sequence;
    part->export->audit_after = entry->sequence;
    return audit_csv_entry(&part->text, entry);
}

static int end_write(struct export *export, struct buf *out)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = 0;
    export->phase = PHASE_ENDED;
    if (export->damage_count > 0) {
        (void)buf_printf(&text, "{\"count\":%llu,\"damage\":[",
                         (unsigned long long)export->damage_count);
        (void)buf_append_slice(&text, buf_slice(&export->damage));
        (void)buf_append_text(&text, "\n]}\n");
        r = text_add(export, "damage.json", &text, export->now_ms, out);
    }
    return r < 0 ? r : tar_end(out);
}

/* Each part can be read by itself, and their order is that of their names. */
static int audit_write(struct export *export, struct buf *out)
{
    struct audit_part part = {.export = export};
    char path[48];
    bool more = false;
    audit_csv_head(&part.text);
    int r = audit_export(export->store, export->audit_after, AUDIT_PER_MEMBER, audit_entry_add,
                         &part, &more);
    if (r < 0 && r != -ENOMEM && export->rescue) {
        struct export_version trail = {.file = (char *)(uintptr_t) "audit"};
        damage_note(export, 0, &trail, "the audit trail cannot be read from here on",
                    export->audit_after, export->audit_after + 1);
        r = 0;
        more = false;
    }
    if (r == 0 && part.first > 0) {
        (void)snprintf(path, sizeof path, "audit/%012lld.csv", (long long)part.first);
        r = text_add(export, path, &part.text, export->now_ms, out);
    }
    buf_done(&part.text);
    return r < 0 || more ? r : end_write(export, out);
}

static int step(struct export *export, struct buf *out)
{
    if (export->fd >= 0)
        return content_go_on(export, out);
    if (export->version < export->node.version_count)
        return version_begin(export, out);
    switch (export->phase) {
    case PHASE_HEAD:
        export->phase = PHASE_NODES;
        return head_write(export, out);
    case PHASE_NODES:
        return node_write(export, out);
    case PHASE_AUDIT:
        return audit_write(export, out);
    case PHASE_ENDED:
        break;
    }
    return 0;
}

int export_write(struct export *export, struct buf *out, bool *ret_ended)
{
    int r = 0;
    while (r == 0 && export->phase != PHASE_ENDED && out->size < WHOLE_SIZE)
        r = step(export, out);
    *ret_ended = export->phase == PHASE_ENDED;
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
