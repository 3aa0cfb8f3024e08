/* SPDX-License-Identifier: Apache-2.0 */
/* The key broker's network process after it was taken over: confine_probe VOLUME-FILE HOST-FILE
 *
 * Confined as that process is, it tries to open the seal key's device, a file on the volume and one of
 * the host's, and to make a connection: by calls of every kind, and by machine code that goes around the
 * runtime, to a system call instruction in the runtime's own text. Prints what came of each. */
#include "kbs/confine.h"

#include "own_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int g_pipe[2];

static void tell(const char *what, long result)
{
    printf("%s: %s\n", what, result >= 0 ? "DONE" : strerrorname_np((int)-result));
}

static long done(long result)
{
    return result < 0 ? -errno : result;
}

/* Whether the memory shared with the volumes' server is still mapped; the guest's own view hides it. */
static long ring(uintptr_t gate)
{
    static char text[1 << 20];
    if (own_maps(gate, text, sizeof text) < 0)
        return 0;
    return strstr(text, "coffer-ring") || strstr(text, "coffer-shared") ? 0 : -EACCES;
}

static long by_int80(long nr, const char *path)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(nr), "b"((long)(int)(intptr_t)path), "c"(0), "d"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

int main(int argc, char **argv)
{
    struct error e = {0};
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};
    if (argc != 3 || pipe(g_pipe) < 0)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    uintptr_t gate = own_gate(g_pipe);
    pid_t child = fork(); /* from now on there is a server of the volumes */
    if (child == 0)
        _exit(0);
    (void)waitpid(child, NULL, 0);
    int state = open(argv[1], O_RDWR);
    tell("before, volume", done(state));
    (void)close(state);
    tell("before, seal key", done(open("/dev/coffer/seal-key", O_RDWR)));
    tell("before, host",
         gate ? own_call(gate, SYS_openat, AT_FDCWD, (long)argv[2], O_RDONLY, 0) : -ENOEXEC);
    tell("before, volumes' server", gate ? ring(gate) : -ENOEXEC);
    if (confine_enter(&e) < 0) {
        printf("not confined: %s\n", e.text);
        return 1;
    }
    tell("volume", done(open(argv[1], O_RDONLY)));
    tell("volume, written", done(open(argv[1], O_WRONLY)));
    tell("seal key", done(open("/dev/coffer/seal-key", O_RDWR)));
    tell("host", done(open(argv[2], O_RDONLY)));
    tell("openat2", done(syscall(SYS_openat2, AT_FDCWD, argv[1], (uint64_t[3]){0}, 24)));
    tell("x32", done(syscall(0x40000000 | SYS_open, argv[1], O_RDONLY)));
    tell("descriptor", done(open("/proc/self/fd/0", O_RDONLY)));
    tell("socket", done(socket(AF_INET, SOCK_STREAM, 0)));
    tell("connect", done(connect(stream, (struct sockaddr *)&nobody, sizeof nobody)));
    tell("process", done(fork()));
    tell("around, host", own_call(gate, SYS_openat, AT_FDCWD, (long)argv[2], O_RDONLY, 0));
    tell("around, host, written", own_call(gate, SYS_openat, AT_FDCWD, (long)argv[2], O_WRONLY, 0));
    tell("around, connect", own_call(gate, SYS_connect, stream, (long)&nobody, sizeof nobody, 0));
    tell("around, volumes' server", ring(gate));
    (void)fflush(stdout);
    (void)by_int80(5, argv[1]); /* ends the process */
    printf("int 0x80: alive\n");
    return 0;
}
