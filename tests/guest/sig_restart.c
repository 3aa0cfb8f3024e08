/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls a handler interrupts and which are begun again, with SA_RESTART and without. A helper
 * thread signals the caller again and again, each time it sleeps, until the call has ended. */
#include "say.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static volatile int handled;
static _Atomic int ended;
static int target, ends[2], sockets[2];

static void count(int signal)
{
    (void)signal;
    handled++;
}

static char state_of(int tid)
{
    char path[64], text[512] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    char *at = n > 0 ? strrchr(text, ')') : NULL;
    return at ? at[2] : '?';
}

static void *interrupt(void *arg)
{
    (void)arg;
    while (!ended) {
        if (state_of(target) == 'S')
            syscall(SYS_tgkill, getpid(), target, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

/* The same, but only three times; then it makes the call end. */
static void *interrupt_and_end(void *arg)
{
    void (*end)(void) = arg;
    for (int i = 0; i < 3;) {
        int before = handled;
        if (state_of(target) != 'S') {
            sched_yield();
            continue;
        }
        syscall(SYS_tgkill, getpid(), target, SIGUSR1);
        while (handled == before)
            sched_yield();
        i++;
    }
    while (state_of(target) != 'S')
        sched_yield();
    end();
    return NULL;
}

static void with_flags(int flags)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
}

#define INTERRUPTED(call_)                                                                    \
    do {                                                                                      \
        pthread_t t_;                                                                         \
        ended = 0;                                                                            \
        pthread_create(&t_, NULL, interrupt, NULL);                                           \
        errno = 0;                                                                            \
        long r_ = (long)(call_);                                                              \
        int e_ = errno;                                                                       \
        ended = 1;                                                                            \
        pthread_join(t_, NULL);                                                               \
        printf("%d: %s = %ld %s\n", __LINE__, #call_, r_, r_ < 0 ? strerrorname_np(e_) : ""); \
    } while (0)

#define RESTARTED(call_, end_)                                        \
    do {                                                              \
        pthread_t t_;                                                 \
        handled = 0;                                                  \
        pthread_create(&t_, NULL, interrupt_and_end, (void *)(end_)); \
        errno = 0;                                                    \
        long r_ = (long)(call_);                                      \
        int e_ = errno;                                               \
        pthread_join(t_, NULL);                                       \
        printf("%d: %s = %ld %s, handled %d\n", __LINE__, #call_, r_, \
               r_ < 0 ? strerrorname_np(e_) : "", handled);           \
    } while (0)

static int futex_word, lock_fd;
static char big[1 << 20];

static void end_pipe(void)
{
    write(ends[1], "x", 1);
}

static void end_drain(void)
{
    static char sink[1 << 16];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (read(ends[0], sink, sizeof sink) > 0)
        ;
    fcntl(ends[0], F_SETFL, 0);
}

static void end_socket(void)
{
    write(sockets[1], "y", 1);
}

static void end_futex(void)
{
    syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int gate[2];
static void end_child(void)
{
    close(gate[1]);
}

static void end_flock(void)
{
    flock(lock_fd, LOCK_UN);
}

static int listener;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;
static void end_accept(void)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(s, (void *)&address, address_size);
    close(s);
}

static int child_at_gate(void)
{
    pipe(gate);
    int pid = fork();
    if (pid == 0) {
        char c;
        close(gate[1]);
        read(gate[0], &c, 1);
        _exit(6);
    }
    close(gate[0]);
    return pid;
}

static void fill(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, big, 4096) > 0)
        ;
    fcntl(fd, F_SETFL, 0);
}

static void calls(int flags)
{
    char byte;
    struct timespec long_time = {.tv_sec = 600}, left = {0};
    struct timeval tv = {.tv_sec = 600};
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    struct epoll_event event;
    sigset_t none, usr2;
    fd_set reads;
    int epoll = epoll_create1(0);
    sigemptyset(&none);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    with_flags(flags);
    printf("flags %d\n", flags == SA_RESTART);
    /* never restarted */
    INTERRUPTED(poll(&p, 1, 600000));
    INTERRUPTED(poll(NULL, 0, -1));
    INTERRUPTED(ppoll(&p, 1, &long_time, &none));
    INTERRUPTED(ppoll(&p, 1, NULL, NULL));
    FD_ZERO(&reads);
    FD_SET(ends[0], &reads);
    INTERRUPTED(select(ends[0] + 1, &reads, NULL, NULL, &tv));
    FD_SET(ends[0], &reads);
    INTERRUPTED(pselect(ends[0] + 1, &reads, NULL, NULL, &long_time, &none));
    INTERRUPTED(epoll_wait(epoll, &event, 1, -1));
    INTERRUPTED(epoll_pwait(epoll, &event, 1, 600000, &none));
    INTERRUPTED(nanosleep(&long_time, &left));
    SAY_TRUE(left.tv_sec > 500 && left.tv_sec <= 600);
    INTERRUPTED(-clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left));
    INTERRUPTED(pause());
    INTERRUPTED(sigsuspend(&none));
    INTERRUPTED(sigtimedwait(&usr2, NULL, &long_time));
    INTERRUPTED(sigwaitinfo(&usr2, NULL));
    INTERRUPTED(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, &long_time, NULL, 0));
    int q = msgget(IPC_PRIVATE, 0600), sem = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf take = {0, -1, 0};
    struct msgbuf message;
    INTERRUPTED(msgrcv(q, &message, 1, 0, 0));
    INTERRUPTED(semop(sem, &take, 1));
    msgctl(q, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    struct timeval brief = {.tv_sec = 600};
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
    INTERRUPTED(recv(sockets[0], &byte, 1, 0));
    brief.tv_sec = 0;
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
    close(epoll);
    if (flags != SA_RESTART) {
        INTERRUPTED(read(ends[0], &byte, 1));
        INTERRUPTED(recv(sockets[0], &byte, 1, 0));
        int pid = child_at_gate();
        INTERRUPTED(waitpid(pid, NULL, 0));
        INTERRUPTED(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED));
        end_child();
        int status;
        SAY(waitpid(pid, &status, 0) == pid);
        INTERRUPTED(accept(listener, NULL, NULL));
        INTERRUPTED(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0));
        fill(ends[1]);
        INTERRUPTED(write(ends[1], &byte, 1));
        end_drain();
        INTERRUPTED(write(ends[1], big, sizeof big)); /* a part was written */
        end_drain();
        flock(lock_fd, LOCK_EX);
        int other = open("lock", O_RDWR);
        INTERRUPTED(flock(other, LOCK_EX));
        flock(lock_fd, LOCK_UN);
        int event_fd = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
        uint64_t n;
        INTERRUPTED(read(event_fd, &n, 8));
        INTERRUPTED(read(timer, &n, 8));
        return;
    }
    RESTARTED(read(ends[0], &byte, 1), end_pipe);
    RESTARTED(recv(sockets[0], &byte, 1, 0), end_socket);
    RESTARTED(recvmsg(sockets[0],
                      &(struct msghdr){.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1}, 0),
              end_socket);
    int pid = child_at_gate();
    RESTARTED(waitpid(pid, NULL, 0) == pid, end_child);
    pid = child_at_gate();
    RESTARTED(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED), end_child);
    RESTARTED(accept(listener, NULL, NULL) >= 0, end_accept);
    RESTARTED(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0), end_futex);
    fill(ends[1]);
    RESTARTED(write(ends[1], &byte, 1), end_drain);
    end_drain();
    flock(lock_fd, LOCK_EX);
    int other = open("lock", O_RDWR);
    RESTARTED(flock(other, LOCK_EX), end_flock);
    close(other);
}

/* Stopped and continued in a wait with a time-out: no handler, so the wait goes on. */
static void stopped(void)
{
    int pid = fork(), status;
    struct timespec t = {.tv_nsec = 200000000};
    if (pid == 0) {
        if (nanosleep(&t, NULL) < 0 || poll(NULL, 0, 200) != 0)
            _exit(1);
        int word = 0;
        if (syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0) == 0 || errno != ETIMEDOUT)
            _exit(2);
        _exit(0);
    }
    for (int i = 0; i < 40; i++) {
        kill(pid, SIGSTOP);
        if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
            break;
        kill(pid, SIGCONT);
        if (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status))
            break;
    }
    while (!WIFEXITED(status) && !WIFSIGNALED(status) && waitpid(pid, &status, 0) == pid)
        ;
    SAY(WIFEXITED(status) ? WEXITSTATUS(status) : -2);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(50);
    target = (int)syscall(SYS_gettid);
    pipe(ends);
    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    lock_fd = open("lock", O_RDWR | O_CREAT, 0600);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (void *)&address, sizeof address.sun_family); /* the kernel finds a name */
    address_size = sizeof address;
    getsockname(listener, (void *)&address, &address_size);
    listen(listener, 5);
    calls(0);
    calls(SA_RESTART);
    stopped();
    return 0;
}
