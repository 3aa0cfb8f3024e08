/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and documents as one archive, read from the store while it is sent. What is in it is
 * decided at the beginning; a document that is purged meanwhile breaks the download off, so nobody
 * takes half an archive for a whole one. */
#include "dms/dms.h"
#include "dms/store_audit.h"
#include "dms/zip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

struct source {
    int64_t key; /* of a folder or a content */
    int64_t node;
    bool is_folder;
};

struct archive {
    struct call *call;
    struct store *store;
    struct arena arena;
    struct zip_member *members;
    struct source *sources;
    size_t count;
    /* Sending */
    size_t member;
    uint64_t at;      /* of the whole archive */
    uint64_t left;    /* of the member's bytes */
    struct buf ready; /* what is to be sent before anything else */
    int fd;
    bool is_open, ended;
};

static void archive_close(void *arg)
{
    struct archive *archive = arg;
    if (archive->fd >= 0)
        (void)close(archive->fd);
    buf_done(&archive->ready);
    arena_done(&archive->arena);
    free(archive->members);
    free(archive->sources);
    free(archive);
}

static struct archive *archive_new(struct call *call)
{
    struct archive *archive = calloc(1, sizeof *archive);
    if (!archive)
        return NULL;
    *archive = (struct archive){
        .call = call, .store = call->dms->store, .arena = {.size_max = (size_t)64 << 20}, .fd = -1};
    archive->members = calloc(ZIP_MEMBERS_MAX, sizeof *archive->members);
    archive->sources = calloc(ZIP_MEMBERS_MAX, sizeof *archive->sources);
    if (!archive->members || !archive->sources) {
        archive_close(archive);
        return NULL;
    }
    return archive;
}

/* Choosing the members */

static char *path_make(struct archive *archive, const char *parent, const struct node *node)
{
    char *path = arena_printf(&archive->arena, "%s%s%s", parent, node->name,
                              node->kind == NODE_FOLDER ? "/" : "");
    for (char *c = path; c && *c; c++)
        if (*c == '\\') /* a separator to some programs */
            *c = '_';
    return path;
}

static int member_add(struct archive *archive, const char *parent, const struct node *node)
{
    if (archive->count == ZIP_MEMBERS_MAX)
        return -E2BIG;
    char *path = path_make(archive, parent, node);
    if (!path)
        return -ENOMEM;
    if (strlen(path) > ZIP_PATH_MAX)
        return -E2BIG;
    bool folder = node->kind == NODE_FOLDER;
    archive->members[archive->count] = (struct zip_member){
        .path = path,
        .size = folder ? 0 : (uint64_t)node->size,
        .modified_s = node->modified_ms / 1000,
        .has_crc = folder || node->size <= (int64_t)STORE_INLINE_MAX,
    };
    archive->sources[archive->count++] =
        (struct source){folder ? node->key : node->content, node->key, folder};
    return 0;
}

struct listing {
    struct archive *archive;
    const char *parent;
    const char *last;
    struct arena names;
};

static int child_add(void *arg, const struct node *node)
{
    struct listing *listing = arg;
    listing->last = arena_text(&listing->names, slice_of_text(node->name));
    if (call_may_node(listing->archive->call, node) < 0)
        return 0; /* not this user's to see */
    return listing->last ? member_add(listing->archive, listing->parent, node) : -ENOMEM;
}

/* The children of member `index`, page by page. */
static int folder_add(struct archive *archive, size_t index)
{
    struct listing listing = {
        .archive = archive, .parent = archive->members[index].path, .last = ""};
    bool more = true;
    int r = 0;
    while (r == 0 && more)
        r = node_children(archive->store, archive->sources[index].key, listing.last, STORE_PAGE_MAX,
                          child_add, &listing, &more);
    arena_done(&listing.names);
    return r;
}

/* Folders found on the way stand in the list itself, and are walked when their turn comes. */
static int folders_walk(struct archive *archive)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < archive->count; i++)
        if (archive->sources[i].is_folder)
            r = folder_add(archive, i);
    return r;
}

/* Sending them */

/* What is read is in the audit trail, or is not given out. */
static int read_note(struct archive *archive, const struct zip_member *member)
{
    const struct source *source = &archive->sources[archive->member];
    char detail[32];
    content_etag(detail, sizeof detail, source->key);
    int r = audit_read_note(archive->store, &archive->call->actor, source->node, source->key,
                            member->path, detail);
    if (r == 0)
        dms_audit_later(archive->call->dms);
    return r;
}

static int content_open(struct archive *archive, struct zip_member *member)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int64_t size = 0;
    int r = content_load(archive->store, archive->sources[archive->member].key, &bytes,
                         &archive->fd, &size);
    if (r < 0)
        return r == -ENOENT ? -EIO : r;
    if ((uint64_t)size != member->size || member->has_crc != (archive->fd < 0))
        return -EIO;
    r = read_note(archive, member);
    if (r < 0)
        return r;
    if (archive->fd < 0)
        member->crc = (uint32_t)crc32(0, bytes.bytes, (uInt)bytes.size);
    r = zip_head(member, archive->at, &archive->ready);
    if (r == 0 && archive->fd < 0)
        r = buf_append_slice(&archive->ready, buf_slice(&bytes));
    archive->left = archive->fd < 0 ? 0 : member->size;
    return r;
}

static int member_open(struct archive *archive)
{
    struct zip_member *member = &archive->members[archive->member];
    archive->is_open = true;
    if (!archive->sources[archive->member].is_folder)
        return content_open(archive, member);
    archive->left = 0;
    return zip_head(member, archive->at, &archive->ready);
}

static int member_close(struct archive *archive)
{
    int r = zip_tail(&archive->members[archive->member++], &archive->ready);
    if (archive->fd >= 0)
        (void)close(archive->fd);
    archive->fd = -1;
    archive->is_open = false;
    return r;
}

static ssize_t file_give(struct archive *archive, void *to, size_t size)
{
    struct zip_member *member = &archive->members[archive->member];
    ssize_t n = read(archive->fd, to, MIN(size, archive->left));
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    member->crc = (uint32_t)crc32(member->crc, to, (uInt)n);
    archive->left -= (uint64_t)n;
    return n;
}

static int next_make(struct archive *archive)
{
    if (archive->is_open)
        return member_close(archive);
    if (archive->member < archive->count)
        return member_open(archive);
    archive->ended = true;
    return zip_end(archive->members, archive->count, archive->at, &archive->ready);
}

static ssize_t archive_read(void *arg, void *to, size_t size)
{
    struct archive *archive = arg;
    for (;;) {
        ssize_t n = 0;
        if (archive->ready.size > 0) {
            n = (ssize_t)MIN(size, archive->ready.size);
            memcpy(to, archive->ready.bytes, (size_t)n);
            buf_consume(&archive->ready, (size_t)n);
        } else if (archive->is_open && archive->left > 0) {
            n = file_give(archive, to, size);
        } else if (archive->ended) {
            return 0;
        } else {
            int r = next_make(archive);
            if (r < 0)
                return r;
            continue;
        }
        archive->at += n > 0 ? (uint64_t)n : 0;
        return n;
    }
}

/* Asking for one */

/* Ids separated by commas. */
static int ids_add(struct call *call, struct archive *archive, struct slice ids, char **ret_name)
{
    struct node node = {0};
    size_t count = 0;
    while (ids.size > 0) {
        int64_t key;
        const uint8_t *comma = memchr(ids.bytes, ',', ids.size);
        size_t size = comma ? (size_t)(comma - ids.bytes) : ids.size;
        int r = key_parse(slice_of(ids.bytes, size), &key);
        if (r == 0)
            r = node_get(call->dms->store, &call->req->arena, key, &node);
        if (r == 0 && node.trash)
            r = -ENOENT;
        if (r == 0)
            r = call_may_node(call, &node);
        if (r == 0 && key == STORE_ROOT) /* what is in it, without a name around */
            node.name = arena_text(&call->req->arena, slice_of_text("documents"));
        if (r == 0)
            r = node.name ? member_add(archive, "", &node) : -ENOMEM;
        if (r < 0)
            return r;
        *ret_name = node.name;
        count++;
        size += comma != NULL;
        ids = slice_of(ids.bytes + size, ids.size - size);
    }
    if (count != 1)
        *ret_name = arena_text(&call->req->arena, slice_of_text("documents"));
    return count ? 0 : -EINVAL;
}

void zip_get(struct call *call)
{
    char *ids = NULL, *name = NULL;
    struct archive *archive = archive_new(call);
    int r = archive ? http_request_query(call->req, "ids", &ids) : -ENOMEM;
    if (r == 0)
        r = ids_add(call, archive, slice_of_text(ids), &name);
    if (r == 0)
        r = folders_walk(archive);
    char *file = r == 0 ? arena_printf(&call->req->arena, "%s.zip", name) : NULL;
    if (r == 0 && !file)
        r = -ENOMEM;
    if (r < 0) {
        if (archive)
            archive_close(archive);
        if (r == -E2BIG)
            call_problem(call, 413, "too-many",
                         "An archive takes at most %d folders and documents.", ZIP_MEMBERS_MAX);
        else if (r == -EINVAL || !ids)
            call_problem(call, 400, "bad-ids", "ids is needed: ids separated by commas.");
        else
            call_problem_errno(call, r);
        return;
    }
    metric_add(&call->dms->metrics[DMS_DOWNLOADS], 1);
    call_download_headers(call, file);
    call_reply_source(call, 200, "application/zip", zip_size(archive->members, archive->count),
                      (struct http_source){archive_read, archive_close, archive});
}
