/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/mail_text.h"

#include "server/http.h"

#include <errno.h>
#include <string.h>

struct mail {
    mail_text_fn *fn;
    void *arg;
    unsigned parts;
};

/* Lines */

static struct slice rest_of(struct slice bytes, size_t at)
{
    return at < bytes.size ? slice_of(bytes.bytes + at, bytes.size - at) : slice_of("", 0);
}

/* Takes a line off the front, without its end. */
static struct slice line_take(struct slice *rest)
{
    const uint8_t *end = rest->size ? memchr(rest->bytes, '\n', rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    struct slice line = slice_of(rest->bytes, size);
    *rest = rest_of(*rest, size + 1);
    if (line.size > 0 && line.bytes[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the header off: up to the first empty line. */
static struct slice head_take(struct slice *rest)
{
    struct slice all = *rest;
    while (rest->size > 0) {
        size_t at = all.size - rest->size;
        if (line_take(rest).size == 0)
            return slice_of(all.bytes, at);
    }
    return all;
}

static bool begins_with(struct slice text, const char *word)
{
    size_t size = strlen(word);
    return text.size >= size && http_text_equals(slice_of(text.bytes, size), word);
}

/* The value of the first field of that name, its lines joined. Nothing if there is none. */
static int field_get(struct slice head, const char *name, struct buf *out)
{
    bool found = false;
    size_t size = strlen(name);
    buf_clear(out);
    while (head.size > 0) {
        struct slice line = line_take(&head);
        if (line.size > 0 && is_blank(line.bytes[0])) {
            if (found)
                (void)buf_append_slice(out, line);
            continue;
        }
        if (found)
            break;
        found = line.size > size && line.bytes[size] == ':' && begins_with(line, name);
        if (found)
            (void)buf_append_slice(out, rest_of(line, size + 1));
    }
    return out->failed ? -ENOMEM : 0;
}

/* "; name=value" or "; name="value"" in a field. */
static struct slice parameter_get(struct slice field, const char *name)
{
    size_t size = strlen(name);
    bool quoted = false;
    for (size_t at = 0; at + size + 1 < field.size; at++) {
        uint8_t c = field.bytes[at];
        quoted ^= c == '"';
        if (quoted || (c != ';' && !is_blank(c)))
            continue;
        struct slice here = rest_of(field, at + 1);
        if (!begins_with(here, name) || here.size <= size || here.bytes[size] != '=')
            continue;
        here = rest_of(here, size + 1);
        bool in_quotes = here.size > 0 && here.bytes[0] == '"';
        here = rest_of(here, in_quotes);
        size_t end = 0;
        while (end < here.size &&
               (in_quotes ? here.bytes[end] != '"'
                          : here.bytes[end] != ';' && !is_blank(here.bytes[end])))
            end++;
        return slice_of(here.bytes, end);
    }
    return slice_of("", 0);
}

/* Bytes */

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* `underscores`: in words of headers they are blanks (RFC 2047, 4.2). */
static void quoted_decode(struct slice text, bool underscores, struct buf *out)
{
    for (size_t at = 0; at < text.size; at++) {
        uint8_t c = text.bytes[at];
        struct slice next = rest_of(text, at + 1);
        int high = next.size > 1 ? hex_value(next.bytes[0]) : -1;
        int low = high >= 0 ? hex_value(next.bytes[1]) : -1;
        if (c == '=' && low >= 0) {
            (void)buf_append_byte(out, (uint8_t)(high << 4 | low));
            at += 2;
        } else if (c == '=' && next.size > 0 && (next.bytes[0] == '\n' || next.bytes[0] == '\r')) {
            at += begins_with(next, "\r\n") ? 2 : 1; /* a line that goes on */
        } else {
            (void)buf_append_byte(out, underscores && c == '_' ? ' ' : c);
        }
    }
}

static int base64_value(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* What is no digit is passed over, as RFC 2045, 6.8, says. */
static void base64_decode_loosely(struct slice text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t at = 0; at < text.size && text.bytes[at] != '='; at++) {
        int value = base64_value(text.bytes[at]);
        if (value < 0)
            continue;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            (void)buf_append_byte(out, (uint8_t)(bits >> count));
        }
    }
}

static void character_put(uint32_t c, struct buf *out)
{
    if (c >= 0x800)
        (void)buf_append_byte(out, (uint8_t)(0xe0 | c >> 12));
    if (c >= 0x80)
        (void)buf_append_byte(out, (uint8_t)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
    (void)buf_append_byte(out, (uint8_t)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
}

/* Latin 1 as browsers read it: the C1 controls are windows-1252's (WHATWG Encoding, 9). */
static void latin_decode(struct slice text, struct buf *out)
{
    static const uint16_t c1[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                    0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                    0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    for (size_t at = 0; at < text.size; at++) {
        uint8_t c = text.bytes[at];
        character_put(c >= 0x80 && c < 0xa0 ? c1[c - 0x80] : c, out);
    }
}

static bool charset_is_latin(struct slice charset)
{
    return begins_with(charset, "iso-8859-1") || begins_with(charset, "windows-1252") ||
           begins_with(charset, "latin1");
}

/* Headers */

/* "=?charset?Q?text?=" at the front; its size, or 0. */
static size_t word_decode(struct slice text, struct buf *out)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct slice parts[3];
    struct slice rest = rest_of(text, 2);
    if (!begins_with(text, "=?"))
        return 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        const uint8_t *end = rest.size ? memchr(rest.bytes, '?', rest.size) : NULL;
        if (!end)
            return 0;
        parts[i] = slice_of(rest.bytes, (size_t)(end - rest.bytes));
        rest = rest_of(rest, parts[i].size + 1);
    }
    bool base64 = http_text_equals(parts[1], "b");
    if (rest.size == 0 || rest.bytes[0] != '=' || (!base64 && !http_text_equals(parts[1], "q")))
        return 0;
    if (base64)
        base64_decode_loosely(parts[2], &bytes);
    else
        quoted_decode(parts[2], true, &bytes);
    if (charset_is_latin(parts[0]))
        latin_decode(buf_slice(&bytes), out);
    else
        (void)buf_append_slice(out, buf_slice(&bytes));
    return (size_t)(rest.bytes + 1 - text.bytes);
}

static void words_decode(struct slice text, struct buf *out)
{
    size_t blanks = 0; /* between two encoded words they do not count (RFC 2047, 6.2) */
    for (size_t at = 0; at < text.size;) {
        size_t size = word_decode(rest_of(text, at), out);
        at += size;
        if (size > 0) {
            for (blanks = 0; at + blanks < text.size && is_blank(text.bytes[at + blanks]);)
                blanks++;
            if (begins_with(rest_of(text, at + blanks), "=?"))
                at += blanks;
        } else {
            (void)buf_append_byte(out, text.bytes[at++]);
        }
    }
}

static int emit(struct mail *mail, bool markup, struct buf *text)
{
    if (text->failed)
        return -ENOMEM;
    return text->size > 0 ? mail->fn(mail->arg, markup, buf_slice(text)) : 0;
}

static int fields_emit(struct mail *mail, struct slice head)
{
    static const char *const names[] = {"From", "To", "Cc", "Subject"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(names); i++) {
        SCOPED(buf_done) struct buf field = {0}, words = {0};
        r = field_get(head, names[i], &field);
        words_decode(buf_slice(&field), &words);
        if (r == 0)
            r = emit(mail, false, &words);
    }
    return r;
}

/* Parts */

static int text_emit(struct mail *mail, struct slice head, struct slice type, struct slice body)
{
    SCOPED(buf_done) struct buf field = {0}, bytes = {0}, text = {0};
    int r = field_get(head, "Content-Transfer-Encoding", &field);
    if (r < 0)
        return r;
    struct slice encoding = buf_slice(&field);
    while (encoding.size > 0 && is_blank(encoding.bytes[0]))
        encoding = rest_of(encoding, 1);
    if (begins_with(encoding, "quoted-printable"))
        quoted_decode(body, false, &bytes);
    else if (begins_with(encoding, "base64"))
        base64_decode_loosely(body, &bytes);
    else
        (void)buf_append_slice(&bytes, body);
    if (!charset_is_latin(parameter_get(type, "charset")))
        return emit(mail, begins_with(type, "text/html"), &bytes);
    latin_decode(buf_slice(&bytes), &text);
    return bytes.failed ? -ENOMEM : emit(mail, begins_with(type, "text/html"), &text);
}

static int name_emit(struct mail *mail, struct slice head, struct slice type)
{
    SCOPED(buf_done) struct buf field = {0}, words = {0};
    int r = field_get(head, "Content-Disposition", &field);
    struct slice name = parameter_get(buf_slice(&field), "filename");
    words_decode(name.size > 0 ? name : parameter_get(type, "name"), &words);
    return r < 0 ? r : emit(mail, false, &words);
}

static int part_read(struct mail *mail, struct slice part, bool is_message, unsigned depth);

static int multipart_read(struct mail *mail, struct slice boundary, struct slice body,
                          unsigned depth)
{
    struct slice rest = body, part = {0};
    bool inside = false, last = false;
    int r = 0;
    while (r == 0 && rest.size > 0 && !last) {
        const uint8_t *begin = rest.bytes;
        struct slice line = line_take(&rest), after = rest_of(line, 2 + boundary.size);
        bool is_mark = begins_with(line, "--") && line.size >= 2 + boundary.size &&
                       memcmp(line.bytes + 2, boundary.bytes, boundary.size) == 0;
        if (!is_mark)
            continue;
        last = begins_with(after, "--");
        if (inside)
            r = part_read(mail, slice_of(part.bytes, (size_t)(begin - part.bytes)), false, depth);
        inside = true;
        part = rest;
    }
    /* One that is cut off */
    return r == 0 && inside && !last ? part_read(mail, part, false, depth) : r;
}

static int part_read(struct mail *mail, struct slice part, bool is_message, unsigned depth)
{
    SCOPED(buf_done) struct buf field = {0};
    if (depth > MAIL_DEPTH_MAX || ++mail->parts > MAIL_PARTS_MAX)
        return 0;
    struct slice body = part, head = head_take(&body);
    int r = is_message ? fields_emit(mail, head) : 0;
    if (r == 0)
        r = field_get(head, "Content-Type", &field);
    if (r < 0)
        return r;
    struct slice type = buf_slice(&field);
    while (type.size > 0 && is_blank(type.bytes[0]))
        type = rest_of(type, 1);
    struct slice boundary = parameter_get(type, "boundary");
    if (begins_with(type, "multipart/") && boundary.size > 0)
        return multipart_read(mail, boundary, body, depth + 1);
    if (begins_with(type, "message/rfc822"))
        return part_read(mail, body, true, depth + 1);
    if (type.size == 0 || begins_with(type, "text/"))
        return text_emit(mail, head, type, body);
    return name_emit(mail, head, type);
}

int mail_text_read(struct slice bytes, mail_text_fn *fn, void *arg)
{
    struct mail mail = {fn, arg, 0};
    return part_read(&mail, bytes, true, 0);
}

int mail_field_read(struct slice mail, const char *name, struct buf *out)
{
    SCOPED(buf_done) struct buf field = {0};
    int r = field_get(head_take(&mail), name, &field);
    if (r == 0)
        words_decode(buf_slice(&field), out);
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
