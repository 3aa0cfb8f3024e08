/* SPDX-License-Identifier: Apache-2.0 */
/* execve() and execveat(): scripts, errors, what survives and what does not. */
#include "say.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static const char *self;
extern char **environ;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void file(const char *name, const char *text, int mode)
{
    unlink(name);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    write(fd, text, strlen(text));
    fchmod(fd, (mode_t)mode);
    close(fd);
}

/* In a child by fork(): the result of an exec that works is the program's status. */
#define IN_CHILD(statement_)                                            \
    do {                                                                \
        fflush(stdout);                                                 \
        pid_t child_ = fork();                                          \
        if (child_ == 0) {                                              \
            statement_;                                                 \
            printf("%s: %s\n", #statement_, strerrorname_np(errno));    \
            fflush(stdout);                                             \
            _exit(90);                                                  \
        }                                                               \
        printf("%d: %s = %d\n", __LINE__, #statement_, finish(child_)); \
    } while (0)

static void scripts(void)
{
    char long_line[600];
    file("plain", "#!/bin/sh\necho plain $0 $# $1\nexit 3\n", 0755);
    file("spaced", "#! \t /bin/sh \t -e  \t\necho spaced $- $1; false; exit 4\n", 0755);
    file("two", "#!/bin/echo one two  three \n", 0755);
    file("nested1", "#!./plain an argument\n", 0755);
    file("nested2", "#!./nested1\n", 0755);
    file("nested3", "#!./nested2\n", 0755);
    file("nested4", "#!./nested3\n", 0755);
    file("nested5", "#!./nested4\n", 0755);
    file("nested6", "#!./nested5\n", 0755);
    file("loop", "#!./loop\n", 0755);
    file("empty", "", 0755);
    file("bare", "#!\n", 0755);
    file("blank", "#!   \n", 0755);
    file("nointerp", "#!/nonexistent/interpreter\n", 0755);
    file("nodir", "#!/etc/passwd/x\n", 0755);
    file("noexec", "#!/etc/passwd\n", 0755);
    file("noeol", "#!/bin/echo", 0755);
    file("text", "echo no interpreter line\n", 0755);
    file("data",
         "\x7f"
         "ELF damaged",
         0755);
    file("closed", "#!/bin/sh\n", 0644);
    memset(long_line, 'a', sizeof long_line);
    memcpy(long_line, "#!/", 3);
    long_line[500] = '\n';
    long_line[501] = 0;
    file("long", long_line, 0755);
    memset(long_line, ' ', sizeof long_line);
    memcpy(long_line, "#!/bin/echo", 11);
    long_line[500] = 0;
    file("longblank", long_line, 0755);
    IN_CHILD(execl("./plain", "zero", "one", "two", NULL));
    IN_CHILD(execl("plain", "zero", NULL));
    IN_CHILD(execl("./spaced", "zero", "x", NULL));
    IN_CHILD(execl("./two", "zero", "x", NULL));
    IN_CHILD(execl("./nested1", "zero", "x", NULL));
    IN_CHILD(execl("./nested2", "zero", "x", NULL));
    IN_CHILD(execl("./nested3", "zero", "x", NULL));
    IN_CHILD(execl("./nested4", "zero", "x", NULL));
    IN_CHILD(execl("./nested5", "zero", "x", NULL));
    IN_CHILD(execl("./nested6", "zero", "x", NULL));
    IN_CHILD(execl("./loop", "zero", NULL));
    IN_CHILD(execl("./empty", "zero", NULL));
    IN_CHILD(execl("./bare", "zero", NULL));
    IN_CHILD(execl("./blank", "zero", NULL));
    IN_CHILD(execl("./nointerp", "zero", NULL));
    IN_CHILD(execl("./nodir", "zero", NULL));
    IN_CHILD(execl("./noexec", "zero", NULL));
    IN_CHILD(execl("./noeol", "zero", "x", NULL));
    IN_CHILD(execl("./text", "zero", NULL));
    IN_CHILD(execlp("./text", "zero", NULL)); /* the shell, by the C library */
    IN_CHILD(execl("./data", "zero", NULL));
    IN_CHILD(execl("./closed", "zero", NULL));
    IN_CHILD(execl("./longblank", "zero", NULL));
}

static void errors(void)
{
    static char big[200000];
    char *many[] = {"x", big, NULL}, *none[] = {NULL};
    static char *lots[300000];
    mkdir("dir", 0755);
    symlink("self-loop", "self-loop");
    symlink("plain", "to-plain");
    symlink("gone", "dangling");
    memset(big, 'b', sizeof big - 1);
    for (int i = 0; i < 299999; i++)
        lots[i] = "0123456789";
    IN_CHILD(execl("/nonexistent", "x", NULL));
    IN_CHILD(execl("", "x", NULL));
    IN_CHILD(execl("dir", "x", NULL));
    IN_CHILD(execl("plain/x", "x", NULL));
    IN_CHILD(execl("self-loop", "x", NULL));
    IN_CHILD(execl("dangling", "x", NULL));
    IN_CHILD(execl("to-plain", "x", NULL));
    IN_CHILD(execl("/dev/null", "x", NULL));
    IN_CHILD(execve((char *)8, many, environ));
    IN_CHILD(execve("/bin/true", (char **)8, environ));
    IN_CHILD(execve("/bin/true", (char *[]){"x", (char *)8, NULL}, environ));
    IN_CHILD(execve("/bin/true", many, environ)); /* one string of 200,000 bytes */
    IN_CHILD(execve("/bin/true", lots, environ));
    IN_CHILD(execve("/bin/true", many + 2, lots));
    big[100000] = 0;
    IN_CHILD(execve("/bin/true", many, environ));
    IN_CHILD(execve("/bin/true", none, none));
    IN_CHILD(execve("/bin/false", NULL, NULL));
}

static void at(void)
{
    int dir = open(".", O_RDONLY | O_DIRECTORY), plain = open("plain", O_RDONLY | O_CLOEXEC);
    int program = open("/bin/true", O_RDONLY | O_CLOEXEC), path = open("/bin/true", O_PATH);
    char *argv[] = {"zero", "one", NULL};
    IN_CHILD(syscall(SYS_execveat, dir, "plain", argv, environ, 0));
    IN_CHILD(syscall(SYS_execveat, AT_FDCWD, "plain", argv, environ, 0));
    IN_CHILD(syscall(SYS_execveat, -1, "/bin/true", argv, environ, 0));
    IN_CHILD(syscall(SYS_execveat, -1, "plain", argv, environ, 0));
    IN_CHILD(syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH));
    IN_CHILD(syscall(SYS_execveat, path, "", argv, environ, AT_EMPTY_PATH));
    IN_CHILD(syscall(SYS_execveat, program, "", argv, environ, 0));
    IN_CHILD(syscall(SYS_execveat, dir, "", argv, environ, AT_EMPTY_PATH));
    IN_CHILD(syscall(SYS_execveat, dir, "plain", argv, environ, 0x4000));
    IN_CHILD(syscall(SYS_execveat, plain, "x", argv, environ, 0));
    IN_CHILD(fexecve(program, argv, environ));
    fcntl(plain, F_SETFD, 0);
    IN_CHILD(syscall(SYS_execveat, plain, "", argv, environ, AT_EMPTY_PATH));
    close(dir), close(plain), close(program), close(path);
}

static void keep_and_run(const char *how)
{
    execl(self, "self", how, NULL);
}

/* Everything whose fate at exec is known. */
static void survival(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct itimerval hour = {.it_value = {3600, 0}};
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        timer_t timer;
        int r = 0;
        for (int i = 0; i < 5; i++)
            r |= timer_create(CLOCK_MONOTONIC, &event, &timer);
        sigset_t usr1;
        sigemptyset(&usr1);
        sigaddset(&usr1, SIGUSR2);
        sigprocmask(SIG_BLOCK, &usr1, NULL);
        struct sigevent other = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
        r |= timer_create(CLOCK_MONOTONIC, &other, &timer);
        setitimer(ITIMER_REAL, &hour, NULL);
        setitimer(ITIMER_PROF, &hour, NULL);
        setpriority(PRIO_PROCESS, 0, 5);
        umask(027);
        prctl(PR_SET_NAME, "before");
        prctl(PR_SET_PDEATHSIG, SIGUSR2);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_KEEPCAPS, 1);
        prctl(PR_SET_TIMERSLACK, 123456);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        for (int fd = 3; fd < 2500; fd++)
            if (fd < 1024 || fd >= 1024 + 64) /* numbers that a shielded program cannot have */
                dup3(0, fd, fd % 2 ? O_CLOEXEC : 0);
        printf("made %d\n", r);
        fflush(stdout);
        keep_and_run("survived");
        _exit(1);
    }
    SAY(finish(child));
}

static int survived(void)
{
    struct itimerval real, prof;
    char name[16];
    int value = -1, open_count = 0, marked = 0, timers = 0;
    getitimer(ITIMER_REAL, &real);
    getitimer(ITIMER_PROF, &prof);
    for (int fd = 3; fd < 2500; fd++) {
        int flags = fcntl(fd, F_GETFD);
        open_count += flags >= 0;
        marked += flags > 0;
    }
    for (int i = 0; i < 20; i++) {
        struct itimerspec spec;
        timers += syscall(SYS_timer_gettime, i, &spec) == 0;
    }
    prctl(PR_GET_NAME, name);
    printf("real %d prof %d nice %d umask %o open %d marked %d timers %d\n",
           real.it_value.tv_sec > 3500, prof.it_value.tv_sec > 3500, getpriority(PRIO_PROCESS, 0),
           umask(0), open_count, marked, timers);
    printf("name %.5s ", name);
    prctl(PR_GET_PDEATHSIG, &value);
    printf("pdeathsig %d ", value);
    prctl(PR_GET_CHILD_SUBREAPER, &value);
    printf("subreaper %d no_new_privs %d keepcaps %d slack %d\n", value,
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_KEEPCAPS),
           prctl(PR_GET_TIMERSLACK));
    return 12;
}

static pid_t first_pid;
static void *exec_here(void *arg)
{
    char pid[32];
    prctl(PR_SET_NAME, "a thread");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    snprintf(pid, sizeof pid, "%d", (int)first_pid);
    execl(self, "self", "thread", pid, NULL);
    return arg;
}

static void *hold(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void from_thread(int leader_exits)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        pthread_t t;
        first_pid = getpid();
        for (int i = 0; i < 20; i++)
            pthread_create(&t, NULL, hold, NULL);
        pthread_create(&t, NULL, exec_here, NULL);
        if (leader_exits)
            pthread_exit(NULL);
        hold(NULL);
    }
    SAY(finish(child));
}

static int in_thread(const char *pid)
{
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    printf("pid %d tid %d hup %d\n", strtol(pid, NULL, 10) == getpid(),
           syscall(SYS_gettid) == getpid(), sigismember(&set, SIGHUP));
    return 13;
}

/* Environment and auxiliary vector. */
static int shown(int argc, char **argv)
{
    printf("argc %d:", argc);
    for (int i = 0; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf("\nenvironment:");
    for (char **e = environ; *e; e++)
        printf(" [%s]", *e);
    char link[4096] = {0};
    readlink("/proc/self/exe", link, sizeof link - 1);
    printf("\nexecfn %s secure %lu uid %d pagesz %lu clktck %lu random %d platform %s same %d\n",
           strrchr((char *)getauxval(AT_EXECFN), '/'), getauxval(AT_SECURE),
           getauxval(AT_UID) == getuid(), getauxval(AT_PAGESZ), getauxval(AT_CLKTCK),
           getauxval(AT_RANDOM) != 0, (char *)getauxval(AT_PLATFORM),
           strcmp(strrchr(link, '/'), strrchr(self, '/')) == 0);
    printf("phdr %d entry %d vdso %d stack %lu\n", getauxval(AT_PHDR) != 0,
           getauxval(AT_ENTRY) != 0, getauxval(AT_SYSINFO_EHDR) != 0,
           (unsigned long)__builtin_frame_address(0) % 16);
    char comm[64] = {0};
    int fd = open("/proc/self/comm", O_RDONLY);
    read(fd, comm, 15);
    printf("comm %s", comm);
    return 14;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    char link[4096] = {0};
    readlink("/proc/self/exe", link, sizeof link - 1);
    self = link;
    if (argc > 1 && strcmp(argv[1], "survived") == 0)
        return survived();
    if (argc > 2 && strcmp(argv[1], "thread") == 0)
        return in_thread(argv[2]);
    if (argc > 1)
        return shown(argc, argv);
    signal(SIGPIPE, SIG_DFL);
    scripts();
    errors();
    at();
    survival();
    from_thread(0);
    from_thread(1);
    char *const env[] = {"A=1", "B=", "A=2", "odd", NULL};
    IN_CHILD(execle(self, "", "show", "", "an argument", NULL, env));
    return 0;
}
