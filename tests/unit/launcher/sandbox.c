/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/sandbox.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char g_dir[] = "/tmp/coffer-sandbox-XXXXXX";

/* Enters a sandbox on g_dir in a child and tells what attempt() returned there. */
static int inside(int (*attempt)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        struct error e = {0};
        struct sandbox sandbox = {.volume_fd = open(g_dir, O_RDONLY | O_DIRECTORY)};
        if (sandbox_enter(&sandbox, &e) < 0) {
            printf("# %s\n", e.text);
            _exit(100);
        }
        _exit(attempt());
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int write_inside(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/file", g_dir);
    return open(path, O_RDWR | O_CREAT, 0600) < 0 ? errno : 0;
}

static int write_outside(void)
{
    return open("/tmp/coffer-sandbox-outside", O_RDWR | O_CREAT, 0600) < 0 ? errno : 0;
}

static int read_outside(void)
{
    return open("/etc/hostname", O_RDONLY) < 0 ? errno : 0;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) < 0 ? errno : 0;
}

static int is_dumpable(void)
{
    return prctl(PR_GET_DUMPABLE);
}

static int has_new_privileges(void)
{
    return !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

TEST(inside_there_is_the_volume_and_nothing_else)
{
    REQUIRE(mkdtemp(g_dir));
    if (sandbox_abi() < SANDBOX_ABI_MIN) {
        printf("# no Landlock here: a server would not start\n");
        CHECK_EQ(inside(write_inside), 100);
        return;
    }
    CHECK_EQ(inside(write_inside), 0);
    CHECK_EQ(inside(write_outside), EACCES);
    CHECK_EQ(inside(read_outside), EACCES);
    CHECK_EQ(inside(is_dumpable), 0);
    CHECK_EQ(inside(has_new_privileges), 0);
    if (sandbox_abi() >= 6)
        CHECK_EQ(inside(signal_parent), EPERM);
}

TEST(a_sandbox_that_cannot_be_entered_is_an_error)
{
    struct error e = {0};
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox sandbox = {.volume_fd = -1};
        _exit(sandbox_enter(&sandbox, &e) < 0 && strlen(e.text) > 0 ? 0 : 1);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
    char path[100];
    snprintf(path, sizeof path, "%s/file", g_dir);
    unlink(path);
    rmdir(g_dir);
}

TAP_MAIN()
