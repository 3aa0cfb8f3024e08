/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_write.h"

#include <stdio.h>

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
    case '\r':
        return "&#13;"; /* a bare one would be read as a line feed */
    case '\n':
        return attribute ? "&#10;" : NULL;
    case '\t':
        return attribute ? "&#9;" : NULL;
    default:
        return c < 0x20 ? "\xef\xbf\xbd" : NULL;
    }
}

static void escaped(struct buf *out, const char *text, bool attribute)
{
    const char *from = text;
    for (const char *c = text; *c; c++) {
        const char *escape = escape_of((uint8_t)*c, attribute);
        size_t size = 1;
        /* U+FFFE and U+FFFF, which XML 1.0 has not */
        if (c[0] == '\xef' && c[1] == '\xbf' && (c[2] == '\xbe' || c[2] == '\xbf')) {
            escape = "\xef\xbf\xbd";
            size = 3;
        }
        if (!escape)
            continue;
        (void)buf_append(out, from, (size_t)(c - from));
        (void)buf_append_text(out, escape);
        c += size - 1;
        from = c + 1;
    }
    (void)buf_append_text(out, from);
}

void xml_declaration(struct xml *xml)
{
    (void)buf_append_text(xml->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void xml_content(struct xml *xml)
{
    if (xml->open)
        (void)buf_append_byte(xml->out, '>');
    xml->open = false;
}

void xml_open(struct xml *xml, const char *name)
{
    xml_content(xml);
    (void)buf_append_byte(xml->out, '<');
    (void)buf_append_text(xml->out, name);
    xml->open = true;
}

void xml_put_attribute(struct xml *xml, const char *name, const char *value)
{
    if (!value)
        return;
    (void)buf_append_byte(xml->out, ' ');
    (void)buf_append_text(xml->out, name);
    (void)buf_append_text(xml->out, "=\"");
    escaped(xml->out, value, true);
    (void)buf_append_byte(xml->out, '"');
}

void xml_put_attributef(struct xml *xml, const char *name, const char *format, ...)
{
    SCOPED(buf_done) struct buf value = {0};
    va_list args;
    va_start(args, format);
    (void)buf_vprintf(&value, format, args);
    va_end(args);
    const char *text = buf_text(&value);
    if (text)
        xml_put_attribute(xml, name, text);
    else
        xml->out->failed = true;
}

void xml_put_text(struct xml *xml, const char *text)
{
    xml_content(xml);
    escaped(xml->out, text, false);
}

void xml_close(struct xml *xml, const char *name)
{
    if (xml->open) {
        (void)buf_append_text(xml->out, "/>");
    } else {
        (void)buf_append_text(xml->out, "</");
        (void)buf_append_text(xml->out, name);
        (void)buf_append_byte(xml->out, '>');
    }
    xml->open = false;
}

void xml_put(struct xml *xml, const char *name, const char *text)
{
    if (!text)
        return;
    xml_open(xml, name);
    xml_put_text(xml, text);
    xml_close(xml, name);
}

void xml_put_bool(struct xml *xml, const char *name, bool value)
{
    xml_put(xml, name, value ? "true" : "false");
}

void xml_put_int(struct xml *xml, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    xml_put(xml, name, text);
}
