/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/export_offline.h"
#include "dms/export.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static int write_all(int fd, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.bytes, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes = slice_of(bytes.bytes + n, bytes.size - (size_t)n);
    }
    return 0;
}

static int all_write(struct export *export, int fd, struct error *e)
{
    SCOPED(buf_done) struct buf out = {0};
    int r = 0;
    for (bool ended = false; !ended;) {
        buf_clear(&out);
        r = export_write(export, &out, &ended);
        if (r < 0)
            return error_set(e, r, "the documents cannot be read");
        r = write_all(fd, buf_slice(&out));
        if (r < 0)
            return error_set(e, r, "the archive cannot be written");
    }
    return r;
}

int export_offline(const char *data, int fd, uint64_t *ret_damage_count, struct error *e)
{
    struct store *store = NULL;
    struct export *export = NULL;
    struct timespec now = {0};
    /* A wrong directory is not to become a new store. */
    SCOPED(buf_done) struct buf path = {0};
    (void)buf_printf(&path, "%s/coffer.db", data);
    const char *text = buf_text(&path);
    if (!text || access(text, F_OK) < 0)
        return error_set(e, text ? -errno : -ENOMEM, "there are no documents in '%s'", data);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int r = store_open(data, &store, e);
    if (r == 0) {
        r = export_new(store, (int64_t)now.tv_sec * 1000, true, &export);
        r = r < 0 ? error_set(e, r, "no memory") : all_write(export, fd, e);
    }
    if (r == 0)
        *ret_damage_count = export_damage_count(export);
    export_free(export);
    store_close(store);
    return r;
}
