/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memory/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ranges_done(struct ranges *set)
{
    free(set->items);
    *set = (struct ranges){0};
}

/* Index of the first range that ends behind `address`. */
static size_t find(const struct ranges *set, uint64_t address)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].to <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int reserve(struct ranges *set, size_t count)
{
    if (count <= set->capacity)
        return 0;
    size_t capacity = set->capacity > 0 ? set->capacity * 2 : 32;
    struct range *items = realloc(set->items, capacity * sizeof(*items));
    if (!items)
        return -ENOMEM;
    set->items = items;
    set->capacity = capacity;
    return 0;
}

/* Replaces `old` ranges at `at` by `new` ones. The room is there. */
static void splice(struct ranges *set, size_t at, size_t old, const struct range *new, size_t count)
{
    memmove(set->items + at + count, set->items + at + old,
            (set->count - at - old) * sizeof(*set->items));
    if (count > 0)
        memcpy(set->items + at, new, count * sizeof(*new));
    set->count += count - old;
}

int ranges_add(struct ranges *set, uint64_t from, uint64_t to)
{
    int r = from < to ? reserve(set, set->count + 1) : 0;
    if (r < 0 || from >= to)
        return r;
    size_t first = from > 0 ? find(set, from - 1) : 0; /* also one that ends right at `from` */
    size_t last = first;
    struct range whole = {from, to};
    while (last < set->count && set->items[last].from <= to) {
        whole.from = MIN(whole.from, set->items[last].from);
        whole.to = MAX(whole.to, set->items[last].to);
        last++;
    }
    splice(set, first, last - first, &whole, 1);
    return 0;
}

int ranges_remove(struct ranges *set, uint64_t from, uint64_t to)
{
    int r = from < to ? reserve(set, set->count + 1) : 0;
    if (r < 0 || from >= to)
        return r;
    size_t first = find(set, from), last = first;
    if (first == set->count || set->items[first].from >= to)
        return 0;
    struct range rest[2];
    size_t rest_count = 0;
    while (last < set->count && set->items[last].from < to) {
        struct range item = set->items[last++];
        if (item.from < from)
            rest[rest_count++] = (struct range){item.from, from};
        if (item.to > to)
            rest[rest_count++] = (struct range){to, item.to};
    }
    splice(set, first, last - first, rest, rest_count);
    return 0;
}

bool ranges_contain(const struct ranges *set, uint64_t from, uint64_t to)
{
    size_t i = find(set, from);
    return from >= to || (i < set->count && set->items[i].from <= from && to <= set->items[i].to);
}

uint64_t ranges_size(const struct ranges *set, uint64_t from, uint64_t to)
{
    uint64_t size = 0;
    for (size_t i = find(set, from); i < set->count && set->items[i].from < to; i++)
        size += MIN(to, set->items[i].to) - MAX(from, set->items[i].from);
    return size;
}

bool ranges_first_inside(const struct ranges *set, uint64_t from, uint64_t to,
                         struct range *ret_piece)
{
    size_t i = find(set, from);
    if (from >= to || i >= set->count || set->items[i].from >= to)
        return false;
    *ret_piece = (struct range){MAX(from, set->items[i].from), MIN(to, set->items[i].to)};
    return true;
}

bool ranges_first_outside(const struct ranges *set, uint64_t from, uint64_t to,
                          struct range *ret_piece)
{
    size_t i = find(set, from);
    if (i < set->count && set->items[i].from <= from)
        from = set->items[i++].to;
    if (from >= to)
        return false;
    *ret_piece = (struct range){from, i < set->count ? MIN(to, set->items[i].from) : to};
    return true;
}
