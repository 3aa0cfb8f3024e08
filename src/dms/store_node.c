/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and documents: what changes the tree. */
#include "dms/store_audit.h"
#include "dms/store_hold.h"
#include "dms/store_internal.h"
#include "server/http.h"

#include <errno.h>
#include <stdio.h>

void node_read(sqlite3_stmt *stmt, struct arena *arena, struct node *ret)
{
    *ret = (struct node){
        .key = sqlite3_column_int64(stmt, 0),
        .parent = sqlite3_column_int64(stmt, 1),
        .kind = (enum node_kind)sqlite3_column_int(stmt, 2),
        .name = column_text(stmt, 3, arena),
        .revision = sqlite3_column_int64(stmt, 4),
        .created_ms = sqlite3_column_int64(stmt, 5),
        .modified_ms = sqlite3_column_int64(stmt, 6),
        .created_by = column_text(stmt, 7, arena),
        .modified_by = column_text(stmt, 8, arena),
        .has_properties = sqlite3_column_int(stmt, 9) != 0,
        .trash = sqlite3_column_int64(stmt, 10),
        .trashed_ms = sqlite3_column_int64(stmt, 11),
        .version = sqlite3_column_int64(stmt, 12),
        .content = sqlite3_column_int64(stmt, 13),
        .size = sqlite3_column_int64(stmt, 14),
        .type = column_text(stmt, 15, arena),
        .cmis_type = column_text(stmt, 16, arena),
        .checked_out = sqlite3_column_int64(stmt, 17),
        .checked_out_by = column_text(stmt, 18, arena),
        .numbers_used = sqlite3_column_int64(stmt, 19),
        .acl = sqlite3_column_int(stmt, 20),
    };
}

static int node_one(struct store *store, struct arena *arena, sqlite3_stmt *stmt, struct node *ret)
{
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1)
        node_read(stmt, arena, ret);
    stmt_done(stmt);
    if (r == 1 && (!ret->name || !ret->created_by || !ret->modified_by))
        return -ENOMEM;
    return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}

int node_get(struct store *store, struct arena *arena, int64_t key, struct node *ret)
{
    return node_one(store, arena, store_query(store, STMT_NODE_GET, "i", key), ret);
}

int node_child(struct store *store, struct arena *arena, int64_t parent, const char *name,
               struct node *ret)
{
    return node_one(store, arena, store_query(store, STMT_NODE_CHILD, "is", parent, name), ret);
}

int node_name_check(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > STORE_NAME_SIZE_MAX || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0 || !http_is_utf8(slice_of(name, size)))
        return -EINVAL;
    for (const char *c = name; *c; c++)
        if ((uint8_t)*c < 0x20 || *c == 0x7f || *c == '/')
            return -EINVAL;
    return 0;
}

/* How deep below the root `key` lies; -EINVAL if `not_below` is on the way or it is too deep. */
static int depth_of(struct store *store, int64_t key, int64_t not_below)
{
    int depth = 0;
    while (key != STORE_ROOT) {
        SCOPED(arena_done) struct arena arena = {0};
        struct node node = {0};
        if (key == not_below || ++depth > STORE_DEPTH_MAX)
            return -EINVAL;
        int r = node_get(store, &arena, key, &node);
        if (r < 0)
            return r;
        key = node.parent;
    }
    return depth;
}

/* 0 if things may be put into `parent`. */
static int parent_check(struct store *store, int64_t parent)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = node_get(store, &arena, parent, &node);
    if (r < 0)
        return r;
    return node.kind == NODE_FOLDER && node.trash == 0 ? 0 : -ENOENT;
}

int change_add(struct store *store, const struct actor *actor, int64_t key, int64_t number,
               enum change_kind kind)
{
    static const char *const actions[] = {[CHANGE_CREATED] = "create",
                                          [CHANGE_UPDATED] = "change",
                                          [CHANGE_DELETED] = "delete",
                                          [CHANGE_SECURITY] = "permissions"};
    const char *action = actions[kind];
    if (number > 1 && kind == CHANGE_CREATED)
        action = "version";
    return change_note(store, actor, key, number, kind, action);
}

int change_note(struct store *store, const struct actor *actor, int64_t key, int64_t number,
                enum change_kind kind, const char *action)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    char detail[40] = "";
    int r = store_run(store, STMT_CHANGE_ADD, "iiii", key, number, (int64_t)kind, actor->now_ms);
    if (r == 0)
        r = node_get(store, &arena, key, &node);
    if (number > 0)
        (void)snprintf(detail, sizeof detail, "version %lld", (long long)number);
    return r < 0 ? r : audit_add(store, actor, action, key, node.name, detail);
}

/* A name must also differ from what is filed in the folder beside what it holds. */
int filed_check(struct store *store, int64_t parent, const char *name, int64_t but)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_NODE_FILED, "isi", parent, name, but);
    int r = stmt ? store_step(store, stmt) : -EIO;
    return r == 1 ? -EEXIST : r;
}

/* What the index says of a node's properties: their values, in the order of their names. */
static int search_text(struct store *store, int64_t key, struct buf *out)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_PROPERTY_LIST, "i", key);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        (void)buf_append_text(out, (const char *)sqlite3_column_text(stmt, 1));
        r = buf_append_byte(out, '\n');
    }
    return r;
}

static int search_run(struct store *store, enum statement id, const struct node *node)
{
    SCOPED(buf_done) struct buf text = {0}, content = {0};
    int r = node->has_properties ? search_text(store, node->key, &text) : 0;
    if (r == 0 && node->kind == NODE_DOCUMENT)
        r = extract_get(store, node->key, &content);
    const char *properties = r == 0 ? buf_text(&text) : NULL;
    const char *words = properties ? buf_text(&content) : NULL;
    if (!words)
        return r < 0 ? r : -ENOMEM;
    return store_run(store, id, "isss", node->key, node->name, properties, words);
}

int search_add(struct store *store, const struct node *node)
{
    return node->key > store->indexed ? 0 : search_run(store, STMT_SEARCH_ADD, node);
}

/* The content is another: its words too. */
int search_content(struct store *store, const struct node *node)
{
    if (node->key > store->indexed)
        return 0;
    int r = search_remove(store, node);
    if (r == 0)
        r = extract_update(store, node);
    return r < 0 ? r : search_add(store, node);
}

int search_remove(struct store *store, const struct node *node)
{
    return node->key > store->indexed ? 0 : search_run(store, STMT_SEARCH_REMOVE, node);
}

int search_settle(struct store *store)
{
    struct arena arena = {0};
    sqlite3_stmt *stmt =
        store_query(store, STMT_SEARCH_PENDING, "ii", store->indexed, (int64_t)SEARCH_PENDING_MAX);
    int r = stmt ? 0 : -EIO, count = 0;
    int64_t last = store->node_next - 1;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct node node = {0};
        node_read(stmt, &arena, &node);
        if (++count == SEARCH_PENDING_MAX)
            last = node.key;
        r = node.name ? extract_update(store, &node) : -ENOMEM;
        if (r == 0 && node.kind != NODE_RELATIONSHIP)
            r = search_run(store, STMT_SEARCH_ADD, &node);
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    if (r == 0)
        r = number_store(store, "indexed", last);
    if (r == 0)
        store->indexed = last;
    return r;
}

int search_settle_all(struct store *store)
{
    int r = 0;
    while (r == 0 && search_pending(store) && (r = store_step_begin(store)) == 0)
        r = store_step_end(store, search_settle(store));
    return r;
}

/* Room for one more row, whose key is the store's next. */
int node_added(struct store *store, const struct actor *actor, int64_t number)
{
    int r = change_add(store, actor, store->node_next, number, CHANGE_CREATED);
    store->node_next++;
    bool many = store->node_next - store->indexed > SEARCH_PENDING_MAX;
    return r < 0 ? r : many ? search_settle(store) : 0;
}

int node_place_check(struct store *store, int64_t parent, const char *name, int64_t but)
{
    int r = node_name_check(name);
    if (r == 0)
        r = parent_check(store, parent);
    return r < 0 ? r : filed_check(store, parent, name, but);
}

int folder_depth_check(struct store *store, int64_t parent)
{
    int depth = depth_of(store, parent, 0);
    return depth < 0 ? depth : depth >= STORE_DEPTH_MAX ? -EINVAL : 0;
}

static int node_add(struct store *store, const struct actor *actor, struct node *node)
{
    int r = node_place_check(store, node->parent, node->name, 0);
    if (r == 0 && node->kind == NODE_FOLDER)
        r = folder_depth_check(store, node->parent);
    if (r < 0)
        return r;
    node->key = store->node_next;
    r = store_run(store, STMT_NODE_ADD, "iisisiiisi", node->parent, (int64_t)node->kind, node->name,
                  actor->now_ms, actor->user, node->version, node->content, node->size, node->type,
                  node->key);
    if (r < 0)
        return r;
    return node_added(store, actor, node->version);
}

int folder_create(struct store *store, const struct actor *actor, int64_t parent, const char *name,
                  int64_t *ret_key)
{
    struct node node = {.parent = parent, .kind = NODE_FOLDER, .name = (char *)(uintptr_t)name};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_step_end(store, node_add(store, actor, &node));
    if (r == 0)
        *ret_key = node.key;
    return r;
}

/* The largest number and the largest major one of a document's versions. */
int version_last(struct store *store, int64_t key, int64_t *ret_number, int64_t *ret_major)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_VERSION_LAST, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -EIO;
    *ret_number = sqlite3_column_int64(stmt, 0);
    *ret_major = sqlite3_column_int64(stmt, 1);
    return 0;
}

static int version_add(struct store *store, const struct actor *actor, const struct node *node)
{
    int64_t last = 0, major = 0;
    int r = node->version == 1 ? 0 : version_last(store, node->key, &last, &major);
    if (r == 0)
        r = content_ref(store, node->content, 1);
    return r < 0 ? r
                 : store_run(store, STMT_VERSION_ADD, "iiiisisi", node->key, node->version,
                             node->content, node->size, node->type, actor->now_ms, actor->user,
                             major + 1);
}

static int document_add(struct store *store, const struct actor *actor, struct node *node)
{
    int r = node_add(store, actor, node);
    return r < 0 ? r : version_add(store, actor, node);
}

int document_create(struct store *store, const struct actor *actor, int64_t parent,
                    const char *name, const char *type, struct content_draft *draft,
                    int64_t *ret_key)
{
    struct node node = {.parent = parent,
                        .kind = NODE_DOCUMENT,
                        .name = (char *)(uintptr_t)name,
                        .type = (char *)(uintptr_t)type,
                        .version = 1,
                        .size = draft->size};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = content_add(store, draft, &node.content);
    if (r == 0)
        r = document_add(store, actor, &node);
    r = store_step_end(store, r);
    if (r == 0)
        *ret_key = node.key;
    return r;
}

/* The node, if it is a document and not deleted. */
static int document_get(struct store *store, struct arena *arena, int64_t key, struct node *ret)
{
    int r = node_get(store, arena, key, ret);
    if (r < 0)
        return r;
    return ret->kind == NODE_DOCUMENT && ret->trash == 0 ? 0 : -ENOENT;
}

/* The old version keeps what it was called and who changed it; its typed properties go on. */
static int version_freeze(struct store *store, const struct node *node, int64_t next)
{
    int r = store_run(store, STMT_VERSION_FREEZE, "i", node->key);
    return r < 0 ? r : store_run(store, STMT_VALUE_COPY, "iii", node->key, node->version, next);
}

/* A new version with `content`. */
static int content_set(struct store *store, const struct actor *actor, struct node *node)
{
    int64_t last = 0, major = 0;
    int r = node->checked_out ? -ETXTBSY : version_last(store, node->key, &last, &major);
    int64_t next = MAX(last, node->numbers_used) + 1;
    if (r == 0)
        r = version_freeze(store, node, next);
    node->version = next;
    if (r == 0)
        r = store_run(store, STMT_NODE_CONTENT, "iisiiis", node->key, actor->now_ms, actor->user,
                      node->version, node->content, node->size, node->type);
    if (r == 0)
        r = version_add(store, actor, node);
    if (r == 0)
        r = search_content(store, node);
    return r < 0 ? r : change_add(store, actor, node->key, node->version, CHANGE_CREATED);
}

int document_update(struct store *store, const struct actor *actor, int64_t key, const char *type,
                    struct content_draft *draft)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = document_get(store, &arena, key, &node);
    if (r == 0) {
        node.type = (char *)(uintptr_t)type;
        node.size = draft->size;
        r = content_add(store, draft, &node.content);
    }
    if (r == 0)
        r = content_set(store, actor, &node);
    return store_step_end(store, r);
}

int document_update_from(struct store *store, const struct actor *actor, int64_t key, int64_t from)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0}, source = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = document_get(store, &arena, key, &node);
    if (r == 0)
        r = document_get(store, &arena, from, &source);
    if (r == 0) {
        node.content = source.content;
        node.size = source.size;
        node.type = source.type;
        r = content_set(store, actor, &node);
    }
    return store_step_end(store, r);
}

int version_restore(struct store *store, const struct actor *actor, int64_t key, int64_t number)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    struct version version;
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = document_get(store, &arena, key, &node);
    if (r == 0)
        r = version_get(store, &arena, key, number, &version);
    if (r == 0) {
        node.content = version.content;
        node.size = version.size;
        node.type = version.type;
        r = content_set(store, actor, &node);
    }
    return store_step_end(store, r);
}

static int properties_copy(struct store *store, int64_t from, int64_t to)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct property *properties;
    size_t count;
    int r = properties_get(store, &arena, from, &properties, &count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = store_run(store, STMT_PROPERTY_ADD, "iss", to, properties[i].name, properties[i].value);
    return r;
}

int document_copy(struct store *store, const struct actor *actor, int64_t key, int64_t parent,
                  const char *name, int64_t *ret_key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = document_get(store, &arena, key, &node);
    if (r == 0) {
        bool has_properties = node.has_properties;
        node.parent = parent;
        node.name = (char *)(uintptr_t)name;
        node.version = 1;
        node.checked_out = 0;
        node.has_properties = false; /* the row is added without, and its index entry too */
        r = document_add(store, actor, &node);
        if (r == 0 && has_properties) {
            r = search_remove(store, &node);
            if (r == 0)
                r = properties_copy(store, key, node.key);
            if (r == 0)
                r = store_run(store, STMT_NODE_PROPERTIES, "iisi", node.key, actor->now_ms,
                              actor->user, (int64_t)1);
            node.has_properties = true;
            if (r == 0)
                r = search_add(store, &node);
        }
    }
    r = store_step_end(store, r);
    if (r == 0)
        *ret_key = node.key;
    return r;
}

static int move(struct store *store, const struct actor *actor, struct node *node, int64_t parent,
                const char *name)
{
    int r = node_name_check(name);
    if (r == 0 && node->key == STORE_ROOT)
        r = -EINVAL;
    if (r == 0 && node->checked_out)
        r = -ETXTBSY;
    if (r == 0)
        r = node_place_check(store, parent, name, node->key);
    if (r == 0)
        r = depth_of(store, parent, node->key);
    if (r >= STORE_DEPTH_MAX)
        r = -EINVAL;
    if (r >= 0)
        r = search_remove(store, node);
    if (r >= 0)
        r = store_run(store, STMT_NODE_MOVE, "iisis", node->key, actor->now_ms, actor->user, parent,
                      name);
    node->name = (char *)(uintptr_t)name;
    if (r >= 0)
        r = search_add(store, node);
    return r < 0 ? r : change_add(store, actor, node->key, node->version, CHANGE_UPDATED);
}

int node_move(struct store *store, const struct actor *actor, int64_t key, int64_t parent,
              const char *name)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = node_get(store, &arena, key, &node);
    if (r == 0 && node.trash != 0)
        r = -ENOENT;
    if (r == 0)
        r = move(store, actor, &node, parent, name);
    return store_step_end(store, r);
}

static int properties_replace(struct store *store, const struct actor *actor, struct node *node,
                              const struct property *properties, size_t count)
{
    int r = search_remove(store, node);
    if (r == 0)
        r = store_run(store, STMT_PROPERTY_CLEAR, "i", node->key);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = store_run(store, STMT_PROPERTY_ADD, "iss", node->key, properties[i].name,
                      properties[i].value);
    node->has_properties = count > 0;
    if (r == 0)
        r = store_run(store, STMT_NODE_PROPERTIES, "iisi", node->key, actor->now_ms, actor->user,
                      (int64_t)(count > 0));
    if (r == 0)
        r = search_add(store, node);
    return r < 0 ? r : change_add(store, actor, node->key, node->version, CHANGE_UPDATED);
}

int properties_set(struct store *store, const struct actor *actor, int64_t key,
                   const struct property *properties, size_t count)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = node_get(store, &arena, key, &node);
    if (r == 0 && node.trash != 0)
        r = -ENOENT;
    if (r == 0 && count > STORE_PROPERTIES_MAX)
        r = -EINVAL;
    if (r == 0)
        r = properties_replace(store, actor, &node, properties, count);
    return store_step_end(store, r);
}

/* Trash */

int trash_put(struct store *store, const struct actor *actor, const struct node *node)
{
    if (node->checked_out)
        return -ETXTBSY;
    int r = hold_check(store, node->key, actor->now_ms, NULL);
    if (r == 0)
        r = store_run(store, STMT_CHANGE_BELOW, "iii", node->key, (int64_t)CHANGE_DELETED,
                      actor->now_ms);
    if (r == 0)
        r = store_run(store, STMT_FILING_EMPTY, "i", node->key);
    if (r == 0)
        r = audit_add(store, actor, "delete", node->key, node->name, NULL);
    return r < 0 ? r : store_run(store, STMT_NODE_TRASH, "ii", node->key, actor->now_ms);
}

int node_trash(struct store *store, const struct actor *actor, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    room_use(store);
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = node_get(store, &arena, key, &node);
    if (r == 0 && node.trash != 0)
        r = -ENOENT;
    if (r == 0 && key == STORE_ROOT)
        r = -EINVAL;
    if (r == 0)
        r = trash_put(store, actor, &node);
    return store_step_end(store, r);
}

int node_restore(struct store *store, const struct actor *actor, int64_t key, int64_t parent)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = node_get(store, &arena, key, &node);
    if (r == 0 && node.trash != key)
        r = -ENOENT;
    if (r == 0)
        r = parent || node.parent > 0 ? parent_check(store, parent ? parent : node.parent) : 0;
    if (r == 0 && parent && parent != node.parent)
        r = store_run(store, STMT_NODE_MOVE, "iisis", key, actor->now_ms, actor->user, parent,
                      node.name);
    if (r == 0)
        r = store_run(store, STMT_NODE_UNTRASH, "i", key);
    if (r == 0)
        r = change_note(store, actor, key, node.version, CHANGE_CREATED, "restore");
    return store_step_end(store, r);
}

static int versions_drop(struct store *store, int64_t key)
{
    for (;;) {
        int64_t content = 0, number = 0;
        {
            SCOPED(stmt_donep)
            sqlite3_stmt *stmt = store_query(store, STMT_VERSION_ANY, "i", key);
            int r = stmt ? store_step(store, stmt) : -EIO;
            if (r <= 0)
                return r;
            number = sqlite3_column_int64(stmt, 0);
            content = sqlite3_column_int64(stmt, 1);
        }
        int r = content_ref(store, content, -1);
        if (r == 0)
            r = store_run(store, STMT_VERSION_REMOVE, "ii", key, number);
        if (r < 0)
            return r;
    }
}

/* All that names the node beside its row. */
static int references_drop(struct store *store, int64_t key)
{
    static const enum statement clears[] = {STMT_PROPERTY_CLEAR,     STMT_VALUE_CLEAR,
                                            STMT_ACE_CLEAR,          STMT_FILING_CLEAR,
                                            STMT_APPLIED_CLEAR,      STMT_RELATIONSHIP_NODES_CLEAR,
                                            STMT_RELATIONSHIP_CLEAR, STMT_EXTRACT_CLEAR};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(clears); i++)
        r = store_run(store, clears[i], "i", key);
    return r;
}

int node_drop(struct store *store, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    int r = node_get(store, &arena, key, &node);
    if (r == 0 && node.kind != NODE_RELATIONSHIP)
        r = search_remove(store, &node);
    if (r == 0)
        r = references_drop(store, key);
    if (r == 0)
        r = store_run(store, STMT_DAV_PROPERTY_CLEAR, "i", key);
    if (r == 0)
        r = audit_forget(store, key);
    if (r == 0)
        r = store_run(store, STMT_SHARE_CLEAR, "i", key);
    if (r == 0)
        r = store_run(store, STMT_RETENTION_CLEAR, "i", key);
    if (r == 0)
        r = store_run(store, STMT_HELD_CLEAR, "i", key);
    if (r == 0)
        r = marks_forget_node(store, key);
    if (r == 0)
        r = versions_drop(store, key);
    if (r == 0)
        r = key_retire(store, "node_next", key, store->node_next);
    return r < 0 ? r : store_run(store, STMT_NODE_REMOVE, "i", key);
}

/* Everything below goes too, also what was put into the trash on its own before. */
static int tree_drop(struct store *store, int64_t key)
{
    SCOPED(buf_done) struct buf keys = {0};
    {
        SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_NODE_BELOW, "i", key);
        int r = stmt ? 0 : -EIO;
        while (r == 0 && (r = store_step(store, stmt)) == 1) {
            int64_t one = sqlite3_column_int64(stmt, 0);
            r = buf_append(&keys, &one, sizeof one);
        }
        if (r < 0)
            return r;
    }
    int r = 0;
    for (size_t at = 0; r == 0 && at < keys.size; at += sizeof(int64_t)) {
        int64_t one;
        memcpy(&one, keys.bytes + at, sizeof one);
        r = node_drop(store, one);
    }
    return r;
}

int node_purge(struct store *store, const struct actor *actor, int64_t key)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct node node = {0};
    room_use(store);
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = node_get(store, &arena, key, &node);
    if (r == 0 && node.trash != key)
        r = -ENOENT;
    if (r == 0)
        r = hold_check(store, key, actor->now_ms, NULL);
    if (r == 0)
        r = audit_add(store, actor, "purge", key, node.name, NULL);
    if (r == 0)
        r = tree_drop(store, key);
    store->purged = true;
    return store_step_end(store, r);
}
