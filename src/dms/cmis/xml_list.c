/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_list.h"

#include <errno.h>

enum { AT_ONCE_MAX = 32, LEVELS = STORE_DEPTH_MAX + 2 };

struct level {
    const struct cmis_entry *entries;
    size_t count, next;
};

struct list {
    struct xml_list_writer writer;
    struct buf piece; /* made, not sent yet */
    struct xml xml;
    struct level levels[LEVELS];
    unsigned depth; /* levels in use, at least 1 */
    bool ended;
};

/* Makes the next piece: an entry's begin or end, or the tail. */
static void step(struct list *list)
{
    struct xml_list_writer *writer = &list->writer;
    struct level *level = &list->levels[list->depth - 1];
    if (level->next < level->count) {
        const struct cmis_entry *entry = &level->entries[level->next];
        writer->enter(writer->arg, &list->xml, entry, list->depth - 1);
        if (list->depth == LEVELS) {
            list->piece.failed = true; /* deeper than any tree of the store */
            return;
        }
        list->levels[list->depth++] = (struct level){entry->children, entry->count, 0};
    } else if (list->depth > 1) {
        level = &list->levels[--list->depth - 1];
        writer->leave(writer->arg, &list->xml, &level->entries[level->next++], list->depth - 1);
    } else {
        writer->tail(writer->arg, &list->xml);
        list->ended = true;
    }
}

static ssize_t list_read(void *arg, void *to, size_t size)
{
    struct list *list = arg;
    while (list->piece.size < size && !list->ended && !list->piece.failed)
        step(list);
    if (list->piece.failed)
        return -ENOMEM;
    size = MIN(size, list->piece.size);
    if (size > 0)
        memcpy(to, list->piece.bytes, size);
    buf_consume(&list->piece, size);
    return (ssize_t)size;
}

static void list_close(void *arg)
{
    struct list *list = arg;
    buf_done(&list->piece);
}

/* How many entries there are, as far as that matters. */
static size_t entries_count(const struct cmis_entry *entries, size_t count)
{
    size_t sum = count;
    for (size_t i = 0; i < count && sum <= AT_ONCE_MAX; i++)
        sum += entries_count(entries[i].children, entries[i].count);
    return sum;
}

void xml_reply_list(struct call *call, int status, const char *type,
                    const struct cmis_entries *entries, const struct xml_list_writer *writer)
{
    struct list *list = arena_alloc(&call->req->arena, sizeof *list);
    if (!list) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    list->writer = *writer;
    list->xml = xml_into(&list->piece);
    list->levels[0] = (struct level){entries->entries, entries->count, 0};
    list->depth = 1;
    writer->head(writer->arg, &list->xml);
    if (entries_count(entries->entries, entries->count) > AT_ONCE_MAX) {
        call_reply_source(call, status, type, HTTP_SIZE_UNKNOWN,
                          (struct http_source){list_read, list_close, list});
        return;
    }
    while (!list->ended && !list->piece.failed)
        step(list);
    call_reply_buf(call, status, type, &list->piece);
}
