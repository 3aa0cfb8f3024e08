/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the agent hands over; see base/handover.h. The agent is not trusted: its messages
 * are checked, and all it can do with them is refuse service, or hand over a connection that will
 * have to speak TLS to us anyway. */
#include "base/log.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/host.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct handover_status g_own_status; /* where there is no page to share */

static void handover_say(enum handover_type type, uint64_t id)
{
    uint8_t bytes[HANDOVER_MESSAGE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, type);
    writer_u32(&wr, 0);
    writer_u64(&wr, id);
    if (g_net.handover_fd < 0)
        return;
    /* The agent reads slowly or is gone: nothing depends on its knowing. */
    if (sock_send(g_net.handover_fd, bytes, sizeof bytes, false) < 0)
        LOG_DEBUG("the agent was not told", LOG_INT("type", type));
}

void handover_begun(uint64_t id)
{
    handover_say(HANDOVER_BEGUN, id);
}

void handover_closed(uint64_t id)
{
    handover_say(HANDOVER_CLOSED, id);
}

void handover_returned(uint64_t id)
{
    handover_say(HANDOVER_RETURNED, id);
}

static int status_map(int fd, struct error *e)
{
    uint64_t size = 0;
    int r = host_fstat_size(fd, &size, NULL);
    if (r < 0 || size < sizeof(struct handover_status))
        return error_set(e, -EINVAL, "the agent's status page is too small");
    void *page =
        mmap(NULL, sizeof(struct handover_status), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return error_set(e, -EINVAL, "the agent's status page cannot be mapped");
    g_net.status = page;
    return 0;
}

int handover_init(const struct runtime_config *config, struct error *e)
{
    g_net.status = &g_own_status;
    g_net.handover_fd = -1;
    if (config->handover_status_fd >= 0) {
        int r = status_map(config->handover_status_fd, e);
        if (r < 0)
            return r;
    }
    if (config->handover_fd < 0)
        return 0;
    int type = 0;
    int r = sock_option(config->handover_fd, SOL_SOCKET, SO_TYPE, &type);
    if (r < 0 || type != SOCK_SEQPACKET)
        return error_set(e, -EINVAL, "the hand-over descriptor is no packet socket");
    g_net.handover_fd = fd_hide(config->handover_fd);
    return g_net.handover_fd < 0 ? error_set(e, g_net.handover_fd, "no descriptor left") : 0;
}

int handover_listen(struct net_socket *s, int fd)
{
    if (s->listening)
        return 0;
    long close_on_exec = host_call(SYS_fcntl, fd, F_GETFD);
    long r = host_call(SYS_dup3, g_net.handover_fd, fd,
                       close_on_exec > 0 && (close_on_exec & FD_CLOEXEC) ? O_CLOEXEC : 0);
    if (r < 0)
        return (int)r;
    s->listening = true;
    g_net.drain_pid = (int)host_call(SYS_getpid);
    atomic_store(&g_net.status->active_ns, (uint64_t)net_now_ns());
    handover_say(HANDOVER_READY, 0);
    return 0;
}

/* The agent has gone or wants us to: nothing new, and the program is asked to finish as it would be
 * by any service manager. */
static void drain_begin(void)
{
    if (g_net.draining)
        return;
    g_net.draining = true;
    LOG_NOTICE("draining");
    (void)host_call(SYS_kill, g_net.drain_pid, SIGTERM);
}

/* After the agent's end is closed the descriptor would stay readable for ever: the guest gets one
 * on which nothing ever comes. */
static void agent_gone(int fd)
{
    int pair[2];
    drain_begin();
    fd_hidden_close(g_net.handover_fd);
    g_net.handover_fd = -1;
    if (host_call(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    (void)host_call(SYS_dup3, pair[0], fd, O_CLOEXEC);
    host_close(pair[0]);
    host_close(pair[1]);
}

static bool is_stream(int fd)
{
    int type = 0;
    return fd >= 0 && sock_option(fd, SOL_SOCKET, SO_TYPE, &type) == 0 && type == SOCK_STREAM;
}

int handover_parse(struct slice bytes, struct handover_message *ret_message)
{
    struct reader rd = reader_over(bytes);
    struct handover_message message = {.type = reader_u32(&rd)};
    message.zero = reader_u32(&rd);
    message.id = reader_u64(&rd);
    if (!reader_finished(&rd) || message.zero != 0 ||
        (message.type != HANDOVER_CONNECTION && message.type != HANDOVER_DRAIN))
        return -EBADMSG;
    *ret_message = message;
    return 0;
}

int handover_accept(int fd, bool close_on_exec, uint64_t *ret_id)
{
    if (g_net.handover_fd < 0)
        return -EAGAIN;
    for (int turn = 0; turn < HANDOVER_UNACKNOWLEDGED_MAX; turn++) {
        uint8_t bytes[HANDOVER_MESSAGE_SIZE];
        struct handover_message message;
        int got = -1;
        ssize_t n = sock_recv_with_fd(g_net.handover_fd, bytes, sizeof bytes, &got);
        if (n == -EMSGSIZE) /* dropped, as the protocol says */
            continue;
        if (n <= 0 && n != -EAGAIN) {
            host_close(got);
            agent_gone(fd);
        }
        if (n <= 0)
            return -EAGAIN;
        int r = handover_parse(slice_of(bytes, (size_t)n), &message);
        if (r == 0 && message.type == HANDOVER_DRAIN)
            drain_begin();
        if (r == 0 && message.type == HANDOVER_CONNECTION && is_stream(got) && !g_net.draining) {
            if (!close_on_exec)
                (void)host_call(SYS_fcntl, got, F_SETFD, 0);
            *ret_id = message.id;
            return got;
        }
        host_close(got);
        if (r == 0 && message.type == HANDOVER_CONNECTION && g_net.draining)
            handover_returned(message.id);
    }
    return -EAGAIN;
}
