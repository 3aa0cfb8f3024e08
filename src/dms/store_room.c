/* SPDX-License-Identifier: Apache-2.0 */
/* Where the disk is full, deleting must still work, and deleting writes: rows, the log, the audit
 * trail. So a little room is kept by a file of zeros, which goes when something is deleted and there
 * is next to none left, and comes back when there is plenty. */
#include "dms/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_FILE "room"
#define ROOM_SIZE ((size_t)128 << 10)

static uint64_t free_bytes(const struct store *store)
{
    struct statvfs fs;
    return fstatvfs(store->dir_fd, &fs) < 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

void room_keep(struct store *store)
{
    static const uint8_t zeros[4096];
    if (faccessat(store->dir_fd, ROOM_FILE, F_OK, 0) == 0 || free_bytes(store) < 16 * ROOM_SIZE)
        return;
    int fd = openat(store->dir_fd, ROOM_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool whole = true;
    for (size_t at = 0; whole && at < ROOM_SIZE; at += sizeof zeros)
        whole = write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros;
    (void)close(fd);
    if (!whole)
        (void)unlinkat(store->dir_fd, ROOM_FILE, 0);
}

void room_use(struct store *store)
{
    if (free_bytes(store) < 2 * ROOM_SIZE)
        (void)unlinkat(store->dir_fd, ROOM_FILE, 0);
}
