/* SPDX-License-Identifier: Apache-2.0 */
#include "server/markup.h"

#define REPLACEMENT "\xef\xbf\xbd"

static const char *escape_of(uint8_t c, bool attribute)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return attribute ? "&quot;" : NULL;
    case '\'':
        return attribute ? "&#39;" : NULL; /* HTML 4 has no &apos; */
    case '\r':
        return "&#13;";
    case '\n':
        return attribute ? "&#10;" : NULL;
    case '\t':
        return attribute ? "&#9;" : NULL;
    default:
        return c < 0x20 ? REPLACEMENT : NULL;
    }
}

static bool is_noncharacter(struct slice text, size_t at)
{
    const uint8_t *c = text.bytes + at;
    return text.size - at >= 3 && c[0] == 0xef && c[1] == 0xbf && (c[2] == 0xbe || c[2] == 0xbf);
}

static void escaped(struct buf *out, struct slice text, bool attribute)
{
    size_t from = 0, size = 1;
    for (size_t at = 0; at < text.size; at += size) {
        const char *escape = escape_of(text.bytes[at], attribute);
        size = 1;
        if (is_noncharacter(text, at)) {
            escape = REPLACEMENT;
            size = 3;
        }
        if (!escape)
            continue;
        (void)buf_append(out, text.bytes + from, at - from);
        (void)buf_append_text(out, escape);
        from = at + size;
    }
    if (from < text.size)
        (void)buf_append(out, text.bytes + from, text.size - from);
}

void markup_text(struct buf *out, struct slice text)
{
    escaped(out, text, false);
}

void markup_attribute(struct buf *out, struct slice text)
{
    escaped(out, text, true);
}
