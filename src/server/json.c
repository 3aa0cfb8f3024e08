/* SPDX-License-Identifier: Apache-2.0 */
#include "server/json.h"
#include "server/http.h"

#include <assert.h>

static void text_append(struct buf *out, struct slice text);

static void begin(struct json *json, const char *key)
{
    if (json->comma)
        (void)buf_append_byte(json->out, ',');
    json->comma = true;
    if (key) {
        text_append(json->out, slice_of_text(key));
        (void)buf_append_byte(json->out, ':');
    }
}

static void open_level(struct json *json, const char *key, char opener, char closer)
{
    assert(json->depth < JSON_DEPTH_MAX);
    begin(json, key);
    (void)buf_append_byte(json->out, (uint8_t)opener);
    json->closers[json->depth++] = closer;
    json->comma = false;
}

void json_open_object(struct json *json, const char *key)
{
    open_level(json, key, '{', '}');
}

void json_open_array(struct json *json, const char *key)
{
    open_level(json, key, '[', ']');
}

void json_close(struct json *json)
{
    assert(json->depth > 0);
    (void)buf_append_byte(json->out, (uint8_t)json->closers[--json->depth]);
    json->comma = true;
}

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f || c >= 0x80;
}

/* One character that is not plain ASCII; how many bytes it took. */
static size_t odd_append(struct buf *out, struct slice rest)
{
    uint8_t c = rest.bytes[0];
    if (c == '"' || c == '\\') {
        (void)buf_append_byte(out, '\\');
        (void)buf_append_byte(out, c);
        return 1;
    }
    if (c < 0x80) {
        (void)buf_printf(out, "\\u%04x", c);
        return 1;
    }
    for (size_t size = 2; size <= 4 && size <= rest.size; size++)
        if (http_is_utf8(slice_of(rest.bytes, size))) {
            (void)buf_append(out, rest.bytes, size);
            return size;
        }
    (void)buf_append_text(out, "\xef\xbf\xbd");
    return 1;
}

static void text_append(struct buf *out, struct slice text)
{
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < text.size;) {
        size_t plain = i;
        while (plain < text.size && !needs_escape(text.bytes[plain]))
            plain++;
        (void)buf_append(out, text.bytes + i, plain - i);
        i = plain;
        if (i < text.size)
            i += odd_append(out, slice_of(text.bytes + i, text.size - i));
    }
    (void)buf_append_byte(out, '"');
}

void json_put_slice(struct json *json, const char *key, struct slice text)
{
    begin(json, key);
    text_append(json->out, text);
}

void json_put_text(struct json *json, const char *key, const char *text)
{
    if (text)
        json_put_slice(json, key, slice_of_text(text));
    else
        json_put_null(json, key);
}

void json_put_int(struct json *json, const char *key, int64_t number)
{
    begin(json, key);
    (void)buf_printf(json->out, "%lld", (long long)number);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
    json_put_raw(json, key, value ? "true" : "false");
}

void json_put_null(struct json *json, const char *key)
{
    json_put_raw(json, key, "null");
}

void json_put_raw(struct json *json, const char *key, const char *value)
{
    begin(json, key);
    (void)buf_append_text(json->out, value);
}
