/* SPDX-License-Identifier: Apache-2.0 */
/* Resumable uploads: the protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload) with the
 * extensions creation, creation-with-upload, expiration and termination. A client says how much
 * will come and as what; it sends parts, each at the offset that HEAD tells it; when all is here it
 * becomes a document, in the same way and as durably as any other upload.
 *
 * Metadata: filename (needed unless `document` is given), filetype, parent (id of a folder, root if
 * absent), document (id: a new version of it), conflict (fail, version or rename: what if the name
 * is taken). */
#include "dms/dms.h"
#include "dms/header_parse.h"
#include "dms/store_partial.h"
#include "dms/store_quota.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TUS_VERSION "1.0.0"
enum { EXPIRES_S = 24 * 3600, NAME_TRIES = 100 };

/* One part on its way in. */
struct tus_write {
    struct call *call;
    struct partial partial;
    int fd;
    int64_t offset;
    bool given_up; /* the client came back on another connection */
    struct buf gathered;
    struct tus_write *next;
};

static void tus_headers(struct call *call)
{
    http_response_header(call->req, "Tus-Resumable", TUS_VERSION);
    http_response_header(call->req, "Cache-Control", "no-store");
}

static void expires_header(struct call *call, int64_t expires_s)
{
    char date[HTTP_DATE_SIZE];
    http_date_format(expires_s, date);
    http_response_header(call->req, "Upload-Expires", date);
}

static int64_t now_s(const struct call *call)
{
    return call->actor.now_ms / 1000;
}

static void tus_problem(struct call *call, int error)
{
    tus_headers(call);
    if (error == -EINVAL)
        call_problem(call, 422, "bad-name-or-place",
                     "A name has 1 to %d bytes of UTF-8, no '/' and no control characters.",
                     STORE_NAME_SIZE_MAX);
    else if (error == -EDQUOT)
        call_problem(call, 429, "too-many-uploads", "There are %d unfinished uploads already.",
                     PARTIALS_MAX);
    else
        call_problem_errno(call, error);
}

/* The version the client speaks; 0 or the call has been ended. */
static int version_check(struct call *call)
{
    struct slice said = http_request_header(call->req, "Tus-Resumable");
    if (slice_is_text(said, TUS_VERSION))
        return 0;
    tus_headers(call);
    http_response_header(call->req, "Tus-Version", TUS_VERSION);
    call_problem(call, 412, "tus-version", "Tus-Resumable: %s is needed.", TUS_VERSION);
    return -EINVAL;
}

/* Digits only, at most 18. */
static int number_parse(struct slice text, int64_t *ret)
{
    int64_t n = 0;
    if (text.size == 0 || text.size > 18)
        return -EINVAL;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return -EINVAL;
        n = n * 10 + (text.bytes[i] - '0');
    }
    *ret = n;
    return 0;
}

void tus_options(struct call *call)
{
    tus_headers(call);
    http_response_header(call->req, "Tus-Version", TUS_VERSION);
    http_response_header(call->req, "Tus-Extension",
                         "creation,creation-with-upload,expiration,termination");
    http_response_headerf(call->req, "Tus-Max-Size", "%llu",
                          (unsigned long long)call->dms->settings.upload_size_max);
    call_reply_empty(call, 204);
}

static int metadata_take(struct call *call, struct partial *partial)
{
    struct tus_metadata it;
    int r = tus_metadata_parse(&call->req->arena, http_request_header(call->req, "Upload-Metadata"),
                               &it);
    if (r < 0)
        return r;
    partial->name = it.name;
    partial->type = it.type;
    partial->conflict = it.conflict;
    if (it.parent)
        r = key_parse(slice_of_text(it.parent), &partial->parent);
    return r == 0 && it.document ? key_parse(slice_of_text(it.document), &partial->document) : r;
}

/* Where it goes: refused early, before gigabytes have been sent. */
static int place_check(struct call *call, const struct partial *partial)
{
    struct store *store = call->dms->store;
    struct arena *arena = &call->req->arena;
    struct node node;
    if (partial->document) {
        int r = node_get(store, arena, partial->document, &node);
        if (r == 0)
            r = access_check(store, &call->user, &node, ACCESS_WRITE);
        return r < 0 ? r : node.kind != NODE_DOCUMENT || node.trash ? -ENOENT : 0;
    }
    int r = node_name_check(partial->name);
    if (r == 0)
        r = node_get(store, arena, partial->parent, &node);
    if (r == 0 && (node.kind != NODE_FOLDER || node.trash))
        r = -ENOENT;
    if (r == 0)
        r = access_check(store, &call->user, &node, ACCESS_WRITE);
    if (r < 0)
        return r;
    r = node_child(store, arena, partial->parent, partial->name, &node);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    bool settled = strcmp(partial->conflict, "rename") == 0 ||
                   (strcmp(partial->conflict, "version") == 0 && node.kind == NODE_DOCUMENT);
    return settled ? 0 : -EEXIST;
}

static bool is_conflict(const char *text)
{
    return strcmp(text, "fail") == 0 || strcmp(text, "version") == 0 || strcmp(text, "rename") == 0;
}

/* Fills *partial from the request; 0 or the call has been ended. */
static int creation_read(struct call *call, struct partial *partial)
{
    struct slice length = http_request_header(call->req, "Upload-Length");
    *partial = (struct partial){.user = call->user.key, .parent = STORE_ROOT};
    if (number_parse(length, &partial->length) < 0) {
        tus_headers(call);
        call_problem(call, 400, "bad-length", "Upload-Length: the number of bytes to come.");
        return -EINVAL;
    }
    if ((uint64_t)partial->length > call->dms->settings.upload_size_max) {
        tus_headers(call);
        call_problem(call, 413, "too-large", "At most %llu bytes are taken.",
                     (unsigned long long)call->dms->settings.upload_size_max);
        return -EINVAL;
    }
    int r = metadata_take(call, partial);
    if (!partial->conflict)
        partial->conflict = arena_text(&call->req->arena, slice_of_text("fail"));
    if (!partial->type)
        partial->type = arena_text(&call->req->arena, slice_of_text(""));
    if (!partial->name && partial->document)
        partial->name = arena_text(&call->req->arena, slice_of_text(""));
    if (r == -ENOENT || r == -EBADMSG || (r == 0 && !partial->name) ||
        (r == 0 && partial->conflict && !is_conflict(partial->conflict))) {
        tus_headers(call);
        call_problem(call, 400, "bad-metadata",
                     "Upload-Metadata: filename, filetype, parent, document, conflict (fail, "
                     "version or rename), each with its value in base64; filename or document is "
                     "needed.");
        return -EINVAL;
    }
    if (r == 0 && (!partial->conflict || !partial->type))
        r = -ENOMEM;
    if (r == 0)
        r = place_check(call, partial);
    if (r == 0)
        r = quota_check(call->dms->store, call->user.key, partial->length);
    if (r < 0)
        tus_problem(call, r);
    return r;
}

/* Becoming a document */

/* "a.txt", 2 is "a (2).txt"; cut so that it is a name. */
static char *name_number(struct arena *arena, const char *name, int number)
{
    const char *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return arena_printf(arena, "%.*s (%d)%s", (int)stem, name, number, name + stem);
}

static int document_make(struct call *call, const struct partial *partial, int64_t *ret_key)
{
    struct store *store = call->dms->store;
    struct arena *arena = &call->req->arena;
    struct node node;
    const char *type = upload_type(call, slice_of_text(partial->type), partial->name);
    int64_t key = partial->document;
    if (!key && strcmp(partial->conflict, "version") == 0 &&
        node_child(store, arena, partial->parent, partial->name, &node) == 0 &&
        node.kind == NODE_DOCUMENT)
        key = node.key;
    if (key) {
        int r = node_get(store, arena, key, &node);
        if (r == 0 && node.trash)
            r = -ENOENT;
        if (r == 0)
            r = access_check(store, &call->user, &node, ACCESS_WRITE);
        if (r == 0)
            r = document_update(store, &call->actor, key,
                                upload_type(call, slice_of_text(partial->type), node.name),
                                &call->draft);
        *ret_key = key;
        return r;
    }
    const char *name = partial->name;
    for (int tries = 2;; tries++) {
        int r = call_may_put(call, partial->parent);
        if (r == 0)
            r = node_child(store, arena, partial->parent, name, &node);
        else
            return r;
        if (r == -ENOENT)
            return document_create(store, &call->actor, partial->parent, name, type, &call->draft,
                                   ret_key);
        if (r < 0 || strcmp(partial->conflict, "rename") != 0 || tries > NAME_TRIES)
            return r < 0 ? r : -EEXIST;
        name = name_number(arena, partial->name, tries);
        if (!name)
            return -ENOMEM;
    }
}

static void offset_reply(struct call *call, int status, int64_t offset, const struct partial *it)
{
    tus_headers(call);
    http_response_headerf(call->req, "Upload-Offset", "%lld", (long long)offset);
    expires_header(call, it->expires_s);
    if (it->made)
        http_response_headerf(call->req, "Content-Location", "/api/documents/%lld",
                              (long long)it->made);
    call_reply_empty(call, status);
}

static int answer_status(const struct call *call)
{
    return call->req->method == HTTP_METHOD_POST ? 201 : 204;
}

static void tus_finish(struct call *call)
{
    struct tus_write *write = call->state;
    struct partial *partial = &write->partial;
    int r = document_make(call, partial, &partial->made);
    if (r == 0)
        r = partial_made(call->dms->store, partial->id, partial->made);
    if (r < 0)
        tus_problem(call, r);
    else
        offset_reply(call, answer_status(call), partial->length, partial);
}

static void tus_complete(struct call *call, struct tus_write *write)
{
    int r = partial_take(call->dms->store, write->partial.id, &call->draft);
    if (r < 0)
        tus_problem(call, r);
    else
        upload_sync(call, tus_finish);
}

/* Receiving a part */

static int part_flush(struct tus_write *write)
{
    struct slice rest = buf_slice(&write->gathered);
    while (rest.size > 0) {
        ssize_t n = pwrite(write->fd, rest.bytes, rest.size, write->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EFBIG || errno == EDQUOT ? -ENOSPC : -errno;
        write->offset += n;
        rest = slice_of(rest.bytes + n, rest.size - (size_t)n);
    }
    buf_clear(&write->gathered);
    return 0;
}

/* Keeps what is here, whatever happens next. */
void tus_cancel(struct call *call)
{
    struct tus_write *write = call->tus;
    if (!write)
        return;
    call->tus = NULL;
    struct tus_write **link = &call->dms->tus_writes;
    while (*link && *link != write)
        link = &(*link)->next;
    if (*link)
        *link = write->next;
    if (!write->given_up)
        (void)!part_flush(write);
    buf_done(&write->gathered);
    if (write->fd >= 0)
        (void)close(write->fd);
}

/* A client that lost its connection comes back before we know that the old one is dead. */
static void older_give_up(struct call *call, const char *id)
{
    assert(id);
    for (struct tus_write *write = call->dms->tus_writes; write; write = write->next) {
        if (write->given_up || strcmp(write->partial.id, id) != 0)
            continue;
        (void)!part_flush(write);
        write->given_up = true;
        http_abort(write->call->req);
    }
}

static bool is_being_finished(const struct call *call, const char *id)
{
    for (const struct tus_write *write = call->dms->tus_writes; write; write = write->next)
        if (!write->given_up && write->fd < 0 && strcmp(write->partial.id, id) == 0)
            return true;
    return false;
}

static void part_data(struct http_request *req, struct slice bytes, void *arg)
{
    (void)req;
    struct call *call = arg;
    struct tus_write *write = call->tus;
    int64_t have = write->offset + (int64_t)write->gathered.size;
    int r = 0;
    if (write->given_up)
        return;
    if ((int64_t)bytes.size > write->partial.length - have) {
        tus_headers(call);
        call_problem(call, 413, "too-large", "More bytes came than Upload-Length says.");
        return;
    }
    if (write->gathered.size + bytes.size > STORE_GATHER_SIZE)
        r = part_flush(write);
    if (r == 0)
        r = buf_append_slice(&write->gathered, bytes);
    if (r < 0)
        tus_problem(call, r);
}

static void part_end(struct http_request *req, int status, void *arg)
{
    (void)req;
    struct call *call = arg;
    struct tus_write *write = call->tus;
    if (status < 0 || write->given_up)
        return; /* tus_cancel() keeps what is here */
    int r = part_flush(write);
    if (r < 0) {
        tus_problem(call, r);
        return;
    }
    if (write->offset < write->partial.length) {
        write->partial.expires_s = now_s(call) + EXPIRES_S;
        r = partial_touch(call->dms->store, write->partial.id, write->partial.expires_s);
        if (r < 0)
            tus_problem(call, r);
        else
            offset_reply(call, answer_status(call), write->offset, &write->partial);
        return;
    }
    (void)close(write->fd);
    write->fd = -1;
    tus_complete(call, write);
}

static void part_receive(struct call *call, const struct partial *partial, int fd, int64_t offset)
{
    struct tus_write *write = arena_alloc(&call->req->arena, sizeof *write);
    if (!write) {
        (void)close(fd);
        tus_problem(call, -ENOMEM);
        return;
    }
    *write = (struct tus_write){.call = call,
                                .partial = *partial,
                                .fd = fd,
                                .offset = offset,
                                .next = call->dms->tus_writes};
    call->dms->tus_writes = write;
    call->tus = write;
    call->state = write;
    http_request_body(call->req, (uint64_t)partial->length, part_data, part_end, call);
}

static bool is_part(const struct call *call)
{
    return http_text_equals(http_request_header(call->req, "Content-Type"),
                            "application/offset+octet-stream");
}

/* Handlers */

void tus_create(struct call *call)
{
    struct partial partial = {0};
    char *id = arena_alloc(&call->req->arena, PARTIAL_ID_SIZE + 1);
    int fd = -1;
    int64_t size = 0;
    if (version_check(call) < 0 || creation_read(call, &partial) < 0)
        return;
    partial.expires_s = now_s(call) + EXPIRES_S;
    int r = id ? partial_add(call->dms->store, &partial, now_s(call), id) : -ENOMEM;
    if (r < 0) {
        tus_problem(call, r);
        return;
    }
    partial.id = id;
    http_response_headerf(call->req, "Location", "/api/uploads/%s", id);
    bool with_upload = is_part(call) && call->req->body_size > 0;
    if (!with_upload && partial.length > 0) {
        offset_reply(call, 201, 0, &partial);
        return;
    }
    r = partial_open(call->dms->store, id, &fd, &size);
    if (r < 0)
        tus_problem(call, r);
    else
        part_receive(call, &partial, fd, 0);
}

/* 0, or the call has been ended. */
static int call_partial(struct call *call, struct partial *ret)
{
    char *id = NULL;
    int r = http_decode(&call->req->arena, call->params[0], false, &id);
    if (r == 0)
        r = partial_get(call->dms->store, &call->req->arena, id, call->user.key, now_s(call), ret);
    if (r < 0)
        tus_problem(call, r == -EINVAL ? -ENOENT : r);
    return r;
}

/* HEAD, and GET for people. */
void tus_get(struct call *call)
{
    struct partial partial = {0};
    int fd = -1;
    int64_t offset = 0;
    bool is_head = call->req->method == HTTP_METHOD_HEAD;
    if ((is_head && version_check(call) < 0) || call_partial(call, &partial) < 0)
        return;
    offset = partial.length;
    if (!partial.made) {
        older_give_up(call, partial.id);
        int r = partial_open(call->dms->store, partial.id, &fd, &offset);
        if (r < 0) {
            tus_problem(call, r);
            return;
        }
        (void)close(fd);
    }
    http_response_headerf(call->req, "Upload-Length", "%lld", (long long)partial.length);
    offset_reply(call, 200, offset, &partial);
}

void tus_patch(struct call *call)
{
    struct partial partial = {0};
    int64_t said = 0, offset = 0;
    int fd = -1;
    if (version_check(call) < 0 || call_partial(call, &partial) < 0)
        return;
    if (!is_part(call)) {
        tus_headers(call);
        call_problem(call, 415, "not-a-part", "Content-Type: application/offset+octet-stream.");
        return;
    }
    if (number_parse(http_request_header(call->req, "Upload-Offset"), &said) < 0) {
        tus_headers(call);
        call_problem(call, 400, "bad-offset", "Upload-Offset: where this part begins.");
        return;
    }
    if (is_being_finished(call, partial.id)) {
        tus_headers(call);
        call_problem(call, 423, "being-finished", "All is here; it is becoming a document.");
        return;
    }
    if (partial.made && said == partial.length && call->req->body_size == 0) {
        offset_reply(call, 204, partial.length, &partial);
        return;
    }
    older_give_up(call, partial.id);
    int r = partial.made ? 0 : partial_open(call->dms->store, partial.id, &fd, &offset);
    if (r < 0) {
        tus_problem(call, r);
    } else if (partial.made || offset != said) {
        if (fd >= 0)
            (void)close(fd);
        tus_headers(call);
        call_problem(call, 409, "wrong-offset", "The upload is at %lld.",
                     (long long)(partial.made ? partial.length : offset));
    } else {
        part_receive(call, &partial, fd, offset);
    }
}

void tus_delete(struct call *call)
{
    struct partial partial = {0};
    if (version_check(call) < 0 || call_partial(call, &partial) < 0)
        return;
    if (is_being_finished(call, partial.id)) {
        tus_headers(call);
        call_problem(call, 423, "being-finished", "All is here; it is becoming a document.");
        return;
    }
    older_give_up(call, partial.id);
    int r = partial_remove(call->dms->store, partial.id);
    tus_headers(call);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}
