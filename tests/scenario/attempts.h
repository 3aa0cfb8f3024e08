/* SPDX-License-Identifier: Apache-2.0 */
/* scenario/attempts.h: what a server that was broken into would try: each answers 0, or the errno
 * with which it was refused. */
#ifndef COFFER_TESTS_ATTEMPTS_H
#define COFFER_TESTS_ATTEMPTS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int attempt_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int attempt_connect(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int r = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    close(fd);
    return r;
}

static int attempt_abstract(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path + 1, name, strnlen(name, sizeof address.sun_path - 1));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int r = connect(fd, (struct sockaddr *)&address, size) < 0 ? errno : 0;
    close(fd);
    return r;
}

static int attempt(const char *what, const char *on)
{
    pid_t pid = (pid_t)strtol(on, NULL, 10);
    if (strcmp(what, "signal") == 0)
        return kill(pid, SIGCONT) < 0 ? errno : 0;
    if (strcmp(what, "trace") == 0)
        return ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 ? errno : 0;
    if (strcmp(what, "read") == 0)
        return attempt_open(on, O_RDONLY);
    if (strcmp(what, "write") == 0)
        return attempt_open(on, O_WRONLY | O_CREAT);
    if (strcmp(what, "connect") == 0)
        return attempt_connect(on);
    if (strcmp(what, "abstract") == 0)
        return attempt_abstract(on);
    return ENOSYS;
}

#endif
