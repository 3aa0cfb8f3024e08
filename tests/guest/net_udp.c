/* SPDX-License-Identifier: Apache-2.0 */
/* UDP: addressed and connected, bursts, errors that come back, options. See net_guest.h. */
#include "net_guest.h"

static int udp_new(int *ret_port)
{
    struct sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        die("bind");
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void addressed(void)
{
    char bytes[64];
    int port, other_port, fd = udp_new(&port), other = udp_new(&other_port);
    struct sockaddr_in to = loopback(port), from = {0};
    socklen_t size = sizeof from;
    show("send nowhere", send(other, "x", 1, 0));
    show("nothing", recv(fd, bytes, 64, MSG_DONTWAIT));
    show("sendto", sendto(other, "hello", 5, 0, (struct sockaddr *)&to, sizeof to));
    show_poll("there", fd, POLLIN | POLLOUT);
    int n = -1;
    ioctl(fd, FIONREAD, &n);
    show("FIONREAD", n);
    show_text("peek", bytes, recv(fd, bytes, 64, MSG_PEEK));
    show_text("recvfrom", bytes, recvfrom(fd, bytes, 64, 0, (struct sockaddr *)&from, &size));
    show("from the other", ntohs(from.sin_port) == other_port && size == sizeof from);
    show("empty", sendto(other, "", 0, 0, (struct sockaddr *)&to, sizeof to));
    show("empty", recv(fd, bytes, 64, 0));
    sendto(other, "long enough", 11, 0, (struct sockaddr *)&to, sizeof to);
    show("true size", recv(fd, bytes, 4, MSG_TRUNC));
    show("gone", recv(fd, bytes, 64, MSG_DONTWAIT));
    show("too long", sendto(other, bytes, 70000, 0, (struct sockaddr *)&to, sizeof to));
    show("address too short", sendto(other, "x", 1, 0, (struct sockaddr *)&to, 4));
    show("address nowhere", sendto(other, "x", 1, 0, (void *)8, sizeof to));
    to.sin_family = AF_UNIX;
    show("wrong family", sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    to = loopback(0);
    show("no port", sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
    show("listen", listen(fd, 1));
    show("accept", accept(fd, NULL, NULL));
    show("bind again", bind(fd, (struct sockaddr *)&to, sizeof to));
    struct sockaddr_in same = loopback(port);
    int third = socket(AF_INET, SOCK_DGRAM, 0);
    show("bind the same", bind(third, (struct sockaddr *)&same, sizeof same));
    close(third), close(fd), close(other);
}

static void connected(void)
{
    char bytes[64];
    int port, other_port, fd = udp_new(&port), other = udp_new(&other_port), error = -1;
    struct sockaddr_in to = loopback(port), name = {0};
    socklen_t size = sizeof name;
    show("getpeername", getpeername(other, (struct sockaddr *)&name, &size));
    show("connect", connect(other, (struct sockaddr *)&to, sizeof to));
    show("getpeername", getpeername(other, (struct sockaddr *)&name, &size));
    show("the peer", ntohs(name.sin_port) == port);
    show("send", send(other, "one", 3, 0));
    show("write", write(other, "two", 3));
    show_text("recv", bytes, recv(fd, bytes, 64, 0));
    show_text("read", bytes, read(fd, bytes, 64));
    int third = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in back = loopback(other_port);
    sendto(third, "stranger", 8, 0, (struct sockaddr *)&back, sizeof back);
    show("strangers are not heard", recv(other, bytes, 64, MSG_DONTWAIT));
    close(third);
    close(fd);
    show("a first send is taken", send(other, "x", 1, 0));
    (void)wait_for(other, POLLIN);
    show_poll("an error", other, POLLIN | POLLOUT);
    size = sizeof error;
    getsockopt(other, SOL_SOCKET, SO_ERROR, &error, &size);
    printf("SO_ERROR %s\n", strerrorname_np(error));
    send(other, "x", 1, 0);
    (void)wait_for(other, POLLIN);
    show("recv says so", recv(other, bytes, 64, 0));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    show("disconnect", connect(other, &none, sizeof none));
    show("getpeername", getpeername(other, (struct sockaddr *)&name, &size));
    show("shutdown", shutdown(other, SHUT_RDWR));
    close(other);
}

static void bursts(void)
{
    char bytes[8][16];
    struct mmsghdr out[8], in[8];
    struct iovec sent[8], got[8];
    int port, other_port, fd = udp_new(&port), other = udp_new(&other_port), on = 1;
    struct sockaddr_in to = loopback(port), from[8];
    for (int i = 0; i < 8; i++) {
        sent[i] = (struct iovec){"0123456789", (size_t)i + 1};
        got[i] = (struct iovec){bytes[i], sizeof bytes[i]};
        out[i] = (struct mmsghdr){.msg_hdr = {&to, sizeof to, &sent[i], 1, NULL, 0, 0}};
        in[i] = (struct mmsghdr){.msg_hdr = {&from[i], sizeof from[i], &got[i], 1, NULL, 0, 0}};
    }
    show("sendmmsg", sendmmsg(other, out, 8, 0));
    show("recvmmsg", recvmmsg(fd, in, 8, MSG_WAITFORONE, NULL));
    int right = 0;
    for (int i = 0; i < 8; i++)
        right += in[i].msg_len == (unsigned)i + 1 && ntohs(from[i].sin_port) == other_port;
    show("right", right);
    struct timespec soon = {0, 1000000};
    struct timeval limit = {0, 20000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    show("too late", recvmmsg(fd, in, 8, 0, &soon));
    show("IP_PKTINFO", setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
    char control[256];
    struct msghdr message = {
        .msg_iov = got, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    show("recvmsg", recvmsg(fd, &message, 0));
    struct cmsghdr *h = CMSG_FIRSTHDR(&message);
    show("packet information", h && h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO);
    show("SO_BROADCAST", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
    show("IP_TTL nonsense", (on = 1000, setsockopt(fd, IPPROTO_IP, IP_TTL, &on, sizeof on)));
    show("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    close(fd), close(other);
}

int main(void)
{
    signal(SIGPIPE, count_pipe);
    addressed();
    connected();
    bursts();
    return 0;
}
