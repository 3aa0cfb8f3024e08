/* SPDX-License-Identifier: Apache-2.0 */
/* What calls on sockets refuse: wrong kinds, descriptors, addresses, sizes, flags and states, on TCP, UDP
 * and Unix sockets. */
#include "say.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#define BAD ((void *)8)

static struct sockaddr_in a = {.sin_family = AF_INET}; /* where the listener is */
static socklen_t n = sizeof a;
static int l, u, x, f, c, s; /* listener, UDP, Unix, /dev/null, connected, accepted */
static int v;
static char b[100];
static struct iovec iv = {b, 3};

static void kinds(void)
{
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SAY(socket(99, SOCK_STREAM, 0));
    SAY(socket(AF_INET, 99, 0));
    SAY(socket(AF_INET, SOCK_STREAM, 99));
    SAY(socket(AF_INET, SOCK_STREAM | 0x10, 0));
    SAY(socket(AF_UNIX, SOCK_STREAM, 5));
    SAY(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    SAY(socket(-1, 1, 0));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, (int *)b));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD));
    SAY(socketpair(AF_UNIX, 99, 0, (int *)b));
    l = socket(AF_INET, SOCK_STREAM, 0);
    u = socket(AF_INET, SOCK_DGRAM, 0);
    x = socket(AF_UNIX, SOCK_STREAM, 0);
    f = open("/dev/null", O_RDWR);
}

static void listening(void)
{
    SAY(listen(u, 1));
    SAY(listen(-1, 1));
    SAY(listen(f, 1));
    SAY(listen(x, 1));
    SAY(accept(l, NULL, NULL));
    SAY(accept(-1, NULL, NULL));
    SAY(accept(f, NULL, NULL));
    SAY(accept(u, NULL, NULL));
    SAY(accept4(l, NULL, NULL, 0x1));
    SAY(bind(-1, (void *)&a, n));
    SAY(bind(f, (void *)&a, n));
    SAY(bind(l, BAD, n));
    SAY(bind(l, (void *)&a, 3));
    SAY(bind(l, (void *)&a, -1));
    SAY(bind(l, (void *)&a, 200));
    a.sin_family = AF_UNIX;
    SAY(bind(l, (void *)&a, n));
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(0x08080808);
    SAY(bind(l, (void *)&a, n));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SAY(bind(l, (void *)&a, n));
    SAY(bind(l, (void *)&a, n));
    SAY(listen(l, 5));
    SAY(listen(l, -1));
    SAY(getsockname(l, (void *)&a, &n));
    SAY(getsockname(l, BAD, &n));
    SAY(getsockname(l, (void *)&a, BAD));
    n = -1;
    SAY(getsockname(l, (void *)&a, &n));
    n = 2;
    SAY(getsockname(l, (void *)&a, &n));
    SAY(n);
    n = sizeof a;
    SAY(getsockname(-1, (void *)&a, &n));
    SAY(getsockname(f, (void *)&a, &n));
    getsockname(l, (void *)&a, &n);
    SAY(getpeername(l, (void *)&a, &n));
    SAY(getpeername(f, (void *)&a, &n));
    SAY(getpeername(-1, (void *)&a, &n));
}

static void connecting(void)
{
    struct sockaddr_in z = a;
    z.sin_port = htons(1);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(c, (void *)&z, n));
    SAY(connect(c, BAD, n));
    SAY(connect(c, (void *)&a, 3));
    SAY(connect(-1, (void *)&a, n));
    SAY(connect(f, (void *)&a, n));
    z.sin_family = 99;
    SAY(connect(c, (void *)&z, n));
    SAY(send(c, "x", 1, 0));
    SAY(recv(c, b, 1, 0));
    SAY(shutdown(c, SHUT_RD));
    SAY(shutdown(l, 9));
    SAY(shutdown(f, 0));
    SAY(shutdown(-1, 0));
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(c, (void *)&a, n));
    SAY(connect(c, (void *)&a, n));
    s = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    SAY(fcntl(s, F_GETFL));
    SAY(fcntl(s, F_GETFD));
    SAY(listen(c, 1));
}

static void receiving(void)
{
    SAY(recv(s, b, 1, 0));
    SAY(recv(s, b, 1, MSG_DONTWAIT));
    SAY(recv(s, b, 1, MSG_OOB));
    SAY(recv(s, b, 1, MSG_ERRQUEUE));
    SAY(recv(s, BAD, 1, 0));
    SAY(send(c, BAD, 5, 0));
    SAY(send(c, "hello", 5, MSG_OOB));
    SAY(send(c, "hello", 5, 0));
    SAY(poll(&(struct pollfd){s, POLLIN | POLLPRI, 0}, 1, 1000));
    SAY(ioctl(s, FIONREAD, &v));
    SAY(v);
    SAY(ioctl(s, SIOCATMARK, &v));
    SAY(v);
    SAY(recv(s, b, 1, MSG_OOB));
    SAY(recv(s, b, 2, MSG_PEEK));
    SAY(recv(s, BAD, 2, 0));
    SAY(recv(s, b, 100, MSG_TRUNC));
    SAY(recv(s, b, 100, 0));
    SAY(send(s, "x", 1, 0x40000000));
    SAY(sendto(s, "x", 1, 0, (void *)&a, n));
    SAY(sendto(s, "x", 1, 0, BAD, n));
    SAY(sendto(-1, "x", 1, 0, NULL, 0));
    SAY(sendto(f, "x", 1, 0, NULL, 0));
    SAY(send(s, "", 0, 0));
}

static void messages(void)
{
    struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1};
    SAY(sendmsg(c, &m, 0));
    SAY(sendmsg(c, BAD, 0));
    m.msg_iov = BAD;
    SAY(sendmsg(c, &m, 0));
    m.msg_iov = &iv;
    m.msg_iovlen = 2000;
    SAY(sendmsg(c, &m, 0));
    m.msg_iovlen = 1;
    m.msg_control = BAD;
    m.msg_controllen = 32;
    SAY(sendmsg(c, &m, 0));
    m.msg_control = b;
    memset(b, 0, 32);
    SAY(sendmsg(c, &m, 0));
    m.msg_control = NULL;
    m.msg_controllen = 0;
    SAY(recvmsg(s, &m, 0));
    SAY(m.msg_flags);
    SAY(recvmsg(s, BAD, 0));
    SAY(recvmsg(-1, &m, 0));
    SAY(recvmsg(f, &m, 0));
    m.msg_iovlen = 5000;
    SAY(recvmsg(s, &m, 0));
}

static void options(void)
{
    socklen_t sl = 4;
    SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &sl));
    SAY(getsockopt(c, SOL_SOCKET, 9999, &v, &sl));
    SAY(getsockopt(c, 9999, 1, &v, &sl));
    SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, BAD, &sl));
    SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, BAD));
    sl = -1;
    SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &sl));
    sl = 2;
    SAY(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &sl));
    SAY(sl);
    sl = 4;
    SAY(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &v, 2));
    SAY(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, BAD, 4));
    SAY(setsockopt(c, SOL_SOCKET, 9999, &v, 4));
    SAY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, 4));
    SAY(setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &v, 4));
    SAY(setsockopt(f, SOL_SOCKET, SO_KEEPALIVE, &v, 4));
    struct timeval tv = {0, -1};
    SAY(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    tv.tv_usec = 1000;
    SAY(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    SAY(recv(c, b, 1, 0));
    SAY(setsockopt(c, SOL_SOCKET, SO_LINGER, &v, 4));
    struct ifconf ic = {0};
    SAY(ioctl(c, SIOCGIFCONF, &ic));
    struct ifreq ir = {0};
    SAY(ioctl(c, SIOCGIFFLAGS, &ir));
}

static void ends(void)
{
    SAY(lseek(c, 0, 0));
    SAY(pread(c, b, 1, 0));
    SAY(ftruncate(c, 0));
    SAY(fsync(c));
    SAY(fallocate(c, 0, 0, 1));
    SAY(readv(c, BAD, 1));
    SAY(writev(c, BAD, 1));
    SAY(shutdown(c, SHUT_WR));
    SAY(send(c, "x", 1, MSG_NOSIGNAL));
    SAY(recv(s, b, 100, 0));
    SAY(recv(s, b, 100, 0));
    SAY(shutdown(s, SHUT_RDWR));
    SAY(shutdown(s, SHUT_RDWR));
    SAY(recv(c, b, 1, 0));
}

static void many(void)
{
    struct mmsghdr mm[2] = {{.msg_hdr = {.msg_iov = &iv, .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &iv, .msg_iovlen = 1}}};
    int p[2];
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    SAY(sendmmsg(p[0], mm, 2, 0));
    SAY(sendmmsg(p[0], BAD, 1, 0));
    SAY(sendmmsg(p[0], mm, 0, 0));
    SAY(recvmmsg(p[1], mm, 2, 0, NULL));
    SAY(recvmmsg(p[1], mm, 2, 0, NULL));
    SAY(recvmmsg(p[1], mm, 2, 0, &(struct timespec){0, -1}));
    SAY(sendmmsg(-1, mm, 1, 0));
    SAY(send(p[0], b, 0, 0));
    SAY(recv(p[1], b, 10, 0));
    close(p[1]);
    SAY(send(p[0], "x", 1, 0));
}

static void names(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    un.sun_path[0] = 0;
    memcpy(un.sun_path + 1, "guest-so", sizeof "guest-so");
    SAY(bind(x, (void *)&un, 11));
    n = sizeof un;
    SAY(getsockname(x, (void *)&un, &n));
    SAY(n);
    memcpy(un.sun_path, "/none/x", sizeof "/none/x");
    int y = socket(AF_UNIX, SOCK_STREAM, 0);
    SAY(connect(y, (void *)&un, sizeof un));
    SAY(bind(y, (void *)&un, sizeof un));
    memcpy(un.sun_path, "/dev/null", sizeof "/dev/null");
    SAY(connect(y, (void *)&un, sizeof un));
    SAY(bind(y, (void *)&un, sizeof un));
    memset(un.sun_path, 'p', 108);
    SAY(bind(y, (void *)&un, sizeof un + 1));
    SAY(connect(y, (void *)&un, 1));
    SAY(connect(y, (void *)&un, 2));
    SAY(bind(y, (void *)&un, 2));
    n = sizeof un;
    SAY(getsockname(y, (void *)&un, &n));
    SAY(n);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    kinds();
    listening();
    connecting();
    receiving();
    messages();
    options();
    ends();
    many();
    names();
    return 0;
}
