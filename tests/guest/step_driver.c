/* SPDX-License-Identifier: Apache-2.0 */
/* usage: step_driver COMMAND...: runs tests/guest/step.c, natively or under the runtime, and sends it
 * SIGUSR1 after the Nth instruction behind each marker (a breakpoint in it), for N = 0, 1, ... until
 * the next marker comes sooner. A call that waits is signalled where it waits, and is the last. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP_FLAG 0x100ull
#define DENSE 1500 /* instructions looked at one by one; behind them every 7th */

static pid_t g_pid;

static void die(const char *what)
{
    perror(what);
    kill(g_pid, SIGKILL);
    exit(1);
}

static bool read_proc(const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", g_pid, name);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Does it sleep in read()? */
static bool waits(void)
{
    char state[256], call[32];
    if (!read_proc("syscall", call, sizeof call) || !read_proc("stat", state, sizeof state))
        return false;
    const char *behind_name = strrchr(state, ')');
    return strncmp(call, "0 ", 2) == 0 && behind_name && strncmp(behind_name, ") S", 3) == 0;
}

enum stop { STOP_MARKER, STOP_STEP, STOP_WAITS, STOP_EXIT, STOP_SIGNAL };

static bool at_marker(void)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, g_pid, 0, &regs) < 0)
        return false;
    siginfo_t info;
    return ptrace(PTRACE_GETSIGINFO, g_pid, 0, &info) == 0 && info.si_signo == SIGTRAP &&
           info.si_code == SI_KERNEL;
}

/* Stepping leaves its flag in flags that the stepped code saves. */
static void clear_trap_flag(void)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, g_pid, 0, &regs) == 0 && (regs.eflags & TRAP_FLAG)) {
        regs.eflags &= ~TRAP_FLAG;
        (void)ptrace(PTRACE_SETREGS, g_pid, 0, &regs);
    }
}

/* Lets it go on by `request`; what it stops at, a signal in *signal. */
static enum stop resume(int request, int *signal)
{
    int status;
    if (ptrace(request, g_pid, 0, (long)*signal) < 0)
        die("ptrace");
    *signal = 0;
    for (;;) {
        pid_t pid = waitpid(g_pid, &status, request == PTRACE_SINGLESTEP ? WNOHANG : 0);
        if (pid < 0)
            die("waitpid");
        if (pid == g_pid)
            break;
        if (waits())
            return STOP_WAITS;
    }
    if (!WIFSTOPPED(status)) {
        if (WIFSIGNALED(status))
            fprintf(stderr, "ended by signal %d\n", WTERMSIG(status));
        return STOP_EXIT;
    }
    if (WSTOPSIG(status) == SIGTRAP)
        return at_marker() ? STOP_MARKER : STOP_STEP;
    *signal = WSTOPSIG(status);
    return STOP_SIGNAL;
}

/* From anywhere to the next marker. */
static enum stop run_to_marker(int signal)
{
    enum stop stop;
    do {
        clear_trap_flag();
        stop = resume(PTRACE_CONT, &signal);
    } while (stop == STOP_STEP || stop == STOP_SIGNAL);
    return stop;
}

static void answer(long value)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, g_pid, 0, &regs) < 0)
        die("getregs");
    regs.rax = (unsigned long)value;
    if (ptrace(PTRACE_SETREGS, g_pid, 0, &regs) < 0)
        die("setregs");
}

/* One round at a marker: the stop of the next. *ret_last: no instruction is left to signal at. */
static enum stop round_once(long n, bool *ret_last)
{
    int signal = 0, status;
    for (long i = 0; i < n; i++) {
        enum stop stop = resume(PTRACE_SINGLESTEP, &signal);
        if (stop == STOP_MARKER || stop == STOP_EXIT) {
            *ret_last = true;
            return stop;
        }
        if (stop != STOP_WAITS)
            continue;
        *ret_last = true;
        (void)syscall(SYS_tgkill, g_pid, g_pid, SIGUSR1);
        if (waitpid(g_pid, &status, 0) != g_pid || !WIFSTOPPED(status))
            die("waitpid");
        return run_to_marker(WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
    }
    (void)syscall(SYS_tgkill, g_pid, g_pid, SIGUSR1);
    return run_to_marker(signal);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    g_pid = fork();
    if (g_pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    int status;
    if (g_pid < 0 || waitpid(g_pid, &status, 0) != g_pid || !WIFSTOPPED(status))
        die("start");
    (void)ptrace(PTRACE_SETOPTIONS, g_pid, 0, PTRACE_O_EXITKILL);
    enum stop stop = run_to_marker(0);
    for (long n = 0; stop == STOP_MARKER;) {
        bool last = false;
        answer(0);
        stop = round_once(n, &last);
        n += n < DENSE ? 1 : 7;
        if (last && stop == STOP_MARKER) {
            answer(1);
            stop = run_to_marker(0);
            n = 0;
        }
    }
    return 0;
}
