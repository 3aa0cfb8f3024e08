/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on sockets: epoll in all its ways, instances in instances, select and poll. See net_guest.h. */
#include "net_guest.h"
#include <pthread.h>
#include <sched.h>

static int g_listener;

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        die("send");
}

/* What epoll_wait() says now; the data are letters. */
static void show_events(const char *what, int ep, int timeout)
{
    struct epoll_event events[8];
    int n = epoll_wait(ep, events, 8, timeout);
    printf("%s: %d", what, n);
    for (char letter = 'a'; letter <= 'z'; letter++) /* the order is nobody's business */
        for (int i = 0; i < n; i++)
            if (events[i].data.u64 == (uint64_t)letter) {
                uint32_t e = events[i].events;
                printf(" %c%s%s%s%s%s", letter, e & EPOLLIN ? ":IN" : "",
                       e & EPOLLOUT ? ":OUT" : "", e & EPOLLRDHUP ? ":RDHUP" : "",
                       e & EPOLLHUP ? ":HUP" : "", e & EPOLLERR ? ":ERR" : "");
            }
    printf("\n");
    fflush(stdout);
}

static int control(int ep, int op, int fd, uint32_t events, char letter)
{
    struct epoll_event event = {events, {.u64 = (uint64_t)letter}};
    return epoll_ctl(ep, op, fd, &event);
}

static void add(int ep, int fd, uint32_t events, char letter)
{
    if (control(ep, EPOLL_CTL_ADD, fd, events, letter) != 0)
        die("epoll_ctl");
}

/* Until all `size` bytes are there. */
static void settle(int fd, size_t size)
{
    char bytes[4096];
    if (recv(fd, bytes, size, MSG_PEEK | MSG_WAITALL) != (ssize_t)size)
        die("settle");
}

static void take(int fd, size_t size)
{
    char bytes[4096];
    show("read", recv(fd, bytes, size, MSG_DONTWAIT));
}

static void level(void)
{
    int client, server, ep = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    show("add", control(ep, EPOLL_CTL_ADD, server, EPOLLIN, 'a'));
    show("add again", control(ep, EPOLL_CTL_ADD, server, EPOLLIN, 'a'));
    show("modify what is not there", control(ep, EPOLL_CTL_MOD, client, EPOLLIN, 'b'));
    show("delete what is not there", control(ep, EPOLL_CTL_DEL, client, 0, 'b'));
    show("add a closed one", control(ep, EPOLL_CTL_ADD, 9999, EPOLLIN, 'b'));
    show("add itself", control(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 'b'));
    show("wrong operation", control(ep, 77, server, EPOLLIN, 'b'));
    show("no instance", control(server, EPOLL_CTL_ADD, client, EPOLLIN, 'b'));
    show("bad event address", epoll_ctl(ep, EPOLL_CTL_ADD, client, (void *)8));
    show("no room", epoll_wait(ep, NULL, 0, 0));
    show("modify to exclusive", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLEXCLUSIVE, 'a'));
    show_events("quiet", ep, 0);
    send_text(client, "0123456789");
    show_events("something", ep, 20000);
    take(server, 4);
    show_events("still something", ep, 0);
    show("bad address", epoll_wait(ep, (void *)8, 1, 0));
    take(server, 100);
    show_events("nothing", ep, 0);
    show("modify", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 'c'));
    show_events("room", ep, 0);
    shutdown(client, SHUT_WR);
    (void)wait_for(server, POLLRDHUP);
    show_events("the end", ep, 0);
    shutdown(server, SHUT_WR);
    (void)wait_for(server, POLLHUP);
    show_events("both ends", ep, 0);
    show("delete", control(ep, EPOLL_CTL_DEL, server, 0, 'c'));
    show_events("nobody", ep, 0);
    pair_close(client, server);
    close(ep);
}

static void edge(void)
{
    int client, server, ep = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    add(ep, server, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, 'a');
    show_events("room is an edge", ep, 0);
    show_events("once", ep, 0);
    send_text(client, "0123456789");
    settle(server, 10);
    show_events("an edge", ep, 20000);
    show_events("once", ep, 0);
    take(server, 4);
    show_events("a part is no edge", ep, 0);
    send_text(client, "abc");
    settle(server, 9);
    show_events("more is an edge", ep, 20000);
    take(server, 100);
    show_events("nothing", ep, 0);
    show("modify", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLOUT | EPOLLET, 'b'));
    show_events("an edge again", ep, 0);
    show_events("once", ep, 0);
    send_text(client, "x");
    settle(server, 1);
    show("modify with something there", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLET, 'b'));
    show_events("an edge again", ep, 20000);
    take(server, 100);
    close(client);
    show_events("the end", ep, 20000);
    take(server, 1);
    close(server);
    show_events("closed", ep, 0);
    close(ep);
}

static void one_shot(void)
{
    int client, server, ep = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    add(ep, server, EPOLLIN | EPOLLONESHOT, 'a');
    send_text(client, "0123456789");
    show_events("shot", ep, 20000);
    show_events("once", ep, 0);
    take(server, 4);
    show("armed", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLONESHOT, 'b'));
    show_events("shot", ep, 0);
    take(server, 100);
    show("armed", control(ep, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLET | EPOLLONESHOT, 'c'));
    show_events("nothing", ep, 0);
    send_text(client, "x");
    show_events("shot", ep, 20000);
    send_text(client, "y");
    settle(server, 2);
    show_events("disarmed", ep, 0);
    show("added twice", control(ep, EPOLL_CTL_ADD, server, EPOLLIN, 'c'));
    show("armed", control(ep, EPOLL_CTL_MOD, server, EPOLLIN, 'd'));
    show_events("level", ep, 0);
    show_events("level", ep, 0);
    pair_close(client, server);
    close(ep);
}

/* The same connection in two instances, under two numbers, and instances in instances. */
static void several(void)
{
    int client, server, one = epoll_create1(0), two = epoll_create1(0), outer = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    int copy = dup(server);
    add(one, server, EPOLLIN, 'a');
    show("a duplicate is another", control(one, EPOLL_CTL_ADD, copy, EPOLLIN, 'b'));
    add(two, server, EPOLLIN | EPOLLET, 'c');
    show("an instance in an instance", control(outer, EPOLL_CTL_ADD, one, EPOLLIN, 'd'));
    add(outer, two, EPOLLIN | EPOLLET, 'e');
    show("no circles", control(one, EPOLL_CTL_ADD, outer, EPOLLIN, 'f'));
    show_events("outer: quiet", outer, 0);
    show_poll("poll: quiet", outer, POLLIN);
    send_text(client, "0123456789");
    settle(server, 10);
    (void)wait_for(one, POLLIN);
    show_poll("poll of one", one, POLLIN);
    show_poll("poll of outer", outer, POLLIN);
    show_events("outer", outer, 20000);
    show_events("outer again", outer, 0);
    show_events("one", one, 0);
    show_events("two", two, 0);
    take(server, 4);
    show_events("outer: a part is left", outer, 0);
    show_events("one", one, 0);
    show_events("two", two, 0);
    take(copy, 100);
    show_events("one: nothing", one, 0);
    show_events("two: nothing", two, 0);
    show_events("outer: nothing", outer, 0);
    show_poll("poll: nothing", one, POLLIN);
    close(server);
    send_text(client, "more");
    settle(copy, 4);
    show_events("a closed number goes on while its duplicate lives", two, 20000);
    show("instances are no streams", read(one, &copy, 1));
    pair_close(client, copy);
    close(one);
    close(two);
    close(outer);
}

/* Plain descriptors and shielded ones in one instance. */
static void mixed(void)
{
    int client, server, ends[2], ep = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    if (pipe(ends) != 0)
        die("pipe");
    add(ep, server, EPOLLIN, 'a');
    add(ep, ends[0], EPOLLIN, 'b');
    add(ep, g_listener, EPOLLIN, 'c');
    show_events("quiet", ep, 0);
    show_poll("poll: quiet", ep, POLLIN);
    write(ends[1], "x", 1);
    show_events("the pipe", ep, 20000);
    show_poll("poll: the pipe", ep, POLLIN);
    send_text(client, "x");
    settle(server, 1);
    show_events("both", ep, 20000);
    close(ends[1]);
    show_events("the writer has gone", ep, 0);
    close(ends[0]);
    struct epoll_event one;
    show("one at a time", epoll_wait(ep, &one, 1, 0));
    int second = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = loopback(guest_port());
    connect(second, (struct sockaddr *)&a, sizeof a);
    (void)wait_for(g_listener, POLLIN);
    show_events("the listener too", ep, 0);
    close(accept(g_listener, NULL, NULL));
    close(second);
    sigset_t mask;
    sigemptyset(&mask);
    struct timespec none = {0}, wrong = {0, 2000000000};
    show("epoll_pwait", epoll_pwait(ep, &one, 1, 0, &mask));
    show("epoll_pwait2", epoll_pwait2(ep, &one, 1, &none, &mask));
    show("epoll_pwait2 nonsense", epoll_pwait2(ep, &one, 1, &wrong, &mask));
    take(server, 1);
    show("epoll_pwait2", epoll_pwait2(ep, &one, 1, &none, NULL));
    close(ep);
    pair_close(client, server);
}

/* Events asked for before there is a connection. */
static void early(void)
{
    struct sockaddr_in a = loopback(guest_port());
    int ep = epoll_create1(0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 'a');
    show_events("not connected", ep, 0);
    show("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
    int server = accept4(g_listener, NULL, NULL, SOCK_NONBLOCK);
    greet(fd, server);
    int got = 0;
    struct epoll_event event;
    while (epoll_wait(ep, &event, 1, 0) == 1)
        got |= (int)event.events;
    show("an edge for room", (got & EPOLLOUT) != 0);
    send_text(server, "x");
    settle(fd, 1);
    show("an edge for data", epoll_wait(ep, &event, 1, 20000) == 1 && (event.events & EPOLLIN));
    pair_close(fd, server);
    close(ep);
}

/* A writer that fills everything up is told when there is room again. */
static void full(uint32_t extra)
{
    static char lots[100000];
    struct epoll_event event;
    int client, server, ep = epoll_create1(0);
    ssize_t n;
    pair_new(g_listener, &client, &server);
    fcntl(client, F_SETFL, O_NONBLOCK);
    fcntl(server, F_SETFL, O_NONBLOCK);
    add(ep, client, EPOLLOUT | extra, 'a');
    struct pollfd room = {.fd = client, .events = POLLOUT};
    do /* what is on its way makes room when it arrives */
        while ((n = write(client, lots, sizeof lots)) > 0)
            ;
    while (poll(&room, 1, 0) != 0);
    show("full", n);
    while (epoll_wait(ep, &event, 1, 0) == 1 && (extra & EPOLLET))
        ; /* the edge of its being added */
    show_poll("no room", client, POLLOUT);
    event.events = 0;
    while (epoll_wait(ep, &event, 1, 0) == 0) {
        (void)wait_for(server, POLLIN);
        while ((n = read(server, lots, sizeof lots)) > 0)
            ;
    }
    show("room again", (event.events & EPOLLOUT) != 0);
    pair_close(client, server);
    close(ep);
}

static void selects(void)
{
    int client, server;
    fd_set in, out, err;
    struct timeval none = {0, 0}, wrong = {-1, 0};
    pair_new(g_listener, &client, &server);
    int count = (server > client ? server : client) + 1;
    for (int turn = 0; turn < 3; turn++) {
        FD_ZERO(&in);
        FD_ZERO(&out);
        FD_ZERO(&err);
        FD_SET(server, &in);
        FD_SET(client, &in);
        FD_SET(client, &out);
        FD_SET(server, &err);
        none = (struct timeval){turn == 1 ? 20 : 0, 0};
        if (turn == 1) {
            send_text(client, "0123456789");
            settle(server, 10);
        } else if (turn == 2) {
            close(client);
            (void)wait_for(server, POLLRDHUP);
            take(server, 4);
            FD_CLR(client, &in);
            FD_CLR(client, &out);
        }
        int n = select(count, &in, &out, &err, &none);
        printf("select: %d in %d %d out %d err %d\n", n, FD_ISSET(server, &in) != 0,
               FD_ISSET(client, &in) != 0, FD_ISSET(client, &out) != 0,
               FD_ISSET(server, &err) != 0);
    }
    show("negative time", select(count, &in, NULL, NULL, &wrong));
    show("negative count", select(-1, &in, NULL, NULL, &none));
    FD_SET(client, &in);
    show("closed", select(count, &in, NULL, NULL, &none));
    show("nothing", select(0, NULL, NULL, NULL, &none));
    sigset_t mask;
    sigemptyset(&mask);
    struct timespec zero = {0};
    FD_ZERO(&in);
    FD_SET(server, &in);
    show("pselect", pselect(count, &in, NULL, NULL, &zero, &mask));
    close(server);
    struct pollfd p[3] = {{.fd = -1, .events = POLLIN}, {.fd = client, .events = POLLIN}};
    show("poll of a closed one", poll(p, 2, 0));
    show("said so", p[1].revents == POLLNVAL && p[0].revents == 0);
    zero = (struct timespec){0, -1};
    show("ppoll nonsense", ppoll(p, 2, &zero, NULL));
    show("poll at a bad address", poll((void *)8, 1, 0));
}

static volatile sig_atomic_t g_alarms;

static void count_alarm(int signal)
{
    (void)signal;
    g_alarms++;
}

static void *send_later(void *fd)
{
    int alarms = g_alarms;
    while (g_alarms < alarms + 50)
        sched_yield();
    send_text(*(int *)fd, "x");
    return NULL;
}

/* A child that sends signals, for ever or `count`. */
static pid_t pester(int count)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    for (int i = 0; count == 0 || i < count; i++) {
        kill(parent, SIGUSR1);
        sched_yield();
    }
    _exit(0);
}

/* A signal ends a wait, and only where the mask lets it. */
static void signals(void)
{
    struct epoll_event event;
    struct sigaction action = {.sa_handler = count_alarm, .sa_flags = SA_RESTART};
    char byte;
    int client, server, ep = epoll_create1(0);
    pair_new(g_listener, &client, &server);
    add(ep, server, EPOLLIN, 'a');
    sigaction(SIGUSR1, &action, NULL);
    sigset_t mask, open;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, &open);
    raise(SIGUSR1);
    show("blocked", epoll_wait(ep, &event, 1, 0));
    show("let in", epoll_pwait(ep, &event, 1, -1, &open));
    show("alarms", g_alarms);
    raise(SIGUSR1);
    struct pollfd p = {.fd = server, .events = POLLIN};
    show("ppoll", ppoll(&p, 1, NULL, &open));
    raise(SIGUSR1);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(server, &in);
    show("pselect", pselect(server + 1, &in, NULL, NULL, NULL, &open));
    show("alarms", g_alarms);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    struct timeval limit = {20, 0}, none = {0};
    pid_t pid = pester(0);
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    show("a read with a limit", recv(server, &byte, 1, 0));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    pid = pester(0);
    pthread_t writer;
    pthread_create(&writer, NULL, send_later, &client);
    show("a read without one is restarted", recv(server, &byte, 1, 0));
    pthread_join(writer, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pair_close(client, server);
    close(ep);
}

int main(void)
{
    signal(SIGPIPE, count_pipe);
    g_listener = listener_new(0);
    level();
    edge();
    one_shot();
    several();
    mixed();
    early();
    full(0);
    full(EPOLLET);
    selects();
    signals();
    return 0;
}
