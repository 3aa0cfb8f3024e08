/* SPDX-License-Identifier: Apache-2.0 */
/* XML of CMIS clients reads the same however it is split, suspended or not, and what was read, when
 * written again, reads as the same tree. */
#include "dms/cmis/xml_read.h"
#include "dms/cmis/xml_write.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    bool suspend;
    unsigned elements;
    size_t content_size;
    int result;
    struct buf tree;
};

static int on_element(void *arg, const struct xml_node *node)
{
    struct seen *seen = arg;
    assert(node->name && node->text && seen->elements < XML_ELEMENTS_MAX);
    return ++seen->elements == 3 && seen->suspend;
}

static int on_content_begins(void *arg, enum xml_content kind, const struct xml_node *node)
{
    struct seen *seen = arg;
    (void)kind, (void)node;
    seen->content_size = 0;
    return 0;
}

static int on_content(void *arg, struct slice bytes)
{
    struct seen *seen = arg;
    assert(bytes.size > 0);
    seen->content_size += bytes.size;
    return 0;
}

/* As XML, each name under the prefix of its namespace. */
static void tree_write(struct xml *xml, const struct xml_node *node)
{
    static const char *const prefixes[] = {"",
#define PREFIX(id, prefix, uri) prefix ":",
                                           XML_NAMESPACES(PREFIX)
#undef PREFIX
                                               "other:"};
    char name[256];
    assert(node->name && strlen(node->text) <= XML_TEXT_SIZE_MAX);
    snprintf(name, sizeof name, "%s%.200s", prefixes[node->ns], node->name);
    xml_open(xml, name);
    if (!node->parent) {
#define DECLARE(id, prefix, uri) xml_put_attribute(xml, "xmlns:" prefix, uri);
        XML_NAMESPACES(DECLARE)
#undef DECLARE
        xml_put_attribute(xml, "xmlns:other", "urn:other");
    }
    for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
        char attribute[256];
        snprintf(attribute, sizeof attribute, "%s%.200s", prefixes[a->ns], a->name);
        xml_put_attribute(xml, attribute, a->value);
    }
    if (node->text[0])
        xml_put_text(xml, node->text);
    for (const struct xml_node *child = node->children; child; child = child->next)
        tree_write(xml, child);
    xml_close(xml, name);
}

static struct seen parse(struct slice bytes, size_t step, bool suspend)
{
    struct seen seen = {.suspend = suspend};
    struct arena arena = {.size_max = 8 << 20};
    const struct xml_events events = {on_element, on_content_begins, on_content, &seen};
    struct xml_reader *reader;
    int r = xml_reader_new(&arena, &events, &reader);
    assert(r == 0);
    for (size_t at = 0; at < bytes.size && r == 0; at += step) {
        size_t piece = MIN(step, bytes.size - at);
        r = xml_reader_feed(reader, slice_of(bytes.bytes + at, piece), at + piece == bytes.size);
        if (r == 1)
            r = xml_reader_resume(reader);
    }
    seen.result = r;
    if (r == 0 && bytes.size > 0) {
        struct xml xml = xml_into(&seen.tree);
        assert(xml_reader_root(reader) && xml_error_text(r));
        tree_write(&xml, xml_reader_root(reader));
    }
    xml_reader_free(reader);
    arena_done(&arena);
    return seen;
}

/* Names that were cut, or that hold a colon, do not read again. */
static bool is_plain(struct slice bytes)
{
    size_t run = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        run = bytes.bytes[i] == '<' || bytes.bytes[i] == ' ' ? 0 : run + 1;
        if (run > 150 || bytes.bytes[i] == 0 || bytes.bytes[i] >= 0x80)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct seen whole = parse(bytes, size ? size : 1, false);
    for (int suspend = 0; suspend < 2; suspend++) {
        struct seen split = parse(bytes, 7, suspend);
        assert(whole.result >= 0 ? split.result == whole.result : split.result < 0);
        if (whole.result == 0)
            assert(slice_equals(buf_slice(&split.tree), buf_slice(&whole.tree)) &&
                   split.content_size == whole.content_size);
        buf_done(&split.tree);
    }
    if (whole.result == 0 && size > 0 && is_plain(bytes)) {
        struct seen again = parse(buf_slice(&whole.tree), whole.tree.size, false);
        if (again.result == 0)
            assert(slice_equals(buf_slice(&again.tree), buf_slice(&whole.tree)));
        buf_done(&again.tree);
    }
    buf_done(&whole.tree);
    return 0;
}
