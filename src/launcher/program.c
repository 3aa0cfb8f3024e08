/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK ((size_t)256 << 10)

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static bool stat_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int chunk_write(int to, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(to, bytes, size);
        if (n < 0)
            return -errno;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Copies and hashes in one pass, so both see the same bytes. */
static int copy_measured(int from, int to, uint8_t ret_digest[SHA256_SIZE])
{
    static uint8_t chunk[CHUNK];
    SCOPED(sha256_stream_freep) struct sha256_stream *stream = NULL;
    uint64_t total = 0;
    int r = sha256_stream_new(&stream);
    while (r == 0) {
        ssize_t n = read(from, chunk, sizeof chunk);
        if (n == 0)
            return sha256_stream_finish(stream, ret_digest);
        if (n < 0)
            return errno == EINTR ? -EIO : -errno;
        total += (uint64_t)n;
        if (total > PROGRAM_SIZE_MAX)
            return -EFBIG;
        r = sha256_stream_add(stream, slice_of(chunk, (size_t)n));
        if (r == 0)
            r = chunk_write(to, chunk, (size_t)n);
    }
    return r;
}

static int program_load(const char *path, int fd, const struct stat *st,
                        struct program *ret_program, struct error *e)
{
    SCOPED(fd_close) int copy = memfd_create("coffer-program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return error_set(e, -errno, "no memory file for '%s'", path);
    struct program program = {.st = *st};
    snprintf(program.path, sizeof program.path, "%s", path);
    int r = copy_measured(fd, copy, program.digest);
    if (r == 0 &&
        (fchmod(copy, 0555) < 0 ||
         fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0))
        r = -errno;
    if (r < 0)
        return error_set(e, r, "cannot measure program '%s' (%s)", path, strerror(-r));
    /* Mapped here too, so that its pages are seen as what they are: shared by all servers, also
     * while there is one only. */
    program.bytes = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, copy, 0);
    if (program.bytes == MAP_FAILED)
        return error_set(e, -ENOMEM, "cannot map program '%s'", path);
    program.fd = fd_take(&copy);
    *ret_program = program;
    return 0;
}

static void program_done(struct program *program)
{
    munmap(program->bytes, (size_t)program->st.st_size);
    close(program->fd);
}

int program_get(struct program_cache *cache, const char *path, const struct program **ret_program,
                struct error *e)
{
    struct stat st;
    struct program program;
    SCOPED(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(e, -errno, "cannot open program '%s' (%s)", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || strlen(path) >= PROGRAM_PATH_SIZE)
        return error_set(e, -EACCES, "program '%s' is no regular file", path);
    for (unsigned i = 0; i < cache->count; i++) {
        if (!stat_is_same(&cache->entries[i].st, &st))
            continue;
        *ret_program = &cache->entries[i];
        return 0;
    }
    int r = program_load(path, fd, &st, &program, e);
    if (r < 0)
        return r;
    if (cache->count == PROGRAM_CACHE_MAX)
        program_done(&cache->entries[cache->next]);
    else
        cache->count++;
    cache->entries[cache->next] = program;
    *ret_program = &cache->entries[cache->next];
    cache->next = (cache->next + 1) % PROGRAM_CACHE_MAX;
    return 0;
}

void program_cache_done(struct program_cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++)
        program_done(&cache->entries[i]);
    *cache = (struct program_cache){0};
}
