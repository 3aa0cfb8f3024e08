/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on one file of whatever file system it lies on, against an array in memory:
 * reads, writes, appends, maps, cuts, holes, syncs, reopening. The first difference is printed with
 * the seed and the operations before it.
 *
 *     random_file FILE SEED OPERATIONS
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_LIMIT = 1 << 20, LOG_COUNT = 40, LOG_SIZE = 96 };

static uint8_t g_model[SIZE_LIMIT], g_bytes[SIZE_LIMIT];
static size_t g_size;
static uint64_t g_random;
static unsigned long g_step;
static char g_log[LOG_COUNT][LOG_SIZE];
static const char *g_path;
static int g_fd;

static uint64_t random_next(void)
{
    uint64_t z = g_random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return n ? (size_t)(random_next() % n) : 0;
}

static void wrong(const char *what, size_t at)
{
    printf("step %lu: %s at %zu (%s); the last operations:\n", g_step, what, at, strerror(errno));
    for (unsigned long i = g_step >= LOG_COUNT ? g_step - LOG_COUNT + 1 : 0; i <= g_step; i++)
        printf("  %lu %s\n", i, g_log[i % LOG_COUNT]);
    exit(1);
}

static void note(const char *what, size_t at, size_t size)
{
    (void)snprintf(g_log[g_step % LOG_COUNT], LOG_SIZE, "%s %zu +%zu (size %zu)", what, at, size,
                   g_size);
}

static void must(int ok, const char *what, size_t at)
{
    if (!ok)
        wrong(what, at);
}

static void compare(const uint8_t *bytes, size_t at, size_t size, const char *what)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != g_model[at + i])
            wrong(what, at + i);
}

static void range(size_t limit, size_t *at, size_t *size)
{
    *at = below(limit);
    *size = below(below(4) ? 20000 : 200000) + 1;
    if (below(3) == 0) {
        *at &= ~(size_t)4095;
        *size = (*size + 4095) & ~(size_t)4095;
    }
    if (*at + *size > SIZE_LIMIT)
        *size = SIZE_LIMIT - *at;
}

static void fill(size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = random_next();
        memcpy(g_bytes + i, &word, size - i < 8 ? size - i : 8);
    }
}

static void step_write(void)
{
    size_t at, size;
    range(g_size + 30000 < SIZE_LIMIT ? g_size + 30000 : SIZE_LIMIT, &at, &size);
    note("write", at, size);
    fill(size);
    must(pwrite(g_fd, g_bytes, size, (off_t)at) == (ssize_t)size, "write", at);
    memcpy(g_model + at, g_bytes, size);
    g_size = at + size > g_size ? at + size : g_size;
}

static void step_append(void)
{
    size_t size = below(9000) + 1;
    if (g_size + size > SIZE_LIMIT)
        return;
    note("append", g_size, size);
    fill(size);
    int fd = open(g_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    must(fd >= 0 && write(fd, g_bytes, size) == (ssize_t)size && close(fd) == 0, "append", g_size);
    memcpy(g_model + g_size, g_bytes, size);
    g_size += size;
}

static void step_read(void)
{
    size_t at, size;
    range(g_size + 5000 < SIZE_LIMIT ? g_size + 5000 : SIZE_LIMIT, &at, &size);
    size_t want = at >= g_size ? 0 : size < g_size - at ? size : g_size - at;
    note("read", at, size);
    must(pread(g_fd, g_bytes, size, (off_t)at) == (ssize_t)want, "length read", at);
    compare(g_bytes, at, want, "other bytes read");
}

static void step_map(int writing)
{
    size_t at, size;
    if (g_size == 0)
        return;
    range(g_size, &at, &size);
    size = size < g_size - at ? size : g_size - at;
    note(writing ? "map and write" : "map and read", at, size);
    uint8_t *map = mmap(NULL, g_size, PROT_READ | (writing ? PROT_WRITE : 0), MAP_SHARED, g_fd, 0);
    must(map != MAP_FAILED, "mmap", at);
    if (writing) {
        fill(size);
        memcpy(map + at, g_bytes, size);
        memcpy(g_model + at, g_bytes, size);
        if (below(2))
            must(msync(map, g_size, MS_SYNC) == 0, "msync", at);
    }
    compare(map + at, at, size, "other bytes mapped");
    must(munmap(map, g_size) == 0, "munmap", at);
}

static void step_truncate(void)
{
    size_t size = below(g_size + g_size / 2 + 9000);
    if (size > SIZE_LIMIT)
        return;
    note("truncate", size, 0);
    must(ftruncate(g_fd, (off_t)size) == 0, "truncate", size);
    if (size < g_size)
        memset(g_model + size, 0, g_size - size);
    g_size = size;
}

static void step_allocate(int mode)
{
    size_t at, size;
    range(g_size ? g_size : 1, &at, &size);
    note(mode & FALLOC_FL_PUNCH_HOLE ? "punch" : "zero", at, size);
    must(fallocate(g_fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size) == 0, "fallocate", at);
    if (at < g_size)
        memset(g_model + at, 0, size < g_size - at ? size : g_size - at);
}

static void step_seek(void)
{
    off_t at = 0, data;
    note("seek data", 0, g_size);
    /* What lies in holes reads as zeros; the model must have none but those there. */
    while ((data = lseek(g_fd, at, SEEK_DATA)) >= 0) {
        for (off_t i = at; i < data; i++)
            must(g_model[i] == 0, "data in a hole", (size_t)i);
        at = lseek(g_fd, data, SEEK_HOLE);
        must(at > data, "seek hole", (size_t)data);
    }
    must(errno == ENXIO, "seek", (size_t)at);
    for (size_t i = (size_t)at; i < g_size; i++)
        must(g_model[i] == 0, "data in the last hole", i);
}

static void step_stat(void)
{
    struct stat st;
    note("stat", 0, 0);
    must(fstat(g_fd, &st) == 0 && (size_t)st.st_size == g_size, "size", g_size);
}

static void step_reopen(void)
{
    note("reopen", 0, 0);
    if (below(2))
        must(fsync(g_fd) == 0, "fsync", 0);
    if (below(2))
        (void)posix_fadvise(g_fd, 0, 0, POSIX_FADV_DONTNEED);
    must(close(g_fd) == 0, "close", 0);
    g_fd = open(g_path, O_RDWR | O_CLOEXEC);
    must(g_fd >= 0, "open", 0);
}

static void step(void)
{
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        step_write();
        return;
    case 4:
        step_append();
        return;
    case 5:
    case 6:
    case 7:
        step_read();
        return;
    case 8:
        step_map(0);
        return;
    case 9:
        step_map(1);
        return;
    case 10:
        step_truncate();
        return;
    case 11:
        step_allocate(FALLOC_FL_PUNCH_HOLE);
        return;
    case 12:
        step_allocate(FALLOC_FL_ZERO_RANGE);
        return;
    case 13:
        step_seek();
        return;
    case 14:
        step_stat();
        return;
    default:
        step_reopen();
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    g_path = argv[1];
    g_random = strtoull(argv[2], NULL, 10);
    unsigned long steps = strtoul(argv[3], NULL, 10);
    printf("seed %s, %lu operations\n", argv[2], steps);
    g_fd = open(g_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(g_fd >= 0, "create", 0);
    for (g_step = 0; g_step < steps; g_step++)
        step();
    step_reopen();
    must(pread(g_fd, g_bytes, SIZE_LIMIT, 0) == (ssize_t)g_size, "length at the end", g_size);
    compare(g_bytes, 0, g_size, "other bytes at the end");
    return 0;
}
