/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/lock_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static bool is_mine(const struct lock_range *range, const struct lock_range *want)
{
    return range->kind == want->kind && range->owner == want->owner;
}

static bool overlaps(const struct lock_range *a, const struct lock_range *b)
{
    return a->start <= b->end && b->start <= a->end;
}

const struct lock_range *lock_conflict(const struct lock_table *table,
                                       const struct lock_range *want)
{
    const struct lock_range *first = NULL;
    for (const struct lock_range *range = table->ranges; range; range = range->next) {
        if (is_mine(range, want) || !overlaps(range, want))
            continue;
        if ((range->kind == LOCK_KIND_FLOCK) != (want->kind == LOCK_KIND_FLOCK))
            continue;
        if (range->type != F_WRLCK && want->type != F_WRLCK)
            continue;
        if (!first || range->start < first->start)
            first = range;
    }
    return first;
}

/* Cuts [start, end] out of everything the owner of `want` holds. `*spare` serves the one split that
 * can need a new node. */
static void cut(struct lock_table *table, const struct lock_range *want, struct lock_range **spare)
{
    struct lock_range **at = &table->ranges;
    while (*at) {
        struct lock_range *range = *at;
        if (!is_mine(range, want) || !overlaps(range, want)) {
            at = &range->next;
            continue;
        }
        bool left = range->start<want->start, right = range->end> want->end;
        if (left && right) {
            struct lock_range *tail = TAKE(*spare);
            *tail = *range;
            tail->start = want->end + 1;
            range->end = want->start - 1;
            range->next = tail;
            table->count++;
            return;
        }
        if (left) {
            range->end = want->start - 1;
        } else if (right) {
            range->start = want->end + 1;
        } else {
            *at = range->next;
            free(range);
            table->count--;
            continue;
        }
        at = &range->next;
    }
}

/* Joins `fresh` with neighbours of the same owner and type, so that a scan stays short. */
static void merge(struct lock_table *table, struct lock_range *fresh)
{
    struct lock_range **at = &table->ranges;
    while (*at) {
        struct lock_range *range = *at;
        bool touches = range->start <= fresh->end + 1 && fresh->start <= range->end + 1;
        if (range == fresh || !is_mine(range, fresh) || range->type != fresh->type || !touches) {
            at = &range->next;
            continue;
        }
        fresh->start = MIN(fresh->start, range->start);
        fresh->end = MAX(fresh->end, range->end);
        *at = range->next;
        free(range);
        table->count--;
    }
}

int lock_set(struct lock_table *table, const struct lock_range *want)
{
    if (want->type != F_UNLCK && lock_conflict(table, want))
        return -EAGAIN;
    if (want->type != F_UNLCK && table->count >= LOCK_RANGES_MAX)
        return -ENOLCK;
    struct lock_range *spare = malloc(sizeof *spare);
    struct lock_range *fresh = want->type == F_UNLCK ? NULL : malloc(sizeof *fresh);
    if (!spare || (!fresh && want->type != F_UNLCK)) {
        free(spare);
        free(fresh);
        return -ENOLCK;
    }
    cut(table, want, &spare);
    free(spare);
    if (fresh) {
        *fresh = *want;
        fresh->next = table->ranges;
        table->ranges = fresh;
        table->count++;
        merge(table, fresh);
    }
    return 0;
}

bool lock_drop(struct lock_table *table, uint32_t kind, uint64_t owner)
{
    bool dropped = false;
    struct lock_range **at = &table->ranges;
    while (*at) {
        struct lock_range *range = *at;
        if (range->kind != kind || range->owner != owner) {
            at = &range->next;
            continue;
        }
        *at = range->next;
        free(range);
        table->count--;
        dropped = true;
    }
    return dropped;
}
