/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/link.h"

static bool is_unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("-._~", c));
}

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.size; i++)
        if (!is_unreserved(host.bytes[i]) && host.bytes[i] != ':' && host.bytes[i] != '[' &&
            host.bytes[i] != ']')
            return false;
    return host.size > 0;
}

const char *link_origin(struct call *call)
{
    struct slice host = call->req->host;
    bool https = call->dms->settings.https ||
                 http_text_equals(http_request_header(call->req, "X-Forwarded-Proto"), "https");
    if (!is_host(host))
        host = slice_of_text("localhost");
    return arena_printf(&call->model_arena, "%s://%.*s", https ? "https" : "http", (int)host.size,
                        (const char *)host.bytes);
}

void link_escape(struct buf *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const char *c = text; *c; c++) {
        uint8_t byte = (uint8_t)*c;
        if (is_unreserved(byte)) {
            (void)buf_append_byte(out, byte);
        } else {
            char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            (void)buf_append(out, escape, sizeof escape);
        }
    }
}
