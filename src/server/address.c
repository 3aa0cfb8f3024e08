/* SPDX-License-Identifier: Apache-2.0 */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static int port_parse(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port > 65535)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size,
                  struct error *e)
{
    char host[ADDRESS_TEXT_SIZE];
    const char *colon = strrchr(text, ':');
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    uint16_t port = 0;

    if (!colon || (size_t)(colon - text) >= sizeof host || port_parse(colon + 1, &port) < 0)
        return error_set(e, -EINVAL, "'%s' is not an address with a port, such as 127.0.0.1:8443",
                         text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    size_t size = strlen(host);
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(port);
            *ret_size = sizeof *v6;
            *ret_address = address;
            return 0;
        }
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) != 1)
        return error_set(e, -EINVAL, "'%s' is not a numeric address with a port", text);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    *ret_size = sizeof *v4;
    *ret_address = address;
    return 0;
}

static int listen_error(const char *text, const char *flag, int code, struct error *e)
{
    if (code == EADDRINUSE)
        return error_set(e, -code, "%s is in use by another program; choose another with %s", text,
                         flag);
    if (code == EACCES)
        return error_set(e, -code, "not allowed to listen on %s; choose a port above 1023 with %s",
                         text, flag);
    return error_set(e, -code, "cannot listen on %s (%s)", text, flag);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    in_port_t port = 0; /* at the same place in both kinds of address */
    memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof port);
    return ntohs(port);
}

int address_listen(const char *text, const char *flag, uint16_t *ret_port, struct error *e)
{
    struct sockaddr_storage address = {0};
    socklen_t size = 0;
    int r = address_parse(text, &address, &size, e);
    if (r < 0)
        return error_prefix(e, r, "%s", flag);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_error(text, flag, errno, e);
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        r = listen_error(text, flag, errno, e);
        close(fd);
        return r;
    }
    if (ret_port)
        *ret_port = port_of(&address);
    return fd;
}

/* Long paths go through the directory's descriptor: sun_path has 108 bytes only. */
static int unix_address(const char *path, int dir_fd, struct sockaddr_un *ret_address)
{
    const char *slash = strrchr(path, '/');
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd,
                     slash ? slash + 1 : path);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    *ret_address = address;
    return 0;
}

static int directory_open(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    if (!slash)
        return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if ((size_t)(slash - path) + 1 >= sizeof dir)
        return -1;
    memcpy(dir, path, (size_t)(slash - path) + 1);
    dir[slash - path + 1] = '\0';
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int unix_socket(const char *path, int type, bool to_listen, struct error *e)
{
    struct sockaddr_un address;
    int dir_fd = directory_open(path);
    if (dir_fd < 0)
        return error_set(e, -ENOENT, "no directory for '%s'", path);
    int r = unix_address(path, dir_fd, &address);
    int fd = r < 0 ? -1 : socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (r == 0 && fd < 0)
        r = -errno;
    if (r == 0 && to_listen) {
        (void)unlink(path);
        /* On the unbound socket: the file is born with this mode, so nobody slips in before. */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
            chmod(path, 0600) < 0 || listen(fd, 64) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            r = -errno;
    } else if (r == 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        r = -errno;
    }
    close(dir_fd);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? error_set(e, r, "%s '%s' (%s)", to_listen ? "cannot listen on" : "cannot reach",
                             path, strerror(-r))
                 : fd;
}

int address_listen_unix(const char *path, int type, struct error *e)
{
    return unix_socket(path, type, true, e);
}

int address_connect_unix(const char *path, int type, struct error *e)
{
    return unix_socket(path, type, false, e);
}
