/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets whose names lie on a volume: what they are called, and messages to and from them. */
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD ((socklen_t)offsetof(struct sockaddr_un, sun_path))

static const char *g_dir;

static struct sockaddr_un named(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static struct sockaddr_un in_dir(const char *name)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return named(path);
}

#define SIZED(a_) (struct sockaddr *)(a_), (socklen_t)sizeof *(a_)

/* A name and its size; the directory is called differently here and there. */
static void show(const char *what, const struct sockaddr_un *a, socklen_t size)
{
    size_t dir = strlen(g_dir);
    const char *text = a->sun_path, *where = "";
    if (size > HEAD && strncmp(text, g_dir, dir) == 0)
        text += dir, size -= (socklen_t)dir, where = "DIR";
    printf("%s: family %d, size %d, '%s%s'\n", what, size >= 2 ? a->sun_family : -1, (int)size,
           where, size > HEAD ? text : "");
    fflush(stdout);
}

static void show_names(const char *what, int fd)
{
    struct sockaddr_un a = {0};
    socklen_t size = sizeof a;
    T(getsockname(fd, (struct sockaddr *)&a, &size));
    show(what, &a, size);
    memset(&a, 0, size = sizeof a);
    int r = getpeername(fd, (struct sockaddr *)&a, &size);
    if (r == 0)
        show("    peer", &a, size);
    else
        printf("    peer: %s\n", strerrorname_np(errno));
}

/* --- streams ----------------------------------------------------------------------------------- */

static void short_of_room(int fd)
{
    char room[130];
    socklen_t size;
    for (int n = -1; n < 12; n += 3) {
        memset(room, '#', sizeof room);
        size = (socklen_t)n;
        T(getsockname(fd, (struct sockaddr *)room, &size));
        printf("room %d: size %d, '%.*s'\n", n, (int)size, 10, room + 2);
    }
    size = sizeof room;
    memset(room, '#', sizeof room);
    T(getsockname(fd, (struct sockaddr *)room, &size));
    printf("%d '%s' %c\n", (int)size, room + 2, room[size]);
    T(getsockname(fd, NULL, &size));
    T(getsockname(fd, (struct sockaddr *)room, NULL));
    T(getsockname(fd, (struct sockaddr *)8, &size));
    T(getpeername(fd, (struct sockaddr *)room, &size));
    T(getsockname(999, (struct sockaddr *)room, &size));
    T(getsockname(1, (struct sockaddr *)room, &size));
    T(accept(fd, (struct sockaddr *)8, NULL));
}

static void streams(int type)
{
    struct sockaddr_un relative = named("server"), absolute = in_dir("server"), a;
    struct sockaddr_un mine = in_dir("client");
    socklen_t size;
    int server = socket(AF_UNIX, type, 0), client = socket(AF_UNIX, type, 0);
    show_names("new", client);
    T(bind(server, (struct sockaddr *)&relative, HEAD + 6)); /* without its NUL */
    show_names("bound", server);
    T(bind(server, SIZED(&relative)));
    T(listen(server, 4));
    fcntl(server, F_SETFL, O_NONBLOCK);
    short_of_room(server);
    fcntl(server, F_SETFL, 0);
    T(connect(client, SIZED(&absolute)));
    show_names("connected", client);
    memset(&a, 0, size = sizeof a);
    int accepted = accept(server, (struct sockaddr *)&a, &size);
    show("accepted", &a, size);
    show_names("the server's end", accepted);
    close(client), close(accepted);
    client = socket(AF_UNIX, type, 0);
    T(bind(client, SIZED(&mine)));
    T(connect(client, SIZED(&relative)));
    show_names("bound and connected", client);
    memset(&a, 0, size = sizeof a);
    accepted = accept4(server, (struct sockaddr *)&a, &size, SOCK_CLOEXEC);
    show("accepted", &a, size);
    T(fcntl(accepted, F_GETFD));
    show_names("the server's end", accepted);
    T(rename("server", "other"));
    T(unlink("client"));
    show_names("renamed and unlinked", client);
    show_names("renamed and unlinked", accepted);
    pid_t pid = fork();
    if (pid == 0) {
        show_names("in a child", accepted);
        T(write(accepted, "hello", 5));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    char bytes[8] = "";
    T(read(client, bytes, 8));
    close(client), close(accepted);
    T(accept4(server, NULL, NULL, 1));
    client = socket(AF_UNIX, type, 0);
    absolute = in_dir("other");
    T(connect(client, SIZED(&absolute)));
    T((accepted = accept(server, NULL, NULL)) > 0);
    show_names("once more", client);
    close(client), close(accepted), close(server);
    T(unlink("other"));
}

/* --- datagrams --------------------------------------------------------------------------------- */

static int datagrams_at(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    T(bind(fd, SIZED(a)));
    return fd;
}

static void receive(int fd, int flags)
{
    struct sockaddr_un from;
    socklen_t size = sizeof from;
    char bytes[16] = "";
    memset(&from, 0, sizeof from);
    T(recvfrom(fd, bytes, 5, flags, (struct sockaddr *)&from, &size));
    printf("'%s'\n", bytes);
    show("from", &from, size);
}

static void receive_message(int fd, socklen_t room)
{
    struct sockaddr_un from;
    char bytes[16] = "";
    struct iovec iov[2] = {{bytes, 2}, {bytes + 2, 4}};
    struct msghdr m = {.msg_name = &from, .msg_namelen = room, .msg_iov = iov, .msg_iovlen = 2};
    memset(&from, 0, sizeof from);
    T(recvmsg(fd, &m, 0));
    printf("'%s' flags %x\n", bytes, m.msg_flags & ~MSG_CMSG_CLOEXEC);
    if (room == sizeof from)
        show("from", &from, m.msg_namelen);
    else
        printf("'%.*s' of %d\n", (int)room - 2, from.sun_path, (int)m.msg_namelen > (int)room);
}

static void pass_pipe(int from, int to, struct sockaddr_un *name)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr head;
    } control = {0};
    char byte = 'x';
    int ends[2], got;
    struct sockaddr_un sender;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_name = name,
                       .msg_namelen = sizeof *name,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    T(pipe(ends));
    control.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &ends[1], sizeof(int));
    T(sendmsg(from, &m, 0));
    m.msg_name = &sender, m.msg_namelen = sizeof sender;
    memset(&control, 0, sizeof control);
    T(recvmsg(to, &m, 0));
    show("with a pipe, from", &sender, m.msg_namelen);
    T(m.msg_controllen == sizeof control);
    memcpy(&got, CMSG_DATA(&control.head), sizeof(int));
    T(write(got, "pipe", 4));
    T(read(ends[0], (char[8]){0}, 8));
    close(got), close(ends[0]), close(ends[1]);
}

static void several(int from, int to, struct sockaddr_un *name)
{
    struct sockaddr_un names[3], none = named("nobody");
    struct iovec out[3] = {{"one", 3}, {"two", 3}, {"three", 5}};
    struct mmsghdr m[3] = {0};
    char bytes[3][8] = {0};
    for (int i = 0; i < 3; i++)
        m[i].msg_hdr = (struct msghdr){
            .msg_name = name, .msg_namelen = sizeof *name, .msg_iov = &out[i], .msg_iovlen = 1};
    T(sendmmsg(from, m, 3, 0));
    T(m[2].msg_len);
    for (int i = 0; i < 3; i++) {
        out[i] = (struct iovec){bytes[i], 8};
        m[i].msg_hdr.msg_name = memset(&names[i], 0, sizeof names[i]);
        m[i].msg_hdr.msg_namelen = sizeof names[i];
    }
    T(recvmmsg(to, m, 3, MSG_DONTWAIT, NULL));
    for (int i = 0; i < 3; i++) {
        printf("'%s'\n", bytes[i]);
        show("from", &names[i], m[i].msg_hdr.msg_namelen);
    }
    m[0].msg_hdr.msg_name = m[2].msg_hdr.msg_name = name;
    m[1].msg_hdr.msg_name = &none;
    for (int i = 0; i < 3; i++)
        m[i].msg_hdr.msg_namelen = sizeof *name;
    T(sendmmsg(from, m, 3, 0)); /* the second goes nowhere */
    receive(to, 0);
    receive(to, 0);
}

static void nowhere(int fd)
{
    struct sockaddr_un a = named("nobody"), file = named("file"), stream = in_dir("stream");
    struct sockaddr_un below = named("file/x"), dir = named("."), loop = named("loop");
    struct iovec iov = {"x", 1};
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &iov, .msg_iovlen = 1};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    close(open("file", O_CREAT | O_WRONLY, 0666));
    symlink("loop", "loop");
    T(bind(s, SIZED(&stream)));
    T(sendto(fd, "x", 1, 0, SIZED(&a)));
    T(sendmsg(fd, &m, 0));
    T(sendto(fd, "x", 1, 0, SIZED(&file)));
    T(sendto(fd, "x", 1, 0, SIZED(&below)));
    T(sendto(fd, "x", 1, 0, SIZED(&dir)));
    T(sendto(fd, "x", 1, 0, SIZED(&loop)));
    T(sendto(fd, "x", 1, 0, SIZED(&stream)));
    T(listen(s, 1));
    T(sendto(fd, "x", 1, 0, SIZED(&stream)));
    T(connect(fd, SIZED(&stream)));
    T(connect(fd, SIZED(&a)));
    T(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, HEAD + 200));
    T(sendto(fd, "x", 1, 0, (struct sockaddr *)8, sizeof a));
    T(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, 1));
    close(s);
    T(unlink("stream") + unlink("file") + unlink("loop"));
}

static void datagrams(void)
{
    struct sockaddr_un first = named("first"), second = in_dir("second"), gone = in_dir("gone");
    struct sockaddr_un again = in_dir("first"), nobody = {.sun_family = AF_UNSPEC};
    int a = datagrams_at(&first), b = datagrams_at(&second), c, pair[2];
    show_names("first", a);
    show_names("second", b);
    T(sendto(b, "hello", 5, 0, SIZED(&again)));
    receive(a, MSG_PEEK);
    receive(a, 0);
    receive(a, 0);
    T(sendto(a, "a long answer", 13, 0, SIZED(&second)));
    receive(b, MSG_TRUNC);
    T(sendto(a, "", 0, 0, SIZED(&second)));
    receive(b, 0);
    T(sendto(b, "text", 4, 0, SIZED(&first)));
    receive_message(a, sizeof first);
    T(sendto(b, "longer text", 11, 0, SIZED(&first)));
    receive_message(a, 3);
    T(sendto(b, "more", 4, 0, SIZED(&first)));
    T(recv(a, (char[8]){0}, 8, 0));
    T(sendto(b, "more", 4, 0, SIZED(&first)));
    T(read(a, (char[8]){0}, 8));
    c = socket(AF_UNIX, SOCK_DGRAM, 0);
    T(sendto(c, "whose", 5, 0, SIZED(&first)));
    receive(a, 0);
    T(connect(c, SIZED(&second)));
    show_names("connected", c);
    T(write(c, "bytes", 5));
    receive(b, 0);
    T(send(c, "bytes", 5, 0));
    T(sendto(c, "other", 5, 0, SIZED(&first)));
    receive(b, 0);
    receive(a, 0);
    T(connect(c, SIZED(&nobody)));
    T(write(c, "x", 1));
    T(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    T(sendto(pair[0], "pair", 4, 0, SIZED(&first)));
    receive(a, 0);
    pass_pipe(b, a, &again);
    several(b, a, &first);
    nowhere(c);
    int d = datagrams_at(&gone);
    close(d);
    T(sendto(c, "x", 1, 0, SIZED(&gone)));
    T(unlink("gone"));
    T(sendto(c, "x", 1, 0, SIZED(&gone)));
    T(sendto(b, "last", 4, 0, SIZED(&first)));
    T(unlink("second"));
    receive(a, 0); /* its name stays with what it sent */
    close(a), close(b), close(c), close(pair[0]), close(pair[1]);
    T(unlink("first"));
}

static void *wait_on(void *arg)
{
    struct epoll_event event = {0};
    int n = epoll_wait(*(int *)arg, &event, 1, -1);
    return (void *)(n == 1 ? event.data.u64 : 0);
}

/* A thread waits already when the socket is added: it gets what the program said of it. */
static void epolls(void)
{
    struct sockaddr_un mine = named("mine");
    int fd = datagrams_at(&mine), good = 0;
    for (int round = 0; round < 30; round++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890};
        int epoll = epoll_create1(0);
        pthread_t t;
        void *got = NULL;
        pthread_create(&t, NULL, wait_on, &epoll);
        for (int i = 0; i < round; i++)
            sched_yield();
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 ||
            sendto(fd, "x", 1, 0, SIZED(&mine)) != 1)
            exit(1);
        pthread_join(t, &got);
        good += (uint64_t)got == event.data.u64;
        event.data.u64 = 5;
        good += epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0;
        good += epoll_wait(epoll, &event, 1, 0) == 1 && event.data.u64 == 5;
        good += epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1 && errno == EEXIST;
        good += epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0;
        good += epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == -1 && errno == ENOENT;
        (void)!read(fd, (char[2]){0}, 2);
        close(epoll);
    }
    T(good);
    close(fd);
    T(unlink("mine"));
}

int main(int argc, char **argv)
{
    if (argc < 2 || chdir(argv[1]) != 0)
        return 1;
    g_dir = argv[1];
    streams(SOCK_STREAM);
    streams(SOCK_SEQPACKET);
    datagrams();
    epolls();
    return 0;
}
