/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a network process, whoever it obeys by then. */
#include "kbs/front.h"

#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that ends with the line, if it is an honest one. */
static pid_t child(bool honest, int *ret_fd)
{
    int pair[2];
    char byte;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        while (read(pair[1], &byte, 1) > 0 || !honest)
            if (!honest)
                pause();
        _exit(0);
    }
    close(pair[1]);
    *ret_fd = pair[0];
    return pid;
}

static void check_gone(pid_t pid)
{
    CHECK_EQ(kill(pid, 0), -1);
    CHECK_EQ(errno, ESRCH);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), -1); /* nor is it left as a zombie */
}

TEST(one_that_ends_with_its_line_is_waited_for)
{
    int fd = -1;
    pid_t pid = child(true, &fd);
    front_end(pid, fd);
    check_gone(pid);
    CHECK_EQ(close(fd), -1);
    front_end(0, -1);
}

TEST(one_that_does_not_end_is_ended)
{
    int fd = -1;
    pid_t pid = child(false, &fd);
    front_end(pid, fd);
    check_gone(pid);
}

TAP_MAIN()
