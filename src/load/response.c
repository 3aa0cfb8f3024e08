/* SPDX-License-Identifier: Apache-2.0 */
#include "load/response.h"

#include "load/content.h"

#include <errno.h>

static int on_headers_complete(llhttp_t *parser)
{
    struct response *r = parser->data;
    r->status = parser->status_code;
    return 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t size)
{
    struct response *r = parser->data;
    if (r->compare && r->status < 300) {
        if (!content_matches(r->seed, r->body_size, bytes, size))
            r->differs = true;
    } else if (r->body.size < RESPONSE_KEPT_MAX) {
        buf_append(&r->body, bytes, MIN(size, RESPONSE_KEPT_MAX - r->body.size));
    }
    r->body_size += size;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct response *r = parser->data;
    if (parser->status_code < 200)
        return 0; /* 100 Continue and the like come before the answer */
    r->complete = true;
    r->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED;
}

static llhttp_settings_t settings_make(void)
{
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    return settings;
}

void response_begin(struct response *r, bool compare, uint64_t seed)
{
    static llhttp_settings_t settings;
    static bool made;
    if (!made) {
        settings = settings_make();
        made = true;
    }
    llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
    r->parser.data = r;
    r->status = 0;
    r->complete = r->keep_alive = r->differs = false;
    r->body_size = 0;
    buf_clear(&r->body);
    r->compare = compare;
    r->seed = seed;
}

int response_feed(struct response *r, const void *bytes, size_t size)
{
    if (r->complete)
        return -EBADMSG;
    llhttp_errno_t error = llhttp_execute(&r->parser, bytes, size);
    if (error == HPE_OK)
        return 0;
    bool ended = error == HPE_PAUSED && r->complete;
    return ended && llhttp_get_error_pos(&r->parser) == (const char *)bytes + size ? 0 : -EBADMSG;
}

bool response_ends_at_close(struct response *r)
{
    if (!r->complete && r->status != 0) {
        llhttp_errno_t error = llhttp_finish(&r->parser);
        (void)error; /* on_message_complete() has run if this ends the message */
    }
    r->keep_alive = false;
    return r->complete;
}

void response_done(struct response *r)
{
    buf_done(&r->body);
}
