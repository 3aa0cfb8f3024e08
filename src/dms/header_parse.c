/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/header_parse.h"

#include "base/buf.h"
#include "server/base64.h"
#include "server/http.h"

#include <errno.h>

/* Up to the separator or the end; *rest is what is behind it. */
static struct slice part_cut(struct slice *rest, char separator)
{
    const uint8_t *end = memchr(rest->bytes, separator, rest->size);
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    struct slice part = slice_of(rest->bytes, size);
    size += end != NULL;
    *rest = slice_of(rest->bytes + size, rest->size - size);
    while (part.size > 0 && part.bytes[0] == ' ')
        part = slice_of(part.bytes + 1, part.size - 1);
    return part;
}

struct slice cookie_find(struct slice header, const char *name)
{
    size_t size = strlen(name);
    while (header.size > 0) {
        struct slice part = part_cut(&header, ';');
        if (part.size > size + 1 && memcmp(part.bytes, name, size) == 0 && part.bytes[size] == '=')
            return slice_of(part.bytes + size + 1, part.size - size - 1);
    }
    return (struct slice){0};
}

static int value_decode(struct arena *arena, struct slice value, char **ret)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = value.size ? base64_decode(value, &text) : 0;
    if (r < 0)
        return r;
    if (text.size > TUS_VALUE_SIZE_MAX || (text.size > 0 && memchr(text.bytes, 0, text.size)) ||
        !http_is_utf8(buf_slice(&text)))
        return -EBADMSG;
    *ret = arena_text(arena, buf_slice(&text));
    return *ret ? 0 : -ENOMEM;
}

static char **place_of(struct tus_metadata *metadata, struct slice key)
{
    const struct {
        const char *key;
        char **place;
    } places[] = {{"filename", &metadata->name},    {"name", &metadata->name},
                  {"filetype", &metadata->type},    {"type", &metadata->type},
                  {"parent", &metadata->parent},    {"document", &metadata->document},
                  {"conflict", &metadata->conflict}};
    for (size_t i = 0; i < ARRAY_COUNT(places); i++)
        if (slice_is_text(key, places[i].key))
            return places[i].place;
    return NULL;
}

int tus_metadata_parse(struct arena *arena, struct slice header, struct tus_metadata *ret)
{
    struct tus_metadata metadata = {0};
    while (header.size > 0) {
        struct slice value = part_cut(&header, ',');
        if (value.size == 0)
            continue;
        struct slice key = part_cut(&value, ' ');
        char *text = NULL;
        int r = value_decode(arena, value, &text);
        if (r < 0)
            return r;
        char **place = place_of(&metadata, key);
        if (place)
            *place = text;
    }
    *ret = metadata;
    return 0;
}
