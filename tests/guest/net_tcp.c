/* SPDX-License-Identifier: Apache-2.0 */
/* TCP: data, its ends and errors, options, names. See net_guest.h. */
#include "net_guest.h"

static int g_listener;

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        die("send");
}

/* --- before anything listens ---------------------------------------------------------------------- */

static void wrong_calls(void)
{
    struct sockaddr_in a = loopback(guest_port()), name;
    socklen_t size = sizeof name;
    char byte = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    show("socket of no family", socket(9999, SOCK_STREAM, 0));
    show("socket of no type", socket(AF_INET, 15, 0));
    show("socket with wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    show("accept without listen", accept(fd, NULL, NULL));
    show("accept4 with bad flags", accept4(fd, NULL, NULL, 1));
    show("recv unconnected", recv(fd, &byte, 1, 0));
    show("send unconnected", send(fd, &byte, 1, MSG_NOSIGNAL));
    show("read unconnected", read(fd, &byte, 1));
    g_pipes = 0;
    show("write unconnected", write(fd, &byte, 1));
    show("signals", g_pipes);
    show("shutdown unconnected", shutdown(fd, SHUT_RDWR));
    show("getpeername unconnected", getpeername(fd, (struct sockaddr *)&name, &size));
    show("connect too short", connect(fd, (struct sockaddr *)&a, 4));
    show("connect bad address", connect(fd, (void *)8, sizeof a));
    show("bind too short", bind(fd, (struct sockaddr *)&a, 4));
    show("connect refused", connect(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show("connect without waiting", connect(fd, (struct sockaddr *)&a, sizeof a));
    (void)wait_for(fd, POLLOUT);
    show_poll("refused: poll", fd, POLLIN | POLLOUT | POLLRDHUP);
    int error = -1;
    size = sizeof error;
    show("refused: getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
    printf("refused: SO_ERROR %s\n", strerrorname_np(error));
    close(fd);
    show("connect closed", connect(fd, (struct sockaddr *)&a, sizeof a));
    show("listen on a pipe's end", listen(STDOUT_FILENO, 1));
    show("send to no socket", send(STDOUT_FILENO, &byte, 1, 0));
}

static void connect_later(void)
{
    struct sockaddr_in a = loopback(guest_port()), name;
    socklen_t size = sizeof name;
    int error = -1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show("connect without waiting", connect(fd, (struct sockaddr *)&a, sizeof a));
    show_poll("the listener", g_listener, POLLIN);
    int server = accept4(g_listener, (struct sockaddr *)&name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    printf("accepted: family %d, size %d\n", name.sin_family, (int)size);
    struct sockaddr_in local;
    getsockname(fd, (struct sockaddr *)&local, &size);
    show("the peer is the client", memcmp(&name, &local, sizeof name));
    getpeername(server, (struct sockaddr *)&name, &size);
    show("getpeername says so too", memcmp(&name, &local, sizeof name));
    size = 4;
    show("getpeername short", getpeername(server, (struct sockaddr *)&name, &size));
    show("true size", size);
    getsockname(server, (struct sockaddr *)&name, &size);
    show("getsockname", ntohs(name.sin_port) == guest_port());
    show("close on exec", fcntl(server, F_GETFD));
    show("not blocking", fcntl(server, F_GETFL) == (O_RDWR | O_NONBLOCK));
    greet(fd, server);
    size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    show("no error", error);
    show("connect again", connect(fd, (struct sockaddr *)&a, sizeof a));
    show("accept on a connection", accept(fd, NULL, NULL));
    show("listen on a connection", listen(fd, 1));
    pair_close(fd, server);
}

/* --- data ------------------------------------------------------------------------------------------ */

static void peek_and_count(void)
{
    char bytes[64];
    int client, server, n = -1;
    pair_new(g_listener, &client, &server);
    show("FIONREAD of nothing", ioctl(server, FIONREAD, &n));
    show("nothing", n);
    show("nothing to peek", recv(server, bytes, 8, MSG_PEEK | MSG_DONTWAIT));
    send_text(client, "one,");
    send_text(client, "two,");
    send_text(client, "three");
    show_text("peek waiting for all", bytes, recv(server, bytes, 13, MSG_PEEK | MSG_WAITALL));
    show("FIONREAD", ioctl(server, FIONREAD, &n));
    show("three writes", n);
    show_text("peek", bytes, recv(server, bytes, sizeof bytes, MSG_PEEK));
    show_text("peek some", bytes, recv(server, bytes, 6, MSG_PEEK));
    show_text("read some", bytes, read(server, bytes, 5));
    show_text("peek the rest", bytes, recv(server, bytes, sizeof bytes, MSG_PEEK));
    show("FIONREAD", ioctl(server, FIONREAD, &n));
    show("left", n);
    show("thrown away", recv(server, NULL, 3, MSG_TRUNC));
    show_text("the rest", bytes, recv(server, bytes, sizeof bytes, 0));
    show("FIONREAD bad address", ioctl(server, FIONREAD, (int *)8));
    show("nothing more", recv(server, bytes, 1, MSG_DONTWAIT));
    show("no urgent data", recv(server, bytes, 1, MSG_OOB));
    show("no error queue", recv(server, bytes, 1, MSG_ERRQUEUE));
    show("read nothing", read(server, bytes, 0));
    show("write nothing", write(client, bytes, 0));
    send_text(client, "x");
    show("recv to a bad address", recv(server, (void *)8, 1, 0));
    show_text("the byte is still there", bytes, recv(server, bytes, 8, 0));
    show("send from a bad address", send(client, (void *)8, 1, 0));
    show("FIONREAD of a listener", ioctl(g_listener, FIONREAD, &n));
    pair_close(client, server);
}

static void wait_for_all(void)
{
    char bytes[64];
    int client, server, status;
    pair_new(g_listener, &client, &server);
    send_text(client, "first");
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, &status, 0);
    send_text(client, "second");
    show_text("MSG_WAITALL", bytes, recv(server, bytes, 11, MSG_WAITALL));
    send_text(client, "third");
    shutdown(client, SHUT_WR);
    show_text("cut short by the end", bytes, recv(server, bytes, 11, MSG_WAITALL));
    show("the end", recv(server, bytes, 11, MSG_WAITALL));
    pair_close(client, server);
}

static void messages(void)
{
    char bytes[64] = {0}, control[64];
    struct sockaddr_in name;
    int client, server;
    struct iovec out[3] = {{"gather", 6}, {NULL, 0}, {"ed", 2}};
    struct iovec in[2] = {{bytes, 3}, {bytes + 3, 61}};
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 3};
    pair_new(g_listener, &client, &server);
    show("sendmsg", sendmsg(client, &message, 0));
    message = (struct msghdr){.msg_iov = in,
                              .msg_iovlen = 2,
                              .msg_name = &name,
                              .msg_namelen = sizeof name,
                              .msg_control = control,
                              .msg_controllen = sizeof control,
                              .msg_flags = 77};
    (void)wait_for(server, POLLIN);
    show_text("recvmsg", bytes, recvmsg(server, &message, 0));
    printf("name %d, control %zu, flags %d\n", (int)message.msg_namelen, message.msg_controllen,
           message.msg_flags);
    message.msg_iovlen = 1025;
    show("recvmsg too many", recvmsg(server, &message, MSG_DONTWAIT));
    show("sendmsg too many", sendmsg(client, &message, 0));
    show("writev", writev(client, out, 3));
    (void)wait_for(server, POLLIN);
    show_text("readv", bytes, readv(server, in, 2));
    struct mmsghdr several[3] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}},
                                 {.msg_hdr = {.msg_iov = out + 2, .msg_iovlen = 1}},
                                 {.msg_hdr = {.msg_iov = out, .msg_iovlen = 3}}};
    show("sendmmsg", sendmmsg(client, several, 3, 0));
    printf("lengths %u %u %u\n", several[0].msg_len, several[1].msg_len, several[2].msg_len);
    (void)wait_for(server, POLLIN);
    struct iovec pieces[3] = {{bytes, 6}, {bytes + 6, 2}, {bytes + 8, 8}};
    for (int i = 0; i < 3; i++)
        several[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
    show("recvmmsg", recvmmsg(server, several, 3, 0, NULL));
    printf("'%.16s' lengths %u %u %u\n", bytes, several[0].msg_len, several[1].msg_len,
           several[2].msg_len);
    show("recvmmsg of nothing", recvmmsg(server, several, 3, MSG_DONTWAIT, NULL));
    show("preadv on a socket", preadv(server, in, 2, 0));
    show("lseek", lseek(server, 0, SEEK_CUR));
    show("ftruncate", ftruncate(server, 0));
    struct sockaddr_in to = loopback(1);
    show("sendto elsewhere", sendto(client, "to", 2, 0, (struct sockaddr *)&to, sizeof to));
    socklen_t size = sizeof name;
    show_text("recvfrom", bytes, recvfrom(server, bytes, 8, 0, (struct sockaddr *)&name, &size));
    show("its name", size);
    pair_close(client, server);
}

/* Pieces that are to be sent together. */
static void corked(void)
{
    char bytes[64];
    int client, server, on = 1, off = 0;
    pair_new(g_listener, &client, &server);
    show("MSG_MORE", send(client, "more ", 5, MSG_MORE));
    show("nothing yet", recv(server, bytes, sizeof bytes, MSG_DONTWAIT));
    send_text(client, "comes");
    (void)wait_for(server, POLLIN);
    show_text("at once", bytes, recv(server, bytes, sizeof bytes, 0));
    show("TCP_CORK", setsockopt(client, IPPROTO_TCP, TCP_CORK, &on, sizeof on));
    send_text(client, "a");
    struct iovec iov[2] = {{"b", 1}, {"cd", 2}};
    show("writev", writev(client, iov, 2));
    show("nothing yet", recv(server, bytes, sizeof bytes, MSG_DONTWAIT));
    show("off", setsockopt(client, IPPROTO_TCP, TCP_CORK, &off, sizeof off));
    (void)wait_for(server, POLLIN);
    show_text("at once", bytes, recv(server, bytes, sizeof bytes, 0));
    show("short", setsockopt(client, IPPROTO_TCP, TCP_CORK, &on, 1));
    setsockopt(client, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    send_text(client, "forgotten");
    (void)wait_for(server, POLLIN); /* it leaves all the same */
    show_text("in the end", bytes, recv(server, bytes, sizeof bytes, 0));
    static char lots[100000];
    send_text(client, "head");
    show("much behind it", send(client, lots, sizeof lots, MSG_MORE));
    size_t got = 0;
    while (got < sizeof lots + 4)
        got += (size_t)recv(server, lots, sizeof lots, 0);
    show("all of it", (long)got);
    send_text(client, "last");
    shutdown(client, SHUT_WR);
    show_text("before the end", bytes, recv(server, bytes, sizeof bytes, MSG_WAITALL));
    pair_close(client, server);
    pair_new(g_listener, &client, &server);
    send(client, "closed", 6, MSG_MORE);
    close(client);
    show_text("before the close", bytes, recv(server, bytes, sizeof bytes, MSG_WAITALL));
    close(server);
}

/* More than any buffer holds, both ends in one thread, and every byte right. */
static void a_lot(void)
{
    enum { TOTAL = 3000000 };
    static uint8_t out[100000], in[70000];
    uint64_t sent = 0, got = 0, wrong = 0;
    int client, server;
    pair_new(g_listener, &client, &server);
    fcntl(client, F_SETFL, O_NONBLOCK);
    fcntl(server, F_SETFL, O_NONBLOCK);
    while (got < TOTAL) {
        size_t size = TOTAL - sent < sizeof out ? TOTAL - sent : sizeof out;
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)((sent + i) * 131 >> 3);
        ssize_t n = size ? write(client, out, size) : 0;
        sent += n > 0 ? (uint64_t)n : 0;
        if (size && n > 0)
            continue;
        (void)wait_for(server, POLLIN);
        while ((n = read(server, in, sizeof in)) > 0)
            for (ssize_t i = 0; i < n; i++)
                wrong += in[i] != (uint8_t)(got++ * 131 >> 3);
    }
    printf("a lot: %llu wrong of %llu\n", (unsigned long long)wrong, (unsigned long long)got);
    pair_close(client, server);
}

/* --- ends ------------------------------------------------------------------------------------------ */

static void half_close(void)
{
    char bytes[64];
    int client, server;
    pair_new(g_listener, &client, &server);
    const short ALL = POLLIN | POLLOUT | POLLRDHUP;
    show_poll("open", server, ALL);
    send_text(client, "last words");
    show("shutdown", shutdown(client, SHUT_WR));
    show("shutdown again", shutdown(client, SHUT_WR));
    show("shutdown with nonsense", shutdown(client, 7));
    (void)wait_for(server, POLLRDHUP);
    show_poll("data and the end", server, ALL);
    show_text("the words", bytes, read(server, bytes, sizeof bytes));
    show("the end", read(server, bytes, sizeof bytes));
    show("still the end", read(server, bytes, sizeof bytes));
    show("peek at the end", recv(server, bytes, 1, MSG_PEEK));
    show_poll("at the end", server, ALL);
    g_pipes = 0;
    show("write after shutdown", write(client, "x", 1));
    show("signals", g_pipes);
    show("send after shutdown", send(client, "x", 1, MSG_NOSIGNAL));
    show("signals", g_pipes);
    show_poll("the half that is open", client, ALL);
    send_text(server, "answer");
    show_text("answer", bytes, recv(client, bytes, sizeof bytes, 0));
    show("shutdown the other way", shutdown(server, SHUT_WR));
    (void)wait_for(client, POLLHUP);
    show_poll("both shut", client, ALL);
    show("end here too", read(client, bytes, 1));
    pair_close(client, server);
    pair_new(g_listener, &client, &server);
    show("shutdown reading", shutdown(server, SHUT_RD));
    show("nothing to read", read(server, bytes, 1));
    show_poll("reading shut", server, POLLIN | POLLRDHUP);
    send_text(server, "still speaks");
    show_text("heard", bytes, recv(client, bytes, sizeof bytes, 0));
    pair_close(client, server);
}

static void gone(void)
{
    char bytes[64];
    int client, server, error = -1;
    socklen_t size = sizeof error;
    pair_new(g_listener, &client, &server);
    close(client);
    (void)wait_for(server, POLLIN);
    show("closed", read(server, bytes, sizeof bytes));
    show("a first write is taken", send(server, "x", 1, MSG_NOSIGNAL));
    (void)wait_for(server, POLLHUP);
    g_pipes = 0;
    show("the next is not", write(server, "x", 1));
    show("signals", g_pipes);
    close(server);
    pair_new(g_listener, &client, &server);
    send_text(client, "unread");
    send_text(server, "unread too");
    (void)wait_for(server, POLLIN);
    (void)wait_for(client, POLLIN);
    struct linger hard = {1, 0};
    show("linger", setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
    close(client); /* a reset */
    (void)wait_for(server, POLLERR);
    getsockopt(server, SOL_SOCKET, SO_ERROR, &error, &size);
    printf("reset: SO_ERROR %s\n", strerrorname_np(error));
    show("the error is told once", getsockopt(server, SOL_SOCKET, SO_ERROR, &error, &size));
    printf("reset: SO_ERROR %d\n", error);
    close(server);
    pair_new(g_listener, &client, &server);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(client);
    (void)wait_for(server, POLLERR);
    show("read after a reset", read(server, bytes, sizeof bytes));
    show("and then", read(server, bytes, sizeof bytes));
    show("write after a reset", send(server, "x", 1, MSG_NOSIGNAL));
    close(server);
}

/* --- options --------------------------------------------------------------------------------------- */

static void show_option(int fd, const char *what, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    int r = getsockopt(fd, level, name, &value, &size);
    printf("%s: ", what);
    show("getsockopt", r < 0 ? r : value);
}

static void set_option(int fd, const char *what, int level, int name, int value)
{
    show(what, setsockopt(fd, level, name, &value, sizeof value));
    show_option(fd, what, level, name);
}

static void options(void)
{
    int client, server, one = 1;
    pair_new(g_listener, &client, &server);
    show_option(server, "SO_TYPE", SOL_SOCKET, SO_TYPE);
    show_option(server, "SO_DOMAIN", SOL_SOCKET, SO_DOMAIN);
    show_option(server, "SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL);
    show_option(server, "SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN);
    show_option(g_listener, "listener SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN);
    set_option(server, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(server, "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 5);
    set_option(server, "SO_RCVLOWAT 0", SOL_SOCKET, SO_RCVLOWAT, 0);
    set_option(server, "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1);
    set_option(server, "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3);
    set_option(server, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(server, "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1);
    set_option(server, "TCP_CORK off", IPPROTO_TCP, TCP_CORK, 0);
    set_option(server, "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set_option(server, "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 5);
    set_option(server, "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, 1);
    set_option(server, "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
    set_option(server, "IP_TOS", IPPROTO_IP, IP_TOS, 16);
    show_option(server, "unknown", SOL_SOCKET, 9999);
    show("set unknown", setsockopt(server, SOL_SOCKET, 9999, &one, sizeof one));
    show("set short", setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &one, 1));
    show("set from nowhere", setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4));
    show("set low water short", setsockopt(server, SOL_SOCKET, SO_RCVLOWAT, &one, 1));
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    show("TCP_INFO", getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, &size));
    show("state", info.tcpi_state);
    struct linger l = {1, 3};
    show("SO_LINGER", setsockopt(server, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    l = (struct linger){0};
    size = sizeof l;
    getsockopt(server, SOL_SOCKET, SO_LINGER, &l, &size);
    printf("linger %d %d\n", l.l_onoff, l.l_linger);
    l = (struct linger){0};
    setsockopt(server, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    struct timeval tv = {0, 30000};
    char byte;
    show("SO_RCVTIMEO", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    show("too late", recv(server, &byte, 1, 0));
    tv = (struct timeval){-1, 2000000};
    show("SO_RCVTIMEO nonsense", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    tv = (struct timeval){0, 0};
    show("SO_RCVTIMEO off", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    send_text(client, "x");
    show("in time", recv(server, &byte, 1, 0));
    tv = (struct timeval){0, 30000};
    show("SO_SNDTIMEO", setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    static char lots[400000];
    ssize_t n;
    while ((n = send(client, lots, sizeof lots, 0)) > 0)
        ;
    show("too late to send", n);
    pair_close(client, server);
}

static void low_water(void)
{
    char bytes[64];
    int client, server, five = 5;
    pair_new(g_listener, &client, &server);
    show("SO_RCVLOWAT", setsockopt(server, SOL_SOCKET, SO_RCVLOWAT, &five, sizeof five));
    send_text(client, "123");
    show_poll("too little", server, POLLIN);
    int status;
    pid_t pid = fork(); /* time for it to arrive, were it late */
    if (pid == 0)
        _exit(0);
    waitpid(pid, &status, 0);
    show_poll("still too little", server, POLLIN);
    send_text(client, "45");
    show("enough", (wait_for(server, POLLIN) & POLLIN) != 0);
    show_text("read", bytes, recv(server, bytes, sizeof bytes, 0));
    send_text(client, "6");
    show_text("without waiting", bytes, recv(server, bytes, sizeof bytes, MSG_DONTWAIT));
    send_text(client, "78");
    shutdown(client, SHUT_WR);
    show("the end counts", (wait_for(server, POLLIN) & POLLIN) != 0);
    show_text("read", bytes, recv(server, bytes, sizeof bytes, 0));
    show("end", recv(server, bytes, sizeof bytes, 0));
    pair_close(client, server);
}

int main(void)
{
    signal(SIGPIPE, count_pipe);
    wrong_calls();
    g_listener = listener_new(0);
    connect_later();
    peek_and_count();
    wait_for_all();
    messages();
    corked();
    a_lot();
    half_close();
    gone();
    options();
    low_water();
    return 0;
}
