/* SPDX-License-Identifier: Apache-2.0 */
/* What WebDAV clients send: the first byte chooses between a body and an If header. What is kept of
 * a body is XML that stands alone and reads the same when it is read again. */
#include "dms/dav/dav_parse.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_check(const struct dav_change *change)
{
    static const char open[] = "<propertyupdate xmlns='DAV:'><set><prop>";
    static const char close[] = "</prop></set></propertyupdate>";
    struct arena arena = {.size_max = 1 << 20};
    struct dav_body again;
    size_t size = strlen(change->value) + sizeof open + sizeof close;
    char *text = malloc(size);
    assert(text);
    int n = snprintf(text, size, "%s%s%s", open, change->value, close);
    /* Deep or large ones may not fit into the wrapping. */
    if (dav_body_parse(&arena, slice_of(text, (size_t)n), &again) == 0) {
        assert(again.change_count == 1);
        assert(strcmp(again.changes[0].name.local, change->name.local) == 0);
        assert(strcmp(again.changes[0].name.ns, change->name.ns) == 0);
        assert(strcmp(again.changes[0].value, change->value) == 0);
    }
    free(text);
    arena_done(&arena);
}

static void body_check(struct slice bytes)
{
    struct arena arena = {.size_max = 1 << 20};
    struct dav_body body;
    if (dav_body_parse(&arena, bytes, &body) == 0) {
        assert(body.name_count <= DAV_NAMES_MAX && body.change_count <= DAV_NAMES_MAX);
        for (size_t i = 0; i < body.change_count; i++)
            if (body.changes[i].value)
                value_check(&body.changes[i]);
    }
    arena_done(&arena);
}

static void if_check(struct slice bytes)
{
    struct arena arena = {.size_max = 1 << 20};
    struct dav_if header;
    if (dav_if_parse(&arena, bytes, &header) == 0) {
        size_t conditions = 0;
        assert(header.list_count > 0 && header.list_count <= DAV_CONDITIONS_MAX);
        for (size_t i = 0; i < header.list_count; i++) {
            assert(header.lists[i].first == conditions && header.lists[i].count > 0);
            conditions += header.lists[i].count;
        }
        assert(conditions == header.condition_count);
        for (size_t i = 0; i < header.condition_count; i++)
            assert(header.conditions[i].text && *header.conditions[i].text);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    if (data[0] == 'i')
        if_check(bytes);
    else
        body_check(bytes);
    return 0;
}
