/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/mount.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 1024 };

struct lookup {
    uint64_t ino; /* 0: free */
    uint64_t count;
    bool kept;
};

/* Open addressing with linear probing; at most half full. */
struct lookup_table {
    pthread_mutex_t lock;
    struct lookup *rows;
    size_t capacity, used;
};

int lookups_new(struct lookup_table **ret_table)
{
    struct lookup_table *t = calloc(1, sizeof *t);
    struct lookup *rows = calloc(CAPACITY_MIN, sizeof *rows);
    if (!t || !rows) {
        free(t);
        free(rows);
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&t->lock, NULL);
    t->rows = rows;
    t->capacity = CAPACITY_MIN;
    *ret_table = t;
    return 0;
}

void lookups_free(struct lookup_table *t)
{
    if (!t)
        return;
    (void)pthread_mutex_destroy(&t->lock);
    free(t->rows);
    free(t);
}

static size_t place_of(const struct lookup_table *t, uint64_t ino)
{
    return (size_t)(ino * 0x9e3779b97f4a7c15 >> 20) & (t->capacity - 1);
}

/* The row of `ino`, or the free one where it would go. */
static struct lookup *row_of(struct lookup_table *t, uint64_t ino)
{
    size_t at = place_of(t, ino);
    while (t->rows[at].ino != 0 && t->rows[at].ino != ino)
        at = (at + 1) & (t->capacity - 1);
    return &t->rows[at];
}

static int table_resize(struct lookup_table *t, size_t capacity)
{
    struct lookup_table bigger = {.capacity = capacity, .rows = calloc(capacity, sizeof *t->rows)};
    if (!bigger.rows)
        return -ENOMEM;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->rows[i].ino != 0)
            *row_of(&bigger, t->rows[i].ino) = t->rows[i];
    free(t->rows);
    t->rows = bigger.rows;
    t->capacity = capacity;
    return 0;
}

int lookups_add(struct lookup_table *t, uint64_t ino)
{
    int r = 0;
    (void)pthread_mutex_lock(&t->lock);
    if (2 * (t->used + 1) > t->capacity)
        r = table_resize(t, 2 * t->capacity);
    if (r == 0) {
        struct lookup *row = row_of(t, ino);
        t->used += row->ino == 0;
        row->ino = ino;
        row->count++;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return r;
}

/* Takes a row out and moves up those that probed past it. */
static void row_remove(struct lookup_table *t, struct lookup *row)
{
    size_t hole = (size_t)(row - t->rows), mask = t->capacity - 1;
    for (size_t at = (hole + 1) & mask; t->rows[at].ino != 0; at = (at + 1) & mask) {
        size_t home = place_of(t, t->rows[at].ino);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        t->rows[hole] = t->rows[at];
        hole = at;
    }
    t->rows[hole] = (struct lookup){0};
    t->used--;
    if (t->capacity > CAPACITY_MIN && t->used < t->capacity / 16)
        (void)table_resize(t, t->capacity / 4); /* stays large if there is no memory for that */
}

bool lookups_forget(struct lookup_table *t, uint64_t ino, uint64_t count)
{
    bool release = false;
    (void)pthread_mutex_lock(&t->lock);
    struct lookup *row = row_of(t, ino);
    if (row->ino == ino) {
        row->count -= MIN(count, row->count);
        if (row->count == 0) {
            release = row->kept;
            row_remove(t, row);
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return release;
}

bool lookups_keep(struct lookup_table *t, uint64_t ino)
{
    (void)pthread_mutex_lock(&t->lock);
    struct lookup *row = row_of(t, ino);
    bool known = row->ino == ino && !row->kept;
    if (known)
        row->kept = true;
    (void)pthread_mutex_unlock(&t->lock);
    return known;
}
