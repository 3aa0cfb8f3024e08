/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/form_fields.h"
#include "server/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int form_field_add(struct form_fields *fields, const char *name, const char *value)
{
    fields->size += strlen(name) + strlen(value);
    if (fields->count == FORM_FIELDS_MAX || fields->size > FORM_FIELDS_SIZE_MAX)
        return -EFBIG;
    if (fields->count == fields->capacity) {
        size_t wanted = fields->capacity ? fields->capacity * 2 : 32;
        struct form_field *larger = arena_alloc(fields->arena, wanted * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        if (fields->count > 0)
            memcpy(larger, fields->items, fields->count * sizeof *larger);
        fields->items = larger;
        fields->capacity = wanted;
    }
    fields->items[fields->count] = (struct form_field){name, value, fields->count};
    fields->count++;
    return 0;
}

static int pair_add(struct form_fields *fields, struct slice pair)
{
    const uint8_t *equals = memchr(pair.bytes, '=', pair.size);
    size_t name_size = equals ? (size_t)(equals - pair.bytes) : pair.size;
    size_t value_at = MIN(name_size + 1, pair.size);
    char *name, *value;
    if (name_size == 0)
        return 0; /* and takes no memory: there may be two million of them */
    int r = http_decode(fields->arena, slice_of(pair.bytes, name_size), true, &name);
    if (r == 0)
        r = http_decode(fields->arena, slice_of(pair.bytes + value_at, pair.size - value_at), true,
                        &value);
    return r < 0 ? r : form_field_add(fields, name, value);
}

int form_fields_parse(struct form_fields *fields, struct slice text)
{
    while (text.size > 0) {
        const uint8_t *end = memchr(text.bytes, '&', text.size);
        size_t size = end ? (size_t)(end - text.bytes) : text.size;
        int r = size > 0 ? pair_add(fields, slice_of(text.bytes, size)) : 0;
        if (r < 0)
            return r;
        size = MIN(size + 1, text.size);
        text = slice_of(text.bytes + size, text.size - size);
    }
    return 0;
}

static int field_compare(const void *a, const void *b)
{
    const struct form_field *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : one->order < other->order ? -1 : 1;
}

void form_fields_settle(struct form_fields *fields)
{
    if (fields->count > 0)
        qsort(fields->items, fields->count, sizeof *fields->items, field_compare);
}

const char *form_field(const struct form_fields *fields, const char *name)
{
    size_t low = 0, high = fields->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(fields->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < fields->count && strcmp(fields->items[low].name, name) == 0;
    return found ? fields->items[low].value : NULL;
}

const char *form_field_at(const struct form_fields *fields, const char *name, size_t n)
{
    char text[80];
    (void)snprintf(text, sizeof text, "%s[%zu]", name, n);
    return form_field(fields, text);
}

const char *form_field_at2(const struct form_fields *fields, const char *name, size_t n, size_t m)
{
    char text[80];
    (void)snprintf(text, sizeof text, "%s[%zu][%zu]", name, n, m);
    return form_field(fields, text);
}
