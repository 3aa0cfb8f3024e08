/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, posix_spawn, execve, wait; what children inherit. */
#include "say.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;
static int value = 1;

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void forks(void)
{
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        value = 2;
        *shared = getppid() == parent && getpid() != parent && syscall(SYS_gettid) == getpid();
        _exit(7);
    }
    SAY(finish(child));
    SAY(*shared);
    SAY(value);
    child = vfork();
    if (child == 0) {
        value = 3;
        _exit(8);
    }
    SAY(finish(child));
    SAY(value); /* vfork shares the memory */
    for (int i = 0; i < 20; i++) {
        child = fork();
        if (child == 0)
            _exit(i);
        if (finish(child) != i)
            SAY(i);
    }
    SAY(waitpid(-1, NULL, 0));
}

static void *fork_in_thread(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0) {
        char *const argv[] = {"sh", "-c", "exit 9", NULL};
        execv("/bin/sh", argv);
        _exit(1);
    }
    return (void *)(long)finish(child);
}

static void spawns(const char *self)
{
    pid_t child;
    char *const echo[] = {"echo", "spawned", NULL}, *const none[] = {"none", NULL};
    char *const again[] = {(char *)(unsigned long)self, "exec", NULL};
    int r = posix_spawn(&child, "/bin/echo", NULL, NULL, echo, environ);
    SAY(finish(child));
    SAY(r);
    SAY(posix_spawn(&child, "/nonexistent", NULL, NULL, none, environ) == ENOENT);
    SAY(posix_spawn(&child, "/etc/passwd", NULL, NULL, none, environ) == EACCES);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 2);
    r = posix_spawn(&child, self, &actions, NULL, again, environ);
    SAY(finish(child));
    SAY(r);
    SAY(fcntl(2, F_GETFD)); /* the child's close was its own */
    pthread_t t;
    void *result;
    pthread_create(&t, NULL, fork_in_thread, NULL);
    pthread_join(t, &result);
    SAY((long)result);
    SAY(system("exit 4"));
    FILE *f = popen("echo piped", "r");
    char line[32] = {0};
    SAY_TRUE(fgets(line, sizeof line, f) != NULL);
    SAY(strcmp(line, "piped\n"));
    SAY(pclose(f));
}

static void *spin(void *arg)
{
    for (;;)
        if (arg)
            syscall(SYS_getppid);
    return NULL;
}

static void *exec_from_thread(void *arg)
{
    execl(arg, "self", "exec", NULL);
    return NULL;
}

static void execs(const char *self)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, _exit);
        open("/dev/null", O_RDONLY | O_CLOEXEC);
        setenv("COLOUR", "blue", 1);
        execl(self, "self", "exec", NULL);
        _exit(99);
    }
    SAY(finish(child));
    child = fork();
    if (child == 0) { /* other threads must end with the old program */
        pthread_t t;
        for (long i = 0; i < 4; i++)
            pthread_create(&t, NULL, spin, (void *)(i & 1));
        pthread_create(&t, NULL, exec_from_thread, (void *)(unsigned long)self);
        for (;;)
            pause();
    }
    SAY(finish(child));
    SAY(execl("/nonexistent", "x", NULL));
    SAY(execl("/", "x", NULL));
    SAY(execv("/etc/passwd", (char *const[]){"x", NULL}));
}

static int executed(int argc)
{
    struct sigaction one, two;
    sigaction(SIGUSR1, NULL, &one);
    sigaction(SIGUSR2, NULL, &two);
    printf("executed: argc %d, colour %s, ignored %d, default %d, descriptors %d%d%d\n", argc,
           getenv("COLOUR") ? getenv("COLOUR") : "none", one.sa_handler == SIG_IGN,
           two.sa_handler == SIG_DFL, fcntl(2, F_GETFD) == 0, fcntl(3, F_GETFD) == 0,
           fcntl(4, F_GETFD) == 0);
    return 5;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        return executed(argc);
    forks();
    spawns(argv[0]);
    execs(argv[0]);
    return 0;
}
