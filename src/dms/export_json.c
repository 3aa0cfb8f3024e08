/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/export_json.h"

#include "base/hex.h"
#include "dms/export.h"
#include "dms/store_acl.h"
#include "dms/store_audit.h"
#include "dms/store_group.h"
#include "dms/store_hold.h"
#include "dms/store_internal.h"
#include "dms/store_marks.h"
#include "dms/store_quota.h"
#include "server/json.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Choosing what comes next */

/* `arena` has the result; NULL in *ret_path where there is no way to the root. */
static int path_of(struct store *store, struct arena *arena, const struct node *start,
                   char **ret_path)
{
    SCOPED(arena_done) struct arena names = {0};
    struct node node = *start;
    const char *path = "";
    *ret_path = NULL;
    for (int depth = 0; node.key != STORE_ROOT; depth++) {
        if (node.trash || node.parent <= 0 || depth > STORE_DEPTH_MAX + 1)
            return 0;
        path = arena_printf(&names, "%s%s%s", node.name, *path ? "/" : "", path);
        if (!path)
            return -ENOMEM;
        int r = node_get(store, &names, node.parent, &node);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
    }
    *ret_path = arena_text(arena, slice_of_text(path));
    return *ret_path ? 0 : -ENOMEM;
}

/* Whether it can be opened at all; what is broken further in is noticed while it is read. */
static bool can_open(struct store *store, int64_t content)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int64_t size;
    int fd = -1;
    int r = content_load(store, content, &bytes, &fd, &size);
    if (fd >= 0)
        (void)close(fd);
    return r == 0;
}

static int version_read(struct store *store, struct arena *arena, sqlite3_stmt *stmt,
                        const struct export_node *node, struct export_version *ret)
{
    struct export_version version = {.number = sqlite3_column_int64(stmt, 0),
                                     .content = sqlite3_column_int64(stmt, 1),
                                     .created_ms = sqlite3_column_int64(stmt, 4)};
    if (sqlite3_column_bytes(stmt, 11) == DIGEST_SIZE) {
        version.has_digest = true;
        memcpy(version.digest, sqlite3_column_blob(stmt, 11), DIGEST_SIZE);
    }
    bool is_current = node->path && version.number == node->node.version;
    if (version.content > 0)
        version.damaged = !can_open(store, version.content);
    if (version.content > 0 && !version.damaged) {
        version.file = is_current
                           ? arena_printf(arena, "files/%s", node->path)
                           : arena_printf(arena, "versions/%lld/%lld", (long long)node->node.key,
                                          (long long)version.number);
        if (!version.file)
            return -ENOMEM;
    }
    *ret = version;
    return 0;
}

static int versions_read(struct store *store, struct arena *arena, struct export_node *node)
{
    SCOPED(buf_done) struct buf list = {0};
    {
        SCOPED(stmt_donep)
        sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_VERSIONS, "i", node->node.key);
        int r = stmt ? 0 : -EIO;
        while (r == 0 && (r = store_step(store, stmt)) == 1) {
            struct export_version version;
            r = version_read(store, arena, stmt, node, &version);
            if (r == 0)
                r = buf_append(&list, &version, sizeof version);
        }
        if (r < 0)
            return r;
    }
    node->version_count = list.size / sizeof(struct export_version);
    node->versions = arena_alloc(arena, list.size + 1);
    if (!node->versions)
        return -ENOMEM;
    if (list.size > 0)
        memcpy(node->versions, list.bytes, list.size);
    return 0;
}

int export_node_next(struct store *store, struct arena *arena, int64_t after,
                     struct export_node *ret)
{
    struct export_node node = {0};
    {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_NODE, "i", after);
        int r = stmt ? store_step(store, stmt) : -EIO;
        if (r <= 0)
            return r < 0 ? r : -ENOENT;
        node_read(stmt, arena, &node.node);
    }
    if (!node.node.name || !node.node.created_by || !node.node.modified_by)
        return -ENOMEM;
    int r = path_of(store, arena, &node.node, &node.path);
    if (r == 0 && node.node.kind == NODE_DOCUMENT)
        r = versions_read(store, arena, &node);
    if (r == 0)
        *ret = node;
    return r;
}

int export_version_there(struct store *store, int64_t node, int64_t number)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_THERE, "ii", node, number);
    return stmt ? store_step(store, stmt) : -EIO;
}

/* The parts about the whole store */

static int end(struct json *json, int r)
{
    json_close(json);
    (void)buf_append_byte(json->out, '\n');
    return r < 0 ? r : json->out->failed ? -ENOMEM : 0;
}

static void id_json(struct json *json, const char *name, int64_t key)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)key);
    json_put_text(json, name, key > 0 ? text : NULL);
}

int export_json_head(struct store *store, int64_t now_ms, struct buf *out)
{
    struct json json = json_into(out);
    struct audit_head head;
    char hash[2 * DIGEST_SIZE + 1];
    audit_head_get(store, &head);
    hex_encode(slice_of(head.hash, sizeof head.hash), hash);
    json_open_object(&json, NULL);
    json_put_text(&json, "format", "coffer-export");
    json_put_int(&json, "version", EXPORT_FORMAT);
    json_put_int(&json, "begun_ms", now_ms);
    json_put_int(&json, "audit_sequence", head.sequence);
    json_put_text(&json, "audit_hash", hash);
    return end(&json, 0);
}

struct walk {
    struct store *store;
    struct json *json;
    struct arena arena;
    char *last; /* where the next page begins */
    int64_t last_key;
};

static int group_name_json(void *arg, const struct group *group)
{
    json_put_text(arg, NULL, group->name);
    return 0;
}

static int user_json(void *arg, const struct user *user)
{
    struct walk *walk = arg;
    struct json *json = walk->json;
    struct usage usage;
    int r = usage_get(walk->store, user->key, &usage);
    json_open_object(json, NULL);
    json_put_text(json, "name", user->name);
    json_put_text(json, "role", user->own_role == ROLE_ADMIN ? "admin" : "user");
    json_put_int(json, "created_ms", user->created_ms);
    json_open_array(json, "groups");
    if (r == 0)
        r = groups_of(walk->store, user->key, group_name_json, json);
    json_close(json);
    if (r == 0 && usage.bytes_max >= 0)
        json_put_int(json, "quota_bytes", usage.bytes_max);
    if (r == 0 && usage.documents_max >= 0)
        json_put_int(json, "quota_documents", usage.documents_max);
    json_close(json);
    walk->last = arena_text(&walk->arena, slice_of_text(user->name));
    return r < 0 ? r : walk->last ? 0 : -ENOMEM;
}

static int group_json(void *arg, const struct group *group)
{
    struct walk *walk = arg;
    json_open_object(walk->json, NULL);
    json_put_text(walk->json, "name", group->name);
    json_put_text(walk->json, "role", group->role == ROLE_ADMIN ? "admin" : "user");
    json_put_int(walk->json, "created_ms", group->created_ms);
    json_close(walk->json);
    walk->last = arena_text(&walk->arena, slice_of_text(group->name));
    return walk->last ? 0 : -ENOMEM;
}

int export_json_users(struct store *store, int64_t now_ms, struct buf *out)
{
    struct json json = json_into(out);
    struct walk walk = {.store = store, .json = &json, .last = (char *)(uintptr_t) ""};
    int r = 0;
    (void)now_ms;
    json_open_object(&json, NULL);
    json_open_array(&json, "users");
    for (bool more = true; r == 0 && more;)
        r = user_list(store, walk.last, STORE_PAGE_MAX, user_json, &walk, &more);
    json_close(&json);
    walk.last = (char *)(uintptr_t) "";
    json_open_array(&json, "groups");
    for (bool more = true; r == 0 && more;)
        r = group_list(store, walk.last, STORE_PAGE_MAX, group_json, &walk, &more);
    json_close(&json);
    arena_done(&walk.arena);
    return end(&json, r);
}

static int hold_json(void *arg, const struct hold *hold)
{
    struct walk *walk = arg;
    struct json *json = walk->json;
    json_open_object(json, NULL);
    id_json(json, "id", hold->key);
    json_put_text(json, "name", hold->name);
    json_put_text(json, "reason", hold->reason);
    json_put_text(json, "created_by", hold->created_by);
    json_put_int(json, "created_ms", hold->created_ms);
    if (hold->release_by)
        json_put_text(json, "release_asked_by", hold->release_by);
    if (hold->released_ms)
        json_put_int(json, "released_ms", hold->released_ms);
    json_close(json);
    walk->last_key = hold->key;
    return 0;
}

int export_json_holds(struct store *store, int64_t now_ms, struct buf *out)
{
    struct json json = json_into(out);
    struct walk walk = {.store = store, .json = &json};
    int r = 0;
    (void)now_ms;
    json_open_object(&json, NULL);
    json_open_array(&json, "holds");
    for (bool more = true; r == 0 && more;)
        r = hold_list(store, 0, walk.last_key, STORE_PAGE_MAX, hold_json, &walk, &more);
    json_close(&json);
    return end(&json, r);
}

int export_json_types(struct store *store, int64_t now_ms, struct buf *out)
{
    struct json json = json_into(out);
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_TYPES, "");
    int r = stmt ? 0 : -EIO;
    (void)now_ms;
    json_open_object(&json, NULL);
    json_open_object(&json, "types");
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        const char *id = (const char *)sqlite3_column_text(stmt, 0);
        const char *definition = (const char *)sqlite3_column_text(stmt, 1);
        r = id && definition ? 0 : -ENOMEM;
        if (r == 0)
            json_put_text(&json, id, definition);
    }
    json_close(&json);
    return end(&json, r);
}

/* One node */

static int properties_json(struct store *store, struct json *json, const struct node *node)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct property *properties;
    size_t count = 0;
    int r =
        node->has_properties ? properties_get(store, &arena, node->key, &properties, &count) : 0;
    json_open_object(json, "properties");
    for (size_t i = 0; r == 0 && i < count; i++)
        json_put_text(json, properties[i].name, properties[i].value);
    json_close(json);
    return r;
}

static int tags_json(struct store *store, struct json *json, int64_t node)
{
    SCOPED(arena_done) struct arena arena = {0};
    char **tags;
    size_t count = 0;
    int r = tags_get(store, &arena, node, &tags, &count);
    json_open_array(json, "tags");
    for (size_t i = 0; r == 0 && i < count; i++)
        json_put_text(json, NULL, tags[i]);
    json_close(json);
    return r;
}

static int comment_json(void *arg, const struct comment *comment)
{
    struct json *json = arg;
    json_open_object(json, NULL);
    json_put_text(json, "user", comment->user);
    json_put_text(json, "text", comment->text);
    json_put_int(json, "created_ms", comment->created_ms);
    if (comment->edited_ms)
        json_put_int(json, "edited_ms", comment->edited_ms);
    json_close(json);
    return 0;
}

static int entry_json(void *arg, const struct acl_entry *entry)
{
    struct json *json = arg;
    json_open_object(json, NULL);
    json_put_text(json, "principal", entry->principal);
    json_put_text(json, "permission", entry->permission);
    json_close(json);
    return 0;
}

static int hold_name_json(void *arg, const struct hold *hold)
{
    id_json(arg, NULL, hold->key);
    return 0;
}

static int kept_json(struct store *store, struct json *json, int64_t node)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct retention retention = {0};
    bool more;
    int r = retention_get(store, &arena, node, &retention);
    if (r == 0 && retention.until_ms) {
        json_put_int(json, "keep_until_ms", retention.until_ms);
        json_put_text(json, "keep_set_by", retention.user);
    }
    json_open_array(json, "holds");
    if (r == 0)
        r = hold_list(store, node, 0, STORE_PAGE_MAX, hold_name_json, json, &more);
    json_close(json);
    return r;
}

/* Typed properties of CMIS: each has a list of its values. */
static int values_json(struct store *store, struct json *json, int64_t node, int64_t number)
{
    SCOPED(buf_done) struct buf before = {0};
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_VALUE_LIST, "ii", node, number);
    int r = stmt ? 0 : -EIO;
    bool is_open = false;
    json_open_object(json, "cmis_properties");
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (!name)
            return -ENOMEM;
        if (!is_open || !slice_is_text(buf_slice(&before), name)) {
            if (is_open)
                json_close(json);
            buf_clear(&before);
            (void)buf_append_text(&before, name);
            json_open_array(json, name);
            is_open = true;
        }
        if (sqlite3_column_type(stmt, 1) == SQLITE_INTEGER)
            json_put_int(json, NULL, sqlite3_column_int64(stmt, 1));
        else /* decimal numbers too, as they are written */
            json_put_text(json, NULL, (const char *)sqlite3_column_text(stmt, 1));
        r = before.failed ? -ENOMEM : 0;
    }
    if (is_open)
        json_close(json);
    json_close(json);
    return r;
}

static void column_json(struct json *json, const char *name, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    if (text)
        json_put_text(json, name, text);
}

static int version_json(struct store *store, struct json *json, sqlite3_stmt *stmt,
                        const struct export_node *node, const struct export_version *version)
{
    char digest[2 * DIGEST_SIZE + 1];
    json_open_object(json, NULL);
    json_put_int(json, "version", version->number);
    json_put_int(json, "size", sqlite3_column_int64(stmt, 2));
    column_json(json, "type", stmt, 3);
    json_put_int(json, "created_ms", version->created_ms);
    column_json(json, "created_by", stmt, 5);
    json_put_int(json, "major", sqlite3_column_int64(stmt, 6));
    json_put_int(json, "minor", sqlite3_column_int64(stmt, 7));
    column_json(json, "comment", stmt, 8);
    if (sqlite3_column_int(stmt, 9))
        json_put_bool(json, "working_copy", true);
    column_json(json, "name", stmt, 10);
    if (sqlite3_column_bytes(stmt, 11) == DIGEST_SIZE) {
        hex_encode(slice_of(sqlite3_column_blob(stmt, 11), DIGEST_SIZE), digest);
        json_put_text(json, "sha256", digest);
    }
    if (version->damaged)
        json_put_bool(json, "damaged", true);
    json_put_text(json, "file", version->file);
    int r = values_json(store, json, node->node.key, version->number);
    json_close(json);
    return r;
}

static int versions_json(struct store *store, struct json *json, const struct export_node *node)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_VERSIONS, "i", node->node.key);
    int r = stmt ? 0 : -EIO;
    json_open_array(json, "versions");
    for (size_t i = 0; r == 0 && (r = store_step(store, stmt)) == 1; i++)
        r = i < node->version_count ? version_json(store, json, stmt, node, &node->versions[i])
                                    : -EIO;
    json_close(json);
    return r;
}

static int places_json(struct store *store, struct json *json, int64_t node)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_FILED, "i", node);
    int r = stmt ? 0 : -EIO;
    json_open_array(json, "also_in");
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        id_json(json, NULL, sqlite3_column_int64(stmt, 0));
        r = 0;
    }
    json_close(json);
    return r;
}

static int relation_json(struct store *store, struct json *json, int64_t node)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXPORT_RELATION, "i", node);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1) {
        column_json(json, "source", stmt, 0);
        column_json(json, "target", stmt, 1);
    }
    return r < 0 ? r : 0;
}

static int about_json(struct store *store, struct json *json, const struct export_node *export)
{
    const struct node *node = &export->node;
    bool marked = node->kind == NODE_FOLDER || node->kind == NODE_DOCUMENT;
    int r = properties_json(store, json, node);
    if (r == 0)
        r = places_json(store, json, node->key);
    json_put_bool(json, "inherits", acl_inherits(node));
    json_open_array(json, "acl");
    if (r == 0)
        r = acl_walk(store, node, false, entry_json, json);
    json_close(json);
    if (r == 0 && marked)
        r = tags_json(store, json, node->key);
    json_open_array(json, "comments");
    if (r == 0 && marked)
        r = comments_walk(store, node->key, comment_json, json);
    json_close(json);
    if (r == 0)
        r = kept_json(store, json, node->key);
    if (r == 0 && node->kind == NODE_RELATIONSHIP)
        r = relation_json(store, json, node->key);
    return r;
}

int export_json_node(struct store *store, const struct export_node *export, struct buf *out)
{
    static const char *const kinds[] = {[NODE_FOLDER] = "folder",
                                        [NODE_DOCUMENT] = "document",
                                        [NODE_ITEM] = "item",
                                        [NODE_RELATIONSHIP] = "relationship",
                                        [NODE_POLICY] = "policy"};
    const struct node *node = &export->node;
    struct json json = json_into(out);
    if (node->kind < NODE_FOLDER || node->kind > NODE_POLICY)
        return -EIO;
    json_open_object(&json, NULL);
    id_json(&json, "id", node->key);
    json_put_text(&json, "kind", kinds[node->kind]);
    json_put_text(&json, "name", node->name);
    id_json(&json, "parent", node->parent);
    json_put_text(&json, "path", export->path);
    json_put_int(&json, "created_ms", node->created_ms);
    json_put_text(&json, "created_by", node->created_by);
    json_put_int(&json, "modified_ms", node->modified_ms);
    json_put_text(&json, "modified_by", node->modified_by);
    if (node->trash) {
        json_put_int(&json, "deleted_ms", node->trashed_ms);
        id_json(&json, "deleted_with", node->trash);
    }
    if (node->cmis_type)
        json_put_text(&json, "cmis_type", node->cmis_type);
    if (node->checked_out)
        json_put_text(&json, "checked_out_by", node->checked_out_by);
    int r = about_json(store, &json, export);
    if (r == 0)
        r = node->kind == NODE_DOCUMENT ? versions_json(store, &json, export)
                                        : values_json(store, &json, node->key, 0);
    return end(&json, r);
}
