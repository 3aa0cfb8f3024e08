/* SPDX-License-Identifier: Apache-2.0 */
/* The object service's reading half: objects by id and path, contents, renditions. */
#include "dms/cmis/model.h"

#include <errno.h>

int object_answer(struct cmis_call *cmis, struct row *row)
{
    struct object_view view = view_of_args(cmis);
    if (view_check(cmis, &view) < 0)
        return -1;
    return object_build(cmis, row, &view, &cmis->result.object);
}

int cmis_getObject(struct cmis_call *cmis)
{
    struct row row;
    return row_get(cmis, cmis->args.object_id, &row) < 0 ? -1 : object_answer(cmis, &row);
}

int cmis_getProperties(struct cmis_call *cmis)
{
    return cmis_getObject(cmis);
}

int cmis_getAllowableActions(struct cmis_call *cmis)
{
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0)
        return -1;
    cmis->result.actions = row_actions(cmis, &row);
    return 0;
}

/* A child by name: of the folder itself, or filed there. 0, or -1, with an error unless there is
 * none. */
static int child_find(struct cmis_call *cmis, int64_t folder, const char *name, struct row *ret)
{
    struct node node;
    int r = node_child(cmis->store, cmis->arena, folder, name, &node);
    if (r == 0)
        return row_by_key(cmis, node.key, ret);
    if (r != -ENOENT)
        return cmis_fail_errno(cmis, r);
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_OBJECT_CHILD, "is", folder, name);
    r = stmt ? store_step(cmis->store, stmt) : -EIO;
    return r == 1 ? row_read(cmis, stmt, ret) : r < 0 ? cmis_fail_errno(cmis, r) : -1;
}

int row_by_path(struct cmis_call *cmis, const char *path, struct row *ret)
{
    if (*path != '/')
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "A path begins with '/'.");
    if (row_by_key(cmis, STORE_ROOT, ret) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    for (int depth = 0; *path; depth++) {
        path += strspn(path, "/");
        size_t size = strcspn(path, "/");
        if (size == 0)
            break;
        char *name = arena_text(cmis->arena, slice_of(path, size));
        bool found = name && depth <= STORE_DEPTH_MAX && ret->node.kind == NODE_FOLDER &&
                     child_find(cmis, ret->node.key, name, ret) == 0;
        if (!found)
            return cmis->error ? -1
                               : cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND,
                                           "There is nothing under this path.");
        path += size;
    }
    const char *id = row_id(cmis, ret);
    return id ? row_get(cmis, id, ret) : -1; /* may the user see it? */
}

int cmis_getObjectByPath(struct cmis_call *cmis)
{
    struct row row;
    return row_by_path(cmis, cmis->args.path, &row) < 0 ? -1 : object_answer(cmis, &row);
}

/* Contents */

static int range_settle(struct cmis_call *cmis, struct cmis_stream *stream)
{
    const struct cmis_args *args = &cmis->args;
    if (args->offset < 0 || (cmis_args_has(cmis, CMIS_IN_LENGTH) && args->length < 0))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "offset and length cannot be negative.");
    if (args->offset > stream->total || (args->offset == stream->total && args->offset > 0))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The content has %lld bytes.",
                         (long long)stream->total);
    stream->offset = args->offset;
    stream->length = stream->total - args->offset;
    if (cmis_args_has(cmis, CMIS_IN_LENGTH))
        stream->length = MIN(stream->length, args->length);
    return 0;
}

int cmis_getContentStream(struct cmis_call *cmis)
{
    const char *stream_id = cmis_args_has(cmis, CMIS_IN_STREAM_ID) ? cmis->args.stream_id : NULL;
    struct cmis_stream *stream = &cmis->result.stream;
    struct row row;
    if (row_get(cmis, cmis->args.object_id, &row) < 0)
        return -1;
    if (stream_id && *stream_id && strncmp(stream_id, "c", 1) != 0)
        return rendition_stream(cmis, &row, stream_id, stream) < 0 ? -1
                                                                   : range_settle(cmis, stream);
    if (row_base(&row) != CMIS_BASE_DOCUMENT || !row.content)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "The object has no content.");
    if (stream_id && *stream_id) {
        const char *own = call_printf(cmis, "c%lld", (long long)row.content);
        if (!own || strcmp(own, stream_id) != 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no stream '%.60s'.", stream_id);
    }
    *stream = (struct cmis_stream){
        .content = row.content,
        .name = row.file_name ? row.file_name : row.name,
        .type = row.mime ? row.mime : "application/octet-stream",
        .total = row.size,
        .modified_ms = row.modified_ms,
    };
    return range_settle(cmis, stream);
}

int cmis_getRenditions(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    const struct cmis_rendition *all;
    size_t count;
    struct row row;
    const char *filter =
        cmis_args_has(cmis, CMIS_IN_RENDITION_FILTER) ? args->rendition_filter : "*";
    if (row_get(cmis, args->object_id, &row) < 0 ||
        renditions_of(cmis, &row, filter, &all, &count) < 0)
        return -1;
    size_t skip = (size_t)MIN((uint64_t)args->skip_count, count);
    cmis->result.renditions = all ? all + skip : NULL;
    cmis->result.rendition_count = MIN(count - skip, (size_t)args->max_items);
    return 0;
}
