/* SPDX-License-Identifier: Apache-2.0 */
/* A SOAP message with its content gives the same however the network cuts it and whether or not its
 * reader stopped for a password; a content comes from one place, and nothing is stored of somebody
 * unknown. The first byte says how the body is called and cut; the rest is the body. */
#include "dms/cmis/mtom.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct mtom mtom;
    struct arena arena;
    bool waits, resumed;
    size_t elements, size;
    uint64_t sum;
    int result;
};

static int on_element(void *arg, const struct xml_node *node)
{
    struct seen *seen = arg;
    seen->elements++;
    assert(node->name && (node->parent || xml_reader_root(seen->mtom.reader) == node));
    return seen->waits && !seen->resumed && xml_is(node, XML_NS_SOAP, "Body") ? 1 : 0;
}

static int on_content(void *arg, struct slice bytes)
{
    struct seen *seen = arg;
    assert(bytes.size > 0 && seen->mtom.is_known);
    assert(seen->mtom.has_inline != (seen->mtom.part_id != NULL));
    seen->size += bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        seen->sum = seen->sum * 31 + bytes.bytes[i];
    return 0;
}

static void feed(struct seen *seen, struct slice bytes)
{
    seen->result = mtom_feed(&seen->mtom, bytes);
    while (seen->result == 0 && seen->mtom.waiting) {
        assert(!seen->resumed && seen->size == 0);
        seen->resumed = true;
        seen->result = mtom_resume(&seen->mtom);
    }
}

static void run(struct seen *seen, const char *type, struct slice body, size_t step, bool waits)
{
    const struct mtom_events events = {on_element, on_content, seen};
    *seen = (struct seen){.waits = waits, .arena = {.size_max = 32 << 20}};
    int r = mtom_init(&seen->mtom, &seen->arena, &events);
    assert(r == 0);
    seen->mtom.is_known = !waits;
    r = mtom_begin(&seen->mtom, slice_of_text(type));
    assert(r == 0);
    for (size_t at = 0; at < body.size && seen->result == 0; at += step)
        feed(seen, slice_of(body.bytes + at, MIN(step, body.size - at)));
    if (seen->result == 0)
        seen->result = mtom_finish(&seen->mtom);
    assert(seen->size <= body.size);
    assert(seen->result != 0 || xml_reader_root(seen->mtom.reader));
    assert(seen->result != 0 || !seen->mtom.part_id || !seen->mtom.has_inline);
}

static void done(struct seen *seen)
{
    mtom_done(&seen->mtom);
    arena_done(&seen->arena);
}

/* What failed may have failed at another place of the same piece. */
static void same_check(const struct seen *a, const struct seen *b)
{
    assert((a->result == 0) == (b->result == 0));
    if (a->result < 0)
        return;
    assert(a->elements == b->elements && a->size == b->size && a->sum == b->sum);
    assert(a->mtom.has_inline == b->mtom.has_inline);
    assert((a->mtom.include != NULL) == (b->mtom.include != NULL));
    assert((a->mtom.part_id != NULL) == (b->mtom.part_id != NULL));
    assert(!a->mtom.part_id || strcmp(a->mtom.part_id, b->mtom.part_id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {
        "text/xml",
        "multipart/related; boundary=b",
        "multipart/related; type=\"application/xop+xml\"; start=\"<root@x>\"; boundary=b",
    };
    struct seen whole, cut, stranger;
    if (size == 0 || size > 1 << 14)
        return 0;
    const char *type = types[data[0] % 3];
    struct slice body = slice_of(data + 1, size - 1);
    run(&whole, type, body, MAX(body.size, (size_t)1), false);
    run(&cut, type, body, 1 + data[0] / 3 % 16, false);
    same_check(&whole, &cut);
    run(&stranger, type, body, 7, true);
    if (stranger.resumed && stranger.result == 0)
        same_check(&whole, &stranger);
    assert(stranger.resumed || stranger.size == 0);
    done(&whole);
    done(&cut);
    done(&stranger);
    return 0;
}
