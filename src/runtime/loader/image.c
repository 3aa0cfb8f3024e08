/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/loader/image.h"
#include "platform/host.h"
#include "runtime/fd.h"
#include "runtime/fd_table.h"
#include "runtime/memory/memory.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_path(const struct image_place *place, struct image *image)
{
    bool relative = place->fd >= 0;
    return vfs_program_open_at(relative ? place->fd : AT_FDCWD,
                               relative ? place->rest : place->path, place->no_follow, &image->fd,
                               &image->file);
}

static int open_descriptor(int fd, struct image *image)
{
    if (fd_is_shielded(fd))
        return vfs_program_open_at(fd, "", false, &image->fd, &image->file);
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    image->fd = host_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    return image->fd < 0 ? image->fd : 0;
}

/* A regular file that somebody may execute. */
static int judge(struct image *image)
{
    struct statx about = {0};
    long r;
    if (image->file)
        r = image->file->ops->stat ? image->file->ops->stat(image->file, &about) : -EACCES;
    else
        r = host_call(SYS_statx, image->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about);
    if (r < 0)
        return (int)r;
    if (!S_ISREG(about.stx_mode) || !(about.stx_mode & 0111))
        return -EACCES;
    image->size = about.stx_size;
    if (image->file)
        return 0;
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
    return (int)host_call(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
}

/* A lease is refused where somebody writes, to who may have one: the owner of the file. Should somebody
 * open it in that moment, the signal for it is one that is ignored. */
int image_check_writers(const struct image *image)
{
    if (image->file)
        return 0;
    (void)host_call(SYS_fcntl, image->fd, F_SETSIG, SIGURG);
    long r = host_call(SYS_fcntl, image->fd, F_SETLEASE, F_RDLCK);
    if (r == 0)
        (void)host_call(SYS_fcntl, image->fd, F_SETLEASE, F_UNLCK);
    return r == -EAGAIN ? -ETXTBSY : 0;
}

int image_open(const struct image_place *place, struct image *ret_image)
{
    struct image image = {.fd = -1};
    int r = place->fd >= 0 && !place->rest ? open_descriptor(place->fd, &image)
                                           : open_path(place, &image);
    if (r == 0)
        r = judge(&image);
    if (r < 0) {
        image_done(&image);
        return r;
    }
    if (image.fd >= 0) { /* out of the guest's sight, and of the exec that closes what is marked */
        image.fd = fd_hide(image.fd);
        if (image.fd < 0)
            return image.fd;
    }
    *ret_image = image;
    return 0;
}

void image_done(struct image *image)
{
    if (image->fd >= 0)
        fd_hidden_close(image->fd);
    file_put(image->file);
    image->fd = -1;
    image->file = NULL;
}

ssize_t image_read_some(const struct image *image, uint64_t offset, void *bytes, size_t size)
{
    if (!image->file)
        return host_pread(image->fd, bytes, size, offset);
    const struct iovec iov = {bytes, size};
    return image->file->ops->read
               ? (ssize_t)image->file->ops->read(image->file, &iov, 1, (int64_t)offset, 0)
               : -EACCES;
}

int image_read(void *ctx, uint64_t offset, void *bytes, size_t size)
{
    const struct image *image = ctx;
    for (size_t done = 0; done < size;) {
        ssize_t n = image_read_some(image, offset + done, (char *)bytes + done, size - done);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -ENOEXEC;
        done += (size_t)n;
    }
    return 0;
}

/* The file's part of a segment, page-aligned, and the zeroes behind it. */
static int map_segment(const struct image *image, const struct elf_segment *s, uint64_t base)
{
    uint64_t start = round_down(base + s->address, ELF_PAGE);
    uint64_t lead = (base + s->address) - start;
    uint64_t file_end = base + s->address + s->file_size;
    uint64_t end = round_up(base + s->address + s->memory_size, ELF_PAGE);
    uint64_t mapped_end = start;
    bool clear_tail = s->memory_size > s->file_size && file_end % ELF_PAGE != 0 && s->file_size > 0;
    if (s->file_size > 0) {
        int prot = clear_tail ? s->prot | PROT_WRITE : s->prot;
        int64_t r = memory_map(start, lead + s->file_size, prot, MAP_PRIVATE | MAP_FIXED, image->fd,
                               image->file, s->offset - lead);
        if (r < 0)
            return (int)r;
        mapped_end = round_up(file_end, ELF_PAGE);
        if (clear_tail) {
            memset((void *)file_end, 0, mapped_end - file_end);
            if (prot != s->prot && host_call(SYS_mprotect, start, mapped_end - start, s->prot) < 0)
                return -ENOMEM;
        }
    }
    if (end <= mapped_end)
        return 0;
    int64_t r = memory_map(mapped_end, end - mapped_end, s->prot,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, NULL, 0);
    return r < 0 ? (int)r : 0;
}

/* Room for the whole image: at its linked address, or anywhere near `wanted`. */
static int reserve(const struct elf *elf, uint64_t wanted, uint64_t *ret_base)
{
    uint64_t size = elf->high - elf->low, slack = elf->alignment - ELF_PAGE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (!elf->relocatable) {
        int64_t at =
            memory_map(elf->low, size, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, NULL, 0);
        *ret_base = 0;
        return at == (int64_t)elf->low ? 0 : -ENOMEM;
    }
    int64_t at = memory_map(wanted, size + slack, PROT_NONE, flags, -1, NULL, 0);
    if (at < 0)
        return (int)at;
    uint64_t from = (uint64_t)at, aligned = round_up(from, elf->alignment);
    if (aligned > from && memory_unmap(from, aligned - from) < 0)
        return -ENOMEM;
    uint64_t rest = from + size + slack - (aligned + size);
    if (rest > 0 && memory_unmap(aligned + size, rest) < 0)
        return -ENOMEM;
    *ret_base = aligned - elf->low;
    return 0;
}

int image_map(const struct image *image, const struct elf *elf, uint64_t wanted_base,
              uint64_t *ret_base)
{
    uint64_t base = 0;
    int r = reserve(elf, wanted_base, &base);
    for (unsigned i = 0; r == 0 && i < elf->segment_count; i++)
        r = map_segment(image, &elf->segments[i], base);
    if (r == 0)
        *ret_base = base;
    return r;
}
