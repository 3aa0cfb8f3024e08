/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: streams, datagrams and packets, by path, by abstract name and in pairs, with credentials
 * and descriptors. See net_guest.h. */
#include "net_guest.h"
#include <stddef.h>

static struct sockaddr_un address_of(const char *path, socklen_t *size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return a;
}

static struct sockaddr_un abstract_of(const char *name, socklen_t *size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s-%d", name, (int)getpid());
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    return a;
}

static void show_name(const char *what, int fd, int peer)
{
    struct sockaddr_un a = {0};
    socklen_t size = sizeof a;
    int r = (peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &size);
    if (r < 0)
        show(what, r);
    else
        printf("%s: family %d size %d '%s'\n", what, a.sun_family, (int)size,
               a.sun_path[0] ? a.sun_path : "");
}

static void streams(void)
{
    char bytes[64];
    socklen_t size;
    struct sockaddr_un a = address_of("stream", &size);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    show("connect to nothing", connect(client, (struct sockaddr *)&a, size));
    show("bind", bind(listener, (struct sockaddr *)&a, size));
    show("bind again", bind(listener, (struct sockaddr *)&a, size));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    show("bind the same", bind(second, (struct sockaddr *)&a, size));
    show("connect before listen", connect(client, (struct sockaddr *)&a, size));
    show("listen", listen(listener, 4));
    show("connect", connect(client, (struct sockaddr *)&a, size));
    show("connect again", connect(client, (struct sockaddr *)&a, size));
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    show("close on exec", fcntl(server, F_GETFD));
    show_name("listener", listener, 0);
    show_name("server", server, 0);
    show_name("its peer", server, 1);
    show_name("client's peer", client, 1);
    show("send", send(client, "hello", 5, 0));
    show_text("peek", bytes, recv(server, bytes, 64, MSG_PEEK));
    show_text("recv", bytes, recv(server, bytes, 64, 0));
    show("nothing", recv(server, bytes, 64, MSG_DONTWAIT));
    struct ucred who = {0};
    size = sizeof who;
    show("SO_PEERCRED", getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &size));
    show("pid", who.pid == getpid());
    show("uid", who.uid == getuid());
    show("shutdown", shutdown(client, SHUT_WR));
    show_poll("end", server, POLLIN | POLLOUT | POLLRDHUP);
    show("end", recv(server, bytes, 64, 0));
    show("other way", send(server, "x", 1, 0));
    close(server);
    show_text("last", bytes, recv(client, bytes, 64, 0));
    show_poll("gone", client, POLLIN | POLLOUT | POLLRDHUP);
    g_pipes = 0;
    show("send to the gone", send(client, "x", 1, 0));
    show("signals", g_pipes);
    close(listener);
    close(client);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    a = address_of("stream", &size);
    show("nobody listens", connect(client, (struct sockaddr *)&a, size));
    show("unlink", unlink("stream"));
    show("not there", connect(client, (struct sockaddr *)&a, size));
    close(client);
    close(second);
}

static void datagrams(void)
{
    char bytes[64];
    socklen_t size, from_size;
    struct sockaddr_un a = address_of("datagram", &size), from;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
    show("send to nothing", sendto(client, "x", 1, 0, (struct sockaddr *)&a, size));
    show("send nowhere", send(client, "x", 1, 0));
    show("bind", bind(server, (struct sockaddr *)&a, size));
    show("send", sendto(client, "one", 3, 0, (struct sockaddr *)&a, size));
    show("send", sendto(client, "three", 5, 0, (struct sockaddr *)&a, size));
    show("none", sendto(client, "", 0, 0, (struct sockaddr *)&a, size));
    from_size = sizeof from;
    show_text("recv", bytes, recvfrom(server, bytes, 64, 0, (struct sockaddr *)&from, &from_size));
    show("no name", from_size);
    show("cut short", recv(server, bytes, 2, MSG_TRUNC));
    show("empty", recv(server, bytes, 64, 0));
    show("nothing", recv(server, bytes, 64, MSG_DONTWAIT));
    show("listen", listen(server, 1));
    show("connect", connect(client, (struct sockaddr *)&a, size));
    show("send", send(client, "connected", 9, 0));
    show_text("recv", bytes, recv(server, bytes, 64, 0));
    unlink("datagram");
    show("still", send(client, "x", 1, 0));
    close(server);
    show("refused", send(client, "x", 1, 0));
    close(client);
}

static void abstract(void)
{
    char bytes[64];
    socklen_t size;
    struct sockaddr_un a = abstract_of("coffer-guest", &size), got;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    show("bind", bind(listener, (struct sockaddr *)&a, size));
    show("listen", listen(listener, 1));
    show("connect", connect(client, (struct sockaddr *)&a, size));
    int server = accept(listener, NULL, NULL);
    socklen_t got_size = sizeof got;
    getpeername(client, (struct sockaddr *)&got, &got_size);
    show("the name", got_size == size && memcmp(&got, &a, size) == 0);
    show("send", send(client, "packet", 6, 0));
    show("send", send(client, "two", 3, 0));
    show_text("recv", bytes, recv(server, bytes, 64, 0));
    struct iovec iov = {bytes, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    show("recvmsg", recvmsg(server, &message, 0));
    show("cut", message.msg_flags == MSG_TRUNC);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    show("wrong kind", connect(stream, (struct sockaddr *)&a, size));
    close(listener), close(server), close(stream);
    show("gone", recv(client, bytes, 64, 0));
    close(client);
    int named = socket(AF_UNIX, SOCK_STREAM, 0);
    sa_family_t family = AF_UNIX;
    show("a name by itself", bind(named, (struct sockaddr *)&family, sizeof family));
    got_size = sizeof got;
    getsockname(named, (struct sockaddr *)&got, &got_size);
    show("its size", got_size);
    close(named);
}

static void pairs(void)
{
    int ends[2], status, on = 1, n = -1;
    char bytes[64], control[256];
    show("no such pair", socketpair(AF_INET, SOCK_STREAM, 0, ends));
    show("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
    show("flags", fcntl(ends[0], F_GETFL) == (O_RDWR | O_NONBLOCK));
    show("write", write(ends[0], "0123456789", 10));
    show("FIONREAD", ioctl(ends[1], FIONREAD, &n));
    show("bytes", n);
    show_text("read", bytes, read(ends[1], bytes, 4));
    pid_t pid = fork();
    if (pid == 0) {
        _exit(read(ends[1], bytes, 64) == 6 && write(ends[1], "child", 5) == 5 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    show("child", status);
    show_text("its answer", bytes, read(ends[0], bytes, 64));
    show("SO_PASSCRED", setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    write(ends[0], "who", 3);
    struct iovec iov = {bytes, 64};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    show("recvmsg", recvmsg(ends[1], &message, 0));
    struct cmsghdr *h = CMSG_FIRSTHDR(&message);
    struct ucred who = {0};
    if (h && h->cmsg_type == SCM_CREDENTIALS)
        memcpy(&who, CMSG_DATA(h), sizeof who);
    show("credentials", who.pid == getpid() && who.uid == getuid());
    show("send urgent", send(ends[0], "x", 1, MSG_OOB) >= -1);
    show("write to a bad address", write(ends[0], (void *)8, 1));
    show("control at a bad address", (message.msg_control = (void *)8, message.msg_controllen = 64,
                                      sendmsg(ends[0], &message, 0)));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    signal(SIGPIPE, count_pipe);
    show("raw type", socket(AF_UNIX, SOCK_RAW, 0) >= 0);
    show("no such protocol", socket(AF_UNIX, SOCK_STREAM, 77));
    streams();
    datagrams();
    abstract();
    pairs();
    return 0;
}
