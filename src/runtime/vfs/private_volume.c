/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/private_volume.h"
#include "runtime/guest.h"

#include "base/log.h"
#include "platform/ops.h"
#include "runtime/config.h"
#include "runtime/vfs/owner.h"
#include "volume/backend.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PRIVATE_MAX (OWNER_VOLUMES_MAX - RUNTIME_VOLUMES_MAX)

static struct volume_backend *g_backends[PRIVATE_MAX];

static int make(struct volume_backend *backend, struct volume **ret_volume, struct error *e)
{
    SCOPED(key256_wipe) struct key256 key;
    struct volume_options options = {.backend = backend, .key = &key, .copy = guest_copy_some};
    struct volume *volume;
    int r = platform()->random(&key, sizeof key);
    if (r == 0)
        r = platform()->random(options.id, sizeof options.id);
    if (r == 0)
        r = volume_create(&options, 0, 0, e);
    if (r == 0)
        r = volume_open(&options, &volume, e);
    if (r < 0)
        return r;
    struct volume_attr attr = {.mode = S_IFDIR | 01777};
    r = volume_setattr(volume, VOLUME_ROOT_INO, VOLUME_ATTR_MODE, &attr);
    if (r < 0) {
        volume_abandon(volume);
        return r;
    }
    *ret_volume = volume;
    return 0;
}

int private_volume_open(uint32_t index, struct volume **ret_volume)
{
    if (index < RUNTIME_VOLUMES_MAX || index >= OWNER_VOLUMES_MAX)
        return -ENODEV;
    struct volume_backend *backend;
    struct error e = {0};
    int r = volume_mem_new(&backend);
    if (r < 0)
        return r;
    r = make(backend, ret_volume, &e);
    if (r < 0) {
        LOG_ERROR("no private directory", LOG_TEXT("why", error_text(&e, r)));
        volume_mem_free(backend);
        return r;
    }
    g_backends[index - RUNTIME_VOLUMES_MAX] = backend;
    return 0;
}

void private_volumes_free(void)
{
    for (unsigned i = 0; i < PRIVATE_MAX; i++) {
        volume_mem_free(g_backends[i]);
        g_backends[i] = NULL;
    }
}
