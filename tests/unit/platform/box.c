/* SPDX-License-Identifier: Apache-2.0 */
/* The box: what passes its border is what would pass without it, and never at another address. */
#include "platform/box/box.h"
#include "platform/box/internal.h"
#include "platform/host.h"
#include "runtime/syscall/call.h"
#include "tap.h"

/* The table alone: the handlers are weak here, and absent. */
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_ __attribute__((weak));
#include "runtime/syscall/table.def"
#undef CALL
#include "runtime/syscall/shape.c" /* NOLINT(bugprone-suspicious-include) */
#include "runtime/syscall/table.c" /* NOLINT(bugprone-suspicious-include) */

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char g_hole[4096]; /* copies from and to here fail, as in an unmapped page */

static bool faults(const void *address)
{
    return (const char *)address >= g_hole && (const char *)address < g_hole + sizeof g_hole;
}

static int copy(void *target, const void *source, size_t size)
{
    if (faults(target) || faults(source))
        return -EFAULT;
    memcpy(target, source, size);
    return 0;
}

static ssize_t copy_text(char *target, const char *source, size_t size)
{
    if (faults(source))
        return -EFAULT;
    size_t len = strnlen(source, size);
    size_t n = len < size ? len + 1 : size;
    memcpy(target, source, n);
    return (ssize_t)n;
}

static void start(void)
{
    static const struct box_runtime about = {shape_of_call, call_name, copy, copy_text};
    static bool started;
    if (!started)
        CHECK_EQ(box_start(&about, NULL), 0);
    started = true;
    platform_set(&platform_box);
}

static int file_of(const char *content)
{
    char name[] = "/tmp/test-box-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    (void)unlink(name);
    CHECK_EQ(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    return fd;
}

TEST(bytes_go_through_in_both_directions)
{
    start();
    int fd = file_of("hello, box");
    char bytes[32] = "................";
    CHECK_EQ(host_call(SYS_pread64, fd, bytes, sizeof bytes, 7), 3);
    CHECK(memcmp(bytes, "box.............", 16) == 0); /* nothing behind what was read is touched */
    struct stat natively, boxed;
    CHECK_EQ(host_call(SYS_fstat, fd, &boxed), 0);
    CHECK_EQ(fstat(fd, &natively), 0);
    CHECK(memcmp(&boxed, &natively, sizeof natively) == 0);
    CHECK_EQ(host_call(SYS_pwrite64, fd, "HELLO", 5, 0), 5);
    struct iovec pieces[] = {{bytes, 2}, {bytes + 10, 3}, {bytes + 20, 0}, {bytes + 20, 12}};
    CHECK_EQ(host_call(SYS_preadv, fd, pieces, 4, 0, 0), 10);
    CHECK(memcmp(bytes, "HE", 2) == 0);
    CHECK(memcmp(bytes + 10, "LLO", 3) == 0);
    CHECK(memcmp(bytes + 20, ", box", 5) == 0);
    CHECK_EQ(host_call(SYS_openat, AT_FDCWD, "/nonexistent", O_RDONLY), -ENOENT);
    CHECK_EQ(box_violations(), 0ul);
    close(fd);
}

TEST(more_than_a_block_is_done_in_part)
{
    start();
    int fd = file_of("");
    size_t size = 3 * EXCHANGE_BLOCK_MAX;
    char *bytes = malloc(size);
    REQUIRE(bytes != NULL);
    memset(bytes, 'x', size);
    CHECK_EQ(host_call(SYS_write, fd, bytes, size), (long)EXCHANGE_BLOCK_MAX);
    CHECK_EQ(host_pwrite(fd, bytes, size, 0), 0); /* goes on by itself */
    CHECK_EQ(host_pread(fd, bytes, size, 0), (ssize_t)size);
    CHECK_EQ(host_call(SYS_setxattr, "/tmp", "user.x", bytes, size, 0), -E2BIG);
    free(bytes);
    close(fd);
}

TEST(bad_addresses_are_efault)
{
    start();
    int fd = file_of("x");
    CHECK_EQ(host_call(SYS_pread64, fd, g_hole, 10, 0), -EFAULT);
    CHECK_EQ(host_call(SYS_pwrite64, fd, g_hole, 10, 0), -EFAULT);
    CHECK_EQ(host_call(SYS_openat, AT_FDCWD, g_hole, O_RDONLY), -EFAULT);
    CHECK_EQ(host_call(SYS_preadv, fd, g_hole, 1, 0, 0), -EFAULT);
    CHECK_EQ(host_call(SYS_preadv, fd, g_hole, 2000, 0, 0), -EINVAL);
    CHECK_EQ(box_violations(), 0ul);
    close(fd);
}

TEST(messages_with_descriptors_and_addresses_pass)
{
    start();
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    char text[] = "message", got[16] = {0}, control[64] = {0};
    struct iovec out = {text, sizeof text}, in[] = {{got, 3}, {got + 8, 8}};
    struct msghdr message = {.msg_iov = &out,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &ends[0], sizeof(int));
    CHECK_EQ(host_call(SYS_sendmsg, ends[0], &message, 0), (long)sizeof text);
    memset(control, 0, sizeof control);
    message.msg_iov = in;
    message.msg_iovlen = 2;
    message.msg_controllen = sizeof control;
    CHECK_EQ(host_call(SYS_recvmsg, ends[1], &message, 0), (long)sizeof text);
    CHECK(strncmp(got, "mes", 3) == 0);
    CHECK_TEXT(got + 8, "sage");
    int passed;
    head = CMSG_FIRSTHDR(&message);
    REQUIRE(head != NULL);
    CHECK_EQ(head->cmsg_type, SCM_RIGHTS);
    memcpy(&passed, CMSG_DATA(head), sizeof passed);
    CHECK_EQ(close(passed), 0);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    CHECK_EQ(host_call(SYS_getsockname, ends[0], &name, &len), 0);
    CHECK_EQ(len, sizeof(sa_family_t));
    CHECK_EQ(name.ss_family, AF_UNIX);
    struct pollfd ready[] = {{ends[0], POLLOUT, 0}, {ends[1], POLLIN, 0}};
    CHECK_EQ(host_call(SYS_poll, ready, 2, 0), 1);
    CHECK_EQ(ready[0].revents, POLLOUT);
    CHECK_EQ(ready[1].revents, 0);
    CHECK_EQ(box_violations(), 0ul);
    close(ends[0]);
    close(ends[1]);
}

TEST(no_byte_of_ours_is_given_for_a_result)
{
    start();
    int status = 0x12345678;
    pid_t child = fork();
    if (child == 0)
        pause();
    CHECK_EQ(host_call(SYS_wait4, child, &status, WNOHANG, 0), 0);
    CHECK_EQ(status, 0x12345678); /* the kernel wrote nothing */
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(host_call(SYS_wait4, child, &status, 0, 0), child);
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    struct exchange_frame frame = {.count = 0};
    char *secret = exchange_take(&frame, 16);
    CHECK(secret && exchange_holds((unsigned long)secret, 16));
    CHECK(!exchange_holds((unsigned long)&secret, 1));
    exchange_release(&frame);
}

TEST(private_mappings_are_copies_and_shared_ones_do_not_exist)
{
    start();
    int fd = file_of("mapped");
    CHECK_EQ(host_call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, fd, 0), -ENODEV);
    long at = host_call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(at > 0);
    CHECK_TEXT((char *)at, "mapped");
    CHECK_EQ(pwrite(fd, "M", 1, 0), 1);
    CHECK_TEXT((char *)at, "mapped"); /* the host's later changes do not reach it */
    CHECK_EQ(host_call(SYS_munmap, at, 4096), 0);
    int write_only = open("/dev/null", O_WRONLY);
    CHECK_EQ(host_call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, write_only, 0), -EACCES);
    CHECK_EQ(host_call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 9999, 0), -EBADF);
    at = host_call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at > 0);
    CHECK_EQ(host_call(SYS_munmap, at, 4096), 0);
    CHECK_EQ(host_call(SYS_memfd_create, "x", 0), -ENOSYS);
    CHECK_EQ(host_call(SYS_fork), -ENOSYS);
    CHECK_EQ(host_call(SYS_execve, "/bin/true", 0, 0), -ENOSYS);
    CHECK_EQ(box_violations(), 0ul);
    close(write_only);
    close(fd);
}

TEST(an_error_gives_back_the_rest_of_a_sleep_and_nothing_else)
{
    start();
    struct timespec bad = {0, -1}, rest = {7, 7};
    CHECK_EQ(host_call(SYS_nanosleep, &bad, &rest), -EINVAL);
    CHECK_EQ(rest.tv_sec, 7);
    char bytes[4] = "abc";
    CHECK_EQ(host_call(SYS_read, 9999, bytes, sizeof bytes), -EBADF);
    CHECK_TEXT(bytes, "abc");
}

TEST(what_nothing_describes_is_a_violation)
{
    start();
    unsigned long before = box_violations();
    char bytes[64] = {0};
    CHECK_EQ(host_call(SYS_ioctl, 0, 0x1234abcd, bytes), -ENOTTY);
    CHECK_EQ(box_violations(), before + 1);
    CHECK_EQ(host_call(SYS_lookup_dcookie, bytes), -ENOSYS); /* no such arguments: nothing passes */
    CHECK_EQ(box_violations(), before + 1);
    CHECK(host_call(SYS_fadvise64, 9999, 0, (unsigned long)bytes, 0) < 0);
    CHECK_EQ(box_violations(), before + 2); /* an address where a size belongs */
    CHECK_EQ(host_call(SYS_shutdown, 9999, (unsigned long)bytes), -EBADF);
    CHECK_EQ(box_violations(), before + 2); /* of an int only half is passed */
    CHECK_EQ(box_end(NULL, 0), BOX_STATUS);
}

TEST(a_call_beside_the_gate_ends_the_process)
{
    start();
    pid_t child = fork();
    if (child == 0) {
        if (box_filter() < 0)
            _exit(1);
        void *memory = malloc((size_t)1 << 20); /* libc's own is allowed */
        if (!memory || host_call(SYS_getppid) <= 0)
            _exit(2);
        (void)getppid();
        _exit(3);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

TAP_MAIN()
