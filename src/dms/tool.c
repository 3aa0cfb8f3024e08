/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/tool.h"

#include "dms/tool_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where it is not confined it may be under the runtime, which copies into memory files what a policy fixes by a
 * hash, and does that under the program's own limit. */
enum { FILES_MAX = 64, READ_SIZE = 16 << 10, COPY_SIZE_MAX = 256 << 20 };

struct tool {
    struct loop *loop;
    pid_t pid;
    int process_fd; /* readable when it has ended */
    int output_fd;
    struct loop_watch process_watch, output_watch;
    struct loop_timer timer;
    struct buf output;
    size_t size_max;
    enum tool_end killed; /* TOOL_DONE: it was not */
    tool_fn *fn;
    void *arg;
};

/* All of it: what is not here is not set. */
static const char *const environment[] = {
    "PATH=/usr/bin:/bin",
    "LC_ALL=C.UTF-8",
    "HOME=/nonexistent",
    "MALLOC_ARENA_MAX=1",
    /* libvips: one thread, no loader that its authors do not trust with hostile files, no code made at
     * run time */
    "VIPS_CONCURRENCY=1",
    "VIPS_BLOCK_UNTRUSTED=1",
    "VIPS_NOVECTOR=1",
    "ORC_CODE=backup",
    NULL,
};

static int limit(int resource, rlim_t most)
{
    const struct rlimit both = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &both);
}

static int child_prepare(const struct tool_order *order, int output_fd, int null_fd)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (limit(RLIMIT_AS, order->memory_max) < 0 || limit(RLIMIT_CPU, order->cpu_s) < 0 ||
        limit(RLIMIT_FSIZE, order->confinement_fd >= 0 ? 0 : COPY_SIZE_MAX) < 0 ||
        limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_NOFILE, FILES_MAX) < 0)
        return -errno;
    if (dup2(order->input_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(null_fd, STDERR_FILENO) < 0 || lseek(STDIN_FILENO, 0, SEEK_SET) < 0)
        return -errno;
    int r = order->confinement_fd >= 0 ? tool_confine(order->confinement_fd) : 0;
    if (r == 0 && syscall(SYS_close_range, 3, ~0U, 0) < 0)
        r = -errno;
    return r;
}

/* In the child, which shares our memory until execve(): only system calls, and how that went. */
static void __attribute__((noreturn))
child_run(const struct tool_order *order, int output_fd, int null_fd, volatile int *ret_result)
{
    int r = child_prepare(order, output_fd, null_fd);
    if (r == 0) {
        (void)execve(order->path, (char *const *)(uintptr_t)order->argv,
                     (char *const *)(uintptr_t)environment);
        r = -errno;
    }
    *ret_result = r;
    _exit(127);
}

static void tool_free(struct tool *tool)
{
    loop_watch_stop(tool->loop, &tool->process_watch);
    loop_watch_stop(tool->loop, &tool->output_watch);
    loop_timer_stop(tool->loop, &tool->timer);
    if (tool->process_fd >= 0)
        (void)close(tool->process_fd);
    if (tool->output_fd >= 0)
        (void)close(tool->output_fd);
    buf_done(&tool->output);
    free(tool);
}

static int reap(struct tool *tool)
{
    int status = -1;
    while (waitpid(tool->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void tool_stop(struct tool *tool)
{
    if (!tool)
        return;
    (void)kill(tool->pid, SIGKILL);
    (void)reap(tool);
    tool_free(tool);
}

static void tool_kill(struct tool *tool, enum tool_end why)
{
    if (tool->killed == TOOL_DONE)
        tool->killed = why;
    (void)kill(tool->pid, SIGKILL);
}

/* What is in the pipe. False: its other end is closed, or it is not read any more. */
static bool output_take(struct tool *tool)
{
    for (;;) {
        size_t room = tool->size_max - tool->output.size;
        uint8_t *place = buf_reserve(&tool->output, READ_SIZE);
        if (!place) {
            tool_kill(tool, TOOL_FAILED);
            return false;
        }
        ssize_t n = read(tool->output_fd, place, READ_SIZE);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        tool->output.size += MIN((size_t)n, room);
        if ((size_t)n > room) {
            tool_kill(tool, TOOL_LARGE);
            return false;
        }
    }
}

static void on_output(void *arg, uint32_t events)
{
    struct tool *tool = arg;
    (void)events;
    if (!output_take(tool))
        loop_watch_stop(tool->loop, &tool->output_watch);
}

static void on_end(void *arg, uint32_t events)
{
    struct tool *tool = arg;
    (void)events;
    if (tool->output_watch.started && tool->killed == TOOL_DONE)
        (void)output_take(tool); /* what it wrote last */
    int status = reap(tool);
    enum tool_end end = tool->killed;
    if (end == TOOL_DONE && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        end = TOOL_FAILED;
    tool->fn(tool->arg, end, buf_slice(&tool->output));
    tool_free(tool);
}

static void on_late(void *arg)
{
    tool_kill(arg, TOOL_LATE);
}

static int watch(struct tool *tool, uint64_t time_ns)
{
    tool->process_fd = (int)syscall(SYS_pidfd_open, tool->pid, 0);
    int r = tool->process_fd < 0 ? -errno : 0;
    if (r == 0)
        r = loop_watch_start(tool->loop, &tool->process_watch, tool->process_fd, EPOLLIN, on_end,
                             tool);
    if (r == 0)
        r = loop_watch_start(tool->loop, &tool->output_watch, tool->output_fd, EPOLLIN, on_output,
                             tool);
    if (r == 0)
        r = loop_timer_set(tool->loop, &tool->timer, loop_now_ns(tool->loop) + time_ns, on_late,
                           tool);
    return r;
}

static int spawn(struct tool *tool, const struct tool_order *order)
{
    volatile int result = 0;
    int pipes[2], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
        int r = -errno;
        if (null_fd >= 0)
            (void)close(null_fd);
        return r;
    }
    tool->output_fd = pipes[0];
    int r = fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (r == 0) {
        tool->pid = vfork();
        if (tool->pid == 0)
            child_run(order, pipes[1], null_fd, &result);
        r = tool->pid < 0 ? -errno : result;
        if (tool->pid > 0 && r < 0)
            (void)reap(tool);
    }
    (void)close(pipes[1]);
    (void)close(null_fd);
    return r;
}

int tool_start(struct loop *loop, const struct tool_order *order, tool_fn *fn, void *arg,
               struct tool **ret_tool)
{
    struct tool *tool = calloc(1, sizeof *tool);
    if (!tool)
        return -ENOMEM;
    *tool = (struct tool){.loop = loop,
                          .process_fd = -1,
                          .output_fd = -1,
                          .size_max = order->size_max,
                          .output = {.size_max = order->size_max + READ_SIZE},
                          .fn = fn,
                          .arg = arg};
    int r = spawn(tool, order);
    if (r < 0) {
        tool_free(tool);
        return r;
    }
    r = watch(tool, order->time_ns);
    if (r < 0) {
        tool_stop(tool);
        return r;
    }
    *ret_tool = tool;
    return 0;
}
