/* SPDX-License-Identifier: Apache-2.0 */
/* mmap(2) of shielded files. Private mappings are copies (copy_map.h); shared ones map the arena
 * (shared_map.h), and the regions are remembered until the guest unmaps them. */
#include "runtime/vfs/mapping.h"

#include "platform/host.h"
#include "runtime/vfs/copy_map.h"
#include "runtime/vfs/file_ops.h"
#include "runtime/vfs/volume_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define PAGE ((size_t)4096)

struct region {
    struct region *next;
    uintptr_t start, end;
    uint64_t offset; /* in the file, of `start` */
    uint64_t ino;
    uint32_t volume;
    bool read_only; /* the file was open for reading: it may not become writable */
    char path[256]; /* when it was mapped; cut short if it is longer */
};

/* protects: g_regions, g_watch; taken before the owner's locks */
static lock_word g_lock;
static struct region *g_regions;

/* The kernel answers a touch of a page that the arena does not hold with SIGBUS, as for any file's
 * end, where userfaultfd(2) may be used; elsewhere such pages read as zeros. Belongs to one address
 * space: a forked child needs its own. -1: not asked yet; -2: there is none. */
static int g_watch = -1;

bool mapping_any(void)
{
    return __atomic_load_n(&g_regions, __ATOMIC_RELAXED) != NULL || copies_any();
}

/* --- beyond the end of a file --- */

static int watch_new(void)
{
    long fd = host_call(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd < 0)
        return -2;
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS};
    int hidden = fd_hide((int)fd);
    if (hidden >= 0 && host_call(SYS_ioctl, hidden, UFFDIO_API, &api) == 0)
        return hidden;
    if (hidden >= 0)
        fd_hidden_close(hidden);
    return -2;
}

static void watch(const struct region *region)
{
    struct uffdio_register range = {
        .range = {.start = region->start, .len = region->end - region->start},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    if (g_watch == -1)
        g_watch = watch_new();
    if (g_watch >= 0)
        (void)host_call(SYS_ioctl, g_watch, UFFDIO_REGISTER, &range);
}

void mapping_after_fork(void)
{
    atomic_store(&g_lock, 0);
    copies_after_fork();
    if (g_watch >= 0)
        fd_hidden_close(g_watch);
    g_watch = -1;
    for (const struct region *region = g_regions; region; region = region->next)
        watch(region);
}

void mapping_forget(void)
{
    g_regions = NULL;
    copies_forget();
    if (g_watch >= 0)
        fd_hidden_close(g_watch);
    g_watch = -2;
}

/* --- shared --- */

static int arena(void)
{
    return g_fs.owner ? g_fs.owner->arena_fd : volume_client_arena(g_fs.remote);
}

static void drop_reference(uint32_t volume, uint64_t ino)
{
    struct request rq = {.op = REQUEST_UNMAP, .volume = volume, .ino = ino};
    (void)fs_request(&rq);
}

static void add_region(struct region *region)
{
    lock_acquire(&g_lock);
    region->next = g_regions;
    g_regions = region;
    watch(region);
    lock_release(&g_lock);
}

static int64_t map_shared(struct volume_file *vf, void *addr, size_t size, int prot, int flags,
                          uint64_t offset)
{
    bool writable = (atomic_load(&vf->file.flags) & O_ACCMODE) == O_RDWR;
    struct region *region = malloc(sizeof *region);
    if (!region)
        return -ENOMEM;
    struct request rq = {
        .op = REQUEST_MAP, .handle = vf->handle, .offset = offset, .size = size, .mask = writable};
    int64_t r = fs_request(&rq);
    if (r < 0) {
        free(region);
        return r;
    }
    int kind = (flags & MAPPING_PLACE_FLAGS) | MAP_SHARED;
    long at = host_mmap((unsigned long)addr, size, prot, kind, arena(), rq.more + offset);
    if (at < 0 && at > -4096) {
        drop_reference(rq.volume, rq.ino);
        free(region);
        return at;
    }
    *region = (struct region){.start = (uintptr_t)at,
                              .end = (uintptr_t)at + round_up(size, PAGE),
                              .offset = offset,
                              .ino = rq.ino,
                              .volume = rq.volume,
                              .read_only = !writable};
    char path[PATH_MAX];
    if (volume_file_path(vf, path, sizeof path) > 0)
        snprintf(region->path, sizeof region->path, "%.255s", path);
    add_region(region);
    return at;
}

int64_t volume_file_mmap(struct file *f, void *addr, size_t size, int prot, int flags,
                         uint64_t offset)
{
    int type = flags & MAP_TYPE;
    if (size == 0 || offset % PAGE != 0)
        return -EINVAL;
    if (type == MAP_PRIVATE)
        return file_mmap_private(f, addr, size, prot, flags, offset);
    if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
        return -EINVAL;
    /* No volume is persistent memory. Who is told so makes nothing durable but the processor's
     * cache, as MariaDB does with its log. */
    if (flags & MAP_SYNC)
        return -EOPNOTSUPP;
    if (!file_is_readable(f) || ((prot & PROT_WRITE) && !file_is_writable(f)))
        return -EACCES;
    return map_shared(volume_file_of(f), addr, size, prot, flags, offset);
}

/* Another region for the same file: one more mapping in the owner's eyes. */
static bool count_another(const struct region *region)
{
    struct request rq = {.op = REQUEST_MAP,
                         .volume = region->volume,
                         .ino = region->ino,
                         .offset = region->offset,
                         .size = region->end - region->start};
    return fs_request(&rq) == 0;
}

/* Cuts [start, end) out of `region`. What remains in front stays in it, what remains behind becomes
 * a region of its own. Returns whether nothing is left of `region`. */
static bool cut_region(struct region *region, uintptr_t start, uintptr_t end)
{
    bool front = region->start<start, behind = region->end> end;
    if (front && behind) {
        struct region *tail = malloc(sizeof *tail);
        if (tail) {
            *tail = *region;
            tail->offset += end - region->start;
            tail->start = end;
            if (count_another(tail)) {
                tail->next = region->next;
                region->next = tail;
            } else {
                free(tail);
            }
        }
    }
    if (front) {
        region->end = start;
    } else if (behind) {
        region->offset += end - region->start;
        region->start = end;
    }
    return !front && !behind;
}

void mapping_unmapping(uintptr_t start, size_t size)
{
    uintptr_t end = start + round_up(size, PAGE);
    struct region *gone = NULL;
    copies_cut(start, end);
    lock_acquire(&g_lock);
    for (struct region **at = &g_regions; *at;) {
        struct region *region = *at;
        bool overlaps = region->start < end && start < region->end;
        if (overlaps && cut_region(region, start, end)) {
            *at = region->next;
            region->next = gone;
            gone = region;
        } else {
            at = &region->next;
        }
    }
    lock_release(&g_lock);
    while (gone) {
        struct region *region = gone;
        gone = region->next;
        drop_reference(region->volume, region->ino);
        free(region);
    }
}

int64_t mapping_remove(uintptr_t start, size_t size)
{
    uintptr_t end = start + size;
    int64_t r = 0;
    lock_acquire(&g_lock);
    for (struct region *region = g_regions; region && r == 0; region = region->next) {
        uintptr_t from = MAX(start, region->start), to = MIN(end, region->end);
        if (from >= to)
            continue;
        struct request rq = {.op = REQUEST_ALLOCATE,
                             .volume = region->volume,
                             .ino = region->ino,
                             .flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             .offset = region->offset + (from - region->start),
                             .size = to - from};
        r = region->read_only ? -EACCES : fs_request(&rq);
    }
    lock_release(&g_lock);
    return r;
}

struct mapping_file mapping_file_seen(uint32_t volume, uint64_t ino, uint64_t offset)
{
    struct statx about;
    struct volume_attr attr = {0};
    volume_file_statx(volume, &attr, &about);
    return (struct mapping_file){offset, ino, makedev(about.stx_dev_major, about.stx_dev_minor)};
}

bool mapping_file_at(uintptr_t at, struct mapping_file *ret_file, char *path, size_t size)
{
    bool found = false;
    lock_acquire(&g_lock);
    for (struct region *region = g_regions; region && !found; region = region->next) {
        found = region->start <= at && at < region->end;
        if (!found)
            continue;
        *ret_file =
            mapping_file_seen(region->volume, region->ino, region->offset + (at - region->start));
        snprintf(path, size, "%s", region->path);
    }
    lock_release(&g_lock);
    return found || copies_file_at(at, ret_file, path, size);
}

bool mapping_is(uintptr_t start, size_t size, bool read_only)
{
    bool found = false;
    lock_acquire(&g_lock);
    for (struct region *region = g_regions; region && !found; region = region->next)
        found = region->start < start + size && start < region->end &&
                (!read_only || region->read_only);
    lock_release(&g_lock);
    return found;
}

int mapping_sync(uintptr_t start, size_t size, int flags)
{
    uintptr_t end = start + round_up(size, PAGE);
    int64_t r = 0;
    lock_acquire(&g_lock);
    for (struct region *region = g_regions; region && r >= 0; region = region->next) {
        if (region->start >= end || start >= region->end)
            continue;
        struct request rq = {.op = REQUEST_MAP_SYNC,
                             .volume = region->volume,
                             .ino = region->ino,
                             .flags = flags & MS_SYNC ? 0 : REQUEST_DATA_ONLY};
        r = fs_request(&rq);
    }
    lock_release(&g_lock);
    return (int)MIN(r, (int64_t)0);
}

/* mremap() moved or resized one region (or its tail): forget the old place, remember the new. */
int mapping_remapped(uintptr_t old, size_t old_size, uintptr_t start, size_t size)
{
    struct region moved = {0};
    int64_t r = copies_remapped(old, old_size, start, size);
    if (r < 0)
        return (int)r;
    lock_acquire(&g_lock);
    for (struct region *region = g_regions; region; region = region->next)
        if (region->start <= old && old < region->end) {
            moved = *region;
            moved.offset += old - region->start;
        }
    lock_release(&g_lock);
    if (moved.end == 0)
        return 0;
    struct region *region = malloc(sizeof *region);
    moved.start = start;
    moved.end = start + round_up(size, PAGE);
    if (!region || !count_another(&moved)) {
        free(region);
        return -ENOMEM;
    }
    mapping_unmapping(old, old_size);
    *region = moved;
    add_region(region);
    return 0;
}
