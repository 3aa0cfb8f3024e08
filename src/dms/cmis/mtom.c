/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/mtom.h"
#include "server/http.h"

#include <errno.h>

enum held { HELD_PART, HELD_DATA, HELD_END };

/* The envelope */

static int include_take(struct mtom *mtom, const struct xml_node *node)
{
    static const char scheme[] = "cid:";
    const char *href = xml_attribute(node, XML_NS_NONE, "href");
    if (!href || strncmp(href, scheme, strlen(scheme)) != 0 || mtom->include ||
        !xml_is(node->parent, XML_NS_CMISM, "stream"))
        return -EINVAL;
    int r = http_decode(mtom->arena, slice_of_text(href + strlen(scheme)), false, &mtom->include);
    if (r == 0 && mtom->part_id && strcmp(mtom->part_id, mtom->include) != 0)
        r = -EINVAL; /* the part that came before is another */
    return r;
}

static int on_element(void *arg, const struct xml_node *node)
{
    struct mtom *mtom = arg;
    if (xml_is(node, XML_NS_XOP, "Include"))
        return include_take(mtom, node);
    int r = mtom->events.element(mtom->events.arg, node);
    mtom->waiting = mtom->waiting || r > 0;
    return r;
}

static int on_content_begins(void *arg, enum xml_content kind, const struct xml_node *node)
{
    const struct mtom *mtom = arg;
    (void)node;
    if (!mtom->is_known) /* in the header, or instead of a body */
        return -EACCES;
    return kind == XML_CONTENT_STREAM ? 0 : -EBADMSG;
}

static int on_content(void *arg, struct slice bytes)
{
    struct mtom *mtom = arg;
    if (mtom->part_id || mtom->include)
        return -EINVAL;
    mtom->has_inline = true;
    return mtom->events.content(mtom->events.arg, bytes);
}

/* Parts */

static struct slice id_strip(struct slice id)
{
    bool angles = id.size >= 2 && id.bytes[0] == '<' && id.bytes[id.size - 1] == '>';
    return angles ? slice_of(id.bytes + 1, id.size - 2) : id;
}

static int content_part(struct mtom *mtom, struct slice head, struct slice id)
{
    struct slice encoding = multipart_header(head, "Content-Transfer-Encoding");
    if (mtom->part_id || mtom->has_inline)
        return -EINVAL; /* a second content */
    mtom->part_id = arena_text(mtom->arena, id);
    mtom->part_base64 = http_text_equals(encoding, "base64");
    mtom->part = MTOM_PART_CONTENT;
    return mtom->part_id ? 0 : -ENOMEM;
}

static int part_begins(struct mtom *mtom, struct slice head)
{
    struct slice id = id_strip(multipart_header(head, "Content-ID"));
    bool is_root = mtom->start ? slice_is_text(id, mtom->start) : !mtom->root_seen;
    mtom->part = MTOM_PART_OTHER;
    if (is_root) {
        if (mtom->root_seen)
            return -EINVAL;
        mtom->root_seen = true;
        mtom->part = MTOM_PART_ROOT;
        return 0;
    }
    if (!mtom->root_seen) /* the message will say whether this is its content */
        return !mtom->is_known ? -EACCES : content_part(mtom, head, id);
    return mtom->include && slice_is_text(id, mtom->include) ? content_part(mtom, head, id) : 0;
}

static int root_feed(struct mtom *mtom, struct slice bytes, bool last)
{
    int r = xml_reader_feed(mtom->reader, bytes, last);
    return r < 0 ? r : 0;
}

static int part_data(struct mtom *mtom, struct slice bytes)
{
    uint8_t decoded[4096];
    if (mtom->part == MTOM_PART_ROOT)
        return root_feed(mtom, bytes, false);
    if (mtom->part != MTOM_PART_CONTENT)
        return 0;
    if (!mtom->part_base64)
        return mtom->events.content(mtom->events.arg, bytes);
    while (bytes.size > 0) {
        size_t size = MIN(bytes.size, sizeof decoded);
        ssize_t n = base64_feed(&mtom->decoder, slice_of(bytes.bytes, size), decoded);
        int r =
            n > 0 ? mtom->events.content(mtom->events.arg, slice_of(decoded, (size_t)n)) : (int)n;
        if (r < 0)
            return r;
        bytes = slice_of(bytes.bytes + size, bytes.size - size);
    }
    return 0;
}

static int part_ends(struct mtom *mtom)
{
    if (mtom->part == MTOM_PART_ROOT)
        return root_feed(mtom, slice_of("", 0), true);
    return mtom->part == MTOM_PART_CONTENT && mtom->part_base64 ? base64_finish(&mtom->decoder) : 0;
}

static int part_event(struct mtom *mtom, enum held kind, struct slice bytes)
{
    if (mtom->waiting) {
        uint32_t head[2] = {kind, (uint32_t)bytes.size};
        (void)buf_append(&mtom->held, head, sizeof head);
        return buf_append_slice(&mtom->held, bytes);
    }
    return kind == HELD_PART   ? part_begins(mtom, bytes)
           : kind == HELD_DATA ? part_data(mtom, bytes)
                               : part_ends(mtom);
}

static int held_replay(struct mtom *mtom)
{
    SCOPED(buf_done) struct buf held = mtom->held;
    int r = 0;
    mtom->held = (struct buf){0};
    for (size_t at = 0; at < held.size && r == 0;) {
        uint32_t head[2];
        memcpy(head, held.bytes + at, sizeof head);
        at += sizeof head;
        r = part_event(mtom, (enum held)head[0], slice_of(held.bytes + at, head[1]));
        at += head[1];
    }
    return r;
}

static int on_part(void *arg, struct slice head)
{
    return part_event(arg, HELD_PART, head);
}

static int on_part_data(void *arg, struct slice bytes)
{
    return part_event(arg, HELD_DATA, bytes);
}

static int on_part_end(void *arg)
{
    return part_event(arg, HELD_END, slice_of("", 0));
}

/* All of it */

int mtom_init(struct mtom *mtom, struct arena *arena, const struct mtom_events *events)
{
    const struct xml_events xml = {on_element, on_content_begins, on_content, mtom};
    *mtom = (struct mtom){.arena = arena, .events = *events};
    return xml_reader_new(arena, &xml, &mtom->reader);
}

static int multipart_begin(struct mtom *mtom, struct slice type)
{
    struct arena *arena = mtom->arena;
    const struct multipart_events parts = {on_part, on_part_data, on_part_end, mtom};
    char *start = NULL;
    int r = multipart_init(&mtom->multipart, type, &parts);
    if (r == 0)
        r = multipart_parameter(arena, type, "start", &start);
    if (r == 0) {
        mtom->start = arena_text(arena, id_strip(slice_of_text(start)));
        r = mtom->start ? 0 : -ENOMEM;
    }
    return r == -ENOENT ? 0 : r;
}

int mtom_begin(struct mtom *mtom, struct slice type)
{
    static const char prefix[] = "multipart/";
    const size_t size = strlen(prefix);
    mtom->is_multipart = type.size > size && http_text_equals(slice_of(type.bytes, size), prefix);
    if (!mtom->is_known)
        xml_reader_markup_max(mtom->reader, XML_MARKUP_SIZE_UNKNOWN_USER);
    return mtom->is_multipart ? multipart_begin(mtom, type) : 0;
}

int mtom_feed(struct mtom *mtom, struct slice bytes)
{
    int r = mtom->is_multipart ? multipart_feed(&mtom->multipart, bytes)
                               : root_feed(mtom, bytes, false);
    return r == -EBADMSG && mtom->is_multipart && !mtom->root_seen ? -EINVAL : r;
}

int mtom_resume(struct mtom *mtom)
{
    mtom->waiting = false;
    mtom->is_known = true;
    xml_reader_markup_max(mtom->reader, XML_MARKUP_SIZE_MAX);
    int r = xml_reader_resume(mtom->reader);
    return r == 0 ? held_replay(mtom) : r;
}

int mtom_finish(struct mtom *mtom)
{
    if (!mtom->is_multipart)
        return root_feed(mtom, slice_of("", 0), true);
    return multipart_finish(&mtom->multipart) < 0 || !mtom->root_seen ? -EINVAL : 0;
}

void mtom_done(struct mtom *mtom)
{
    xml_reader_free(mtom->reader);
    multipart_done(&mtom->multipart);
    buf_done(&mtom->held);
    *mtom = (struct mtom){0};
}
