/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/host.h"
#include "platform/ops.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A host that answers what the test put down. */
static long g_answer;
static int g_interruptions;
static const void *g_listing;
static size_t g_listing_size;

static long lying_call(long nr, const long args[6])
{
    if (g_interruptions > 0) {
        g_interruptions--;
        return -EINTR;
    }
    if (nr == SYS_getdents64 && g_listing) {
        memcpy((void *)args[1], g_listing, g_listing_size);
        g_listing = NULL;
        return (long)g_listing_size;
    }
    return g_answer;
}

static const struct platform_ops g_liar = {.name = "liar", .call = lying_call};

static int no_entry(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return 0;
}

TEST(host_refuses_lengths_beyond_what_was_asked)
{
    char bytes[16];
    platform_set(&g_liar);
    g_answer = 17;
    CHECK_EQ(host_pread(3, bytes, sizeof bytes, 0), -EPROTO);
    CHECK_EQ(host_pwrite(3, bytes, sizeof bytes, 0), -EPROTO);
    g_answer = 1L << 40;
    CHECK_EQ(host_openat(AT_FDCWD, "x", O_RDONLY, 0), -EPROTO);
    CHECK_EQ(host_list(3, no_entry, NULL), -EPROTO);
}

TEST(host_turns_impossible_errors_into_eperm)
{
    char bytes[16];
    platform_set(&g_liar);
    g_answer = -ECHILD;
    CHECK_EQ(host_pread(3, bytes, sizeof bytes, 0), -EPERM);
    CHECK_EQ(host_openat(AT_FDCWD, "x", O_RDONLY, 0), -EPERM);
    CHECK_EQ(host_fdatasync(3), -EPERM);
    g_answer = -5000;
    CHECK_EQ(host_fdatasync(3), -EPERM);
    g_answer = 1;
    CHECK_EQ(host_fdatasync(3), -EPERM);
    g_answer = -EIO;
    CHECK_EQ(host_fdatasync(3), -EIO);
}

TEST(host_retries_interrupted_calls)
{
    platform_set(&g_liar);
    g_answer = 0;
    g_interruptions = 3;
    CHECK_EQ(host_fdatasync(3), 0);
    CHECK_EQ(g_interruptions, 0);
}

TEST(host_refuses_malformed_listings)
{
    char raw[64] = {0};
    platform_set(&g_liar);
    g_answer = 0;
    static const struct {
        unsigned short reclen;
        const char *name;
        int wanted;
    } cases[] = {{24, "ok", 0},        {0, "ok", -EPROTO}, {65, "ok", -EPROTO}, {24, "", -EPROTO},
                 {24, "a/b", -EPROTO}, {20, "x", -EPROTO}, {21, "xy", -EPROTO}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        memcpy(raw + offsetof(struct dirent64, d_reclen), &cases[i].reclen, 2);
        memcpy(raw + offsetof(struct dirent64, d_name), cases[i].name, strlen(cases[i].name) + 1);
        g_listing = raw;
        g_listing_size = 24;
        CHECK_EQ(host_list(3, no_entry, NULL), cases[i].wanted);
    }
}

TEST(host_of_a_plain_process_reads_what_it_wrote)
{
    char bytes[5];
    uint64_t size;
    platform_set(&platform_sim);
    int fd = host_openat(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    CHECK_EQ(host_pwrite(fd, "hello", 5, 3), 0);
    CHECK_EQ(host_fdatasync(fd), 0);
    CHECK_EQ(host_pread(fd, bytes, 5, 3), 5);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    CHECK_EQ(host_pread(fd, bytes, 5, 6), 2);
    CHECK_EQ(host_fstat_size(fd, &size, NULL), 0);
    CHECK_EQ(size, 8);
    host_close(fd);
    CHECK(host_realtime_ns() > 0);
    CHECK(host_monotonic_ns() > 0);
    CHECK_EQ(platform()->random(bytes, sizeof bytes), 0);
}

TEST(host_lists_a_directory_and_locks_a_file)
{
    platform_set(&platform_sim);
    CHECK_EQ(host_openat(AT_FDCWD, "/nonexistent/x", O_RDONLY, 0), -ENOENT);
    int dir = host_openat(AT_FDCWD, "/proc/self", O_RDONLY | O_DIRECTORY, 0);
    REQUIRE(dir >= 0);
    CHECK_EQ(host_list(dir, no_entry, NULL), 0);
    host_close(dir);
    char path[] = "/tmp/coffer-host-XXXXXX";
    int a = mkstemp(path);
    int b = host_openat(AT_FDCWD, path, O_RDWR, 0);
    CHECK_EQ(host_lock(a), 0);
    CHECK_EQ(host_lock(b), -EAGAIN);
    host_close(a);
    CHECK_EQ(host_lock(b), 0);
    host_close(b);
    CHECK_EQ(host_unlinkat(AT_FDCWD, path, 0), 0);
}

TAP_MAIN()
