/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that several processes or numbers share: fork, exec, descriptors in messages, duplicates, two
 * listeners on a port; and files sent through them. See net_guest.h. */
#include "net_guest.h"

static int g_listener;
static const char *g_self;

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        die("send");
}

/* Answers each line with "[line]" until the end. Runs in whoever serves. */
static void serve(int fd)
{
    char line[128], answer[160];
    ssize_t n;
    while ((n = recv(fd, line, sizeof line, 0)) > 0)
        send(fd, answer, (size_t)snprintf(answer, sizeof answer, "[%.*s]", (int)n, line), 0);
    close(fd);
}

static int client_new(void)
{
    struct sockaddr_in a = loopback(guest_port());
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void talk(const char *what, int fd)
{
    char answer[128];
    send_text(fd, "hello");
    show_text(what, answer, recv(fd, answer, sizeof answer, 0));
    send_text(fd, "again");
    show_text(what, answer, recv(fd, answer, sizeof answer, 0));
}

static void reap(const char *what, pid_t pid)
{
    int status = 0;
    show(what, waitpid(pid, &status, 0) == pid ? status : -2);
}

/* --- fork and exec ---------------------------------------------------------------------------------- */

static void children(void)
{
    int client = client_new(), server = accept(g_listener, NULL, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(client);
        serve(server);
        _exit(0);
    }
    close(server);
    talk("the child serves what the parent accepted", client);
    close(client);
    reap("child", pid);
    pid = fork();
    if (pid == 0) {
        serve(accept(g_listener, NULL, NULL));
        _exit(0);
    }
    client = client_new();
    talk("the child accepts", client);
    close(client);
    reap("child", pid);
    client = client_new();
    server = accept(g_listener, NULL, NULL);
    pid = fork();
    if (pid == 0) {
        talk("the child speaks on what the parent connected", client);
        _exit(0);
    }
    close(client);
    serve(server);
    reap("child", pid);
}

static void prefork(void)
{
    enum { WORKERS = 3 };
    pid_t pids[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (;;)
                serve(accept(g_listener, NULL, NULL));
        }
    }
    for (int i = 0; i < 6; i++) {
        int client = client_new();
        talk("some worker", client);
        close(client);
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        reap("worker", pids[i]);
    }
}

/* This program again, with descriptors it inherits: what they are, their names must say. */
static void programs(int with_vfork)
{
    char number[16], *argv[] = {(char *)g_self, "serve", number, NULL};
    int client = client_new(), server = accept(g_listener, NULL, NULL);
    snprintf(number, sizeof number, "%d", server);
    fcntl(client, F_SETFD, FD_CLOEXEC);
    pid_t pid = with_vfork ? vfork() : fork();
    if (pid == 0) {
        execv(g_self, argv);
        _exit(9);
    }
    close(server);
    talk("a program serves what it inherits", client);
    close(client);
    reap("program", pid);
    snprintf(number, sizeof number, "-%d", g_listener);
    pid = with_vfork ? vfork() : fork();
    if (pid == 0) {
        execv(g_self, argv);
        _exit(9);
    }
    client = client_new();
    talk("and accepts on what it inherits", client);
    close(client);
    reap("program", pid);
}

/* --- descriptors in messages ------------------------------------------------------------------------- */

static ssize_t pass(int through, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {"x", 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&message);
    *h = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    return sendmsg(through, &message, 0);
}

static int take(int through)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(through, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    struct cmsghdr *h = CMSG_FIRSTHDR(&message);
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(h), sizeof fd);
    return fd;
}

static void passed(void)
{
    int ends[2], fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || pipe(fds) != 0)
        die("socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        close(g_listener);
        close(ends[0]);
        int out = take(ends[1]);
        if (write(out, "from afar", 9) != 9)
            die("write");
        close(out);
        serve(take(ends[1]));
        int listener = take(ends[1]);
        write(ends[1], "r", 1);
        serve(accept(listener, NULL, NULL));
        int undecided = take(ends[1]);
        struct sockaddr_in a = loopback(guest_port());
        if (connect(undecided, (struct sockaddr *)&a, sizeof a) != 0)
            die("connect");
        talk("a client on a socket it was given", undecided);
        _exit(0);
    }
    close(ends[1]);
    char bytes[16];
    show("pass a pipe's end", pass(ends[0], fds[1]));
    close(fds[1]);
    show_text("its other end", bytes, read(fds[0], bytes, sizeof bytes));
    int client = client_new(), server = accept(g_listener, NULL, NULL);
    show("pass a connection", pass(ends[0], server));
    close(server);
    talk("served by whom it was passed to", client);
    close(client);
    show("pass a listener", pass(ends[0], g_listener));
    read(ends[0], bytes, 1);
    client = client_new();
    talk("accepted there", client);
    close(client);
    int undecided = socket(AF_INET, SOCK_STREAM, 0);
    show("pass a socket", pass(ends[0], undecided));
    close(undecided);
    serve(accept(g_listener, NULL, NULL));
    reap("child", pid);
    show("pass a closed one", pass(ends[0], 9999));
    close(ends[0]);
    close(fds[0]);
}

/* --- one process ------------------------------------------------------------------------------------ */

static void duplicates(void)
{
    char bytes[64];
    int client, server, on = 1;
    pair_new(g_listener, &client, &server);
    int copy = dup(server), high = fcntl(server, F_DUPFD_CLOEXEC, 200);
    show("at least", high >= 200);
    show("dup2", dup2(client, 100));
    show("dup3 on itself", dup3(client, client, 0));
    send_text(100, "one");
    show_text("a duplicate reads", bytes, recv(copy, bytes, sizeof bytes, 0));
    show("ioctl", ioctl(copy, FIONBIO, &on));
    show("the flag is shared", fcntl(server, F_GETFL) == (O_RDWR | O_NONBLOCK));
    show("nothing", read(high, bytes, 1));
    show("F_GETFD", fcntl(high, F_GETFD));
    close(server);
    close(copy);
    send_text(client, "two");
    (void)wait_for(high, POLLIN);
    show_text("the last one", bytes, read(high, bytes, sizeof bytes));
    close(client);
    send_text(high, "three");
    show_text("the other last one", bytes, recv(100, bytes, sizeof bytes, 0));
    close(high);
    show("the end", recv(100, bytes, 1, 0));
    int plain[2];
    pipe(plain);
    show("dup2 of a pipe over it", dup2(plain[0], 100));
    show("a pipe now", write(plain[1], "pipe", 4));
    show_text("a pipe now", bytes, read(100, bytes, sizeof bytes));
    close(100), close(plain[0]), close(plain[1]);
}

static void two_listeners(void)
{
    int second = listener_new(SOCK_NONBLOCK), first_got = 0, second_got = 0;
    fcntl(g_listener, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 40; i++) {
        int client = client_new(), server = -1;
        while (server < 0) {
            server = accept(g_listener, NULL, NULL);
            first_got += server >= 0;
            if (server < 0) {
                server = accept(second, NULL, NULL);
                second_got += server >= 0;
            }
        }
        greet(client, server);
        send_text(server, "x");
        char byte;
        if (recv(client, &byte, 1, 0) != 1)
            die("recv");
        pair_close(client, server);
    }
    printf("both listeners: %d, all: %d\n", first_got > 0 && second_got > 0,
           first_got + second_got);
    fcntl(g_listener, F_SETFL, 0);
    close(second);
}

static void files(void)
{
    char bytes[256];
    int client, server, fds[2];
    FILE *f = tmpfile();
    int file = fileno(f);
    pair_new(g_listener, &client, &server);
    for (int i = 0; i < 20; i++)
        write(file, "0123456789", 10);
    off_t at = 3;
    show("sendfile", sendfile(client, file, &at, 20));
    show("offset", at);
    show_text("arrives", bytes, recv(server, bytes, 20, MSG_WAITALL));
    lseek(file, 195, SEEK_SET);
    show("sendfile at the position", sendfile(client, file, NULL, 100));
    show("position", lseek(file, 0, SEEK_CUR));
    show_text("arrives", bytes, recv(server, bytes, 5, MSG_WAITALL));
    show("at the end", sendfile(client, file, NULL, 100));
    at = 200;
    show("sendfile behind the end", sendfile(client, file, &at, 10));
    at = 190;
    show("sendfile to the end", sendfile(client, file, &at, 100));
    show("offset", at);
    show_text("arrives", bytes, recv(server, bytes, 10, MSG_WAITALL));
    int closed = open("/dev/null", O_WRONLY);
    at = 0;
    show("sendfile from what cannot be read", sendfile(client, closed, &at, 10));
    close(closed);
    show("sendfile of nothing", sendfile(client, file, &at, 0));
    at = -1;
    show("sendfile before the start", sendfile(client, file, &at, 1));
    show("sendfile from a socket", sendfile(file, server, NULL, 1));
    show("sendfile from nowhere", sendfile(client, 9999, NULL, 1));
    if (pipe(fds) != 0)
        die("pipe");
    write(fds[1], "through a pipe", 14);
    show("splice in", splice(fds[0], NULL, client, NULL, 100, 0));
    (void)wait_for(server, POLLIN);
    show("splice out", splice(server, NULL, fds[1], NULL, 100, 0));
    show_text("through", bytes, read(fds[0], bytes, sizeof bytes));
    fcntl(server, F_SETFL, O_NONBLOCK);
    show("splice of nothing", splice(server, NULL, fds[1], NULL, 100, 0));
    at = 0;
    show("splice with an offset", splice(fds[0], &at, client, NULL, 100, 0));
    close(client);
    (void)wait_for(server, POLLIN);
    show("splice of the end", splice(server, NULL, fds[1], NULL, 100, 0));
    close(server);
    close(fds[0]), close(fds[1]);
    fclose(f);
}

static int as_program(const char *number)
{
    int fd = (int)strtol(number, NULL, 10);
    serve(fd < 0 ? accept(-fd, NULL, NULL) : fd);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, count_pipe);
    if (argc == 3)
        return as_program(argv[2]);
    g_self = argv[0];
    g_listener = listener_new(0);
    duplicates();
    files();
    two_listeners();
    children();
    prefork();
    programs(0);
    programs(1);
    passed();
    return 0;
}
