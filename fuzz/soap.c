/* SPDX-License-Identifier: Apache-2.0 */
/* A SOAP message gives the same however it is split, suspended or not, within its caps. */
#include "dms/soap_parse.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    int suspend;
    unsigned bodies;
    size_t content_size;
    int result;
    enum soap_operation operation;
    size_t text_size;
};

static int on_body(void *arg)
{
    struct seen *seen = arg;
    assert(++seen->bodies == 1);
    return seen->suspend;
}

static int on_content(void *arg, struct slice bytes)
{
    struct seen *seen = arg;
    assert(bytes.size > 0 && seen->bodies == 1);
    seen->content_size += bytes.size;
    return 0;
}

static size_t text_size(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    assert(size <= SOAP_TEXT_SIZE_MAX);
    return size;
}

static struct seen parse(struct slice bytes, size_t step, int suspend)
{
    struct seen seen = {.suspend = suspend};
    struct arena arena = {.size_max = 1 << 20};
    const struct soap_events events = {on_body, on_content, &seen};
    struct soap_parser *parser;
    int r = soap_parser_new(&arena, &events, &parser);
    assert(r == 0);
    for (size_t at = 0; at < bytes.size && r == 0; at += step) {
        size_t piece = MIN(step, bytes.size - at);
        r = soap_parser_feed(parser, slice_of(bytes.bytes + at, piece), at + piece == bytes.size);
        if (r == 1)
            r = soap_parser_resume(parser);
    }
    const struct soap_message *message = soap_parser_message(parser);
    seen.result = r;
    seen.operation = message->operation;
    seen.text_size = text_size(message->user) + text_size(message->password) +
                     text_size(message->name) + text_size(message->object) +
                     text_size(message->content_id);
    soap_parser_free(parser);
    arena_done(&arena);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct seen whole = parse(bytes, size ? size : 1, 0);
    for (int suspend = 0; suspend < 2; suspend++) {
        struct seen split = parse(bytes, 7, suspend);
        assert(whole.result >= 0 ? split.result == whole.result : split.result < 0);
        if (whole.result == 0)
            assert(split.operation == whole.operation && split.text_size == whole.text_size &&
                   split.content_size == whole.content_size);
    }
    return 0;
}
