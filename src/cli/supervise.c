/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/supervise.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACK_OFF_NS_MIN 50000000ULL
#define BACK_OFF_NS_MAX 5000000000ULL
#define HEALTHY_NS 10000000000ULL

static void child_exec(const struct supervisor *s, const struct supervised *p, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int n = 1; n < NSIG; n++)
        (void)signal(n, SIG_DFL);
    (void)setpgid(0, 0); /* Ctrl-C is for us; we stop them in order */
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(s->log_fd, 1) < 0 || dup2(s->log_fd, 2) < 0)
        _exit(126);
    /* Should we be killed, it is asked to stop; a race with that is seen by the parent's pid. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(126);
    execv(p->argv[0], p->argv);
    _exit(127);
}

static int program_spawn(struct supervised *p)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        child_exec(p->supervisor, p, parent);
    p->pid = pid;
    p->started_ns = clock_now_ns();
    return 0;
}

static void on_start_is_due(void *arg);

static void start_later(struct supervised *p)
{
    uint64_t wait_ns = BACK_OFF_NS_MIN;
    for (unsigned i = 1; i < p->failed_in_row && wait_ns < BACK_OFF_NS_MAX; i++)
        wait_ns *= 2;
    wait_ns = MIN(wait_ns, BACK_OFF_NS_MAX);
    if (loop_timer_set(p->supervisor->loop, &p->timer, clock_now_ns() + wait_ns, on_start_is_due,
                       p) < 0)
        LOG_ERROR("no memory to start again", LOG_TEXT("program", p->name));
}

static void on_start_is_due(void *arg)
{
    struct supervised *p = arg;
    if (program_spawn(p) < 0) {
        p->failed_in_row++;
        start_later(p);
    }
}

static void on_kill_is_due(void *arg)
{
    struct supervised *p = arg;
    if (p->pid != 0) {
        LOG_WARNING("did not stop in time and is killed", LOG_TEXT("program", p->name));
        (void)kill(p->pid, SIGKILL);
    }
}

/* Asks the last one that runs to stop; when it has, the one before. */
static void stop_next(struct supervisor *s)
{
    for (size_t i = s->count; i-- > 0;) {
        struct supervised *p = &s->programs[i];
        loop_timer_stop(s->loop, &p->timer);
        if (p->pid == 0)
            continue;
        (void)kill(p->pid, SIGTERM);
        if (loop_timer_set(s->loop, &p->timer, clock_now_ns() + p->stop_ns, on_kill_is_due, p) < 0)
            on_kill_is_due(p);
        return;
    }
    s->is_stopped = true;
    loop_stop(s->loop);
}

static void program_ended(struct supervised *p, int status)
{
    p->pid = 0;
    if (p->supervisor->is_stopping) {
        stop_next(p->supervisor);
        return;
    }
    if (clock_now_ns() - p->started_ns >= HEALTHY_NS)
        p->failed_in_row = 0;
    p->failed_in_row++;
    LOG_WARNING("ended unasked and is started again", LOG_TEXT("program", p->name),
                LOG_INT("exit_code", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
    start_later(p);
}

static void on_signals(void *arg, uint32_t events)
{
    struct supervisor *s = arg;
    struct signalfd_siginfo info;
    int status = 0;
    (void)events;
    ssize_t n = read(s->signals.fd, &info, sizeof info);
    (void)n; /* one notice may stand for many, orphans among them */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < s->count; i++)
            if (s->programs[i].pid == pid)
                program_ended(&s->programs[i], status);
}

int supervisor_init(struct supervisor *s, struct loop *loop, int log_fd)
{
    sigset_t set;
    *s = (struct supervisor){.loop = loop, .log_fd = log_fd};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : loop_watch_start(loop, &s->signals, fd, EPOLLIN, on_signals, s);
}

int supervisor_start(struct supervisor *s, const char *name, char *const *argv, uint64_t stop_ns,
                     struct error *e)
{
    if (s->count == SUPERVISE_MAX)
        return error_set(e, -E2BIG, "too many programs");
    struct supervised *p = &s->programs[s->count++];
    *p = (struct supervised){.name = name, .argv = argv, .stop_ns = stop_ns, .supervisor = s};
    int r = program_spawn(p);
    return r < 0 ? error_set(e, r, "cannot start %s", name) : 0;
}

bool supervisor_is_running(const struct supervisor *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->programs[i].name, name) == 0)
            return s->programs[i].pid != 0;
    return false;
}

void supervisor_stop(struct supervisor *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    stop_next(s);
}

int supervisor_run(struct supervisor *s)
{
    return s->is_stopped ? 0 : loop_run(s->loop);
}
