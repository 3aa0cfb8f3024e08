/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/messages.h"

#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>
#include <math.h>

static const struct {
    uint32_t size_min, size_max;
    bool for_keeper;
} kinds[MESSAGE_KIND_COUNT] = {
#define KEEPER_ROW(name, min, max) [MESSAGE_##name] = {min, max, true},
#define NETWORK_ROW(name, min, max) [MESSAGE_##name] = {min, max, false},
    MESSAGES_TO_KEEPER(KEEPER_ROW) MESSAGES_TO_NETWORK(NETWORK_ROW)
#undef KEEPER_ROW
#undef NETWORK_ROW
};

int message_parse(struct slice bytes, bool for_keeper, struct message *ret_message,
                  size_t *ret_size)
{
    struct reader rd = reader_over(bytes);
    uint32_t size = reader_u32(&rd);
    uint8_t kind = reader_u8(&rd);
    uint32_t id = reader_u32(&rd);
    if (!reader_ok(&rd))
        return -EAGAIN;
    if (kind == MESSAGE_NONE || kind >= MESSAGE_KIND_COUNT ||
        kinds[kind].for_keeper != for_keeper || size < kinds[kind].size_min ||
        size > kinds[kind].size_max)
        return -EBADMSG;
    struct slice body = reader_slice(&rd, size);
    if (!reader_ok(&rd))
        return -EAGAIN;
    *ret_message = (struct message){(enum message_kind)kind, id, body};
    *ret_size = MESSAGE_HEAD_SIZE + size;
    return 0;
}

int message_write(struct buf *out, enum message_kind kind, uint32_t id, struct slice body)
{
    uint8_t head[MESSAGE_HEAD_SIZE];
    struct writer wr = writer_over(head, sizeof head);
    if (body.size < kinds[kind].size_min || body.size > kinds[kind].size_max)
        return -EMSGSIZE;
    writer_u32(&wr, (uint32_t)body.size);
    writer_u8(&wr, (uint8_t)kind);
    writer_u32(&wr, id);
    if (!buf_reserve(out, sizeof head + body.size))
        return -ENOMEM;
    buf_append(out, head, sizeof head);
    return buf_append_slice(out, body);
}

static void u32_append(struct buf *out, uint32_t n)
{
    uint8_t bytes[4];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, n);
    buf_append(out, bytes, sizeof bytes);
}

int message_certificate_write(const struct message_certificate *certificate, struct buf *out)
{
    u32_append(out, (uint32_t)certificate->evidence.size);
    buf_append_slice(out, certificate->evidence);
    return buf_append_slice(out, certificate->signature);
}

int message_certificate_parse(struct slice body, struct message_certificate *ret)
{
    struct reader rd = reader_over(body);
    struct slice evidence = reader_slice(&rd, reader_u32(&rd));
    struct slice signature = reader_slice(&rd, reader_left(&rd));
    if (!reader_finished(&rd) || evidence.size == 0 || signature.size == 0)
        return -EBADMSG;
    *ret = (struct message_certificate){evidence, signature};
    return 0;
}

/* ---- values ---- */

enum value_tag {
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_TEXT,
    VALUE_ARRAY,
    VALUE_OBJECT,
};

static void u64_append(struct buf *out, uint64_t n)
{
    u32_append(out, (uint32_t)n);
    u32_append(out, (uint32_t)(n >> 32));
}

static void text_append(struct buf *out, const char *text, size_t size)
{
    u32_append(out, (uint32_t)size);
    buf_append(out, text, size);
}

static int one_write(const json_t *value, unsigned depth, unsigned *count, struct buf *out);

static int array_write(const json_t *value, unsigned depth, unsigned *count, struct buf *out)
{
    size_t size = json_array_size(value);
    int r = 0;
    u32_append(out, (uint32_t)size);
    for (size_t i = 0; r == 0 && i < size; i++)
        r = one_write(json_array_get(value, i), depth + 1, count, out);
    return r;
}

static int object_write(const json_t *value, unsigned depth, unsigned *count, struct buf *out)
{
    /* jansson iterates without changing anything, but its signature does not say so. */
    json_t *object = (json_t *)(uintptr_t)value;
    int r = 0;
    u32_append(out, (uint32_t)json_object_size(value));
    for (void *at = json_object_iter(object); r == 0 && at;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        size_t len = strlen(key);
        if (len > VALUE_KEY_SIZE_MAX)
            return -EMSGSIZE;
        text_append(out, key, len);
        r = one_write(json_object_iter_value(at), depth + 1, count, out);
    }
    return r;
}

static int one_write(const json_t *value, unsigned depth, unsigned *count, struct buf *out)
{
    static const uint8_t tags[] = {
        [JSON_OBJECT] = VALUE_OBJECT,   [JSON_ARRAY] = VALUE_ARRAY, [JSON_STRING] = VALUE_TEXT,
        [JSON_INTEGER] = VALUE_INTEGER, [JSON_REAL] = VALUE_REAL,   [JSON_TRUE] = VALUE_TRUE,
        [JSON_FALSE] = VALUE_FALSE,     [JSON_NULL] = VALUE_NULL};
    double real = json_real_value(value);
    uint64_t bits = 0;
    if (depth > VALUE_DEPTH_MAX || ++*count > VALUE_COUNT_MAX)
        return -EMSGSIZE;
    buf_append_byte(out, tags[json_typeof(value)]);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return object_write(value, depth, count, out);
    case JSON_ARRAY:
        return array_write(value, depth, count, out);
    case JSON_STRING:
        text_append(out, json_string_value(value), json_string_length(value));
        return 0;
    case JSON_INTEGER:
        u64_append(out, (uint64_t)json_integer_value(value));
        return 0;
    case JSON_REAL:
        memcpy(&bits, &real, sizeof bits);
        u64_append(out, bits);
        return 0;
    default:
        return 0;
    }
}

int value_write(const json_t *value, struct buf *out)
{
    unsigned count = 0;
    int r = one_write(value, 1, &count, out);
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}

static json_t *one_read(struct reader *rd, unsigned depth, unsigned *count);

static json_t *array_read(struct reader *rd, unsigned depth, unsigned *count)
{
    uint32_t size = reader_u32(rd);
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < size; i++) {
        json_t *value = one_read(rd, depth + 1, count);
        if (!value || json_array_append_new(array, value) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int pair_read(struct reader *rd, unsigned depth, unsigned *count, json_t *object)
{
    struct slice key = reader_slice(rd, reader_u32(rd));
    char text[VALUE_KEY_SIZE_MAX + 1];
    if (!reader_ok(rd) || key.size > VALUE_KEY_SIZE_MAX || memchr(key.bytes, 0, key.size))
        return -EBADMSG;
    memcpy(text, key.bytes, key.size);
    text[key.size] = '\0';
    if (json_object_get(object, text))
        return -EBADMSG;
    json_t *value = one_read(rd, depth + 1, count);
    return value && json_object_set_new(object, text, value) == 0 ? 0 : -EBADMSG;
}

static json_t *object_read(struct reader *rd, unsigned depth, unsigned *count)
{
    uint32_t size = reader_u32(rd);
    json_t *object = json_object();
    for (uint32_t i = 0; object && i < size; i++) {
        if (pair_read(rd, depth, count, object) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *text_read(struct reader *rd)
{
    struct slice text = reader_slice(rd, reader_u32(rd));
    if (!reader_ok(rd) || memchr(text.bytes, 0, text.size))
        return NULL;
    return json_stringn((const char *)text.bytes, text.size); /* NULL unless UTF-8 */
}

static json_t *real_read(struct reader *rd)
{
    uint64_t bits = reader_u64(rd);
    double real;
    memcpy(&real, &bits, sizeof real);
    return reader_ok(rd) && isfinite(real) ? json_real(real) : NULL;
}

static json_t *one_read(struct reader *rd, unsigned depth, unsigned *count)
{
    if (depth > VALUE_DEPTH_MAX || ++*count > VALUE_COUNT_MAX)
        return NULL;
    uint8_t tag = reader_u8(rd);
    if (!reader_ok(rd))
        return NULL;
    switch (tag) {
    case VALUE_NULL:
        return json_null();
    case VALUE_FALSE:
        return json_false();
    case VALUE_TRUE:
        return json_true();
    case VALUE_INTEGER: {
        uint64_t n = reader_u64(rd);
        return reader_ok(rd) ? json_integer((json_int_t)n) : NULL;
    }
    case VALUE_REAL:
        return real_read(rd);
    case VALUE_TEXT:
        return text_read(rd);
    case VALUE_ARRAY:
        return array_read(rd, depth, count);
    case VALUE_OBJECT:
        return object_read(rd, depth, count);
    default:
        return NULL;
    }
}

int value_read(struct slice bytes, json_t **ret_value)
{
    struct reader rd = reader_over(bytes);
    unsigned count = 0;
    json_t *value = one_read(&rd, 1, &count);
    if (!value || !reader_finished(&rd)) {
        json_decref(value);
        return -EBADMSG;
    }
    *ret_value = value;
    return 0;
}

/* ---- bodies ---- */

/* A path of the API: printable, so that a log line holds it. */
static bool path_is_valid(struct slice path)
{
    if (path.size == 0 || path.size > MESSAGE_PATH_SIZE_MAX || path.bytes[0] != '/')
        return false;
    for (size_t i = 0; i < path.size; i++)
        if (path.bytes[i] <= ' ' || path.bytes[i] > '~')
            return false;
    return true;
}

int message_call_write(uint32_t connection, const char *path, const json_t *in, struct buf *out)
{
    struct slice text = slice_of_text(path);
    if (!path_is_valid(text))
        return -EINVAL;
    u32_append(out, connection);
    buf_append_byte(out, (uint8_t)text.size);
    buf_append_slice(out, text);
    if (in)
        return value_write(in, out);
    return out->failed ? -ENOMEM : 0;
}

int message_call_parse(struct slice body, struct message_call *ret)
{
    struct reader rd = reader_over(body);
    struct message_call call = {.connection = reader_u32(&rd)};
    struct slice path = reader_slice(&rd, reader_u8(&rd));
    if (!reader_ok(&rd) || !path_is_valid(path))
        return -EBADMSG;
    memcpy(call.path, path.bytes, path.size);
    struct slice rest = reader_slice(&rd, reader_left(&rd));
    int r = rest.size > 0 ? value_read(rest, &call.in) : 0;
    if (r == 0)
        *ret = call;
    return r;
}

int message_answer_write(uint16_t status, bool closes, struct slice text, struct buf *out)
{
    const uint8_t head[3] = {(uint8_t)status, (uint8_t)(status >> 8), closes};
    buf_append(out, head, sizeof head);
    return buf_append_slice(out, text);
}

int message_answer_parse(struct slice body, struct message_answer *ret)
{
    struct reader rd = reader_over(body);
    struct message_answer answer = {.status = reader_u16(&rd)};
    uint8_t closes = reader_u8(&rd);
    answer.text = reader_slice(&rd, reader_left(&rd));
    if (!reader_finished(&rd) || closes > 1 || answer.status < 200 || answer.status > 599)
        return -EBADMSG;
    answer.closes = closes;
    *ret = answer;
    return 0;
}
