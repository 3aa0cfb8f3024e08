/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/servers.h"

#include "base/launch.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "server/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_BATCH 64
#define RECONNECT_NS 50000000U
#define GONE_MAX 64 /* servers whose reason of exit may still come */

struct server {
    struct servers *servers;
    struct tenant *tenant;
    struct loop_watch watch;
    struct handover_status *page;
    uint64_t request;
    int pid;           /* 0: not known */
    bool is_its_child; /* of the launcher that is there now */
    struct memory memory;
    struct server *next, **at;
};

struct servers {
    struct loop *loop;
    const struct servers_settings *settings;
    struct agent *agent;
    void (*changed)(void *ctx);
    void *ctx;
    struct loop_watch launcher;
    bool is_connected;
    struct loop_timer reconnect;
    struct server *first;
    uint64_t request_last;
    struct gone {
        int pid;
        struct tenant *tenant;
    } gone[GONE_MAX]; /* a ring */
    unsigned gone_next;
};

/* ---- packets with descriptors ---- */

static int packet_send(int fd, struct slice bytes, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)bytes.bytes, bytes.size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    /* ENOBUFS and too many descriptors in flight pass, as a full buffer does. */
    if (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS || errno == EINTR)
        return -EAGAIN;
    return -errno;
}

/* ---- one server ---- */

static void changed(struct servers *servers)
{
    servers->changed(servers->ctx);
}

static void server_free(struct server *s)
{
    loop_watch_stop(s->servers->loop, &s->watch);
    close(s->watch.fd);
    munmap(s->page, sizeof *s->page);
    *s->at = s->next;
    if (s->next)
        s->next->at = s->at;
    free(s);
}

/* All messages that are there. 0: there may be more later; -EPIPE: the server is gone. */
static int server_read(struct server *s, int batch)
{
    for (int i = 0; i < batch; i++) {
        uint8_t bytes[HANDOVER_MESSAGE_SIZE + 1];
        ssize_t n = recv(s->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNRESET))
            return -EPIPE;
        if (n < 0 && errno == EAGAIN)
            return 0;
        /* ECONNRESET says that it went with unread messages; its own are still to be read. */
        if (n != HANDOVER_MESSAGE_SIZE)
            continue;
        struct reader rd = reader_over(slice_of(bytes, (size_t)n));
        struct handover_message message = {.type = reader_u32(&rd), .zero = reader_u32(&rd)};
        message.id = reader_u64(&rd);
        agent_message(s->servers->agent, s->tenant, &message, loop_now_ns(s->servers->loop));
    }
    return 0;
}

static void server_gone(struct server *s, const char *why)
{
    struct servers *servers = s->servers;
    struct tenant *t = s->tenant;
    if (!why && s->pid != 0) {
        servers->gone[servers->gone_next] = (struct gone){s->pid, t};
        servers->gone_next = (servers->gone_next + 1) % GONE_MAX;
    }
    enum tenant_state state = t->state;
    agent_gone(servers->agent, t, why, loop_now_ns(servers->loop)); /* frees `s` */
    if (state == TENANT_DRAINING)
        LOG_NOTICE("document server stopped", LOG_TEXT("tenant", t->name));
    else
        LOG_WARNING("document server went away", LOG_TEXT("tenant", t->name),
                    LOG_TEXT("why", t->error));
}

static void on_server(void *arg, uint32_t events)
{
    struct server *s = arg;
    struct servers *servers = s->servers;
    (void)events;
    if (server_read(s, MESSAGE_BATCH) < 0)
        server_gone(s, NULL);
    changed(servers);
}

/* The page is sealed in size, or the server could cut it and have us killed when we read it. */
static int page_new(struct handover_status **ret_page)
{
    int fd = memfd_create("coffer-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct handover_status)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    void *page = mmap(NULL, sizeof(struct handover_status), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_page = page;
    return fd;
}

static int server_new(struct servers *servers, struct tenant *t, int fds[2],
                      struct server **ret_server)
{
    int pair[2];
    struct handover_status *page = NULL;
    struct server *s = calloc(1, sizeof *s);
    int page_fd = s ? page_new(&page) : -ENOMEM;
    if (page_fd < 0) {
        free(s);
        return page_fd;
    }
    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
    if (r == 0)
        r = loop_watch_start(servers->loop, &s->watch, pair[0], EPOLLIN, on_server, s);
    if (r < 0) {
        close(page_fd);
        munmap(page, sizeof *page);
        free(s);
        return r;
    }
    s->servers = servers;
    s->tenant = t;
    s->page = page;
    s->request = ++servers->request_last;
    s->memory.private_kib = -1;
    s->next = servers->first;
    s->at = &servers->first;
    if (s->next)
        s->next->at = &s->next;
    servers->first = s;
    fds[0] = pair[1];
    fds[1] = page_fd;
    *ret_server = s;
    return 0;
}

/* ---- what the agent asks for ---- */

static void writer_string(struct writer *wr, const char *text)
{
    writer_u16(wr, (uint16_t)strlen(text));
    writer_slice(wr, slice_of_text(text));
}

static int start_send(struct servers *servers, const struct server *s, const int fds[2])
{
    char volume_dir[4096];
    uint8_t bytes[LAUNCH_MESSAGE_SIZE_MAX];
    const struct servers_settings *settings = servers->settings;
    int n =
        snprintf(volume_dir, sizeof volume_dir, "%s/%s", settings->tenants_dir, s->tenant->name);
    if (n < 0 || (size_t)n >= sizeof volume_dir)
        return -ENAMETOOLONG;
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, LAUNCH_START);
    writer_u64(&wr, s->request);
    writer_string(&wr, s->tenant->name);
    writer_string(&wr, settings->policy);
    writer_string(&wr, settings->program);
    writer_string(&wr, volume_dir);
    if (!writer_ok(&wr))
        return -ENAMETOOLONG;
    return packet_send(servers->launcher.fd, writer_done(&wr), fds, 2);
}

static int ops_start(void *ctx, struct tenant *t)
{
    struct servers *servers = ctx;
    struct server *s = NULL;
    int fds[2];
    if (!servers->is_connected)
        return -EAGAIN;
    int r = server_new(servers, t, fds, &s);
    if (r < 0)
        return r;
    r = start_send(servers, s, fds);
    close(fds[0]);
    close(fds[1]);
    if (r < 0) {
        server_free(s);
        return r == -EPIPE || r == -ECONNRESET ? -EAGAIN : r;
    }
    t->server = s;
    LOG_NOTICE("document server asked for", LOG_TEXT("tenant", t->name));
    return 0;
}

static int handover_send(const struct server *s, enum handover_type type, uint64_t id, int fd)
{
    uint8_t bytes[HANDOVER_MESSAGE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, type);
    writer_u32(&wr, 0);
    writer_u64(&wr, id);
    return packet_send(s->watch.fd, writer_done(&wr), &fd, fd >= 0 ? 1 : 0);
}

static int ops_send(void *ctx, struct tenant *t, uint64_t id, int fd)
{
    (void)ctx;
    return handover_send(t->server, HANDOVER_CONNECTION, id, fd);
}

static void ops_drain(void *ctx, struct tenant *t)
{
    (void)ctx;
    /* If the socket is full the end of it says the same; its deadline sees to the rest. */
    if (handover_send(t->server, HANDOVER_DRAIN, 0, -1) < 0)
        LOG_WARNING("cannot ask document server to stop", LOG_TEXT("tenant", t->name));
}

static void ops_kill(void *ctx, struct tenant *t)
{
    struct servers *servers = ctx;
    struct server *s = t->server;
    uint8_t bytes[8];
    struct writer wr = writer_over(bytes, sizeof bytes);
    LOG_WARNING("document server took too long and is killed", LOG_TEXT("tenant", t->name));
    writer_u32(&wr, LAUNCH_KILL);
    writer_u32(&wr, (uint32_t)s->pid);
    if (servers->is_connected && s->is_its_child &&
        packet_send(servers->launcher.fd, writer_done(&wr), NULL, 0) == 0)
        return;
    /* No launcher that knows it: without its socket it drains by itself. */
    (void)shutdown(s->watch.fd, SHUT_RDWR);
}

static void ops_release(void *ctx, struct tenant *t)
{
    (void)ctx;
    server_free(t->server);
    t->server = NULL;
}

static void ops_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

static uint64_t ops_active_ns(void *ctx, const struct tenant *t)
{
    const struct server *s = t->server;
    (void)ctx;
    return s ? atomic_load_explicit(&s->page->active_ns, memory_order_relaxed) : 0;
}

static uint64_t ops_memory_available(void *ctx)
{
    (void)ctx;
    return memory_available();
}

const struct agent_ops servers_ops = {
    .start = ops_start,
    .send = ops_send,
    .drain = ops_drain,
    .kill = ops_kill,
    .release = ops_release,
    .close = ops_close,
    .active_ns = ops_active_ns,
    .memory_available = ops_memory_available,
};

/* ---- what the launcher says ---- */

static struct server *server_by_request(struct servers *servers, uint64_t request)
{
    for (struct server *s = servers->first; s; s = s->next)
        if (s->request == request)
            return s;
    return NULL;
}

static struct server *server_by_pid(struct servers *servers, int pid)
{
    for (struct server *s = servers->first; s; s = s->next)
        if (s->is_its_child && s->pid == pid)
            return s;
    return NULL;
}

static void text_take(struct reader *rd, char *text, size_t size)
{
    struct slice bytes = reader_slice(rd, reader_u16(rd));
    size_t n = 0;
    for (size_t i = 0; i < bytes.size && n + 1 < size; i++)
        text[n++] = bytes.bytes[i] < ' ' || bytes.bytes[i] > '~' ? '?' : (char)bytes.bytes[i];
    text[n] = '\0';
}

static void exit_describe(int status, const char *said, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "exited with code %d%s%s", WEXITSTATUS(status), *said ? ": " : "",
                 said);
}

static void server_exited(struct servers *servers, int pid, const char *why)
{
    struct server *s = server_by_pid(servers, pid);
    if (s) {
        while (server_read(s, MESSAGE_BATCH) == 0 && s->tenant->server == s) {
            char byte;
            if (recv(s->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
                break; /* someone else still holds its end */
        }
        server_gone(s, why);
        return;
    }
    for (size_t i = 0; i < GONE_MAX; i++) {
        if (servers->gone[i].pid != pid)
            continue;
        struct tenant *t = servers->gone[i].tenant;
        servers->gone[i] = (struct gone){0};
        if (strcmp(t->error, AGENT_ERROR_UNKNOWN) == 0)
            snprintf(t->error, sizeof t->error, "%s", why);
        LOG_NOTICE("document server has exited", LOG_TEXT("tenant", t->name), LOG_TEXT("how", why));
    }
}

static void launcher_message(struct servers *servers, struct slice bytes)
{
    char said[LAUNCH_TEXT_SIZE], text[LAUNCH_TEXT_SIZE + 64];
    struct reader rd = reader_over(bytes);
    uint32_t type = reader_u32(&rd);
    struct server *s = NULL;
    if (type == LAUNCH_STARTED || type == LAUNCH_REFUSED)
        s = server_by_request(servers, reader_u64(&rd));
    int number = (int)reader_u32(&rd);
    if (type == LAUNCH_STARTED && reader_finished(&rd) && s) {
        s->pid = number;
        s->is_its_child = true;
    } else if (type == LAUNCH_REFUSED) {
        text_take(&rd, said, sizeof said);
        if (reader_finished(&rd) && s)
            server_gone(s, said);
    } else if (type == LAUNCH_EXITED) {
        int status = (int)reader_u32(&rd);
        text_take(&rd, said, sizeof said);
        exit_describe(status, said, text, sizeof text);
        if (reader_finished(&rd))
            server_exited(servers, number, text);
    }
}

static void launcher_connect(void *arg);

static void reconnect_later(struct servers *servers)
{
    if (loop_timer_set(servers->loop, &servers->reconnect,
                       loop_now_ns(servers->loop) + RECONNECT_NS, launcher_connect, servers) < 0)
        LOG_ERROR("no memory for a timer: no launcher from here on");
}

/* Servers that run go on; what it had not started yet ends with its descriptors. */
static void launcher_lost(struct servers *servers)
{
    loop_watch_stop(servers->loop, &servers->launcher);
    close(servers->launcher.fd);
    servers->is_connected = false;
    for (struct server *s = servers->first; s; s = s->next)
        s->is_its_child = false;
    LOG_WARNING("launcher lost; connecting again");
    reconnect_later(servers);
}

static void on_launcher(void *arg, uint32_t events)
{
    struct servers *servers = arg;
    (void)events;
    for (int i = 0; i < MESSAGE_BATCH && servers->is_connected; i++) {
        uint8_t bytes[LAUNCH_MESSAGE_SIZE_MAX];
        ssize_t n = recv(servers->launcher.fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            launcher_message(servers, slice_of(bytes, (size_t)n));
        else if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        else
            launcher_lost(servers);
    }
    changed(servers);
}

static void launcher_connect(void *arg)
{
    struct servers *servers = arg;
    int fd = address_connect_unix(servers->settings->launcher, SOCK_SEQPACKET, NULL);
    if (fd < 0) {
        reconnect_later(servers);
        return;
    }
    if (loop_watch_start(servers->loop, &servers->launcher, fd, EPOLLIN, on_launcher, servers) <
        0) {
        close(fd);
        reconnect_later(servers);
        return;
    }
    servers->is_connected = true;
    LOG_NOTICE("launcher connected");
    if (servers->changed)
        changed(servers);
}

/* ---- life ---- */

int servers_new(struct loop *loop, const struct servers_settings *settings,
                struct servers **ret_servers)
{
    struct servers *servers = calloc(1, sizeof *servers);
    if (!servers)
        return -ENOMEM;
    servers->loop = loop;
    servers->settings = settings;
    launcher_connect(servers);
    *ret_servers = servers;
    return 0;
}

void servers_set_agent(struct servers *servers, struct agent *agent, void (*changed_fn)(void *),
                       void *ctx)
{
    servers->agent = agent;
    servers->changed = changed_fn;
    servers->ctx = ctx;
}

void servers_free(struct servers *servers)
{
    if (!servers)
        return;
    loop_timer_stop(servers->loop, &servers->reconnect);
    if (servers->is_connected) {
        loop_watch_stop(servers->loop, &servers->launcher);
        close(servers->launcher.fd);
    }
    free(servers);
}

bool servers_launcher_is_there(const struct servers *servers)
{
    return servers->is_connected;
}

void servers_view(const struct tenant *t, bool fresh, struct server_view *ret_view)
{
    struct server *s = t->server;
    *ret_view = (struct server_view){.memory.private_kib = -1};
    if (!s)
        return;
    const struct handover_status *page = s->page;
    if (fresh && (s->pid <= 0 || memory_of_process(s->pid, &s->memory) < 0))
        s->memory.private_kib = -1;
    *ret_view = (struct server_view){
        .pid = s->pid,
        .active_ns = atomic_load_explicit(&page->active_ns, memory_order_relaxed),
        .connections = atomic_load_explicit(&page->connections, memory_order_relaxed),
        .handshakes = atomic_load_explicit(&page->handshakes, memory_order_relaxed),
        .handshakes_failed = atomic_load_explicit(&page->handshakes_failed, memory_order_relaxed),
        .volume_bytes = atomic_load_explicit(&page->volume_bytes, memory_order_relaxed),
        .memory = s->memory,
    };
}
