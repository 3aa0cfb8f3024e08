/* SPDX-License-Identifier: Apache-2.0 */
/* What a volume may take, kept in the volume. */
#include "volume/store.h"

#include <errno.h>

static const struct item_key KEY = {0, ITEM_LIMITS, 0};

static void limits_use(struct volume *v, const struct volume_limits *limits)
{
    v->limits = *limits;
    v->size_max = v->size_max_option;
    if (limits->size_max > 0 && (v->size_max == 0 || limits->size_max < v->size_max))
        v->size_max = limits->size_max;
}

int limits_load(struct volume *v)
{
    struct volume_limits limits = {0};
    struct slice value;
    int r = tree_get(&v->tree, &KEY, &value);
    if (r == 0)
        r = limits_decode(value, &limits);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    limits_use(v, &limits);
    return 0;
}

static int limits_put(struct volume *v, const struct volume_limits *limits)
{
    uint8_t bytes[LIMITS_VALUE_SIZE];
    int r = log_prepare(v, 256, ROOM_FREEING);
    if (r < 0)
        return r;
    size_t mark = v->record.size;
    limits_encode(limits, bytes);
    op_put(&v->record, &KEY, slice_of(bytes, sizeof bytes));
    r = stage_apply(v, mark);
    if (r == 0)
        limits_use(v, limits);
    return r;
}

int volume_set_limits(struct volume *v, const struct volume_limits *limits)
{
    volume_lock(v);
    int r = v->stopped ? -EROFS : limits_put(v, limits);
    volume_finish(v);
    return r < 0 ? r : volume_sync(v, 0, false);
}

void volume_get_limits(struct volume *v, struct volume_limits *ret_limits)
{
    volume_lock(v);
    *ret_limits = v->limits;
    volume_unlock(v);
}
