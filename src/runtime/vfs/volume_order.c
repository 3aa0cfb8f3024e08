/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/volume_order.h"

#include "base/log.h"

void volume_order_key(const struct runtime_volume *rv, struct volume_options *options)
{
    if (rv->order && rv->order->has_key &&
        volume_key_opens(options->backend, rv->id, &rv->order->key) == 0)
        options->key = &rv->order->key;
}

static int order_run(const struct runtime_volume_order *order, struct volume *volume)
{
    int r = 0;
    if (order->has_key)
        r = volume_rekey(volume, &order->key, order->rewrite || volume_is_rewriting(volume));
    for (char *const *path = order->erase; r == 0 && path && *path; path++)
        r = volume_erase_path(volume, *path);
    return r < 0 ? r : volume_sync(volume, 0, false);
}

void volume_order_run(const struct runtime_volume *rv, struct volume *volume)
{
    struct runtime_volume_order *order = rv->order;
    if (!order)
        return;
    int r = order_run(order, volume);
    /* On the disk before the old key is given up. */
    if (r == 0)
        r = order->done(rv->id, order->serial);
    if (r < 0)
        LOG_ERROR("what was ordered for a volume waits for its next opening",
                  LOG_TEXT("volume", rv->name), LOG_INT("error", -r));
    key256_wipe(&order->key);
}
