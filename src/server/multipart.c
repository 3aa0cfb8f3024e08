/* SPDX-License-Identifier: Apache-2.0 */
/* The delimiter begins with CR, and no boundary contains one: so after a failed match only the byte
 * at hand can begin another, and what was held back is a prefix of the delimiter itself. */
#include "server/multipart.h"
#include "server/http.h"

#include <errno.h>

enum state {
    STATE_PREAMBLE,
    STATE_DATA,
    STATE_AFTER,      /* the delimiter was seen: CR, '-', or blanks before CR */
    STATE_AFTER_DASH, /* one '-' */
    STATE_AFTER_CR,
    STATE_HEAD,
    STATE_EPILOGUE,
};

static bool is_boundary(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > MULTIPART_BOUNDARY_MAX || text[size - 1] == ' ')
        return false;
    for (const char *c = text; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              strchr("'()+_,-./:=? ", *c)))
            return false;
    return true;
}

int multipart_init(struct multipart *multipart, struct slice content_type,
                   const struct multipart_events *events)
{
    static const char prefix[] = "multipart/";
    SCOPED(arena_done) struct arena arena = {.size_max = 4096};
    char *boundary;
    if (content_type.size < strlen(prefix) ||
        !http_text_equals(slice_of(content_type.bytes, strlen(prefix)), prefix))
        return -EINVAL;
    if (multipart_parameter(&arena, content_type, "boundary", &boundary) < 0 ||
        !is_boundary(boundary))
        return -EINVAL;
    *multipart = (struct multipart){.events = *events,
                                    .head.size_max = MULTIPART_HEAD_SIZE_MAX,
                                    .parts_max = MULTIPART_PARTS_MAX};
    size_t size = strlen(boundary);
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary, size);
    multipart->delimiter_size = size + 4;
    multipart->matched = 2; /* the first delimiter may open the body, without CR LF */
    return 0;
}

void multipart_done(struct multipart *multipart)
{
    buf_done(&multipart->head);
}

static int emit(struct multipart *multipart, const void *bytes, size_t size)
{
    if (multipart->state != STATE_DATA || size == 0)
        return 0;
    return multipart->events.data(multipart->events.arg, slice_of(bytes, size));
}

static int delimiter_seen(struct multipart *multipart)
{
    bool in_part = multipart->state == STATE_DATA;
    multipart->matched = 0;
    multipart->state = STATE_AFTER;
    return in_part ? multipart->events.part_end(multipart->events.arg) : 0;
}

/* Data, or the preamble. Returns how much was used, or -errno. */
static ssize_t data_feed(struct multipart *multipart, struct slice bytes)
{
    if (multipart->matched == 0) {
        const uint8_t *cr = memchr(bytes.bytes, '\r', bytes.size);
        size_t plain = cr ? (size_t)(cr - bytes.bytes) : bytes.size;
        int r = emit(multipart, bytes.bytes, plain);
        if (r < 0)
            return r;
        multipart->matched = cr != NULL;
        return (ssize_t)(plain + (cr != NULL));
    }
    if (bytes.bytes[0] != (uint8_t)multipart->delimiter[multipart->matched]) {
        int r = emit(multipart, multipart->delimiter, multipart->matched);
        multipart->matched = 0;
        return r; /* nothing used: the byte is looked at again */
    }
    multipart->matched++;
    int r = multipart->matched == multipart->delimiter_size ? delimiter_seen(multipart) : 0;
    return r < 0 ? r : 1;
}

static int head_ended(struct multipart *multipart)
{
    if (++multipart->parts > multipart->parts_max)
        return -EBADMSG;
    int r = multipart->events.part(multipart->events.arg, buf_slice(&multipart->head));
    buf_done(&multipart->head);
    multipart->state = STATE_DATA;
    multipart->matched = 0;
    return r;
}

static int head_feed(struct multipart *multipart, uint8_t c)
{
    struct buf *head = &multipart->head;
    uint8_t before = head->size ? head->bytes[head->size - 1] : 0;
    if ((c == '\n') != (before == '\r') || c == 0)
        return -EBADMSG;
    if (buf_append_byte(head, c) < 0)
        return head->size + 1 > MULTIPART_HEAD_SIZE_MAX ? -EBADMSG : -ENOMEM;
    bool empty_line =
        c == '\n' && (head->size == 2 || (head->size >= 4 && head->bytes[head->size - 3] == '\n'));
    return empty_line ? head_ended(multipart) : 0;
}

static int framing_feed(struct multipart *multipart, uint8_t c)
{
    switch (multipart->state) {
    case STATE_AFTER:
        if (c == ' ' || c == '\t')
            return 0;
        multipart->state = c == '-' ? STATE_AFTER_DASH : STATE_AFTER_CR;
        return c == '-' || c == '\r' ? 0 : -EBADMSG;
    case STATE_AFTER_DASH:
        multipart->state = STATE_EPILOGUE;
        return c == '-' ? 0 : -EBADMSG;
    case STATE_AFTER_CR:
        multipart->state = STATE_HEAD;
        return c == '\n' ? 0 : -EBADMSG;
    default:
        return head_feed(multipart, c);
    }
}

int multipart_feed(struct multipart *multipart, struct slice bytes)
{
    for (size_t used = 0; used < bytes.size && multipart->state != STATE_EPILOGUE;) {
        if (multipart->state == STATE_DATA || multipart->state == STATE_PREAMBLE) {
            ssize_t n = data_feed(multipart, slice_of(bytes.bytes + used, bytes.size - used));
            if (n < 0)
                return (int)n;
            used += (size_t)n;
            continue;
        }
        int r = framing_feed(multipart, bytes.bytes[used++]);
        if (r < 0)
            return r;
    }
    return 0;
}

int multipart_finish(const struct multipart *multipart)
{
    return multipart->state == STATE_EPILOGUE ? 0 : -EBADMSG;
}

static struct slice blanks_cut(struct slice text)
{
    while (text.size > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = slice_of(text.bytes + 1, text.size - 1);
    while (text.size > 0 && strchr(" \t\r", text.bytes[text.size - 1]))
        text.size--;
    return text;
}

struct slice multipart_header(struct slice head, const char *name)
{
    while (head.size > 0) {
        const uint8_t *end = memchr(head.bytes, '\n', head.size);
        size_t line_size = end ? (size_t)(end - head.bytes) : head.size;
        const uint8_t *colon = memchr(head.bytes, ':', line_size);
        if (colon && http_text_equals(slice_of(head.bytes, (size_t)(colon - head.bytes)), name))
            return blanks_cut(slice_of(colon + 1, line_size - (size_t)(colon + 1 - head.bytes)));
        size_t skip = MIN(line_size + 1, head.size);
        head = slice_of(head.bytes + skip, head.size - skip);
    }
    return (struct slice){0};
}

/* One `; name=value` off the front of *rest, with `value` unquoted into the arena. -ENOENT: no more.
 */
static int parameter_next(struct arena *arena, struct slice *rest, struct slice *ret_name,
                          char **ret_value)
{
    const uint8_t *semicolon = rest->size ? memchr(rest->bytes, ';', rest->size) : NULL;
    if (!semicolon)
        return -ENOENT;
    struct slice at = slice_of(semicolon + 1, rest->size - (size_t)(semicolon + 1 - rest->bytes));
    const uint8_t *equals = at.size ? memchr(at.bytes, '=', at.size) : NULL;
    if (!equals)
        return -ENOENT;
    *ret_name = blanks_cut(slice_of(at.bytes, (size_t)(equals - at.bytes)));
    at = slice_of(equals + 1, at.size - (size_t)(equals + 1 - at.bytes));
    char *value = arena_alloc(arena, at.size + 1);
    if (!value)
        return -ENOMEM;
    size_t size = 0, i = 0;
    bool quoted = at.size > 0 && at.bytes[0] == '"';
    for (i = quoted; i < at.size && at.bytes[i] != (quoted ? '"' : ';'); i++) {
        if (quoted && at.bytes[i] == '\\' && i + 1 < at.size &&
            (at.bytes[i + 1] == '"' || at.bytes[i + 1] == '\\'))
            i++; /* browsers send a backslash of a path as it is */
        value[size++] = (char)at.bytes[i];
    }
    if (quoted && i == at.size)
        return -EINVAL;
    while (!quoted && size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    value[size] = 0;
    if (!http_is_utf8(slice_of(value, size)))
        return -EINVAL;
    *rest = slice_of(at.bytes + i, at.size - i);
    *ret_value = value;
    return 0;
}

int multipart_parameter(struct arena *arena, struct slice value, const char *name, char **ret_text)
{
    static const char charset[] = "UTF-8''";
    char *extended_name = arena_printf(arena, "%s*", name);
    char *text, *found = NULL;
    struct slice key;
    int r;
    if (!extended_name)
        return -ENOMEM;
    while ((r = parameter_next(arena, &value, &key, &text)) == 0) {
        if (http_text_equals(key, name) && !found)
            found = text;
        struct slice start = slice_of(text, MIN(strlen(text), strlen(charset)));
        if (http_text_equals(key, extended_name) && http_text_equals(start, charset))
            return http_decode(arena, slice_of_text(text + strlen(charset)), false, ret_text);
    }
    if (r != -ENOENT)
        return r < 0 ? r : -EINVAL;
    if (!found)
        return -ENOENT;
    *ret_text = found;
    return 0;
}
