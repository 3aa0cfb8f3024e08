/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for pdftotext and its kin after a hostile content has taken it over: does what the content
 * orders and writes what came of it. "%PDF-peek DIR" tries all that it must not be able to do. */
#include "../../scenario/own_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
    printf("%s %s\n", what, result < 0 ? "refused" : "DONE");
}

/* By the filter, on every kernel: Landlock alone, where it knows of the call, gives EACCES. */
static void tell_filtered(const char *what, long result)
{
    tell(what, result < 0 && errno == EPERM ? -1 : 0);
}

/* Natively there is no runtime, and nothing to find. */
static long find_ring(void)
{
    static char maps[1 << 20];
    int pipes[2];
    uintptr_t gate = pipe(pipes) == 0 ? own_gate(pipes) : 0;
    return gate != 0 && own_maps(gate, maps, sizeof maps) > 0 && strstr(maps, "coffer-ring") ? 0
                                                                                             : -1;
}

static void peek(const char *directory)
{
    char path[512];
    int number = 0;
    for (int fd = 3; fd < 1024; fd++)
        number += fcntl(fd, F_GETFD) >= 0;
    printf("descriptors %d environment %s\n", number,
           getenv("COFFER_TEST_SECRET") ? "DONE" : "clean");
    (void)snprintf(path, sizeof path, "%s/coffer.db", directory);
    tell("database", open(path, O_RDONLY));
    (void)snprintf(path, sizeof path, "%s/dropped", directory);
    tell("new-file", open(path, O_WRONLY | O_CREAT, 0600));
    tell_filtered("truncate", truncate("/nonexistent/file", 0));
    tell_filtered("times", syscall(SYS_utimes, "/nonexistent/file", NULL));
    tell_filtered("attribute", removexattr("/nonexistent/file", "user.x"));
    tell_filtered("owner", fcntl(STDOUT_FILENO, F_SETOWN, getppid()));
    tell_filtered("owner-ex",
                  fcntl(STDOUT_FILENO, F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, getppid()}));
    tell("passwd", open("/etc/passwd", O_RDONLY));
    (void)snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    tell("memory", open(path, O_RDONLY));
    tell("listing", open("/tmp", O_RDONLY | O_DIRECTORY));
    tell("socket", socket(AF_INET, SOCK_STREAM, 0));
    tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    tell("signal", kill(getppid(), 0));
    tell("limit", syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL));
    tell("trace", syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, getppid(), 0, 0));
    tell("volume-server", find_ring());
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    tell("process", child);
    tell("shell", execl("/bin/sh", "sh", "-c", "true", (char *)NULL));
    tell("write", write(STDIN_FILENO, "x", 1));
    tell("memory-limit",
         mmap(NULL, (size_t)2 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
             ? -1
             : 0);
}

int main(void)
{
    char order[600] = "";
    ssize_t size = read(STDIN_FILENO, order, sizeof order - 1);
    if (size < 0)
        return 1;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    char *word = strncmp(order, "%PDF-", 5) == 0 ? order + 5 : order;
    if (strncmp(word, "peek ", 5) == 0) {
        word[strcspn(word, "\n")] = 0;
        peek(word + 5);
    } else if (strncmp(word, "flood", 5) == 0) {
        for (;;)
            if (printf("flooded\n") < 0)
                return 0;
    } else if (strncmp(word, "crash", 5) == 0) {
        printf("crashed\n");
        (void)fflush(stdout);
        __builtin_trap();
    } else if (strncmp(word, "fail", 4) == 0) {
        printf("failed\n");
        return 3;
    } else if (strncmp(word, "spin", 4) == 0) {
        printf("spinning\n");
        for (;;)
            (void)getppid();
    } else {
        printf("%s\n", word);
    }
    return 0;
}
