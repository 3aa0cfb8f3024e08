/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/fd.h"
#include "platform/ops.h"
#include "runtime/fd_table.h"
#include "runtime/thread.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static int g_released;

static void counting_release(struct file *f)
{
    (void)f;
    g_released++;
}

static const struct file_ops counting_ops = {.name = "counting", .release = counting_release};
static struct thread g_thread;

static void prepare(void)
{
    if (g_thread.self)
        return;
    platform_set(&platform_sim);
    REQUIRE(thread_adopt(&g_thread) == 0);
}

TEST(a_shielded_descriptor_takes_the_lowest_number_and_is_held_at_the_host)
{
    prepare();
    struct file f;
    file_init(&f, &counting_ops, O_RDWR);
    int lowest = dup(0);
    close(lowest);
    int fd = fd_install(&f, FD_CLOEXEC);
    CHECK_EQ(fd, lowest);
    CHECK(fd_is_shielded(fd));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    int next = dup(0);
    CHECK(next != fd);
    close(next);
    file_put(fd_detach(fd));
    close(fd);
    CHECK_EQ(g_released, 1);
    CHECK(!fd_is_shielded(fd));
}

TEST(a_file_is_released_with_its_last_reference_only)
{
    prepare();
    g_released = 0;
    struct file f;
    file_init(&f, &counting_ops, 0);
    int fd = fd_install(&f, 0);
    REQUIRE(fd >= 0);
    struct file *again = fd_get(fd);
    CHECK(again == &f);
    file_put(fd_detach(fd));
    CHECK_EQ(g_released, 0);
    file_put(again);
    CHECK_EQ(g_released, 1);
    close(fd);
}

TEST(what_a_child_of_vfork_closes_stays_the_parents)
{
    prepare();
    struct file f;
    struct process child = {.vfork_child = true};
    file_init(&f, &counting_ops, 0);
    int fd = fd_install(&f, 0);
    REQUIRE(fd >= 0 && fd_table_copy(g_process.fds, &child.fds) == 0);
    g_thread.process = &child;
    file_put(fd_detach(fd));
    CHECK(!fd_is_shielded(fd));
    g_thread.process = &g_process;
    CHECK(fd_is_shielded(fd));
    CHECK_EQ(atomic_load(&f.host_fd), fd);
    fd_table_free(child.fds);
    file_put(fd_detach(fd));
    close(fd);
}

TEST(a_hidden_descriptor_lies_above_what_the_guest_may_have)
{
    prepare();
    int fd = fd_hide(dup(0));
    CHECK(fd >= fd_hidden_base());
    CHECK(fd_is_hidden(fd));
    CHECK(!fd_is_hidden(0));
    close(fd);
}

TEST(once_reserved_no_hidden_number_is_ever_free)
{
    prepare();
    const struct rlimit wide = {4096, 4096};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &wide) == 0);
    int base = fd_hidden_base(), before = fd_hide(dup(0)), taken = 0;
    REQUIRE(fd_reserve_hidden() == 0);
    for (int round = 0; round < 2 * FD_HIDDEN_COUNT; round++) {
        int fd = fd_hide(dup(0));
        CHECK(fd_is_hidden(fd) && fd != before);
        fd_hidden_close(fd);
    }
    fd_hidden_close(before);
    for (int fd = base; fd < base + FD_HIDDEN_COUNT; fd++)
        taken += fcntl(fd, F_GETFD) >= 0;
    CHECK_EQ(taken, FD_HIDDEN_COUNT);
}

TEST(the_hidden_range_is_low_whatever_the_limit)
{
    prepare();
    CHECK(fd_hidden_base() <= 1024);
}

TEST(plain_and_impossible_descriptors_have_no_file)
{
    prepare();
    CHECK(fd_get(0) == NULL);
    CHECK(fd_get(-1) == NULL);
    CHECK(fd_get(FD_MAX) == NULL);
    CHECK(fd_detach(-1) == NULL);
}

TAP_MAIN()
