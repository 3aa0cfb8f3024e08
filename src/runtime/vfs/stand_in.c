/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/stand_in.h"

#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define DIRECTORY_MODE 0733 /* others of the family may have another user id; nobody may list it */
#define DEPTH_MAX 3

struct stand_ins *g_stand_ins;
static int g_fd = -1;

static struct stand_ins *map_page(int fd)
{
    long r = host_mmap(0, sizeof(struct stand_ins), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return r > 0 ? (struct stand_ins *)r : NULL;
}

static int make_page(void)
{
    int fd = (int)host_call(SYS_memfd_create, "coffer", MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    int hidden = fd_hide(fd);
    if (hidden < 0)
        host_close(fd);
    else if (host_call(SYS_ftruncate, hidden, sizeof(struct stand_ins)) < 0) {
        fd_hidden_close(hidden);
        return -ENOMEM;
    }
    return hidden;
}

void stand_in_init(int fd)
{
    bool fresh = fd < 0;
    if (platform()->enclave)
        return; /* there the kernel is part of the hostile host: it learns no names */
    g_fd = fresh ? make_page() : fd;
    struct stand_ins *page = g_fd >= 0 ? map_page(g_fd) : NULL;
    if (page && fresh && platform()->random(page->secret, sizeof page->secret) < 0)
        page = NULL;
    g_stand_ins = page;
}

int stand_in_fd(void)
{
    return g_fd;
}

static int directory_path(char *path, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof g_stand_ins->secret + 1] = {0};
    for (size_t i = 0; i < sizeof g_stand_ins->secret; i++) {
        text[2 * i] = digits[g_stand_ins->secret[i] >> 4];
        text[2 * i + 1] = digits[g_stand_ins->secret[i] & 15];
    }
    return snprintf(path, size, "/dev/shm/coffer-%s", text);
}

static int make_directory(const char *path)
{
    long r = host_call(SYS_mkdir, path, 0700);
    if (r < 0 && r != -EEXIST)
        return (int)r;
    if (r == 0)
        r = host_call(SYS_chmod, path, DIRECTORY_MODE); /* whatever the guest's mask is */
    atomic_store(&g_stand_ins->made, 1);
    return r == -EEXIST ? 0 : (int)r;
}

int stand_in_path(char path[STAND_IN_PATH_MAX], char kind, uint32_t volume, uint64_t ino,
                  uint32_t generation, const char *name)
{
    if (!g_stand_ins)
        return -ENOSPC;
    int n = directory_path(path, STAND_IN_PATH_MAX);
    int r = atomic_load(&g_stand_ins->made) ? 0 : make_directory(path);
    if (r < 0)
        return r;
    n += snprintf(path + n, STAND_IN_PATH_MAX - (size_t)n, "/%c%u-%llu.%u", kind, volume,
                  (unsigned long long)ino, generation);
    if (name)
        n += snprintf(path + n, STAND_IN_PATH_MAX - (size_t)n, "/%s", name);
    return n < STAND_IN_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* A decimal number that `end` follows; NULL: there is none. */
static const char *read_number(const char *text, char end, uint64_t *ret_number)
{
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
            return NULL;
    *ret_number = n;
    return at > text && *at == end ? at + 1 : NULL;
}

bool stand_in_socket_of(const char *path, uint32_t *ret_volume, uint64_t *ret_ino)
{
    char prefix[STAND_IN_PATH_MAX];
    uint64_t volume;
    if (!g_stand_ins)
        return false;
    size_t size = (size_t)directory_path(prefix, sizeof prefix);
    if (strncmp(path, prefix, size) != 0 || strncmp(path + size, "/s", 2) != 0)
        return false;
    const char *at = read_number(path + size + 2, '-', &volume);
    if (!at || volume > UINT32_MAX || !read_number(at, '.', ret_ino))
        return false;
    *ret_volume = (uint32_t)volume;
    return true;
}

void stand_in_name_socket(uint32_t volume, uint64_t ino, const char name[SOCKET_NAME_SIZE])
{
    uint32_t number = atomic_fetch_add(&g_stand_ins->socket_count, 1);
    struct stand_in_socket *s = &g_stand_ins->sockets[number % STAND_INS_SOCKETS];
    uint32_t sequence = atomic_load(&s->sequence);
    if (sequence % 2 != 0 || !atomic_compare_exchange_strong(&s->sequence, &sequence, sequence + 1))
        return;
    s->volume = volume;
    s->ino = ino;
    memcpy(s->name, name, SOCKET_NAME_SIZE);
    atomic_store(&s->sequence, sequence + 2);
}

void stand_in_socket_name(uint32_t volume, uint64_t ino, char ret_name[SOCKET_NAME_SIZE])
{
    uint32_t count = atomic_load(&g_stand_ins->socket_count);
    for (uint32_t i = 1; i <= MIN(count, (uint32_t)STAND_INS_SOCKETS); i++) {
        const struct stand_in_socket *s = &g_stand_ins->sockets[(count - i) % STAND_INS_SOCKETS];
        uint32_t sequence = atomic_load(&s->sequence);
        if (sequence == 0 || sequence % 2 != 0 || s->volume != volume || s->ino != ino)
            continue;
        memcpy(ret_name, s->name, SOCKET_NAME_SIZE);
        ret_name[SOCKET_NAME_SIZE - 1] = '\0';
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load(&s->sequence) == sequence)
            return;
    }
    ret_name[0] = '\0';
}

/* Everything below directory `fd`; the host's answers are checked, what is odd is left alone. */
static void remove_below(int fd, unsigned depth)
{
    uint8_t entries[4096];
    long size;
    while ((size = host_call(SYS_getdents64, fd, entries, sizeof entries)) > 0 &&
           size <= (long)sizeof entries) {
        for (long at = 0; at + 20 < size;) {
            uint16_t length;
            memcpy(&length, entries + at + 16, sizeof length);
            if (length < 20 || length > size - at)
                return;
            const char *name = (const char *)entries + at + 19;
            entries[at + length - 1] = '\0';
            at += length;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                continue;
            if (host_call(SYS_unlinkat, fd, name, 0) != -EISDIR || depth == 0)
                continue;
            int below = host_openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
            if (below >= 0) {
                remove_below(below, depth - 1);
                host_close(below);
            }
            (void)host_call(SYS_unlinkat, fd, name, AT_REMOVEDIR);
        }
    }
}

void stand_in_remove_all(void)
{
    char path[STAND_IN_PATH_MAX];
    if (!g_stand_ins || !atomic_load(&g_stand_ins->made))
        return;
    (void)directory_path(path, sizeof path);
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd >= 0) {
        remove_below(fd, DEPTH_MAX);
        host_close(fd);
    }
    (void)host_call(SYS_rmdir, path);
}
