/* SPDX-License-Identifier: Apache-2.0 */
#include "server/problem.h"
#include "server/json.h"

#include <errno.h>
#include <stdarg.h>

void http_problem(struct http_request *req, int status, const char *name, const char *detail, ...)
{
    SCOPED(buf_done) struct buf body = {0}, text = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    (void)buf_printf(&text, name ? "urn:coffer:problem:%s" : "about:blank", name);
    json_put_slice(&json, "type", buf_slice(&text));
    json_put_text(&json, "title", http_status_text(status));
    json_put_int(&json, "status", status);
    if (detail) {
        va_list args;
        buf_clear(&text);
        va_start(args, detail);
        (void)buf_vprintf(&text, detail, args);
        va_end(args);
        json_put_slice(&json, "detail", buf_slice(&text));
    }
    json_close(&json);
    (void)buf_append_byte(&body, '\n');
    http_respond_buf(req, status, "application/problem+json", &body);
}

void http_problem_errno(struct http_request *req, int error)
{
    static const struct {
        int error, status;
        const char *name, *detail;
    } rows[] = {
        {-ENOENT, 404, "not-found", "There is nothing under this address."},
        {-EEXIST, 409, "name-exists", "There is something with this name already."},
        {-EINVAL, 400, "bad-request", "The request is not understood."},
        {-EBADMSG, 400, "malformed", "The request is malformed."},
        {-EFBIG, 413, "too-large", "This is more than the server accepts."},
        {-EACCES, 403, "forbidden", "You may not do this."},
        {-ENOSPC, 507, "storage-full", "The storage is full; nothing was changed."},
        {-EDQUOT, 507, "storage-full", "The storage is full; nothing was changed."},
        {-ETXTBSY, 409, "checked-out", "Somebody has checked this document out."},
        {-EBUSY, 503, "busy", "Try again in a moment."},
        {-ENOMEM, 503, "busy", "Too much is going on; try again in a moment."},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (rows[i].error == error) {
            http_problem(req, rows[i].status, rows[i].name, "%s", rows[i].detail);
            return;
        }
    http_problem(req, 500, "internal", "The server failed; nothing was changed.");
}
