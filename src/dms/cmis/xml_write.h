/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/xml_write.h: writes XML into a buffer: every text and attribute escaped, characters that
 * XML 1.0 cannot carry replaced by U+FFFD. Names are our own and not checked. A buffer that fails
 * stays failed: check once at the end. */
#ifndef COFFER_DMS_CMIS_XML_WRITE_H
#define COFFER_DMS_CMIS_XML_WRITE_H

#include "base/buf.h"

struct xml {
    struct buf *out;
    bool open; /* a start tag that may get attributes */
};

static inline struct xml xml_into(struct buf *out)
{
    return (struct xml){.out = out};
}

void xml_declaration(struct xml *xml);
/* A start tag; attributes go straight after it. */
void xml_open(struct xml *xml, const char *name);
void xml_put_attribute(struct xml *xml, const char *name, const char *value); /* NULL: nothing */
void xml_put_attributef(struct xml *xml, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void xml_put_text(struct xml *xml, const char *text);
void xml_close(struct xml *xml, const char *name);
/* Ends a start tag, so that raw bytes may follow in the buffer. */
void xml_content(struct xml *xml);

/* A whole element; NULL text: nothing. */
void xml_put(struct xml *xml, const char *name, const char *text);
void xml_put_bool(struct xml *xml, const char *name, bool value);
void xml_put_int(struct xml *xml, const char *name, int64_t value);

#endif
