/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_write.h"
#include "server/markup.h"

#include <stdio.h>

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
    markup_attribute(xml->out, slice_of_text(value));
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
    markup_text(xml->out, slice_of_text(text));
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
