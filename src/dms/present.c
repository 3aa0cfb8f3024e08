/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes and contents look like from outside. */
#include "dms/dms.h"
#include "dms/link.h"
#include "dms/store_audit.h"
#include "dms/store_marks.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void content_etag(char *text, size_t size, int64_t content)
{
    (void)snprintf(text, size, "\"c%lld\"", (long long)content);
}

static void key_json(struct json *json, const char *name, int64_t key)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)key);
    json_put_text(json, name, key == STORE_ROOT ? "root" : key == 0 ? NULL : text);
}

static void properties_json(struct call *call, struct json *json, const struct node *node)
{
    SCOPED(arena_done) struct arena arena = {0};
    struct property *properties;
    size_t count = 0;
    json_open_object(json, "properties");
    if (node->has_properties &&
        properties_get(call->dms->store, &arena, node->key, &properties, &count) < 0)
        json->out->failed = true;
    for (size_t i = 0; i < count; i++)
        json_put_text(json, properties[i].name, properties[i].value);
    json_close(json);
}

/* ?marks=1: also the tags, and whether it is a favourite of who asks. Not in every list: it costs two
 * look-ups for each node. */
static bool wants_marks(struct call *call)
{
    char *text = NULL;
    if (call->marks == MARKS_UNKNOWN)
        call->marks = http_request_query(call->req, "marks", &text) == 0 && strcmp(text, "1") == 0
                          ? MARKS_WANTED
                          : MARKS_UNWANTED;
    return call->marks == MARKS_WANTED;
}

static void marks_json(struct call *call, struct json *json, const struct node *node)
{
    SCOPED(arena_done) struct arena arena = {0};
    char **tags = NULL;
    size_t count = 0;
    bool favourite = false;
    if (tags_get(call->dms->store, &arena, node->key, &tags, &count) < 0 ||
        favourite_has(call->dms->store, call->user.key, node->key, &favourite) < 0)
        json->out->failed = true;
    json_open_array(json, "tags");
    for (size_t i = 0; i < count; i++)
        json_put_text(json, NULL, tags[i]);
    json_close(json);
    json_put_bool(json, "favourite", favourite);
}

void node_json(struct call *call, struct json *json, const char *key, const struct node *node)
{
    node_json_with(call, json, key, node, NULL);
}

void node_json_with(struct call *call, struct json *json, const char *key, const struct node *node,
                    const struct node_extra *extra)
{
    char etag[32];
    json_open_object(json, key);
    key_json(json, "id", node->key);
    json_put_text(json, "kind", node->kind == NODE_FOLDER ? "folder" : "document");
    json_put_text(json, "name", node->name);
    key_json(json, "parent", node->parent);
    if (node->kind == NODE_DOCUMENT) {
        content_etag(etag, sizeof etag, node->content);
        json_put_int(json, "size", node->size);
        json_put_text(json, "type", node->type);
        json_put_int(json, "version", node->version);
        json_put_text(json, "etag", etag);
    }
    json_put_int(json, "created_ms", node->created_ms);
    json_put_int(json, "modified_ms", node->modified_ms);
    json_put_text(json, "created_by", node->created_by);
    json_put_text(json, "modified_by", node->modified_by);
    properties_json(call, json, node);
    if (wants_marks(call))
        marks_json(call, json, node);
    if (extra)
        json_put_int(json, extra->name, extra->value);
    if (node->trash)
        json_put_int(json, "trashed_ms", node->trashed_ms);
    json_close(json);
}

const char *call_url(struct call *call, const char *path)
{
    const char *origin = link_origin(call);
    return origin ? arena_printf(&call->model_arena, "%s%s", origin, path) : NULL;
}

void call_reply_node(struct call *call, int status, int64_t key)
{
    struct node node;
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = node_get(call->dms->store, &call->req->arena, key, &node);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    node_json(call, &json, NULL, &node);
    http_response_headerf(call->req, "ETag", "\"n%lld-%lld\"", (long long)key,
                          (long long)node.revision);
    if (status == 201)
        http_response_headerf(call->req, "Location", "/api/%s/%lld",
                              node.kind == NODE_FOLDER ? "folders" : "documents", (long long)key);
    call_reply_buf(call, status, "application/json", &body);
}

int call_if_match(struct call *call, const char *etag)
{
    struct slice wanted = http_request_header(call->req, "If-Match");
    if (!wanted.bytes || http_etag_matches(wanted, etag, false))
        return 0;
    call_problem(call, 412, "changed", "It was changed meanwhile: its ETag is %s now.", etag);
    return -EINVAL;
}

/* Downloads */

/* What a browser may show in place: nothing that runs scripts. */
static bool is_harmless(const char *type)
{
    static const char *const harmless[] = {
        "application/pdf", "text/plain", "image/png", "image/jpeg", "image/gif",
        "image/webp",      "audio/mpeg", "video/mp4", "text/csv",
    };
    struct slice essence = slice_of(type, strcspn(type, "; "));
    for (size_t i = 0; i < ARRAY_COUNT(harmless); i++)
        if (http_text_equals(essence, harmless[i]))
            return true;
    return false;
}

/* RFC 6266: an ASCII name for old clients, the real one for the others. */
static void disposition_header(struct call *call, const char *name, bool in_place)
{
    SCOPED(buf_done) struct buf value = {0};
    (void)buf_printf(&value, "%s; filename=\"",
                     in_place && !call->as_attachment ? "inline" : "attachment");
    for (const char *c = name; *c; c++)
        (void)buf_append_byte(
            &value, (uint8_t)*c < 0x20 || (uint8_t)*c >= 0x7f || strchr("\"\\%", *c) ? '_' : *c);
    (void)buf_append_text(&value, "\"; filename*=UTF-8''");
    http_encode(&value, name);
    const char *text = buf_text(&value);
    http_response_header(call->req, "Content-Disposition", text ? text : "attachment");
}

/* ?view=1 shows HTML in place, in its own styles, with everything else switched off: the sandbox has
 * no scripts, no forms and no origin, and nothing may be fetched. */
static bool is_view(struct call *call, const char *type)
{
    char *view = NULL;
    struct slice essence = slice_of(type, strcspn(type, "; "));
    return http_text_equals(essence, "text/html") &&
           http_request_query(call->req, "view", &view) == 0 && strcmp(view, "1") == 0;
}

static void content_headers(struct call *call, const char *name, const char *type, const char *etag,
                            int64_t modified_ms)
{
    char date[HTTP_DATE_SIZE];
    http_date_format(modified_ms / 1000, date);
    http_response_header(call->req, "ETag", etag);
    http_response_header(call->req, "Last-Modified", date);
    http_response_header(call->req, "Accept-Ranges", "bytes");
    http_response_header(call->req, "Cache-Control", "private, no-cache");
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    bool view = is_view(call, type);
    http_response_header(call->req, "Content-Security-Policy",
                         view ? "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
                                "img-src data:; frame-ancestors 'self'"
                              : "sandbox; default-src 'none'; frame-ancestors 'self'");
    disposition_header(call, name, view || is_harmless(type));
}

void call_download_headers(struct call *call, const char *name)
{
    http_response_header(call->req, "Cache-Control", "no-store");
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    http_response_header(call->req, "Content-Security-Policy", "sandbox; default-src 'none'");
    disposition_header(call, name, false);
}

void call_text_headers(struct call *call)
{
    http_response_header(call->req, "Cache-Control", "no-store");
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    http_response_header(call->req, "Content-Security-Policy", "sandbox; default-src 'none'");
}

static bool not_modified(struct call *call, const char *etag, int64_t modified_ms)
{
    struct slice match = http_request_header(call->req, "If-None-Match");
    struct slice since = http_request_header(call->req, "If-Modified-Since");
    int64_t since_s;
    if (match.bytes)
        return http_etag_matches(match, etag, true);
    return since.bytes && http_date_parse(since, &since_s) == 0 && modified_ms / 1000 <= since_s;
}

/* If-Range: the range counts only for what the client has already. */
static bool range_counts(struct call *call, const char *etag, int64_t modified_ms)
{
    struct slice value = http_request_header(call->req, "If-Range");
    int64_t date_s;
    if (!value.bytes || slice_is_text(value, etag))
        return true;
    return http_date_parse(value, &date_s) == 0 && modified_ms / 1000 == date_s;
}

/* What is read is in the audit trail, or is not given out. */
int call_read_note(struct call *call, int64_t node, int64_t content, const char *name)
{
    char detail[32] = "";
    content_etag(detail, sizeof detail, content);
    if (call->req->method == HTTP_METHOD_HEAD)
        return 0;
    int r = audit_read_note(call->dms->store, &call->actor, node, content, name, detail);
    if (r == 0 && audit_has_notes(call->dms->store))
        dms_audit_later(call->dms);
    return r;
}

static void content_send(struct call *call, int status, const char *type, struct buf *bytes, int fd,
                         uint64_t offset, uint64_t size)
{
    metric_add(&call->dms->metrics[DMS_DOWNLOADS], 1);
    if (fd >= 0) {
        call_reply_file(call, status, type, fd, offset, size);
        return;
    }
    if (offset > 0)
        buf_consume(bytes, (size_t)offset);
    bytes->size = (size_t)size;
    call_reply_buf(call, status, type, bytes);
}

void call_reply_content(struct call *call, int64_t node, const char *name, const char *type,
                        int64_t content, int64_t modified_ms)
{
    struct buf bytes = {0};
    int fd = -1;
    int64_t size = 0;
    char etag[32];
    content_etag(etag, sizeof etag, content);
    type = type ? type : "application/octet-stream";
    if (call_if_match(call, etag) < 0)
        return;
    if (not_modified(call, etag, modified_ms)) {
        content_headers(call, name, type, etag, modified_ms);
        call_reply_empty(call, 304);
        return;
    }
    int r = content ? content_load(call->dms->store, content, &bytes, &fd, &size) : 0;
    if (r < 0) {
        buf_done(&bytes);
        call_problem_errno(call, r == -ENOENT ? -EIO : r);
        return;
    }
    uint64_t offset = 0, count = (uint64_t)size;
    struct slice range = http_request_header(call->req, "Range");
    r = range_counts(call, etag, modified_ms)
            ? http_range_parse(range, (uint64_t)size, &offset, &count)
            : -ENOENT;
    if (r == -ENOENT && call->is_part) {
        offset = MIN(call->offset, (uint64_t)size);
        count = MIN(call->size, (uint64_t)size - offset);
        r = count > 0 ? 0 : -ENOENT;
    }
    if (r == -ERANGE) {
        buf_done(&bytes);
        if (fd >= 0)
            (void)close(fd);
        http_response_headerf(call->req, "Content-Range", "bytes */%lld", (long long)size);
        call_problem(call, 416, "bad-range", "The document has %lld bytes.", (long long)size);
        return;
    }
    if (call_read_note(call, node, content, name) < 0) {
        buf_done(&bytes);
        if (fd >= 0)
            (void)close(fd);
        call_problem_errno(call, -EIO);
        return;
    }
    content_headers(call, name, type, etag, modified_ms);
    if (r == 0)
        http_response_headerf(call->req, "Content-Range", "bytes %llu-%llu/%lld",
                              (unsigned long long)offset, (unsigned long long)(offset + count - 1),
                              (long long)size);
    content_send(call, r == 0 ? 206 : 200, type, &bytes, fd, offset, count);
}
