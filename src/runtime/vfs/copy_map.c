/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/copy_map.h"

#include "platform/host.h"
#include "runtime/vfs/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE ((size_t)4096)
#define PROT_PLAIN (PROT_READ | PROT_WRITE)
#define PROT_KNOWN (PROT_READ | PROT_WRITE | PROT_EXEC)

struct copy {
    struct copy *next;
    uintptr_t start, end;
    uint64_t offset; /* in the file, of `start` */
    struct file *file;
    int prot;
};

static lock_word g_lock; /* protects: the list; taken before the owner's locks */
static struct copy *g_copies;

bool copies_any(void)
{
    return __atomic_load_n(&g_copies, __ATOMIC_RELAXED) != NULL;
}

void copies_after_fork(void)
{
    atomic_store(&g_lock, 0);
}

void copies_forget(void)
{
    g_copies = NULL;
}

/* --- the list --- */

static int add(struct file *f, uintptr_t start, uintptr_t end, uint64_t offset, int prot)
{
    struct copy *copy = malloc(sizeof *copy);
    if (!copy)
        return -ENOMEM;
    atomic_fetch_add(&f->references, 1);
    *copy = (struct copy){
        .start = start, .end = end, .offset = offset, .file = f, .prot = prot & PROT_KNOWN};
    lock_acquire(&g_lock);
    copy->next = g_copies;
    g_copies = copy;
    lock_release(&g_lock);
    return 0;
}

/* Makes two of the one that `at` lies inside of. Without memory what lies behind is forgotten. */
static void split(uintptr_t at)
{
    for (struct copy *copy = g_copies; copy; copy = copy->next) {
        if (at <= copy->start || copy->end <= at)
            continue;
        struct copy *tail = malloc(sizeof *tail);
        if (tail) {
            *tail = *copy;
            tail->offset += at - copy->start;
            tail->start = at;
            atomic_fetch_add(&tail->file->references, 1);
            copy->next = tail;
        }
        copy->end = at;
        return;
    }
}

static bool is_within(const struct copy *copy, uintptr_t start, uintptr_t end)
{
    return start <= copy->start && copy->end <= end;
}

void copies_cut(uintptr_t start, uintptr_t end)
{
    struct copy *gone = NULL;
    lock_acquire(&g_lock);
    split(start);
    split(end);
    for (struct copy **at = &g_copies; *at;) {
        struct copy *copy = *at;
        if (!is_within(copy, start, end)) {
            at = &copy->next;
            continue;
        }
        *at = copy->next;
        copy->next = gone;
        gone = copy;
    }
    lock_release(&g_lock);
    while (gone) {
        struct copy *copy = gone;
        gone = copy->next;
        file_put(copy->file);
        free(copy);
    }
}

void copies_protected(uintptr_t start, uintptr_t end, int prot)
{
    lock_acquire(&g_lock);
    split(start);
    split(end);
    for (struct copy *copy = g_copies; copy; copy = copy->next)
        if (is_within(copy, start, end))
            copy->prot = prot & PROT_KNOWN;
    lock_release(&g_lock);
}

bool copies_file_at(uintptr_t at, struct mapping_file *ret_file, char *path, size_t size)
{
    bool found = false;
    lock_acquire(&g_lock);
    for (struct copy *copy = g_copies; copy && !found; copy = copy->next) {
        struct volume_file *vf = volume_file_of(copy->file);
        found = vf && copy->start <= at && at < copy->end && volume_file_path(vf, path, size) > 0;
        if (found)
            *ret_file = mapping_file_seen(vf->volume, vf->ino, copy->offset + (at - copy->start));
    }
    lock_release(&g_lock);
    return found;
}

/* --- the memory --- */

/* How many bytes the file had for it. */
static int64_t fill(struct file *f, uintptr_t at, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
        struct iovec iov = {(void *)(at + done), size - done};
        int64_t n = f->ops->read(f, &iov, 1, (int64_t)(offset + done), 0);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

/* Pages of no file: who touches them gets SIGBUS, whatever their protection. */
static int64_t put_nothing(uintptr_t from, uintptr_t to, int prot)
{
    if (from >= to)
        return 0;
    long fd = host_call(SYS_memfd_create, "coffer-end", MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    long at = host_mmap(from, to - from, prot, MAP_PRIVATE | MAP_FIXED, (int)fd, 0);
    host_close((int)fd);
    return MIN(at, 0l);
}

/* Gives [from, to) what the file holds, in one step for whoever looks meanwhile, and whatever its
 * protection: it is made elsewhere and moved there. */
static int64_t put_again(struct file *f, uintptr_t from, uintptr_t to, uint64_t offset, int prot)
{
    size_t size = to - from;
    long at = host_mmap(0, size, PROT_PLAIN, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0)
        return at;
    int64_t n = fill(f, (uintptr_t)at, size, offset);
    size_t kept = n > 0 ? round_up((size_t)n, PAGE) : 0;
    int64_t r = MIN(n, (int64_t)0);
    if (r == 0 && kept > 0 && prot != PROT_PLAIN)
        r = host_call(SYS_mprotect, at, kept, prot);
    if (r == 0 && kept > 0)
        r = MIN(host_mremap((unsigned long)at, kept, kept, MREMAP_MAYMOVE | MREMAP_FIXED, from),
                0l);
    size_t moved = r == 0 ? kept : 0;
    if (moved < size)
        (void)host_call(SYS_munmap, (unsigned long)at + moved, size - moved);
    return r < 0 ? r : put_nothing(from + kept, to, prot);
}

int64_t file_mmap_private(struct file *f, void *addr, size_t size, int prot, int flags,
                          uint64_t offset)
{
    if (!file_is_readable(f))
        return -EACCES;
    if (offset % PAGE != 0 || offset > INT64_MAX - size)
        return offset % PAGE ? -EINVAL : -EOVERFLOW;
    int kind = (flags & MAPPING_PLACE_FLAGS) | MAP_PRIVATE | MAP_ANONYMOUS;
    long at = host_mmap((unsigned long)addr, size, PROT_PLAIN, kind, -1, 0);
    if (at < 0)
        return at;
    uintptr_t start = (uintptr_t)at, end = start + round_up(size, PAGE);
    int64_t n = fill(f, start, end - start, offset), r = MIN(n, (int64_t)0);
    if (r == 0 && prot != PROT_PLAIN)
        r = host_call(SYS_mprotect, at, size, prot);
    if (r == 0)
        r = put_nothing(start + round_up((size_t)n, PAGE), end, prot);
    if (r == 0)
        r = add(f, start, end, offset, prot);
    if (r < 0) {
        (void)host_call(SYS_munmap, at, size);
        return r;
    }
    return at;
}

int64_t copies_discard(uintptr_t start, uintptr_t end, uintptr_t *ret_from, uintptr_t *ret_to)
{
    struct copy *first = NULL;
    int64_t r = 0;
    lock_acquire(&g_lock);
    for (struct copy *copy = g_copies; copy; copy = copy->next)
        if (copy->start < end && start < copy->end && (!first || copy->start < first->start))
            first = copy;
    if (first) {
        *ret_from = MAX(start, first->start);
        *ret_to = MIN(end, first->end);
        r = put_again(first->file, *ret_from, *ret_to, first->offset + (*ret_from - first->start),
                      first->prot);
    }
    lock_release(&g_lock);
    return r < 0 ? r : first != NULL;
}

/* --- moving --- */

/* The part of [at, end) that the first copy there holds, with a reference to its file. */
static bool first_part(uintptr_t at, uintptr_t end, struct copy *ret_part)
{
    bool found = false;
    lock_acquire(&g_lock);
    for (const struct copy *copy = g_copies; copy; copy = copy->next)
        if (copy->start < end && at < copy->end && (!found || copy->start < ret_part->start)) {
            *ret_part = *copy;
            found = true;
        }
    if (found) {
        uintptr_t from = MAX(at, ret_part->start);
        ret_part->offset += from - ret_part->start;
        ret_part->start = from;
        ret_part->end = MIN(end, ret_part->end);
        atomic_fetch_add(&ret_part->file->references, 1);
    }
    lock_release(&g_lock);
    return found;
}

int64_t copies_remapped(uintptr_t old, size_t old_size, uintptr_t start, size_t size)
{
    uintptr_t old_end = old + round_up(old_size, PAGE), end = start + round_up(size, PAGE);
    struct copy part = {0};
    int64_t r = 0;
    for (uintptr_t at = old; r == 0 && first_part(at, old_end, &part); at = part.end) {
        uintptr_t from = start + (part.start - old), to = start + (part.end - old);
        bool grows = part.end == old_end && end > to;
        copies_cut(part.start, part.end);
        if (grows)
            r = put_again(part.file, to, end, part.offset + (to - from), part.prot);
        if (r == 0 && from < end)
            r = add(part.file, from, grows ? end : MIN(to, end), part.offset, part.prot);
        file_put(part.file);
    }
    return r;
}
