/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile: the agent (it is not trusted) and every server after its first guest instruction. */
#include "launcher/launcher.h"

#include "base/launch.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_BATCH 64
#define LEFTOVER_NS 15000000000ULL /* for a server whose agent has gone, then it is killed */
#define STOP_NS 3000000000ULL
#define CHILDREN_MAX 8192

/* A start that waits for the end of an earlier server, or is about to be carried out. */
struct start {
    uint64_t request;
    char tenant[64], policy[64];
    char program[PROGRAM_PATH_SIZE], volume_dir[PROGRAM_PATH_SIZE];
    int fds[2]; /* hand-over socket, status page; -1: gone */
};

struct child {
    struct launcher *launcher;
    struct loop_watch line;
    struct loop_timer kill_timer;
    pid_t pid;
    uint8_t digest[SHA256_SIZE];
    char tenant[64];
    char said[LAUNCH_TEXT_SIZE];
    struct start *pending; /* the next one of this tenant */
    struct child *next, **at;
};

struct launcher {
    struct loop *loop;
    const struct launcher_settings *settings;
    struct loop_watch listener, agent, signals;
    struct loop_timer stop_timer;
    bool has_agent, is_stopping;
    struct child *children;
    unsigned child_count;
    struct program_cache programs;
};

/* ---- what the agent hears ---- */

static void agent_send(struct launcher *l, const struct writer *wr)
{
    if (l->has_agent && writer_ok(wr) &&
        send(l->agent.fd, wr->start, writer_size(wr), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        LOG_WARNING("agent does not listen", LOG_TEXT("error", strerror(errno)));
}

static void writer_text(struct writer *wr, const char *text)
{
    size_t size = strnlen(text, LAUNCH_TEXT_SIZE - 1);
    writer_u16(wr, (uint16_t)size);
    writer_bytes(wr, text, size);
}

static void agent_say_started(struct launcher *l, uint64_t request, pid_t pid)
{
    uint8_t bytes[32];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, LAUNCH_STARTED);
    writer_u64(&wr, request);
    writer_u32(&wr, (uint32_t)pid);
    agent_send(l, &wr);
}

static void agent_say_refused(struct launcher *l, uint64_t request, int error, const char *text)
{
    uint8_t bytes[32 + LAUNCH_TEXT_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    LOG_WARNING("start refused", LOG_TEXT("why", text));
    writer_u32(&wr, LAUNCH_REFUSED);
    writer_u64(&wr, request);
    writer_u32(&wr, (uint32_t)error);
    writer_text(&wr, text);
    agent_send(l, &wr);
}

static void agent_say_exited(struct launcher *l, const struct child *c, int status)
{
    uint8_t bytes[32 + LAUNCH_TEXT_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, LAUNCH_EXITED);
    writer_u32(&wr, (uint32_t)c->pid);
    writer_u32(&wr, (uint32_t)status);
    writer_text(&wr, c->said);
    agent_send(l, &wr);
}

/* ---- starts ---- */

static void start_free(struct start *start)
{
    if (!start)
        return;
    for (size_t i = 0; i < ARRAY_COUNT(start->fds); i++)
        if (start->fds[i] >= 0)
            close(start->fds[i]);
    free(start);
}

static void start_freep(struct start **start)
{
    start_free(*start);
}

static void on_line(void *arg, uint32_t events);

/* As root a server gets the uid that its directory belongs to, from the range for servers. */
static int uid_choose(const struct launcher *l, const struct stat *st, uid_t *ret_uid,
                      struct error *e)
{
    *ret_uid = 0;
    if (l->settings->uid_base == 0 || geteuid() != 0)
        return 0;
    if (st->st_uid < l->settings->uid_base)
        return error_set(e, -EPERM, "the volume directory belongs to uid %u, not to a client's",
                         st->st_uid);
    *ret_uid = st->st_uid;
    return 0;
}

static int job_prepare(struct launcher *l, const struct start *start, struct child_job *ret_job,
                       struct child *c, struct error *e)
{
    const struct program *program = NULL;
    struct child_job job = {.handover_fd = start->fds[0], .status_fd = start->fds[1]};
    struct stat st;
    int r = program_get(&l->programs, start->program, &program, e);
    if (r < 0)
        return r;
    job.volume_fd = open(start->volume_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (job.volume_fd < 0 || fstat(job.volume_fd, &st) < 0)
        return error_set(e, -errno, "no volume directory '%s'", start->volume_dir);
    r = uid_choose(l, &st, &job.sandbox.uid, e);
    if (r < 0) {
        close(job.volume_fd);
        return r;
    }
    memcpy(job.tenant, start->tenant, sizeof job.tenant);
    memcpy(job.policy, start->policy, sizeof job.policy);
    memcpy(c->digest, program->digest, sizeof c->digest);
    job.program_fd = program->fd;
    job.sandbox.tcp_port = l->settings->kbs_port;
    *ret_job = job;
    return 0;
}

static int child_fork(struct launcher *l, struct child_job *job, struct child *c, struct error *e)
{
    int line[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
        return error_set(e, -errno, "no line to a new server");
    int r = loop_watch_start(l->loop, &c->line, line[0], EPOLLIN, on_line, c);
    pid_t pid = r < 0 ? -1 : fork();
    if (pid == 0) {
        job->line_fd = line[1];
        child_main(job, l->settings->run);
    }
    r = pid < 0 ? (r < 0 ? r : -errno) : 0;
    close(line[1]);
    if (r < 0) {
        loop_watch_stop(l->loop, &c->line);
        close(line[0]);
        return error_set(e, r, "cannot fork a server");
    }
    c->pid = pid;
    return 0;
}

static void child_link(struct launcher *l, struct child *c)
{
    c->launcher = l;
    c->next = l->children;
    c->at = &l->children;
    if (c->next)
        c->next->at = &c->next;
    l->children = c;
    l->child_count++;
}

static int start_carry_out(struct launcher *l, const struct start *start, struct error *e)
{
    struct child_job job;
    if (l->child_count >= CHILDREN_MAX)
        return error_set(e, -EAGAIN, "%u servers run already", l->child_count);
    struct child *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, -ENOMEM, "no memory");
    int r = job_prepare(l, start, &job, c, e);
    if (r == 0) {
        r = child_fork(l, &job, c, e);
        close(job.volume_fd);
    }
    if (r < 0) {
        free(c);
        return r;
    }
    memcpy(c->tenant, start->tenant, sizeof c->tenant);
    child_link(l, c);
    agent_say_started(l, start->request, c->pid);
    LOG_NOTICE("server forked", LOG_TEXT("tenant", c->tenant), LOG_INT("pid", c->pid));
    return 0;
}

static void start_now(struct launcher *l, const struct start *start)
{
    struct error e = {0};
    int r = start_carry_out(l, start, &e);
    if (r < 0)
        agent_say_refused(l, start->request, -r, error_text(&e, r));
}

static void on_leftover(void *arg)
{
    struct child *c = arg;
    LOG_WARNING("earlier server of a tenant is killed for the next", LOG_TEXT("tenant", c->tenant));
    (void)kill(c->pid, SIGKILL);
}

/* Takes `start`. */
static void start_take(struct launcher *l, struct start *start)
{
    struct child *c = l->children;
    while (c && strcmp(c->tenant, start->tenant) != 0)
        c = c->next;
    if (!c) {
        start_now(l, start);
        start_free(start);
        return;
    }
    if (c->pending)
        agent_say_refused(l, c->pending->request, EBUSY, "another start took its place");
    start_free(c->pending);
    c->pending = start;
    if (loop_timer_set(l->loop, &c->kill_timer, loop_now_ns(l->loop) + LEFTOVER_NS, on_leftover,
                       c) < 0)
        on_leftover(c);
}

/* ---- what servers say ---- */

static void line_answer(struct child *c, struct slice report_data)
{
    static uint8_t bytes[4 + LAUNCH_EVIDENCE_SIZE_MAX];
    SCOPED(buf_done) struct buf evidence = {0};
    struct error e = {0};
    struct writer wr = writer_over(bytes, sizeof bytes);
    int r = report_data.size != LAUNCH_REPORT_DATA_SIZE
                ? error_set(&e, -EBADMSG, "report data of a wrong size")
                : c->launcher->settings->evidence(c->digest, report_data.bytes, &evidence, &e);
    if (r == 0) {
        writer_u32(&wr, LAUNCH_CHILD_EVIDENCE);
        writer_slice(&wr, buf_slice(&evidence));
    } else {
        LOG_WARNING("no evidence for a server", LOG_TEXT("tenant", c->tenant),
                    LOG_TEXT("error", error_text(&e, r)));
        writer_u32(&wr, LAUNCH_CHILD_NO_EVIDENCE);
        writer_slice(&wr, slice_of_text(error_text(&e, r)));
    }
    if (writer_ok(&wr))
        (void)send(c->line.fd, bytes, writer_size(&wr), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One message. False: there is none. */
static bool line_read(struct child *c)
{
    uint8_t bytes[4 + ERROR_TEXT_SIZE];
    ssize_t n = recv(c->line.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    struct reader rd = reader_over(slice_of(bytes, (size_t)n));
    uint32_t type = reader_u32(&rd);
    struct slice rest = reader_slice(&rd, reader_left(&rd));
    if (type == LAUNCH_CHILD_WANTS_EVIDENCE) {
        line_answer(c, rest);
    } else if (type == LAUNCH_CHILD_SAYS && !c->said[0]) {
        snprintf(c->said, sizeof c->said, "%.*s", (int)rest.size, (const char *)rest.bytes);
        LOG_ERROR("server cannot run", LOG_TEXT("tenant", c->tenant), LOG_TEXT("why", c->said));
    }
    return true;
}

static void on_line(void *arg, uint32_t events)
{
    struct child *c = arg;
    if (line_read(c))
        return;
    if (events & (EPOLLHUP | EPOLLERR))
        loop_watch_stop(c->launcher->loop, &c->line); /* its exit comes by SIGCHLD */
}

static void child_gone(struct child *c, int status)
{
    struct launcher *l = c->launcher;
    SCOPED(start_freep) struct start *pending = TAKE(c->pending);
    while (line_read(c))
        ;
    LOG_NOTICE("server exited", LOG_TEXT("tenant", c->tenant), LOG_INT("pid", c->pid),
               LOG_INT("status", status));
    agent_say_exited(l, c, status);
    loop_timer_stop(l->loop, &c->kill_timer);
    int line_fd = c->line.fd;
    loop_watch_stop(l->loop, &c->line);
    close(line_fd);
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    l->child_count--;
    free(c);
    if (l->is_stopping && l->child_count == 0)
        loop_stop(l->loop);
    else if (pending && !l->is_stopping)
        start_now(l, pending);
}

static void on_signals(void *arg, uint32_t events)
{
    struct launcher *l = arg;
    struct signalfd_siginfo info;
    int status = 0;
    (void)events;
    ssize_t n = read(l->signals.fd, &info, sizeof info);
    (void)n; /* one notice may stand for many */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct child *c = l->children;
        while (c && c->pid != pid)
            c = c->next;
        if (c)
            child_gone(c, status);
    }
}

/* ---- what the agent says ---- */

/* A string that fits, without NUL inside. */
static void text_take(struct reader *rd, char *text, size_t size)
{
    struct slice bytes = reader_slice(rd, reader_u16(rd));
    if (bytes.size == 0 || bytes.size >= size || memchr(bytes.bytes, '\0', bytes.size))
        rd->failed = true;
    if (rd->failed)
        return;
    memcpy(text, bytes.bytes, bytes.size);
    text[bytes.size] = '\0';
}

static void start_message(struct launcher *l, struct reader *rd, const int fds[2], size_t fd_count)
{
    struct start *start = calloc(1, sizeof *start);
    if (!start) {
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        return;
    }
    start->fds[0] = fd_count > 0 ? fds[0] : -1;
    start->fds[1] = fd_count > 1 ? fds[1] : -1;
    start->request = reader_u64(rd);
    text_take(rd, start->tenant, sizeof start->tenant);
    text_take(rd, start->policy, sizeof start->policy);
    text_take(rd, start->program, sizeof start->program);
    text_take(rd, start->volume_dir, sizeof start->volume_dir);
    if (!reader_finished(rd) || fd_count != 2) {
        agent_say_refused(l, start->request, EBADMSG, "malformed start command");
        start_free(start);
    } else {
        start_take(l, start);
    }
}

static void kill_message(struct launcher *l, struct reader *rd)
{
    pid_t pid = (pid_t)reader_u32(rd);
    for (struct child *c = l->children; reader_finished(rd) && c; c = c->next)
        if (c->pid == pid)
            (void)kill(pid, SIGKILL);
}

static size_t fds_take(struct msghdr *message, int fds[2])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < 2)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

static void agent_lost(struct launcher *l)
{
    int fd = l->agent.fd;
    loop_watch_stop(l->loop, &l->agent);
    close(fd);
    l->has_agent = false;
    /* Its servers notice by themselves: their hand-over sockets end. */
    for (struct child *c = l->children; c; c = c->next)
        start_free(TAKE(c->pending));
    LOG_NOTICE("agent gone");
}

/* One message. False: none is there, or no agent any more. */
static bool agent_read(struct launcher *l)
{
    uint8_t bytes[LAUNCH_MESSAGE_SIZE_MAX];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    int fds[2];
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(l->agent.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        agent_lost(l);
        return false;
    }
    size_t fd_count = fds_take(&message, fds);
    struct reader rd = reader_over(slice_of(bytes, (size_t)n));
    uint32_t type = reader_u32(&rd);
    if (type == LAUNCH_START && !l->is_stopping) {
        start_message(l, &rd, fds, fd_count);
        return true;
    }
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (type == LAUNCH_KILL)
        kill_message(l, &rd);
    return true;
}

static void on_agent(void *arg, uint32_t events)
{
    (void)events;
    for (int i = 0; i < MESSAGE_BATCH && agent_read(arg); i++)
        ;
}

static void on_connect(void *arg, uint32_t events)
{
    struct launcher *l = arg;
    (void)events;
    int fd = accept4(l->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (l->has_agent)
        agent_lost(l);
    if (loop_watch_start(l->loop, &l->agent, fd, EPOLLIN, on_agent, l) < 0) {
        close(fd);
        return;
    }
    l->has_agent = true;
    LOG_NOTICE("agent connected");
}

/* ---- life ---- */

static int signals_start(struct launcher *l)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    return loop_watch_start(l->loop, &l->signals, fd, EPOLLIN, on_signals, l);
}

int launcher_new(struct loop *loop, const struct launcher_settings *settings, int listen_fd,
                 struct launcher **ret_launcher)
{
    struct launcher *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->loop = loop;
    l->settings = settings;
    int r = signals_start(l);
    if (r >= 0)
        r = loop_watch_start(loop, &l->listener, listen_fd, EPOLLIN, on_connect, l);
    if (r < 0) {
        free(l);
        return r;
    }
    *ret_launcher = l;
    return 0;
}

int launcher_warm(struct launcher *l, const char *program, struct error *e)
{
    const struct program *ignored = NULL;
    return program_get(&l->programs, program, &ignored, e);
}

static void on_stop_is_due(void *arg)
{
    struct launcher *l = arg;
    for (struct child *c = l->children; c; c = c->next)
        (void)kill(c->pid, SIGKILL);
}

void launcher_stop(struct launcher *l)
{
    l->is_stopping = true;
    if (l->child_count == 0) {
        loop_stop(l->loop);
        return;
    }
    for (struct child *c = l->children; c; c = c->next)
        (void)kill(c->pid, SIGTERM);
    if (loop_timer_set(l->loop, &l->stop_timer, loop_now_ns(l->loop) + STOP_NS, on_stop_is_due, l) <
        0)
        on_stop_is_due(l);
}

void launcher_free(struct launcher *l)
{
    if (!l)
        return;
    loop_timer_stop(l->loop, &l->stop_timer);
    if (l->has_agent)
        agent_lost(l);
    loop_watch_stop(l->loop, &l->signals);
    loop_watch_stop(l->loop, &l->listener);
    close(l->signals.fd);
    close(l->listener.fd);
    program_cache_done(&l->programs);
    free(l);
}
