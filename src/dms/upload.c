/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: JSON, raw contents and forms. A content is written as it comes, in constant memory; when
 * it is whole a large one is synced on the helper thread, and only then the handler goes on. */
#include "dms/dms.h"
#include "dms/store_quota.h"
#include "dms/worker.h"
#include "server/multipart.h"

#include <errno.h>
#include <stdlib.h>

/* JSON */

static void json_collected(struct http_request *req, struct slice body, void *arg)
{
    struct call *call = arg;
    json_error_t error;
    (void)req;
    call->json = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(call->json))
        call->then(call);
    else if (call->json)
        call_problem(call, 400, "bad-json", "The body is not a JSON object.");
    else
        call_problem(call, 400, "bad-json", "The body is not JSON: line %d, column %d.", error.line,
                     error.column);
}

void call_json(struct call *call, call_fn *then)
{
    struct slice type = http_request_header(call->req, "Content-Type");
    const uint8_t *end = type.size ? memchr(type.bytes, ';', type.size) : NULL;
    if (end)
        type.size = (size_t)(end - type.bytes);
    /* What curl sends with -d alone is taken as well: the body is judged, not its label. */
    if (type.bytes && !http_text_equals(type, "application/json") &&
        !http_text_equals(type, "application/x-www-form-urlencoded")) {
        call_problem(call, 415, "not-json", "This needs a body of type application/json.");
        return;
    }
    call->then = then;
    http_request_collect(call->req, DMS_JSON_SIZE_MAX, json_collected, call);
}

const char *call_json_text(struct call *call, const char *name, bool *ok)
{
    const json_t *value = json_object_get(call->json, name);
    const char *text = json_string_value(value);
    if (value && (!text || strlen(text) != json_string_length(value)))
        *ok = false;
    return text;
}

int call_json_only(struct call *call, const char *const *names)
{
    const char *member;
    json_t *value;
    json_object_foreach(call->json, member, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], member) != 0)
            i++;
        if (!names[i]) {
            call_problem(call, 422, "unknown-member", "The body has an unknown member: %s.",
                         member);
            return -EINVAL;
        }
    }
    return 0;
}

/* Making a content durable */

struct sync_work {
    struct worker_job job;
    struct call *call; /* NULL: the request is gone, and the draft is ours to drop */
    struct dms *dms;
    struct content_draft draft;
    int incoming_fd;
    int result;
};

static void sync_run(struct worker_job *job)
{
    struct sync_work *work = container_of(job, struct sync_work, job);
    work->result = content_sync(&work->draft, work->incoming_fd);
}

static void sync_done(struct worker_job *job)
{
    struct sync_work *work = container_of(job, struct sync_work, job);
    struct call *call = work->call;
    int r = work->result;
    if (call) {
        call->sync_work = NULL;
        call->draft = work->draft;
        work->draft = (struct content_draft){.fd = -1};
    }
    content_drop(work->dms->store, &work->draft);
    free(work);
    if (!call)
        return;
    if (r < 0)
        call_problem_errno(call, r);
    else
        call->then(call);
}

void upload_sync(struct call *call, call_fn *then)
{
    metric_add(&call->dms->metrics[DMS_UPLOADS], 1);
    if (call->draft.fd < 0) {
        then(call);
        return;
    }
    struct sync_work *work = calloc(1, sizeof *work);
    int r = -ENOMEM;
    if (work) {
        *work = (struct sync_work){.job = {.work = sync_run, .done = sync_done},
                                   .call = call,
                                   .dms = call->dms,
                                   .draft = call->draft,
                                   .incoming_fd = store_incoming_fd(call->dms->store)};
        r = worker_submit(call->dms->sync_worker, &work->job);
    }
    if (r < 0) {
        free(work);
        call_problem_errno(call, r);
        return;
    }
    call->then = then;
    call->sync_work = work;
    call->draft = (struct content_draft){.fd = -1};
}

/* Raw bodies */

static void upload_failed(struct call *call, int error)
{
    metric_add(&call->dms->metrics[DMS_UPLOADS_FAILED], 1);
    content_drop(call->dms->store, &call->draft);
    call_problem_errno(call, error);
}

static void raw_data(struct http_request *req, struct slice bytes, void *arg)
{
    (void)req;
    struct call *call = arg;
    int r = content_draft_write(call->dms->store, &call->draft, bytes);
    if (r < 0)
        upload_failed(call, r);
}

static void body_end(struct http_request *req, int status, void *arg)
{
    (void)req;
    struct call *call = arg;
    if (status == 0)
        upload_sync(call, call->then);
}

int upload_quota_check(struct call *call)
{
    struct slice length = http_request_header(call->req, "Content-Length");
    int64_t size;
    if (key_parse(length, &size) < 0)
        return 0; /* not known: looked at when it is stored */
    int r = quota_check(call->dms->store, call->user.key, size);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

void upload_raw(struct call *call, call_fn *then)
{
    call->then = then;
    http_request_body(call->req, call->dms->settings.upload_size_max, raw_data, body_end, call);
}

/* Forms */

enum { FIELD_SIZE_MAX = 64 << 10, UPLOAD_PARTS_MAX = 8000 };

struct upload_form {
    struct multipart multipart;
    upload_field_fn *field;
    const char *file_part; /* name of the part that is the content */
    bool file_needed;
    struct arena *arena; /* of names and values */
    char *name;          /* of the present field; NULL in the file */
    char *file_name;
    struct slice file_type;
    struct buf value;
    bool has_file;
};

void upload_cancel(struct call *call)
{
    if (call->sync_work)
        call->sync_work->call = NULL;
    call->sync_work = NULL;
    if (call->form) {
        multipart_done(&call->form->multipart);
        buf_done(&call->form->value);
    }
    call->form = NULL;
}

/* HTML says how forms write a '"' in a file name: as %22, and nothing else so. */
static void quotes_restore(char *name)
{
    for (char *at = name; (at = strstr(at, "%22")) != NULL; at++) {
        *at = '"';
        memmove(at + 1, at + 3, strlen(at + 3) + 1);
    }
}

static int form_part(void *arg, struct slice head)
{
    struct call *call = arg;
    struct upload_form *form = call->form;
    struct arena *arena = form->arena;
    struct slice disposition = multipart_header(head, "Content-Disposition");
    if (multipart_parameter(arena, disposition, "name", &form->name) < 0)
        return -EBADMSG;
    if (strcmp(form->name, form->file_part) != 0)
        return 0;
    if (form->has_file)
        return -EBADMSG; /* one file per request */
    form->has_file = true;
    form->name = NULL;
    int r = multipart_parameter(arena, disposition, "filename", &form->file_name);
    if (r < 0 && r != -ENOENT)
        return r;
    if (form->file_name)
        quotes_restore(form->file_name);
    struct slice type = multipart_header(head, "Content-Type");
    char *copy = arena_text(arena, type);
    if (!copy)
        return -ENOMEM;
    form->file_type = slice_of(copy, type.size);
    return 0;
}

static int form_data(void *arg, struct slice bytes)
{
    struct call *call = arg;
    if (!call->form->name)
        return content_draft_write(call->dms->store, &call->draft, bytes);
    return call->form->value.size + bytes.size > FIELD_SIZE_MAX
               ? -EFBIG
               : buf_append_slice(&call->form->value, bytes);
}

static int form_part_end(void *arg)
{
    struct call *call = arg;
    struct upload_form *form = call->form;
    if (!form->name)
        return 0;
    const char *value = http_is_utf8(buf_slice(&form->value)) ? buf_text(&form->value) : NULL;
    char *copy = value ? arena_text(form->arena, slice_of_text(value)) : NULL;
    buf_done(&form->value);
    return copy ? form->field(call, form->name, copy) : -EBADMSG;
}

static void form_bytes(struct http_request *req, struct slice bytes, void *arg)
{
    (void)req;
    struct call *call = arg;
    int r = multipart_feed(&call->form->multipart, bytes);
    if (r < 0)
        upload_failed(call, r);
}

static void form_end(struct http_request *req, int status, void *arg)
{
    (void)req;
    struct call *call = arg;
    if (status < 0)
        return;
    if (multipart_finish(&call->form->multipart) < 0)
        upload_failed(call, -EBADMSG);
    else if (!call->form->has_file && call->form->file_needed)
        call_problem(call, 422, "no-file", "The form needs a part named file.");
    else
        upload_sync(call, call->then);
}

static void form_begin(struct call *call, const struct upload_form *wanted, call_fn *then)
{
    const struct multipart_events events = {form_part, form_data, form_part_end, call};
    struct upload_form *form = arena_alloc(&call->req->arena, sizeof *form);
    if (!form) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    *form = *wanted;
    call->form = form;
    call->then = then;
    if (multipart_init(&form->multipart, http_request_header(call->req, "Content-Type"), &events) <
        0) {
        call->form = NULL;
        call_problem(call, 400, "malformed", "The form has no usable boundary.");
        return;
    }
    if (!wanted->file_needed)
        form->multipart.parts_max = UPLOAD_PARTS_MAX;
    http_request_body(call->req, call->dms->settings.upload_size_max, form_bytes, form_end, call);
}

void upload_form(struct call *call, upload_field_fn *field, call_fn *then)
{
    const struct upload_form wanted = {
        .field = field, .file_part = "file", .file_needed = true, .arena = &call->req->arena};
    form_begin(call, &wanted, then);
}

void upload_form_part(struct call *call, const char *part, struct arena *arena,
                      upload_field_fn *field, call_fn *then)
{
    const struct upload_form wanted = {.field = field, .file_part = part, .arena = arena};
    form_begin(call, &wanted, then);
}

bool upload_has_file(const struct call *call)
{
    return call->form && call->form->has_file;
}

const char *upload_file_name(const struct call *call)
{
    const char *name = call->form ? call->form->file_name : NULL;
    const char *slash = name ? strrchr(name, '/') : NULL;
    const char *back = name ? strrchr(slash ? slash : name, '\\') : NULL;
    return back ? back + 1 : slash ? slash + 1 : name;
}

struct slice upload_file_type(const struct call *call)
{
    return call->form ? call->form->file_type : (struct slice){0};
}

/* Media types */

static bool is_type_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$&-^_.+", c));
}

bool upload_type_valid(struct slice text)
{
    size_t slashes = 0;
    const uint8_t *end = text.size ? memchr(text.bytes, ';', text.size) : NULL;
    size_t size = end ? (size_t)(end - text.bytes) : text.size;
    for (size_t i = 0; i < size; i++) {
        if (text.bytes[i] == '/')
            slashes++;
        else if (!is_type_char(text.bytes[i]))
            return false;
    }
    for (size_t i = size; i < text.size; i++)
        if (text.bytes[i] < 0x20 || text.bytes[i] >= 0x7f)
            return false;
    return slashes == 1 && size >= 3 && text.size <= 127;
}

const char *media_type_of(const char *name)
{
    static const char *const by_ending[][2] = {
        {".pdf", "application/pdf"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/markdown; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".html", "text/html"},
        {".xml", "application/xml"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".svg", "image/svg+xml"},
        {".webp", "image/webp"},
        {".zip", "application/zip"},
        {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
        {".odt", "application/vnd.oasis.opendocument.text"},
        {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < ARRAY_COUNT(by_ending); i++)
        if (http_text_equals(slice_of_text(ending), by_ending[i][0]))
            return by_ending[i][1];
    return "application/octet-stream";
}

const char *upload_type(struct call *call, struct slice said, const char *name)
{
    bool says_something = upload_type_valid(said) &&
                          !http_text_equals(said, "application/octet-stream") &&
                          !http_text_equals(said, "application/x-www-form-urlencoded");
    const char *type = says_something ? arena_text(&call->req->arena, said) : NULL;
    return type ? type : media_type_of(name);
}
