/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a form, encoded again, are the same fields; each name finds the first that came with
 * it, alone and with its indices; memory stays in proportion to the text. */
#include "dms/cmis/form_fields.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buf *out, const char *text)
{
    for (; *text; text++)
        (void)buf_printf(out, "%%%02x", (uint8_t)*text);
}

/* In the order they came. */
static void written(const struct form_fields *fields, struct buf *out)
{
    for (size_t i = 0; i < fields->count; i++) {
        encode(out, fields->items[i].name);
        (void)buf_append_byte(out, '=');
        encode(out, fields->items[i].value);
        (void)buf_append_byte(out, '&');
    }
}

static const char *first_of(const struct form_fields *fields, const char *name)
{
    const struct form_field *first = NULL;
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->items[i].name, name) == 0 &&
            (!first || fields->items[i].order < first->order))
            first = &fields->items[i];
    return first ? first->value : NULL;
}

/* "name[7]" and "name[7][8]" are found by name and numbers. */
static void indices_check(const struct form_fields *fields, const char *name)
{
    char stem[32], again[80];
    unsigned n = 0, m = 0;
    int end = 0;
    if (strlen(name) > 60 || sscanf(name, "%31[^[][%3u]%n", stem, &n, &end) != 2 || end == 0)
        return;
    (void)snprintf(again, sizeof again, "%s[%u]", stem, n);
    if (strcmp(again, name) == 0)
        assert(form_field_at(fields, stem, n) == first_of(fields, name));
    else if (sscanf(name + end, "[%3u]", &m) == 1) {
        (void)snprintf(again, sizeof again, "%s[%u][%u]", stem, n, m);
        if (strcmp(again, name) == 0)
            assert(form_field_at2(fields, stem, n, m) == first_of(fields, name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.size_max = 64 * size + 65536};
    struct form_fields fields = {.arena = &arena}, again = {.arena = &arena};
    SCOPED(buf_done) struct buf first = {0}, second = {0};
    if (size > 4096)
        return 0;
    int r = form_fields_parse(&fields, slice_of(data, size));
    assert(r == 0 || r == -EINVAL);
    if (r == 0) {
        written(&fields, &first);
        arena.size_max *= 8; /* an encoded text is three times as long, and so on */
        r = form_fields_parse(&again, buf_slice(&first));
        assert(r == 0 && again.count == fields.count);
        written(&again, &second);
        assert(slice_equals(buf_slice(&first), buf_slice(&second)));
        form_fields_settle(&fields);
        for (size_t i = 0; i < fields.count; i++) {
            const char *name = fields.items[i].name;
            assert(*name && form_field(&fields, name) == first_of(&fields, name));
            assert(i == 0 || strcmp(fields.items[i - 1].name, name) <= 0);
            indices_check(&fields, name);
        }
        assert(!form_field(&fields, "\x01 never \xff"));
    }
    arena_done(&arena);
    return 0;
}
