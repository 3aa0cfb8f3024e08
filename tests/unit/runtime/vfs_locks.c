/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks and permissions: decisions without any file. */
#include "runtime/vfs/lock_table.h"
#include "runtime/vfs/permission.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tap.h"

static struct lock_table g_table;

static int set(uint32_t kind, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
    struct lock_range want = {
        .kind = kind, .owner = owner, .type = type, .start = start, .end = end};
    return lock_set(&g_table, &want);
}

static int posix(uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
    return set(LOCK_KIND_POSIX, owner, type, start, end);
}

static void forget_all(void)
{
    for (uint32_t kind = LOCK_KIND_POSIX; kind <= LOCK_KIND_FLOCK; kind++)
        for (uint64_t owner = 0; owner < 10; owner++)
            lock_drop(&g_table, kind, owner);
    REQUIRE(g_table.count == 0 && !g_table.ranges);
}

TEST(readers_share_and_a_writer_does_not)
{
    CHECK_EQ(posix(1, F_RDLCK, 0, 9), 0);
    CHECK_EQ(posix(2, F_RDLCK, 5, 15), 0);
    CHECK_EQ(posix(3, F_WRLCK, 15, 20), -EAGAIN);
    CHECK_EQ(posix(3, F_WRLCK, 16, 20), 0);
    CHECK_EQ(posix(1, F_WRLCK, 0, 4), 0);
    CHECK_EQ(posix(1, F_WRLCK, 0, 5), -EAGAIN);
    forget_all();
}

TEST(unlocking_the_middle_splits_a_lock)
{
    CHECK_EQ(posix(1, F_WRLCK, 0, LOCK_END_MAX), 0);
    CHECK_EQ(posix(1, F_UNLCK, 100, 199), 0);
    CHECK_EQ(g_table.count, 2);
    CHECK_EQ(posix(2, F_WRLCK, 100, 199), 0);
    CHECK_EQ(posix(2, F_RDLCK, 99, 99), -EAGAIN);
    CHECK_EQ(posix(2, F_RDLCK, 200, 200), -EAGAIN);
    forget_all();
}

TEST(neighbours_of_one_owner_become_one_lock)
{
    for (uint64_t i = 0; i < 100; i++)
        CHECK_EQ(posix(1, F_WRLCK, i * 10, i * 10 + 9), 0);
    CHECK_EQ(g_table.count, 1);
    CHECK_EQ(posix(1, F_RDLCK, 500, 509), 0);
    CHECK_EQ(g_table.count, 3);
    forget_all();
}

TEST(flock_and_posix_do_not_see_each_other_but_ofd_and_posix_do)
{
    CHECK_EQ(posix(1, F_WRLCK, 0, 9), 0);
    CHECK_EQ(set(LOCK_KIND_FLOCK, 7, F_WRLCK, 0, LOCK_END_MAX), 0);
    CHECK_EQ(set(LOCK_KIND_FLOCK, 8, F_RDLCK, 0, LOCK_END_MAX), -EAGAIN);
    CHECK_EQ(set(LOCK_KIND_OFD, 7, F_RDLCK, 0, 0), -EAGAIN);
    CHECK_EQ(set(LOCK_KIND_OFD, 7, F_RDLCK, 10, 10), 0);
    forget_all();
}

TEST(a_process_that_ends_loses_its_locks)
{
    CHECK_EQ(posix(1, F_WRLCK, 0, 9), 0);
    CHECK(lock_drop(&g_table, LOCK_KIND_POSIX, 1));
    CHECK(!lock_drop(&g_table, LOCK_KIND_POSIX, 1));
    CHECK_EQ(posix(2, F_WRLCK, 0, 9), 0);
    forget_all();
}

TEST(locks_per_file_are_capped)
{
    int r = 0;
    uint64_t made = 0;
    for (; made < LOCK_RANGES_MAX + 10 && r == 0; made++)
        r = posix(1, F_WRLCK, made * 2, made * 2);
    CHECK_EQ(r, -ENOLCK);
    CHECK_EQ(made, LOCK_RANGES_MAX + 1);
    CHECK_EQ(posix(1, F_UNLCK, 0, LOCK_END_MAX), 0);
    CHECK_EQ(g_table.count, 0);
}

/* --- permissions --- */

TEST(the_owners_bits_decide_for_the_owner_even_if_others_may_more)
{
    struct volume_attr attr = {.mode = S_IFREG | 0077, .uid = 10, .gid = 20};
    struct creds owner = {.uid = 10, .gid = 20}, other = {.uid = 11, .gid = 21};
    struct creds member = {.uid = 12, .gid = 22, .group_count = 1, .groups = {20}};
    CHECK_EQ(permission_check(&attr, &owner, PERMISSION_READ), -EACCES);
    CHECK_EQ(permission_check(&attr, &other, PERMISSION_READ | PERMISSION_WRITE), 0);
    attr.mode = S_IFREG | 0640;
    CHECK_EQ(permission_check(&attr, &member, PERMISSION_READ), 0);
    CHECK_EQ(permission_check(&attr, &member, PERMISSION_WRITE), -EACCES);
    CHECK_EQ(permission_check(&attr, &other, PERMISSION_READ), -EACCES);
}

TEST(root_passes_but_executes_only_what_somebody_may_execute)
{
    struct volume_attr attr = {.mode = S_IFREG | 0600, .uid = 10};
    struct creds root = {.powers = POWER_ALL};
    CHECK_EQ(permission_check(&attr, &root, PERMISSION_READ | PERMISSION_WRITE), 0);
    CHECK_EQ(permission_check(&attr, &root, PERMISSION_EXECUTE), -EACCES);
    attr.mode |= 0001;
    CHECK_EQ(permission_check(&attr, &root, PERMISSION_EXECUTE), 0);
}

TEST(a_sticky_directory_keeps_others_from_removing)
{
    struct volume_attr dir = {.mode = S_IFDIR | 01777, .uid = 0};
    struct volume_attr file = {.mode = S_IFREG | 0666, .uid = 10};
    struct creds owner = {.uid = 10, .gid = 10}, other = {.uid = 11, .gid = 11};
    CHECK_EQ(permission_remove(&dir, &file, &owner), 0);
    CHECK_EQ(permission_remove(&dir, &file, &other), -EPERM);
    dir.mode = S_IFDIR | 0755;
    CHECK_EQ(permission_remove(&dir, &file, &owner), -EACCES);
}

TAP_MAIN()
