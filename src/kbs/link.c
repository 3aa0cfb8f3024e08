/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/link.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the other end has not taken yet; more than the largest message and many small ones. */
enum { OUT_SIZE_MAX = 160 << 20, READ_SIZE = 64 << 10, KEPT_SIZE = 256 << 10 };

struct link {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_task task; /* what came during a question, or an end that was noticed there */
    int fd;
    bool keeper;
    link_message_fn *on_message;
    link_end_fn *on_end;
    void *arg;
    struct buf in;
    size_t used; /* of `in`: handled already */
    struct buf out;
    size_t sent;
    bool ended, told;
    int why;
    bool handling; /* on_message() is on the stack */
};

static void end_tell(void *arg)
{
    struct link *link = arg;
    if (link->told)
        return;
    link->told = true;
    loop_watch_stop(link->loop, &link->watch);
    link->on_end(link->arg, link->why);
}

static void link_end(struct link *link, int why)
{
    if (link->ended)
        return;
    link->ended = true;
    link->why = why;
    loop_defer(link->loop, &link->task, end_tell, link);
}

/* Nothing of a message stays behind it. A buffer that has grown large is given back. */
static void buffer_drop(struct buf *buf, size_t *at)
{
    if (*at < buf->size)
        return;
    if (buf->capacity > KEPT_SIZE)
        buf_done(buf);
    else if (buf->size > 0)
        secret_wipe(buf->bytes, buf->size);
    buf_clear(buf);
    *at = 0;
}

/* Moves what is left to the front, so that a buffer does not grow behind what was used. */
static void buffer_move(struct buf *buf, size_t *at)
{
    size_t size = buf->size;
    if (*at == 0)
        return;
    buf_consume(buf, *at);
    secret_wipe(buf->bytes + buf->size, size - buf->size);
    *at = 0;
}

static void flush(struct link *link)
{
    while (!link->ended && link->sent < link->out.size) {
        ssize_t n =
            send(link->fd, link->out.bytes + link->sent, link->out.size - link->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            link_end(link, errno == EPIPE || errno == ECONNRESET ? 0 : -errno);
        else
            link->sent += (size_t)n;
    }
    buffer_drop(&link->out, &link->sent);
}

/* 1: something came; 0: nothing now, or no more. */
static int receive(struct link *link)
{
    uint8_t *to = buf_reserve(&link->in, READ_SIZE);
    if (!to) {
        link_end(link, -ENOMEM);
        return 0;
    }
    ssize_t n = recv(link->fd, to, READ_SIZE, 0);
    if (n > 0) {
        link->in.size += (size_t)n;
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    link_end(link, n == 0 || errno == ECONNRESET ? 0 : -errno);
    return 0;
}

/* The next message that has come whole. 0, -EAGAIN, or -EBADMSG, which has ended the link. */
static int next(struct link *link, size_t *at, struct message *ret, size_t *ret_size)
{
    struct slice rest = slice_of(link->in.bytes + *at, link->in.size - *at);
    if (rest.size == 0)
        return -EAGAIN;
    int r = message_parse(rest, link->keeper, ret, ret_size);
    if (r == -EBADMSG)
        link_end(link, r);
    return r;
}

/* A handler may ask, and so receive: `in` may move. The message is a copy only in that it is found again
 * each time; its body is used before the next question. */
static void deliver(struct link *link)
{
    struct message message;
    size_t size = 0;
    if (link->handling)
        return;
    link->handling = true;
    while (!link->told && next(link, &link->used, &message, &size) == 0) {
        link->used += size;
        link->on_message(link->arg, &message);
    }
    link->handling = false;
    buffer_drop(&link->in, &link->used);
}

static void events_update(struct link *link)
{
    uint32_t events = EPOLLIN | (link->sent < link->out.size ? EPOLLOUT : 0);
    if (link->watch.started && !link->told &&
        loop_watch_change(link->loop, &link->watch, events) < 0)
        link_end(link, -EIO);
}

static void deliver_later(void *arg)
{
    struct link *link = arg;
    deliver(link);
    if (link->ended)
        end_tell(link);
    else
        events_update(link);
}

static void event(void *arg, uint32_t events)
{
    struct link *link = arg;
    if (events & EPOLLOUT)
        flush(link);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        buffer_move(&link->in, &link->used);
        (void)receive(link);
    }
    deliver_later(link);
}

void link_send(struct link *link, enum message_kind kind, uint32_t id, struct slice body)
{
    if (link->ended)
        return;
    if (link->sent > KEPT_SIZE)
        buffer_move(&link->out, &link->sent);
    int r = message_write(&link->out, kind, id, body);
    if (r < 0)
        link_end(link, r);
    flush(link);
    events_update(link);
}

size_t link_queued(const struct link *link)
{
    return link->out.size - link->sent;
}

static void wait(struct link *link)
{
    struct pollfd pfd = {.fd = link->fd,
                         .events = (short)(POLLIN | (link->sent < link->out.size ? POLLOUT : 0))};
    if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
        link_end(link, -errno);
}

int link_ask(struct link *link, enum message_kind kind, uint32_t id, struct slice body,
             enum message_kind answer_kind, struct buf *ret_answer)
{
    struct message message;
    size_t at = link->used, size = 0;
    link_send(link, kind, id, body);
    while (!link->ended) {
        int r = next(link, &at, &message, &size);
        if (r == -EAGAIN) {
            wait(link);
            flush(link);
            (void)receive(link);
            continue;
        }
        if (r < 0)
            break;
        if (message.kind != answer_kind) {
            at += size; /* for later */
            continue;
        }
        if (message.id != id) {
            link_end(link, -EBADMSG);
            break;
        }
        r = buf_append_slice(ret_answer, message.body);
        /* Taken out of the middle: those before it wait for their turn. */
        memmove(link->in.bytes + at, link->in.bytes + at + size, link->in.size - at - size);
        link->in.size -= size;
        secret_wipe(link->in.bytes + link->in.size, size);
        if (link->used < link->in.size)
            loop_defer(link->loop, &link->task, deliver_later, link);
        else
            buffer_drop(&link->in, &link->used);
        events_update(link);
        return r;
    }
    return -EPIPE;
}

int link_new(struct loop *loop, int fd, bool keeper, link_message_fn *on_message,
             link_end_fn *on_end, void *arg, struct link **ret_link)
{
    struct link *link = calloc(1, sizeof *link);
    int flags = fcntl(fd, F_GETFL);
    if (!link || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        int r = link ? -errno : -ENOMEM;
        free(link);
        close(fd);
        return r;
    }
    *link = (struct link){.loop = loop,
                          .fd = fd,
                          .keeper = keeper,
                          .on_message = on_message,
                          .on_end = on_end,
                          .arg = arg,
                          .out = {.size_max = OUT_SIZE_MAX}};
    int r = loop_watch_start(loop, &link->watch, fd, EPOLLIN, event, link);
    if (r < 0) {
        link_free(link);
        return r;
    }
    *ret_link = link;
    return 0;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    loop_watch_stop(link->loop, &link->watch);
    loop_defer_stop(link->loop, &link->task);
    close(link->fd);
    buf_done(&link->in);
    buf_done(&link->out);
    free(link);
}
