/* SPDX-License-Identifier: Apache-2.0 */
/* kill(2). The volume server is the runtime's: it is none of "all processes", and has no number. The
 * runtime answers only where that makes a difference. */
#include "platform/host.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"
#include "runtime/vfs/dirents.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define PASSES_MAX 64

/* What a look at all processes came to. Two passes that found the same have missed nobody. */
struct pass {
    int server, signal;
    unsigned count;
    uint64_t sum;
    int result;
};

/* As the kernel counts: who may not be signalled counts, and is no error if anybody else may. */
static bool signal_one(const void *ctx, const char *name)
{
    struct pass *pass = *(struct pass *const *)ctx;
    long pid = *name >= '0' && *name <= '9' ? strtol(name, NULL, 10) : 0;
    if (pid <= 1 || pid == process_self()->pid || pid == pass->server)
        return false;
    int r = (int)host_call(SYS_kill, pid, pass->signal);
    if (r != -ESRCH) {
        pass->count++;
        pass->sum += (uint64_t)pid;
    }
    if (r != -ESRCH && r != -EPERM)
        pass->result = r;
    return false;
}

static int one_pass(int fd, struct pass *pass)
{
    uint8_t chunk[4096];
    int64_t size = host_call(SYS_lseek, fd, 0, SEEK_SET);
    pass->count = 0;
    pass->sum = 0;
    while (size >= 0 && (size = host_call(SYS_getdents64, fd, chunk, sizeof chunk)) > 0)
        size = dirents_leave_out(chunk, size, signal_one, (const void *)&pass);
    return (int)size;
}

/* Everybody but the first process, the volume server and ourselves. */
static int signal_all(int server, int signal)
{
    struct pass now = {.server = server, .signal = signal}, before;
    int fd = (int)host_call(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -EPERM;
    int r, passes = 0;
    do {
        before = now;
        r = one_pass(fd, &now);
    } while (r == 0 && signal != 0 && ++passes < PASSES_MAX &&
             (now.count != before.count || now.sum != before.sum));
    host_close(fd);
    if (r < 0)
        return r;
    return now.count > 0 ? now.result : -ESRCH;
}

int64_t sys_kill(struct syscall_call *c)
{
    int pid = (int)c->args[0], signal = (int)c->args[1], server = vfs_server_pid();
    if (server == 0 || signal < 0 || signal > 64)
        return sys_pass(c);
    if (pid == server || pid == -server)
        return -ESRCH;
    if (pid != -1)
        return sys_pass(c);
    if (signal == 0 || signal == SIGKILL || signal == SIGSTOP)
        return signal_all(server, signal);
    int r = signal_all(server, 0); /* it blocks all others: the host may reach all at once */
    return r < 0 ? r : sys_pass(c);
}
