/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher with servers that are not shielded: they speak the hand-over protocol in plain text
 * and try, on command, what a server that was broken into would try. For the scenarios of gateway,
 * agent and launcher alone. A connection carries a ClientHello, a newline, a command, a newline. */
#include "attempts.h"
#include "base/handover.h"
#include "base/writer.h"
#include "launcher/launcher.h"
#include "server/address.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct child_job *g_job;
static struct handover_status *g_page;

static void tell(enum handover_type type, uint64_t id)
{
    uint8_t bytes[HANDOVER_MESSAGE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    struct timespec now;
    writer_u32(&wr, type);
    writer_u32(&wr, 0);
    writer_u64(&wr, id);
    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&g_page->active_ns, (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec);
    if (send(g_job->handover_fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0)
        _exit(0);
}

static int attempt_evidence(void)
{
    uint8_t bytes[4 + LAUNCH_REPORT_DATA_SIZE] = {LAUNCH_CHILD_WANTS_EVIDENCE}, answer[1024];
    if (send(g_job->line_fd, bytes, sizeof bytes, 0) < 0 ||
        recv(g_job->line_fd, answer, sizeof answer, 0) < 4)
        return EIO;
    return answer[0] == LAUNCH_CHILD_EVIDENCE ? 0 : EPERM;
}

static int attempt_here(const char *what, const char *on)
{
    char path[300];
    if (strcmp(what, "evidence") == 0)
        return attempt_evidence();
    if (strcmp(what, "own") != 0)
        return attempt(what, on);
    snprintf(path, sizeof path, "%s/%s", g_job->volume_dir, on);
    return attempt_open(path, O_RDWR | O_CREAT);
}

/* Reads up to the second newline after the hello's end; false if the client has gone. */
static bool command_read(int fd, char *command, size_t size)
{
    char bytes[20000];
    size_t at = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, -1) < 0)
            return false;
        ssize_t n = read(fd, bytes + at, sizeof bytes - 1 - at);
        if (n <= 0)
            return false;
        at += (size_t)n;
        if (bytes[at - 1] != '\n')
            continue;
        bytes[at - 1] = '\0';
        char *start = memrchr(bytes, '\n', at - 1);
        if (!start)
            continue;
        snprintf(command, size, "%s", start + 1);
        return true;
    }
}

static void serve(int fd)
{
    char command[256], word[32] = "", argument[200] = "";
    if (!command_read(fd, command, sizeof command))
        return;
    sscanf(command, "%31s %199s", word, argument);
    if (strcmp(word, "who") == 0) {
        dprintf(fd, "%s %d %u\n", g_job->tenant, getpid(), getuid());
    } else if (strcmp(word, "crash") == 0) {
        raise(SIGKILL);
    } else if (strcmp(word, "hold") == 0) {
        dprintf(fd, "held %d\n", getpid());
        (void)command_read(fd, command, sizeof command);
    } else if (strcmp(word, "fds") == 0) {
        int count = 0;
        for (int i = 0; i < 1024; i++)
            count += fcntl(i, F_GETFD) >= 0;
        dprintf(fd, "%d\n", count);
    } else {
        dprintf(fd, "%d\n", attempt_here(word, argument));
    }
}

static int plain_server(struct child_job *job, struct error *e)
{
    g_job = job;
    if (strcmp(job->tenant, "broken") == 0)
        return error_set(e, -EIO, "broken on purpose");
    g_page = mmap(NULL, sizeof *g_page, PROT_READ | PROT_WRITE, MAP_SHARED, job->status_fd, 0);
    if (g_page == MAP_FAILED)
        return error_set(e, -errno, "no status page");
    if (strcmp(job->tenant, "unready") != 0)
        tell(HANDOVER_READY, 0);
    for (;;) {
        struct handover_message message;
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = {&message, sizeof message};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
        ssize_t n = recvmsg(job->handover_fd, &m, 0);
        if (n <= 0 || message.type == HANDOVER_DRAIN)
            _exit(0);
        int fd;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
        if (strcmp(job->tenant, "unready") == 0)
            continue;
        tell(HANDOVER_BEGUN, message.id);
        serve(fd);
        close(fd);
        tell(HANDOVER_CLOSED, message.id);
    }
}

/* Says what it was asked for, so that a test sees that the launcher chose the digest. */
static int plain_evidence(const uint8_t program[SHA256_SIZE],
                          const uint8_t report_data[LAUNCH_REPORT_DATA_SIZE],
                          struct buf *ret_evidence, struct error *e)
{
    (void)e;
    (void)report_data;
    return buf_append(ret_evidence, program, SHA256_SIZE);
}

static void on_stop(void *arg)
{
    launcher_stop(arg);
}

int main(int argc, char **argv)
{
    struct loop *loop = NULL;
    struct launcher *launcher = NULL;
    struct error e = {0};
    if (argc != 4)
        return 2;
    struct launcher_settings settings = {.kbs_port = (uint16_t)strtoul(argv[2], NULL, 10),
                                         .uid_base = strtoul(argv[3], NULL, 10),
                                         .run = plain_server,
                                         .evidence = plain_evidence};
    int fd = address_listen_unix(argv[1], SOCK_SEQPACKET, &e);
    if (fd < 0 || log_start("plain-launcher", "notice") < 0 || loop_new(&loop) < 0 ||
        launcher_new(loop, &settings, fd, &launcher) < 0 ||
        loop_on_stop_signal(loop, on_stop, launcher) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    int r = loop_run(loop);
    launcher_free(launcher);
    loop_free(loop);
    return r < 0;
}
