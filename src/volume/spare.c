/* SPDX-License-Identifier: Apache-2.0 */
/* Files of segments in which nothing lives any more. Some are kept: to write over a file costs the
 * host's kernel half of what blocks in a new one do. The others go a piece at a time and without
 * v->lock, for taking 32 MiB off a disk takes tens of milliseconds. What a crash leaves of either is
 * garbage, and found as such by the next opening. */
#include "volume/store.h"

#include <errno.h>
#include <stdlib.h>

enum { GONE_STEP = 1 << 20 };

static void gone_add(struct volume *v, const struct spare *file)
{
    if (v->gone_count < GONE_MAX) {
        v->gone[v->gone_count++] = *file;
        return;
    }
    (void)v->backend->ops->remove(v->backend, file->file);
    v->host_size -= file->size;
}

/* Out of the kept ones: the largest, which is the most like what is needed next, or the smallest. */
static struct spare spare_pop(struct volume *v, bool largest)
{
    unsigned best = 0;
    for (unsigned i = 1; i < v->spare_count; i++)
        if (largest ? v->spares[i].size > v->spares[best].size
                    : v->spares[i].size < v->spares[best].size)
            best = i;
    struct spare file = v->spares[best];
    v->spares[best] = v->spares[--v->spare_count];
    return file;
}

/* May somebody still have it open and write to it? An owner that was fenced while it stood still may,
 * however many came after it; one that closed the volume does not. */
static bool is_anothers(const struct volume *v, uint64_t file)
{
    uint64_t epoch = file >> 32;
    return v->has_authority && v->mode != VOLUME_MODE_NONE && epoch != v->epoch &&
           epoch != v->closed_epoch;
}

void segment_give_back(struct volume *v, uint64_t file)
{
    struct spare given = {.file = file};
    uint64_t kept = 0, kept_max = v->live_size / 2 + v->live_size / 16;
    if (v->backend->ops->size(v->backend, file, &given.size) < 0 || given.size > SEGMENT_SIZE_MAX)
        given.size = 0; /* no segment of ours is larger, whatever the host says */
    v->host_size += given.size;
    if (given.size < SEGMENT_STEP_MIN || given.size > kept_max || is_anothers(v, file)) {
        gone_add(v, &given);
        return;
    }
    for (unsigned i = 0; i < v->spare_count; i++)
        kept += v->spares[i].size;
    while (v->spare_count == SPARES_MAX || kept + given.size > kept_max) {
        struct spare small = spare_pop(v, false);
        kept -= small.size;
        gone_add(v, &small);
    }
    v->spares[v->spare_count++] = given;
}

/* Which way the log goes where owners that were fenced have forked it, an opening decides by what it finds,
 * and writes nothing down. An owner that opened before it, and found otherwise, may still write one more
 * segment behind a file that is useless here. Were that file gone, whoever comes next would find a
 * segment behind nothing, which is what a lost part of the log looks like. Behind a checkpoint of this
 * owner such a segment is of an earlier epoch, and nothing. */
void garbage_keep(struct volume *v, uint64_t file)
{
    uint64_t size = 0;
    if (!v->has_authority || v->mode == VOLUME_MODE_NONE) {
        segment_give_back(v, file);
        return;
    }
    struct spare *grown = realloc(v->garbage, (v->garbage_count + 1) * sizeof *grown);
    if (!grown)
        return; /* the next opening finds it */
    if (v->backend->ops->size(v->backend, file, &size) < 0 || size > SEGMENT_SIZE_MAX)
        size = 0;
    v->garbage = grown;
    v->garbage[v->garbage_count++] = (struct spare){.file = file, .size = size};
    v->host_size += size;
}

void garbage_release(struct volume *v)
{
    for (unsigned i = 0; i < v->garbage_count; i++) {
        v->host_size -= v->garbage[i].size;
        segment_give_back(v, v->garbage[i].file);
    }
    free(v->garbage);
    v->garbage = NULL;
    v->garbage_count = 0;
}

int spare_take(struct volume *v, uint64_t id, uint64_t *ret_size)
{
    if (v->spare_count == 0)
        return -ENOENT;
    struct spare file = spare_pop(v, true);
    int r = v->backend->ops->rename(v->backend, file.file, id);
    if (r < 0) {
        v->spares[v->spare_count++] = file;
        return r;
    }
    v->host_size -= file.size; /* counted again with the segment */
    *ret_size = file.size;
    return 0;
}

void gone_drain(struct volume *v)
{
    while (v->gone_count > 0) {
        const struct spare *file = &v->gone[--v->gone_count];
        (void)v->backend->ops->remove(v->backend, file->file);
        v->host_size -= file->size;
    }
}

void space_recall(struct volume *v)
{
    while (v->spare_count > 0) {
        struct spare file = spare_pop(v, false);
        gone_add(v, &file);
    }
    gone_drain(v);
}

void gone_step(struct volume *v)
{
    const struct volume_backend_ops *ops = v->backend->ops;
    struct spare file = {0};
    volume_lock(v);
    /* A stopped owner may have a successor, and leaves its garbage to that. */
    if (v->gone_count > 0 && !v->stopped)
        file = v->gone[--v->gone_count]; /* nobody else has it now */
    volume_unlock(v);
    if (file.file == 0)
        return;
    uint64_t less = MIN(file.size, (uint64_t)GONE_STEP);
    bool whole = file.size == less || ops->truncate(v->backend, file.file, file.size - less) < 0;
    if (whole)
        (void)ops->remove(v->backend, file.file);
    volume_lock(v);
    v->host_size -= whole ? file.size : less;
    file.size -= less;
    if (!whole)
        gone_add(v, &file);
    volume_unlock(v);
}
