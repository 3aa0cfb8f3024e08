/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/out/job.h"

#include "dms/out/http_out.h"
#include "server/base64.h"

#include <errno.h>
#include <string.h>

enum { HEADERS_MAX = 32, TIME_MS = 10000, SIZE_MAX_DEFAULT = 64 << 10 };

const char *job_text(const json_t *job, const char *name, const char *fallback, bool *ok)
{
    const json_t *value = json_object_get(job, name);
    if (!value || json_is_null(value))
        return fallback;
    const char *text = json_string_value(value);
    if (text && strlen(text) == json_string_length(value))
        return text;
    *ok = false;
    return NULL;
}

int64_t job_int(const json_t *job, const char *name, int64_t fallback, bool *ok)
{
    const json_t *value = json_object_get(job, name);
    if (!value || json_is_null(value))
        return fallback;
    if (!json_is_integer(value))
        *ok = false;
    return json_integer_value(value);
}

static void headers_take(const json_t *job, const char *ret[HEADERS_MAX + 1], bool *ok)
{
    const json_t *headers = json_object_get(job, "headers");
    size_t count = json_array_size(headers);
    *ok = *ok && (!headers || (json_is_array(headers) && count <= HEADERS_MAX));
    for (size_t i = 0; *ok && i < count; i++) {
        const json_t *value = json_array_get(headers, i);
        ret[i] = json_string_value(value);
        *ok = ret[i] && strlen(ret[i]) == json_string_length(value);
    }
}

int job_fetch(const json_t *job, json_t **ret_answer, struct error *e)
{
    bool ok = true;
    const char *headers[HEADERS_MAX + 1] = {NULL};
    const json_t *body = json_object_get(job, "body");
    struct http_out_order order = {
        .method = job_text(job, "method", "GET", &ok),
        .url = job_text(job, "url", NULL, &ok),
        .origin = job_text(job, "origin", NULL, &ok),
        .address = job_text(job, "address", NULL, &ok),
        .ca_file = job_text(job, "ca_file", NULL, &ok),
        .plain = json_is_true(json_object_get(job, "plain")),
        .headers = headers,
        .body = slice_of(json_string_value(body), json_string_length(body)),
    };
    int64_t size_max = job_int(job, "size_max", SIZE_MAX_DEFAULT, &ok);
    int64_t time_ms = job_int(job, "time_ms", TIME_MS, &ok);
    headers_take(job, headers, &ok);
    if (!ok || !order.method || !order.url || !order.origin || (body && !json_is_string(body)) ||
        size_max < 0 || size_max > (int64_t)HTTP_OUT_SIZE_MAX || time_ms < 1 ||
        time_ms > HTTP_OUT_TIME_MAX_MS)
        return error_set(e, -EINVAL, "the job is malformed");
    order.size_max = (size_t)size_max;
    order.time_ms = (uint32_t)time_ms;
    SCOPED(http_out_answer_done) struct http_out_answer answer = {0};
    SCOPED(buf_done) struct buf coded = {0};
    int r = http_out(&order, &answer, e);
    if (r == 0)
        r = base64_encode(buf_slice(&answer.body), false, &coded);
    if (r < 0)
        return r;
    const char *text = buf_text(&coded);
    *ret_answer = text ? json_pack("{s:i,s:s,s:s}", "status", answer.status, "type", answer.type,
                                   "body", text)
                       : NULL;
    return *ret_answer ? 0 : error_set(e, -EIO, "%.200s: a header is not UTF-8", order.origin);
}
