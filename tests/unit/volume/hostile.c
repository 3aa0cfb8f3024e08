/* SPDX-License-Identifier: Apache-2.0 */
/* The checked host calls, and a volume in a directory, on a host that lies. */
#include "../hostile.h"

#include "platform/host.h"
#include "support.h"
#include "volume/local.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/uio.h>

#define CONTENT_SIZE 150000

static char g_place[32];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/* A script between a new directory and its removal; both natively. */
static int in_a_directory(int (*script)(const char *place))
{
    (void)snprintf(g_place, sizeof g_place, "%s/test-hostile-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* no disk waits */
    if (!mkdtemp(g_place))
        return -1;
    int r = script(g_place);
    (void)nftw(g_place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return r;
}

static int count_name(void *ctx, const char *name)
{
    size_t len = strlen(name);
    ++*(int *)ctx;
    return len > 0 && len < 256 && !strchr(name, '/') ? 0 : -ENOTRECOVERABLE;
}

/* Every wrapper of host.h; what it says must be possible. */
static int ask_the_host(const char *place)
{
    struct {
        char before[64], bytes[64], after[64];
    } room;
    char path[64];
    uint64_t size = 0, allocated = 0;
    int count = 0;
    memset(&room, 'g', sizeof room);
    int dir = host_openat(AT_FDCWD, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int fd = host_openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char words[] = "some bytes";
    struct iovec parts[] = {{words, 5}, {words + 5, 5}};
    if (dir < -4095 || fd < -4095)
        return 1;
    int r = host_pwritev(fd, parts, 2, 0);
    if (r > 0 || r < -4095)
        return 2;
    ssize_t n = host_pread(fd, room.bytes, sizeof room.bytes, 0);
    if (n > (ssize_t)sizeof room.bytes || n < -4095)
        return 3;
    for (size_t i = 0; i < sizeof room.before; i++)
        if (room.before[i] != 'g' || room.after[i] != 'g')
            return 4;
    if (host_fstat_size(fd, &size, &allocated) == 0 && (size > INT64_MAX || allocated > INT64_MAX))
        return 5;
    const int zeros[] = {host_fdatasync(fd),
                         host_fsync(fd),
                         host_fallocate(fd, 0, 0, 4096),
                         host_ftruncate(fd, 10),
                         host_lock(fd),
                         host_mkdirat(dir, "sub", 0700),
                         host_renameat(dir, "file", dir, "other"),
                         host_unlinkat(dir, "other", 0)};
    for (size_t i = 0; i < ARRAY_COUNT(zeros); i++)
        if (zeros[i] > 0 || zeros[i] < -4095)
            return 6;
    r = host_list(dir, count_name, &count);
    if (r > 0 || r == -ENOTRECOVERABLE || r < -4095)
        return 7;
    if (host_realtime_ns() < 0 || host_monotonic_ns() < 0)
        return 8;
    (void)snprintf(path, sizeof path, "%s/none", place);
    if (host_openat(AT_FDCWD, path, O_RDONLY, 0) == -EBADF)
        return 9;
    host_close(fd);
    host_close(dir);
    return 0;
}

static int ask_in_a_directory(void)
{
    return in_a_directory(ask_the_host);
}

TEST(every_checked_host_call_judges_every_lie)
{
    hostile_run(ask_in_a_directory);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* True data or an error; nothing else. */
static int reads_true(struct volume *v, uint64_t ino)
{
    static uint8_t bytes[CONTENT_SIZE + 100];
    ssize_t n = volume_read(v, ino, 0, bytes, sizeof bytes);
    if (n < 0)
        return 0;
    if (n != CONTENT_SIZE)
        return 11;
    for (size_t i = 0; i < CONTENT_SIZE; i++)
        if (bytes[i] != byte_at(i))
            return 12;
    return 0;
}

static int write_some(struct local_volume *local, uint64_t *ret_ino)
{
    static uint8_t bytes[CONTENT_SIZE];
    struct volume_options options = local_volume_options(local);
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    struct volume *v = NULL;
    struct error e = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = byte_at(i);
    int r = local->is_empty ? volume_create(&options, 0, 0, &e) : 0;
    if (r == 0)
        r = volume_open(&options, &v, &e);
    if (r < 0)
        return r;
    r = volume_make(v, VOLUME_ROOT_INO, slice_of_text("name"), &attr, (struct slice){0}, ret_ino);
    if (r == 0 && volume_write(v, *ret_ino, 0, bytes, sizeof bytes) != CONTENT_SIZE)
        r = -EIO;
    int bad = r == 0 ? reads_true(v, *ret_ino) : 0;
    if (r == 0)
        r = volume_sync(v, *ret_ino, false);
    if (r == 0)
        r = volume_rename(v, VOLUME_ROOT_INO, slice_of_text("name"), VOLUME_ROOT_INO,
                          slice_of_text("kept"), 0);
    int closed = volume_close(v);
    return bad ? bad : r < 0 ? r : closed;
}

static int read_some(struct local_volume *local, bool acknowledged)
{
    struct volume_options options = local_volume_options(local);
    struct volume *v = NULL;
    struct error e = {0};
    uint64_t ino = 0;
    int r = volume_open(&options, &v, &e);
    if (r < 0)
        return 0;
    int bad = 0;
    r = volume_lookup(v, VOLUME_ROOT_INO, slice_of_text("kept"), &ino);
    if (r == 0)
        bad = reads_true(v, ino);
    else if (r == -ENOENT && acknowledged)
        bad = 13; /* what was acknowledged is there, or the volume says what is wrong */
    (void)volume_close(v);
    return bad;
}

static int keep_a_volume(const char *place)
{
    char dir[64], state[64];
    (void)snprintf(dir, sizeof dir, "%s/volume", place);
    (void)snprintf(state, sizeof state, "%s/state", place);
    struct local_volume local = {0};
    struct error e = {0};
    uint64_t ino = 0;
    int r = local_volume_find(dir, state, true, &local, &e);
    if (r < 0)
        return r == -ENOTRECOVERABLE;
    r = write_some(&local, &ino);
    local_volume_done(&local);
    if (r > 0)
        return r;
    local = (struct local_volume){0};
    if (local_volume_find(dir, state, false, &local, &e) < 0)
        return 0;
    r = read_some(&local, r == 0);
    local_volume_done(&local);
    return r;
}

static int keep_in_a_directory(void)
{
    return in_a_directory(keep_a_volume);
}

TEST(a_volume_gives_true_data_or_an_error_whatever_the_host_says)
{
    hostile_run(keep_in_a_directory);
}

TAP_MAIN()
