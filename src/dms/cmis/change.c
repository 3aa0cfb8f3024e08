/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of an object that is there: properties, contents, place. */
#include "dms/cmis/model.h"
#include "dms/store_hold.h"

#include <errno.h>
#include <unistd.h>

static int token_check(struct cmis_call *cmis, const struct row *row, const char *token)
{
    if (!token || !*token)
        return 0;
    const char *own = call_printf(cmis, "%lld", (long long)row->revision);
    if (!own)
        return -1;
    return strcmp(own, token) == 0
               ? 0
               : cmis_fail(cmis, CMIS_UPDATE_CONFLICT,
                           "The object has been changed since this change token was given.");
}

/* A version that is not the latest, and the latest of a document that is checked out, stay as they
 * are. */
static int changeable_check(struct cmis_call *cmis, const struct row *row)
{
    if (right_check(cmis, row, RIGHT_WRITE) < 0)
        return -1;
    if (row_base(row) != CMIS_BASE_DOCUMENT || row->is_pwc)
        return 0;
    if (!row->is_latest)
        return cmis_fail(cmis, CMIS_VERSIONING, "Only the latest version can be changed.");
    if (row->node.checked_out)
        return cmis_fail(cmis, CMIS_VERSIONING,
                         "The document is checked out: change its private working copy.");
    return 0;
}

/* Whether the object's name is the one its row, not its version's, has. */
static bool in_node(const struct row *row)
{
    return row->is_latest;
}

static int rename_check(struct cmis_call *cmis, const struct row *row, const char *name)
{
    int64_t *parents;
    size_t count;
    struct node there;
    if (strcmp(name, row->name) == 0 || !in_node(row))
        return 0;
    if (row->node.key == STORE_ROOT)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The root folder keeps its name.");
    if (row_parents(cmis, row, &parents, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int r = filed_check(cmis->store, parents[i], name, row->node.key);
        if (r == 0 && node_child(cmis->store, cmis->arena, parents[i], name, &there) == 0)
            r = -EEXIST;
        if (r < 0)
            return cmis_fail_errno(cmis, r);
    }
    return 0;
}

/* Bumps the revision, with who and when, and the name it has from now on. */
static int row_touch(struct cmis_call *cmis, struct row *row, const char *name)
{
    struct actor actor = actor_of(cmis);
    int64_t now = MAX(cmis->now_ms, row->created_ms);
    bool renamed =
        strcmp(name, row->name) != 0 && in_node(row) && row->node.kind != NODE_RELATIONSHIP;
    int r = renamed ? search_remove(cmis->store, &row->node) : 0;
    if (r == 0)
        r = in_node(row) ? store_run(cmis->store, STMT_NODE_TOUCH, "isis", row->node.key, name, now,
                                     cmis->user)
                         : store_run(cmis->store, STMT_VERSION_TOUCH, "iisis", row->node.key,
                                     row->number, name, now, cmis->user);
    if (r == 0 && renamed) {
        row->node.name = (char *)(uintptr_t)name;
        r = search_add(cmis->store, &row->node);
    }
    if (r == 0)
        r = change_add(cmis->store, &actor, row->node.key, row->number, CHANGE_UPDATED);
    row->revision++;
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int changed(struct cmis_call *cmis, const struct row *row)
{
    cmis->result.object_id = row_id(cmis, row);
    cmis->result.change_token = call_printf(cmis, "%lld", (long long)row->revision);
    return cmis->result.object_id && cmis->result.change_token ? 0 : -1;
}

int properties_update(struct cmis_call *cmis, struct row *row, enum property_moment moment)
{
    struct property_set set;
    if (row_values(cmis, row) < 0 || properties_judge(cmis, row, row_base(row), moment, &set) < 0)
        return -1;
    const char *name = set.name ? set.name : row->name;
    if (rename_check(cmis, row, name) < 0 ||
        properties_store(cmis, row->node.key, row->number, &set) < 0 ||
        properties_prune(cmis, row, &set) < 0 || retention_apply(cmis, row, &set) < 0)
        return -1;
    return row_touch(cmis, row, name);
}

int cmis_updateProperties(struct cmis_call *cmis)
{
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0 || changeable_check(cmis, &row) < 0 ||
        token_check(cmis, &row, cmis->args.change_token) < 0 ||
        properties_update(cmis, &row, row.is_pwc ? ON_UPDATE_PWC : ON_UPDATE) < 0)
        return -1;
    return changed(cmis, &row);
}

/* Each object in a step of its own: what fails is left out of the answer, and changes nothing. */
int cmis_bulkUpdateProperties(struct cmis_call *cmis)
{
    const struct cmis_ids_and_tokens *sent = &cmis->args.bulk;
    struct cmis_id_and_token *done = call_alloc(cmis, MAX(sent->count, (size_t)1) * sizeof *done);
    size_t count = 0;
    if (!done)
        return -1;
    if (sent->count == 0 || sent->count > CMIS_IDS_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Name 1 to %d objects.", CMIS_IDS_MAX);
    for (size_t i = 0; i < sent->count; i++) {
        struct row row;
        if (cmis_step_begin(cmis) < 0)
            return cmis_fail_errno(cmis, -EIO);
        int r = row_get(cmis, sent->items[i].id, &row);
        if (r == 0)
            r = changeable_check(cmis, &row);
        if (r == 0)
            r = token_check(cmis, &row, sent->items[i].token);
        if (r == 0)
            r = properties_update(cmis, &row, row.is_pwc ? ON_UPDATE_PWC : ON_UPDATE);
        if (r == 0)
            r = changed(cmis, &row);
        if (cmis_step_end(cmis, r) == 0)
            done[count++] = (struct cmis_id_and_token){.id = sent->items[i].id,
                                                       .new_id = cmis->result.object_id,
                                                       .token = cmis->result.change_token};
        cmis->error = CMIS_FINE;
    }
    cmis->result.updated = (struct cmis_ids_and_tokens){count, done};
    return 0;
}

/* Contents */

int content_replace(struct cmis_call *cmis, struct row *row, int64_t content, int64_t size,
                    const char *mime, const char *file_name)
{
    struct store *store = cmis->store;
    struct node *node = &row->node;
    int64_t old = row->content;
    int r = row->is_pwc ? 0 : hold_check(store, node->key, cmis->now_ms, NULL);
    if (r == 0 && content)
        r = content_ref(store, content, 1);
    if (r == 0)
        r = store_run(store, STMT_VERSION_CONTENT, "iiiiss", node->key, row->number, content, size,
                      mime, file_name);
    if (r == 0 && row->is_latest) {
        r = store_run(store, STMT_NODE_BYTES, "iiis", node->key, content, size, mime);
        node->content = content;
        node->size = size;
        node->type = (char *)(uintptr_t)mime;
        if (r == 0)
            r = search_content(store, node);
    }
    if (r == 0)
        r = content_ref(store, old, -1);
    row->content = content;
    row->size = size;
    row->mime = mime;
    row->file_name = file_name;
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int content_row(struct cmis_call *cmis, struct row *row)
{
    if (row_get_base(cmis, cmis->args.object_id, CMIS_BASE_DOCUMENT, row) < 0 ||
        changeable_check(cmis, row) < 0 || token_check(cmis, row, cmis->args.change_token) < 0)
        return -1;
    if (row->type->stream_rule == CMIS_STREAM_NOTALLOWED)
        return cmis_fail(cmis, CMIS_STREAM_NOT_SUPPORTED, "This type has no content.");
    return 0;
}

static int content_changed(struct cmis_call *cmis, struct row *row)
{
    return row_touch(cmis, row, row->name) < 0 ? -1 : changed(cmis, row);
}

int cmis_setContentStream(struct cmis_call *cmis)
{
    struct row row;
    int64_t content = 0, size = 0;
    const char *mime, *name;
    if (content_row(cmis, &row) < 0)
        return -1;
    if (row.content && !cmis->args.overwrite_flag)
        return cmis_fail(cmis, CMIS_CONTENT_ALREADY_EXISTS, "The document has content already.");
    if (stream_take(cmis, row.name, &content, &size, &mime, &name) < 0 ||
        content_replace(cmis, &row, content, size, mime, name) < 0)
        return -1;
    return content_changed(cmis, &row);
}

int cmis_deleteContentStream(struct cmis_call *cmis)
{
    struct row row;
    if (content_row(cmis, &row) < 0)
        return -1;
    if (row.type->stream_rule == CMIS_STREAM_REQUIRED)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "This type needs content.");
    if (content_replace(cmis, &row, 0, 0, NULL, NULL) < 0)
        return -1;
    return content_changed(cmis, &row);
}

/* The bytes that are there, then the new ones, become one draft: for contents that are small, or
 * shared with another version or document. */
static int draft_join(struct cmis_call *cmis, int64_t old)
{
    struct content_draft whole = {.fd = -1};
    SCOPED(buf_done) struct buf bytes = {0};
    uint8_t block[16 << 10];
    int fd = -1;
    int64_t size = 0;
    ssize_t n = 0;
    int r = content_load(cmis->store, old, &bytes, &fd, &size);
    if (r == 0 && fd < 0)
        r = content_draft_write(cmis->store, &whole, buf_slice(&bytes));
    /* Not to the file's end: bytes that were undone may stand behind the content. */
    while (r == 0 && fd >= 0 && whole.size < size) {
        n = read(fd, block, MIN(sizeof block, (uint64_t)(size - whole.size)));
        r = n <= 0 ? -EIO : content_draft_write(cmis->store, &whole, slice_of(block, (size_t)n));
    }
    if (fd >= 0)
        (void)close(fd);
    struct content_draft *added = cmis->draft;
    if (r == 0 && added->fd < 0)
        r = content_draft_write(cmis->store, &whole, buf_slice(&added->bytes));
    for (off_t at = 0; r == 0 && added->fd >= 0; at += n) {
        n = pread(added->fd, block, sizeof block, at);
        if (n <= 0) {
            r = n < 0 ? -EIO : 0;
            break;
        }
        r = content_draft_write(cmis->store, &whole, slice_of(block, (size_t)n));
    }
    if (r == 0)
        r = content_sync(&whole, store_incoming_fd(cmis->store));
    content_drop(cmis->store, r == 0 ? added : &whole);
    if (r == 0)
        *added = whole;
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

/* The version's rows after its content has got a new key and size. */
static int content_grown(struct cmis_call *cmis, struct row *row, int64_t content)
{
    struct node *node = &row->node;
    row->size += cmis->draft->size;
    row->content = content;
    int r = store_run(cmis->store, STMT_VERSION_CONTENT, "iiiiss", node->key, row->number, content,
                      row->size, row->mime, row->file_name);
    if (r == 0 && row->is_latest) {
        node->content = content;
        node->size = row->size;
        r = store_run(cmis->store, STMT_NODE_BYTES, "iiis", node->key, content, row->size,
                      row->mime);
        if (r == 0)
            r = search_content(cmis->store, node);
    }
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

/* Behind a large content of its own the bytes are written in place; others are copied. */
static int content_append(struct cmis_call *cmis, struct row *row)
{
    int64_t content = 0, size = row->size;
    const char *mime, *name;
    int r = row->is_pwc ? 0 : hold_check(cmis->store, row->node.key, cmis->now_ms, NULL);
    if (r == 0)
        r = row->content ? content_grow(cmis->store, row->content, cmis->draft, &content) : -EMLINK;
    if (r == 0) {
        r = content_grown(cmis, row, content);
        if (r < 0) /* such as over a quota */
            content_cut(cmis->store, content, size);
        return r;
    }
    if (r != -EMLINK)
        return cmis_fail_errno(cmis, r);
    if (row->content) {
        if (draft_join(cmis, row->content) < 0)
            return -1;
        cmis->args.stream.type = row->mime;
        cmis->args.stream.name = row->file_name ? row->file_name : row->name;
    }
    if (stream_take(cmis, row->name, &content, &size, &mime, &name) < 0)
        return -1;
    return content_replace(cmis, row, content, size, mime, name);
}

int cmis_appendContentStream(struct cmis_call *cmis)
{
    struct row row;
    if (content_row(cmis, &row) < 0 || content_append(cmis, &row) < 0)
        return -1;
    return content_changed(cmis, &row);
}

/* Places */

static int move_primary(struct cmis_call *cmis, const struct row *row, int64_t target)
{
    struct actor actor = actor_of(cmis);
    int r = node_move(cmis->store, &actor, row->node.key, target, row->node.name);
    if (r == -EINVAL)
        return cmis_fail(cmis, CMIS_CONSTRAINT,
                         "A folder cannot go into itself, nor deeper than %d.", STORE_DEPTH_MAX);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int move_filing(struct cmis_call *cmis, const struct row *row, int64_t source,
                       int64_t target)
{
    int r = node_place_check(cmis->store, target, row->node.name, row->node.key);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    if (RUN(cmis, STMT_FILING_REMOVE, "ii", source, row->node.key) < 0)
        return -1;
    return RUN(cmis, STMT_FILING_ADD, "ii", target, row->node.key);
}

int cmis_moveObject(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct row row, source, target;
    int64_t *parents;
    size_t count, at = 0;
    if (row_get(cmis, args->object_id, &row) < 0 || right_check(cmis, &row, RIGHT_WRITE) < 0 ||
        row_get_base(cmis, args->source_folder_id, CMIS_BASE_FOLDER, &source) < 0 ||
        row_get_base(cmis, args->target_folder_id, CMIS_BASE_FOLDER, &target) < 0 ||
        right_check(cmis, &source, RIGHT_WRITE) < 0 || right_check(cmis, &target, RIGHT_WRITE) < 0)
        return -1;
    if (!row.type->fileable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Objects of this type are in no folder.");
    if (row.node.checked_out)
        return cmis_fail(cmis, CMIS_VERSIONING, "The document is checked out.");
    if (row_parents(cmis, &row, &parents, &count) < 0)
        return -1;
    while (at < count && parents[at] != source.node.key)
        at++;
    if (at == count)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The object is not in sourceFolderId.");
    if (source.node.key != target.node.key &&
        (source.node.key == row.node.parent
             ? move_primary(cmis, &row, target.node.key)
             : move_filing(cmis, &row, source.node.key, target.node.key)) < 0)
        return -1;
    cmis->result.object_id = row_id(cmis, &row);
    return cmis->result.object_id ? 0 : -1;
}
