/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's small objects and questions: timerfd, eventfd, signalfd, inotify, message queues, System V
 * objects, schedulers, limits, clocks, pidfds, futexes, membarrier, personality, uname; with wrong
 * descriptors, addresses and flags. */
#include "say.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define BAD ((void *)8)

static void timers(void)
{
    struct itimerspec when = {{0, 0}, {0, 1}}, none = {{0, 0}, {0, 0}}, old,
                      bad = {{0, 0}, {0, 1000000000}}, negative = {{0, 0}, {-1, 0}};
    uint64_t count;
    SAY(timerfd_create(99, 0));
    SAY(timerfd_create(CLOCK_MONOTONIC, 1));
    SAY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    SAY(fcntl(fd, F_GETFL));
    SAY(read(fd, &count, sizeof count));
    SAY(timerfd_settime(fd, 0, &when, &old));
    SAY(poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1));
    SAY(read(fd, &count, 4));
    SAY(read(fd, BAD, 8));
    SAY(read(fd, &count, sizeof count));
    SAY(timerfd_gettime(fd, &old));
    SAY(old.it_value.tv_sec + old.it_value.tv_nsec);
    SAY(timerfd_settime(fd, 0, &bad, NULL));
    SAY(timerfd_settime(fd, 0, &negative, NULL));
    SAY(timerfd_settime(fd, 0x100, &none, NULL));
    SAY(timerfd_settime(fd, 0, BAD, NULL));
    SAY(timerfd_settime(fd, 0, &none, BAD));
    SAY(timerfd_gettime(fd, BAD));
    SAY(timerfd_settime(-1, 0, &none, NULL));
    SAY(timerfd_gettime(0, &old));
    SAY(timerfd_settime(0, 0, &none, NULL));
    SAY(write(fd, &count, 8));
    SAY(lseek(fd, 0, SEEK_SET) < 0);
    SAY(pread(fd, &count, 8, 0));
    close(fd);
    timer_t timer;
    struct sigevent event = {.sigev_notify = 77};
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SAY(syscall(SYS_timer_create, 99, NULL, &timer));
    SAY(syscall(SYS_timer_create, CLOCK_MONOTONIC, BAD, &timer));
    SAY(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, BAD));
    int id = -1;
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    SAY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    SAY(syscall(SYS_timer_settime, id, 0, &bad, NULL));
    SAY(syscall(SYS_timer_settime, id, 0, BAD, NULL));
    SAY(syscall(SYS_timer_settime, 12345, 0, &none, NULL));
    SAY(syscall(SYS_timer_gettime, id, BAD));
    SAY(syscall(SYS_timer_getoverrun, id));
    SAY(syscall(SYS_timer_getoverrun, 12345));
    SAY(syscall(SYS_timer_delete, id));
    SAY(syscall(SYS_timer_delete, id));
    struct itimerval value = {{0, 0}, {0, 1000000}};
    SAY(setitimer(ITIMER_REAL, &value, NULL));
    SAY(setitimer(9, &value, NULL));
    SAY(getitimer(9, &value));
    SAY(getitimer(ITIMER_REAL, BAD));
    SAY(setitimer(ITIMER_REAL, BAD, NULL));
    SAY(alarm(100));
    SAY(alarm(0) > 90);
    struct timespec at = {0, 1000000000}, past = {0, 0};
    SAY(nanosleep(&at, NULL));
    SAY(nanosleep(BAD, NULL));
    SAY(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL));
    SAY(clock_nanosleep(CLOCK_MONOTONIC, 0x100, &past, NULL));
    SAY(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL));
    SAY(clock_nanosleep(99, 0, &past, NULL));
    static const clockid_t clocks[] = {CLOCK_REALTIME,
                                       CLOCK_MONOTONIC,
                                       CLOCK_PROCESS_CPUTIME_ID,
                                       CLOCK_THREAD_CPUTIME_ID,
                                       CLOCK_MONOTONIC_RAW,
                                       CLOCK_REALTIME_COARSE,
                                       CLOCK_MONOTONIC_COARSE,
                                       CLOCK_BOOTTIME,
                                       CLOCK_TAI,
                                       10,
                                       16,
                                       -1};
    for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        SAY(syscall(SYS_clock_gettime, clocks[i], &at));
        SAY(syscall(SYS_clock_getres, clocks[i], &at));
        SAY(syscall(SYS_clock_gettime, clocks[i], BAD));
        SAY(syscall(SYS_clock_getres, clocks[i], NULL));
    }
    SAY(syscall(SYS_gettimeofday, BAD, NULL));
    SAY(syscall(SYS_gettimeofday, NULL, NULL));
    SAY(syscall(SYS_time, BAD) < 0);
    SAY(syscall(SYS_times, BAD));
    struct timex timex = {.modes = 0};
    SAY(adjtimex(&timex) >= 0);
    SAY(syscall(SYS_adjtimex, &timex) >= 0);
    SAY(syscall(SYS_adjtimex, BAD));
    SAY(syscall(SYS_clock_adjtime, 99, &timex));
    SAY(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &timex));
    SAY(syscall(SYS_clock_adjtime, CLOCK_REALTIME, BAD));
}

static void counters(void)
{
    uint64_t value = 5;
    SAY(eventfd(0, 0x100));
    int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
    SAY(read(fd, &value, 4));
    SAY(read(fd, BAD, 8));
    SAY(read(fd, &value, 8));
    SAY(value);
    value = UINT64_MAX;
    SAY(write(fd, &value, 8));
    value = UINT64_MAX - 1;
    SAY(write(fd, &value, 8));
    SAY(write(fd, &value, 4));
    SAY(write(fd, BAD, 8));
    SAY(poll(&(struct pollfd){fd, POLLIN | POLLOUT, 0}, 1, 0));
    SAY(fcntl(fd, F_GETFL));
    SAY(ftruncate(fd, 0));
    SAY(fsync(fd));
    close(fd);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SAY(syscall(SYS_signalfd4, -1, &set, 4, 0));
    SAY(syscall(SYS_signalfd4, -1, BAD, 8, 0));
    SAY(signalfd(-1, &set, 0x100));
    SAY(signalfd(0, &set, 0));
    SAY(signalfd(99, &set, 0));
    fd = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info;
    SAY(read(fd, &info, sizeof info));
    kill(getpid(), SIGUSR1);
    SAY(read(fd, &info, 10));
    SAY(read(fd, &info, sizeof info));
    SAY(info.ssi_signo);
    SAY(info.ssi_pid == (unsigned)getpid());
    SAY(signalfd(fd, &set, 0) == fd);
    close(fd);
    SAY(inotify_init1(0x100));
    fd = inotify_init1(IN_NONBLOCK);
    SAY(inotify_add_watch(fd, "/nowhere", IN_MODIFY));
    SAY(inotify_add_watch(fd, BAD, IN_MODIFY));
    SAY(inotify_add_watch(fd, "/", 0));
    SAY(inotify_add_watch(-1, "/", IN_MODIFY));
    SAY(inotify_add_watch(0, "/", IN_MODIFY));
    SAY(inotify_add_watch(fd, "/etc/passwd", IN_MODIFY | IN_ONLYDIR));
    SAY(inotify_add_watch(fd, "/etc", IN_MASK_CREATE | IN_MODIFY));
    SAY(inotify_add_watch(fd, "/etc", IN_MASK_CREATE | IN_MODIFY));
    SAY(inotify_add_watch(fd, "/etc", IN_MASK_CREATE | IN_MASK_ADD | IN_MODIFY));
    SAY(inotify_rm_watch(fd, 99));
    SAY(inotify_rm_watch(0, 1));
    SAY(inotify_rm_watch(-1, 1));
    char text[5];
    SAY(inotify_rm_watch(fd, 1));
    SAY(read(fd, text, sizeof text));
    close(fd);
    SAY(epoll_create(0));
    SAY(epoll_create(-1));
    SAY(epoll_create1(1));
    fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT};
    int p[2];
    pipe(p);
    SAY(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &event));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    SAY(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_MOD, p[0], &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_MOD, p[1], &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_DEL, p[1], &event));
    SAY(epoll_ctl(fd, 9, p[0], &event));
    SAY(epoll_ctl(fd, EPOLL_CTL_ADD, p[1], BAD));
    SAY(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &event));
    SAY(epoll_wait(fd, &event, 0, 0));
    SAY(epoll_wait(fd, &event, -1, 0));
    SAY(epoll_wait(fd, &event, INT_MAX, 0));
    SAY(epoll_wait(p[0], &event, 1, 0));
    SAY(epoll_wait(-1, &event, 1, 0));
    SAY(syscall(SYS_epoll_pwait2, fd, &event, 1, &(struct timespec){0, -1}, NULL, 0));
    SAY(syscall(SYS_epoll_pwait2, fd, &event, 1, &(struct timespec){0, 0}, NULL, 0));
    SAY(syscall(SYS_epoll_pwait, fd, &event, 1, 0, &set, 4));
    write(p[1], "x", 1);
    SAY(epoll_wait(fd, BAD, 1, 0));
    close(fd);
    close(p[0]);
    close(p[1]);
    SAY(poll(BAD, 1, 0));
    SAY(poll(NULL, 0, 0));
    SAY(poll(NULL, 1u << 30, 0));
    SAY(ppoll(NULL, 0, &(struct timespec){0, 1000000000}, NULL));
    SAY(select(-1, NULL, NULL, NULL, &(struct timeval){0}));
    SAY(select(1, BAD, NULL, NULL, &(struct timeval){0}));
    SAY(select(0, NULL, NULL, NULL, &(struct timeval){-1, 0}));
    SAY(pselect(0, NULL, NULL, NULL, &(struct timespec){0, -1}, NULL));
}

static void queues(void)
{
    char name[64], long_name[300], text[100];
    snprintf(name, sizeof name, "/guest-objects-%d", getpid());
    memset(long_name, 'q', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[299] = 0;
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16},
                   bad = {.mq_maxmsg = -1, .mq_msgsize = 16};
    struct timespec past = {0, 0}, wrong = {0, -1};
    unsigned priority;
    SAY(mq_open("none", O_RDWR));
    SAY(mq_open("/none-such", O_RDWR));
    SAY(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &attr));
    SAY(mq_open(long_name, O_RDWR | O_CREAT, 0600, &attr));
    SAY(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
    SAY(syscall(SYS_mq_open, BAD, O_RDWR));
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    SAY(q >= 0);
    SAY(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
    SAY(mq_send(q, "hello", 5, 3));
    SAY(mq_send(q, "high", 4, 9));
    SAY(mq_timedsend(q, "x", 1, 1, &past));
    SAY(mq_timedsend(q, "x", 1, 1, &wrong));
    SAY(mq_send(q, text, 17, 1));
    SAY(mq_send(q, "x", 1, 40000));
    SAY(mq_send(q, BAD, 1, 1));
    SAY(mq_receive(q, text, 5, &priority));
    SAY(mq_receive(q, text, sizeof text, &priority));
    SAY(priority);
    SAY(mq_getattr(q, &attr));
    SAY(attr.mq_curmsgs);
    attr.mq_flags = O_NONBLOCK;
    SAY(mq_setattr(q, &attr, NULL));
    SAY(mq_receive(q, text, sizeof text, &priority));
    SAY(mq_receive(q, text, sizeof text, &priority));
    attr.mq_flags = 1;
    SAY(mq_setattr(q, &attr, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    SAY(mq_notify(q, &event));
    SAY(mq_notify(q, &event));
    SAY(mq_notify(q, NULL));
    SAY(mq_notify(-1, &event));
    SAY(mq_send(0, "x", 1, 1));
    SAY(mq_close(q));
    SAY(mq_unlink(name));
    SAY(mq_unlink(name));
    /* System V */
    SAY(msgget(12345, 0));
    int id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
    struct {
        long type;
        char text[16];
    } message = {1, "hello"};
    SAY(msgsnd(id, &message, 6, 0));
    SAY(msgsnd(id, &message, -1, 0));
    SAY(msgsnd(id, BAD, 6, 0));
    message.type = 0;
    SAY(msgsnd(id, &message, 6, 0));
    SAY(msgrcv(id, &message, 2, 0, 0));
    SAY(msgrcv(id, &message, 2, 0, MSG_NOERROR));
    SAY(msgrcv(id, &message, 16, 0, IPC_NOWAIT));
    SAY(msgrcv(id, &message, 16, 5, IPC_NOWAIT));
    struct msqid_ds about;
    SAY(msgctl(id, IPC_STAT, &about));
    SAY(about.msg_qnum);
    SAY(msgctl(id, IPC_STAT, BAD));
    SAY(msgctl(id, 99, &about));
    SAY(msgctl(id, IPC_RMID, NULL));
    SAY(msgctl(id, IPC_RMID, NULL));
    SAY(semget(IPC_PRIVATE, -1, 0600));
    SAY(semget(12345, 1, 0));
    id = semget(IPC_PRIVATE, 2, 0600 | IPC_CREAT);
    struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT}, far = {5, 1, 0};
    SAY(semop(id, &up, 1));
    SAY(semop(id, &down, 1));
    SAY(semop(id, &down, 1));
    SAY(semop(id, &far, 1));
    SAY(semop(id, &up, 0));
    SAY(semop(id, &up, 100000));
    SAY(semop(id, BAD, 1));
    down.sem_flg = 0;
    SAY(semtimedop(id, &down, 1, &(struct timespec){0, 1}));
    SAY(semtimedop(id, &down, 1, &(struct timespec){0, -1}));
    SAY(semctl(id, 0, SETVAL, -1));
    SAY(semctl(id, 0, SETVAL, 7));
    SAY(semctl(id, 0, GETVAL));
    SAY(semctl(id, 9, GETVAL));
    SAY(semctl(id, 0, GETNCNT));
    SAY(semctl(id, 0, IPC_RMID));
    SAY(semctl(id, 0, GETVAL));
    SAY(shmget(IPC_PRIVATE, 0, 0600 | IPC_CREAT));
    SAY(shmget(12345, 10, 0));
    id = shmget(IPC_PRIVATE, 10000, 0600 | IPC_CREAT);
    char *at = shmat(id, NULL, 0);
    SAY_TRUE(at != (void *)-1);
    at[9999] = 5;
    struct shmid_ds shm;
    SAY(shmctl(id, IPC_STAT, &shm));
    SAY(shm.shm_segsz);
    SAY(shm.shm_nattch);
    SAY((long)shmat(id, at, 0));
    SAY((long)shmat(id, (char *)1, 0));
    SAY((long)shmat(99999999, NULL, 0));
    SAY_TRUE(shmat(id, at, SHM_REMAP) == at);
    SAY(shmdt(at + 4096));
    SAY(shmdt(at));
    SAY(shmdt(at));
    SAY(shmctl(id, 99, &shm));
    SAY(shmctl(id, IPC_RMID, NULL));
    SAY(shmctl(id, IPC_STAT, &shm));
}

static void scheduling(void)
{
    struct sched_param param = {.sched_priority = 0};
    cpu_set_t cpus;
    SAY(sched_getscheduler(0));
    SAY(sched_getscheduler(-1));
    SAY(sched_getscheduler(99999999));
    SAY(sched_setscheduler(0, 99, &param));
    SAY(sched_setscheduler(0, SCHED_FIFO, &param));
    SAY(sched_setscheduler(0, SCHED_OTHER, BAD));
    SAY(sched_setscheduler(0, SCHED_BATCH, &param));
    SAY(sched_getscheduler(0));
    SAY(sched_setscheduler(0, SCHED_OTHER, &param));
    SAY(sched_getparam(0, BAD));
    SAY(sched_getparam(0, &param));
    param.sched_priority = 5;
    SAY(sched_setparam(0, &param));
    static const int policies[] = {SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH,
                                   SCHED_IDLE,  99,         -1};
    for (unsigned i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        SAY(sched_get_priority_min(policies[i]));
        SAY(sched_get_priority_max(policies[i]));
    }
    struct timespec slice;
    SAY(sched_rr_get_interval(0, &slice));
    SAY(sched_rr_get_interval(-1, &slice));
    SAY(sched_rr_get_interval(0, BAD));
    CPU_ZERO(&cpus);
    SAY(sched_setaffinity(0, sizeof cpus, &cpus));
    SAY(sched_getaffinity(0, sizeof cpus, &cpus));
    SAY(CPU_COUNT(&cpus) > 0);
    SAY(sched_getaffinity(0, 1, &cpus));
    SAY(sched_getaffinity(99999999, sizeof cpus, &cpus));
    SAY(sched_setaffinity(0, sizeof cpus, BAD));
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(getpriority(9, 0));
    SAY(getpriority(PRIO_PROCESS, 99999999));
    SAY(setpriority(PRIO_PROCESS, 0, 3));
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(nice(100));
    SAY(setpriority(9, 0, 0));
    unsigned cpu, node;
    SAY(syscall(SYS_getcpu, &cpu, &node, NULL));
    SAY(syscall(SYS_getcpu, NULL, NULL, NULL));
    SAY(syscall(SYS_getcpu, BAD, NULL, NULL));
    SAY(syscall(SYS_ioprio_get, 1, 0));
    SAY(syscall(SYS_ioprio_get, 9, 0));
    SAY(syscall(SYS_ioprio_set, 1, 0, 0x4007));
    SAY(syscall(SYS_ioprio_set, 1, 0, 0xf007));
}

static void about(void)
{
    struct utsname uts;
    struct sysinfo info;
    struct rusage usage;
    struct rlimit limit;
    SAY(uname(&uts));
    printf("%s %s %s\n", uts.sysname, uts.release, uts.machine);
    SAY(uname(BAD));
    SAY(sysinfo(&info));
    SAY(info.mem_unit);
    SAY(sysinfo(BAD));
    SAY(getrusage(RUSAGE_SELF, &usage));
    SAY(getrusage(RUSAGE_CHILDREN, &usage));
    SAY(getrusage(RUSAGE_THREAD, &usage));
    SAY(getrusage(9, &usage));
    SAY(getrusage(RUSAGE_SELF, BAD));
    for (int i = 0; i < 18; i++)
        if (i != RLIMIT_NOFILE || 1)
            SAY(getrlimit(i, &limit));
    SAY(syscall(SYS_getrlimit, RLIMIT_CPU, BAD));
    SAY(syscall(SYS_setrlimit, RLIMIT_CPU, BAD));
    SAY(syscall(SYS_prlimit64, 0, 99, NULL, &limit));
    SAY(syscall(SYS_prlimit64, 99999999, RLIMIT_CPU, NULL, &limit));
    SAY(syscall(SYS_prlimit64, -1, RLIMIT_CPU, NULL, &limit));
    limit = (struct rlimit){10, 5};
    SAY(setrlimit(RLIMIT_CORE, &limit));
    SAY(personality(0xffffffff));
    SAY(syscall(SYS_getrandom, BAD, 10, 0));
    char bytes[10];
    SAY(syscall(SYS_getrandom, bytes, 10, 0x100));
    SAY(syscall(SYS_getrandom, bytes, 10, 6));
    SAY(syscall(SYS_getrandom, bytes, 10, 1));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
    SAY(syscall(SYS_membarrier, 0x10000, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 9, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    SAY(getpgid(99999999));
    SAY(getsid(99999999));
    SAY(getpgid(-1));
    SAY(setpgid(99999999, 0));
    SAY(setpgid(0, -1));
    SAY(getgroups(-1, NULL));
    SAY(syscall(SYS_getresuid, BAD, BAD, BAD));
    SAY(kill(99999999, 0));
    SAY(kill(getpid(), 99));
    SAY(kill(INT_MIN, 0));
    SAY(syscall(SYS_tkill, 0, 0));
    SAY(syscall(SYS_tkill, -1, 0));
    SAY(syscall(SYS_tgkill, getpid(), -1, 0));
    SAY(syscall(SYS_tgkill, -1, getpid(), 0));
    SAY(syscall(SYS_tgkill, 1, getpid(), 0));
    SAY(syscall(SYS_restart_syscall));
    SAY(syscall(1000));
    SAY(syscall(-1));
    SAY(syscall(600));
}

static void processes(void)
{
    siginfo_t info;
    SAY(syscall(SYS_pidfd_open, 0, 0));
    SAY(syscall(SYS_pidfd_open, -1, 0));
    SAY(syscall(SYS_pidfd_open, 99999999, 0));
    SAY(syscall(SYS_pidfd_open, getpid(), 1));
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    SAY(fcntl(self, F_GETFD));
    SAY(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, self, 99, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0x1000));
    SAY(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0) < 0);
    SAY(syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0));
    SAY(syscall(SYS_pidfd_send_signal, self, SIGUSR1, BAD, 0));
    SAY(waitid(3, self, &info, WEXITED));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    SAY(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0));
    SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    SAY(poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1));
    SAY(waitid(3, fd, &info, WEXITED | WNOWAIT));
    SAY(info.si_status);
    SAY(waitid(3, fd, &info, WEXITED));
    SAY(waitid(3, fd, &info, WEXITED));
    SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    close(fd);
    close(self);
    SAY(waitpid(-1, NULL, 0x1000000));
    SAY(waitid(99, 0, &info, WEXITED));
    SAY(waitid(P_ALL, 0, &info, 0));
    SAY(wait4(INT_MIN, NULL, 0, NULL));
    SAY(wait4(-1, NULL, WNOHANG, NULL));
}

static void futexes(void)
{
    uint32_t word = 5, other = 0;
    struct timespec soon = {0, 1}, bad = {0, -1};
    SAY(syscall(SYS_futex, &word, FUTEX_WAIT, 4, NULL, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &soon, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &bad, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAIT, 5, BAD, NULL, 0));
    SAY(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAIT, 5, &soon, NULL, 0));
    SAY(syscall(SYS_futex, BAD, FUTEX_WAIT, 5, &soon, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0));
    SAY(syscall(SYS_futex, BAD, FUTEX_WAKE, 1, NULL, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 5, &soon, NULL, -1));
    SAY(syscall(SYS_futex, &word, FUTEX_REQUEUE, 1, 1, &other, 0));
    SAY(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &other, 4));
    SAY(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &other, 5));
    SAY(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, -1, 1, &other, 5));
    SAY(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &other,
                FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)));
    SAY(other);
    SAY(syscall(SYS_futex, &other, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    other = 0;
    SAY(syscall(SYS_futex, &other, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    SAY_TRUE((int)other == getpid());
    SAY(syscall(SYS_futex, &other, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    SAY(syscall(SYS_futex, &other, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    SAY(syscall(SYS_futex, &other, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    SAY(other);
    SAY(syscall(SYS_futex, &word, 99, 0, NULL, NULL, 0));
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waiters[2] = {{5, (uintptr_t)&word, 2, 0}, {0, (uintptr_t)&other, 2, 0}};
    struct timespec past = {0, 1};
    SAY(syscall(449, waiters, 2, 0, &past, CLOCK_MONOTONIC));
    SAY(syscall(449, waiters, 0, 0, &past, CLOCK_MONOTONIC));
    SAY(syscall(449, waiters, 129, 0, &past, CLOCK_MONOTONIC));
    SAY(syscall(449, waiters, 2, 1, &past, CLOCK_MONOTONIC));
    SAY(syscall(449, BAD, 2, 0, &past, CLOCK_MONOTONIC));
    waiters[0].value = 6;
    SAY(syscall(449, waiters, 2, 0, &past, CLOCK_MONOTONIC));
    SAY(syscall(454, &word, -1ul, 1, 2));
    SAY(syscall(455, &word, 4ul, -1ul, 2, NULL, 0));
    SAY(syscall(454, &word, -1ul, 1, 0x100));
    SAY(syscall(SYS_set_robust_list, NULL, 0));
    SAY(syscall(SYS_get_robust_list, 99999999, &word, &word));
}

static void memory_files(void)
{
    SAY(syscall(SYS_memfd_create, "x", 0x1000));
    SAY(syscall(SYS_memfd_create, BAD, 0));
    int fd = (int)syscall(SYS_memfd_create, "name", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    SAY(fcntl(fd, F_GET_SEALS));
    SAY(ftruncate(fd, 8192));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    SAY(munmap(map, 4096));
    SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
    SAY(write(fd, "x", 1));
    SAY(ftruncate(fd, 1));
    SAY(ftruncate(fd, 10000));
    SAY((long)mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0));
    SAY(fcntl(fd, F_ADD_SEALS, 0x1000));
    SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    SAY(fcntl(fd, F_GET_SEALS));
    SAY(lseek(fd, 0, SEEK_DATA));
    close(fd);
    fd = (int)syscall(SYS_memfd_create, "plain", 0);
    SAY(fcntl(fd, F_GET_SEALS));
    SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    close(fd);
    int p[2];
    SAY(pipe2(p, 0x1));
    SAY(syscall(SYS_pipe, BAD));
    pipe2(p, O_DIRECT | O_NONBLOCK);
    write(p[1], "ab", 2);
    write(p[1], "cd", 2);
    char text[10];
    SAY(read(p[0], text, 10));
    SAY(fcntl(p[0], F_SETPIPE_SZ, 10000));
    SAY(fcntl(p[0], F_SETPIPE_SZ, -1));
    SAY(fcntl(p[0], F_SETPIPE_SZ, 1));
    SAY(fcntl(p[0], F_GETPIPE_SZ));
    close(p[0]);
    close(p[1]);
}

int main(void)
{
    signal(SIGUSR1, SIG_IGN);
    timers();
    counters();
    queues();
    scheduling();
    about();
    processes();
    futexes();
    memory_files();
    return 0;
}
