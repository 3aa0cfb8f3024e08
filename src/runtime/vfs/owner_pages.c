/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of open files, decrypted, in memory that the clients of a volume server only read: a web
 * server that sends the same files again and again would otherwise wake the server for each piece.
 *
 * A page goes by the number that its file's contents have while it is open. Truncation and the like
 * give the file another number; a write takes away the pages that it touches. Both come before the
 * change itself, and the server does one change or read at a time, so what a client finds was the
 * truth at some moment of its read(2). */
#include "base/secret.h"
#include "runtime/guest.h"
#include "runtime/vfs/owner.h"

#include <errno.h>
#include <string.h>

#define SETS (OWNER_PAGES / OWNER_PAGE_WAYS)
#define FILE_SIZE_MAX ((uint64_t)2 << 20) /* a larger one would push out all others */
#define READ_PAGES_MAX (REQUEST_DATA_MAX / OWNER_PAGE_SIZE + 1)

static size_t first_way(uint64_t content, uint64_t index)
{
    return (size_t)((content * 0x9e3779b97f4a7c15u >> 32) + index) % SETS * OWNER_PAGE_WAYS;
}

/* --- the server --- */

static uint32_t write_begin(struct owner_page *page)
{
    uint32_t sequence = atomic_load(&page->sequence) | 1;
    atomic_store(&page->sequence, sequence);
    atomic_thread_fence(memory_order_seq_cst);
    return sequence;
}

static void write_end(struct owner_page *page, uint32_t sequence)
{
    atomic_store(&page->sequence, sequence + 1 == 0 ? 2 : sequence + 1);
}

static void forget(struct owner_public *published, size_t at)
{
    uint32_t sequence = write_begin(&published->pages[at]);
    published->pages[at].content = 0;
    secret_wipe(published->page_bytes[at], OWNER_PAGE_SIZE);
    write_end(&published->pages[at], sequence);
}

static size_t place_for(const struct owner_public *published, uint64_t content, uint64_t index)
{
    static size_t turn;
    size_t first = first_way(content, index), empty = SIZE_MAX;
    for (size_t at = first; at < first + OWNER_PAGE_WAYS; at++) {
        const struct owner_page *page = &published->pages[at];
        if (page->content == content && page->index == index)
            return at;
        if (page->content == 0)
            empty = at;
    }
    return empty != SIZE_MAX ? empty : first + turn++ % OWNER_PAGE_WAYS;
}

static void store(struct owner *owner, struct owner_inode *inode, uint64_t index,
                  const uint8_t *bytes, size_t size)
{
    struct owner_public *published = owner->published;
    size_t at = place_for(published, inode->content, index);
    uint32_t sequence = write_begin(&published->pages[at]);
    published->pages[at].content = inode->content;
    published->pages[at].index = index;
    memcpy(published->page_bytes[at], bytes, size);
    memset(published->page_bytes[at] + size, 0, OWNER_PAGE_SIZE - size);
    write_end(&published->pages[at], sequence);
    inode->has_pages = true;
}

/* What lies on whole pages around the `size` bytes at `offset`, through memory that no client sees
 * before it is whole. */
static int64_t read_through(struct owner *owner, struct owner_inode *inode, uint64_t offset,
                            void *out, size_t size)
{
    LARGE_TABLE static uint8_t bytes[READ_PAGES_MAX * OWNER_PAGE_SIZE];
    uint64_t first = offset / OWNER_PAGE_SIZE;
    size_t skip = offset % OWNER_PAGE_SIZE;
    ssize_t n = volume_read(owner->volumes[inode->volume], inode->ino, first * OWNER_PAGE_SIZE,
                            bytes, round_up(skip + size, OWNER_PAGE_SIZE));
    for (ssize_t at = 0; at < n; at += OWNER_PAGE_SIZE)
        store(owner, inode, first + (uint64_t)at / OWNER_PAGE_SIZE, bytes + at,
              MIN((size_t)(n - at), (size_t)OWNER_PAGE_SIZE));
    if (n <= (ssize_t)skip)
        return MIN(n, 0);
    size = MIN(size, (size_t)n - skip);
    size_t given = guest_copy_some(out, bytes + skip, size);
    return given > 0 ? (int64_t)given : -EFAULT;
}

bool owner_pages_read(struct owner *owner, struct owner_inode *inode, const struct request *rq,
                      int64_t *ret_result)
{
    struct volume_attr attr;
    if (!owner->published || inode->slot == 0 || inode->content == 0 || rq->out_size == 0 ||
        rq->out_size > REQUEST_DATA_MAX ||
        volume_getattr(owner->volumes[inode->volume], inode->ino, &attr) < 0 ||
        attr.size > FILE_SIZE_MAX || rq->offset >= attr.size)
        return false;
    pthread_mutex_lock(&owner->pages_lock);
    *ret_result = read_through(owner, inode, rq->offset, rq->out,
                               (size_t)MIN((uint64_t)rq->out_size, attr.size - rq->offset));
    pthread_mutex_unlock(&owner->pages_lock);
    return true;
}

/* Its pages go, and `content` is what new ones will go by. */
static void renumber(struct owner *owner, struct owner_inode *inode, uint64_t content)
{
    pthread_mutex_lock(&owner->pages_lock);
    uint64_t old = inode->content;
    inode->content = content;
    owner_publish(owner, inode);
    for (size_t at = 0; inode->has_pages && at < OWNER_PAGES; at++)
        if (owner->published->pages[at].content == old)
            forget(owner->published, at);
    inode->has_pages = false;
    pthread_mutex_unlock(&owner->pages_lock);
}

void owner_pages_end(struct owner *owner, struct owner_inode *inode)
{
    if (inode->has_pages)
        renumber(owner, inode, atomic_fetch_add(&owner->last_content, 1) + 1);
}

void owner_pages_stop(struct owner *owner, struct owner_inode *inode)
{
    if (owner->published && inode->content != 0)
        renumber(owner, inode, 0);
}

void owner_pages_gone(struct owner *owner, struct owner_inode *inode)
{
    struct volume_attr attr;
    if (inode->has_pages &&
        (volume_getattr(owner->volumes[inode->volume], inode->ino, &attr) < 0 || attr.nlink == 0))
        renumber(owner, inode, 0);
}

void owner_pages_write(struct owner *owner, struct owner_inode *inode, uint64_t offset,
                       uint64_t size)
{
    if (!inode->has_pages || size == 0)
        return;
    if (size > FILE_SIZE_MAX || offset > UINT64_MAX - size) {
        owner_pages_end(owner, inode);
        return;
    }
    pthread_mutex_lock(&owner->pages_lock);
    for (uint64_t index = offset / OWNER_PAGE_SIZE; index <= (offset + size - 1) / OWNER_PAGE_SIZE;
         index++) {
        size_t first = first_way(inode->content, index);
        for (size_t at = first; at < first + OWNER_PAGE_WAYS; at++)
            if (owner->published->pages[at].content == inode->content &&
                owner->published->pages[at].index == index)
                forget(owner->published, at);
    }
    pthread_mutex_unlock(&owner->pages_lock);
}

/* --- a client --- */

static bool content_of(const struct owner_public *published, uint32_t handle, uint64_t *ret_content,
                       uint64_t *ret_size)
{
    uint32_t index = handle < OWNER_OPEN_MAX ? atomic_load(&published->slots[handle]) : 0;
    if (index == 0 || index >= OWNER_OPEN_MAX)
        return false;
    const struct owner_public_inode *slot = &published->inodes[index];
    uint32_t before = atomic_load(&slot->sequence);
    *ret_content = slot->content;
    *ret_size = slot->attr.size;
    atomic_thread_fence(memory_order_acquire);
    return before != 0 && !(before & 1) && *ret_content != 0 &&
           atomic_load(&slot->sequence) == before;
}

/* -EAGAIN: it is not there, or was not until the end. */
static int64_t copy_page(const struct owner_public *published, uint64_t content, uint64_t offset,
                         void *out, size_t size)
{
    uint64_t index = offset / OWNER_PAGE_SIZE;
    size_t first = first_way(content, index);
    for (size_t at = first; at < first + OWNER_PAGE_WAYS; at++) {
        const struct owner_page *page = &published->pages[at];
        uint32_t before = atomic_load(&page->sequence);
        if (before == 0 || (before & 1) || page->content != content || page->index != index)
            continue;
        struct iovec iov = {out, size};
        ssize_t n =
            guest_scatter(&iov, 1, 0, published->page_bytes[at] + offset % OWNER_PAGE_SIZE, size);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load(&page->sequence) == before)
            return MAX(n, (ssize_t)0);
    }
    return -EAGAIN;
}

int64_t owner_pages_published(const struct owner_public *published, uint32_t handle,
                              uint64_t offset, void *out, size_t size, bool *ret_whole)
{
    uint64_t content, file_size;
    size_t done = 0;
    *ret_whole = false;
    if (!content_of(published, handle, &content, &file_size))
        return 0;
    size = offset < file_size ? (size_t)MIN((uint64_t)size, file_size - offset) : 0;
    while (done < size) {
        uint64_t at = offset + done;
        size_t piece = MIN(size - done, (size_t)(OWNER_PAGE_SIZE - at % OWNER_PAGE_SIZE));
        int64_t n = copy_page(published, content, at, (uint8_t *)out + done, piece);
        if (n < 0)
            return (int64_t)done;
        done += (size_t)n;
        if ((size_t)n < piece)
            break;
    }
    *ret_whole = true;
    return done == 0 && size > 0 ? -EFAULT : (int64_t)done;
}
