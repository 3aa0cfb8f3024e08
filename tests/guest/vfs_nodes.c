/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, sockets and devices with a name: opened, bound, connected. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static char g_text[256];

static void pipes(void)
{
    struct stat st;
    int status;
    T(mkfifo("p", 0640));
    T(mkfifo("p", 0640));
    T(open("p", O_WRONLY | O_NONBLOCK));
    int in = open("p", O_RDONLY | O_NONBLOCK);
    T(in >= 0);
    T(read(in, g_text, 10));
    int out = open("p", O_WRONLY | O_NONBLOCK);
    T(out >= 0);
    T(read(in, g_text, 10));
    T(write(out, "hello", 5));
    T(read(in, g_text, 10));
    T(lseek(in, 0, SEEK_SET));
    T(fstat(in, &st));
    T(S_ISFIFO(st.st_mode));
    T(stat("p", &st));
    T(st.st_mode);
    T(st.st_size);
    close(out);
    T(read(in, g_text, 10));
    T(poll(&(struct pollfd){in, POLLIN, 0}, 1, 0));
    close(in);
    int both = open("p", O_RDWR);
    T(write(both, "x", 1));
    T(read(both, g_text, 10));
    close(both);
    T(open("p", O_RDONLY | O_DIRECTORY));
    T(open("p", O_CREAT | O_EXCL | O_RDWR, 0600));
    T(open("p/", O_RDONLY));
    T(open("p", O_PATH) >= 0);
    fflush(stdout);
    if (fork() == 0) { /* each waits for the other */
        int fd = open("p", O_WRONLY);
        if (write(fd, "from the child", 14) != 14)
            _exit(1);
        close(fd);
        fd = open("p", O_RDONLY);
        _exit(read(fd, g_text, sizeof g_text) == 13 ? 0 : 2);
    }
    int fd = open("p", O_RDONLY);
    T(read(fd, g_text, sizeof g_text));
    T(memcmp(g_text, "from the child", 14));
    T(read(fd, g_text, sizeof g_text));
    close(fd);
    fflush(stdout);
    fd = open("p", O_WRONLY);
    T(write(fd, "to the child!", 13) > 0);
    close(fd);
    T(wait(&status) > 0);
    T(status);
    T(link("p", "p2"));
    in = open("p", O_RDONLY | O_NONBLOCK);
    out = open("p2", O_WRONLY);
    T(rename("p2", "p3"));
    T(unlink("p"));
    T(write(out, "still", 5));
    T(read(in, g_text, 10));
    T(unlink("p3"));
    T(write(out, "still", 5));
    T(read(in, g_text, 10));
    close(in), close(out);
}

static struct sockaddr_un named(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static int bound(const char *path, int type)
{
    struct sockaddr_un address = named(path);
    int fd = socket(AF_UNIX, type, 0);
    if (bind(fd, (void *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int connected(const char *path, int type)
{
    struct sockaddr_un address = named(path);
    size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
    int fd = socket(AF_UNIX, type, 0);
    if (connect(fd, (void *)&address, (socklen_t)size) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void sockets(const char *base)
{
    struct stat st;
    char path[100];
    int server = bound("sock", SOCK_STREAM);
    T(server >= 0);
    T(bound("sock", SOCK_STREAM));
    T(bound("none/sock", SOCK_STREAM));
    T(bound(".", SOCK_STREAM));
    T(stat("sock", &st));
    T(st.st_mode);
    T(open("sock", O_RDWR));
    T(connected("sock", SOCK_STREAM));
    T(listen(server, 5));
    T(connected("nobody", SOCK_STREAM));
    T(connected("sock", SOCK_DGRAM));
    T(mkfifo("fifo", 0600));
    T(connected("fifo", SOCK_STREAM));
    T(connected("fifo/x", SOCK_STREAM));
    snprintf(path, sizeof path, "%s/./sock", base);
    int client = connected(path, SOCK_STREAM), peer = accept(server, NULL, NULL);
    T(client >= 0 && peer >= 0);
    T(write(client, "ping", 4));
    T(read(peer, g_text, 10));
    T(symlink("sock", "sl"));
    int second = connected("sl", SOCK_STREAM);
    T(second >= 0);
    close(second), close(client), close(peer);
    close(accept(server, NULL, NULL));
    T(rename("sock", "moved"));
    client = connected("moved", SOCK_STREAM);
    T(client >= 0);
    close(client);
    T(connected("sock", SOCK_STREAM));
    fflush(stdout);
    if (fork() == 0) {
        client = connected("moved", SOCK_STREAM);
        _exit(write(client, "child", 5) == 5 ? 0 : 3);
    }
    close(accept(server, NULL, NULL));
    peer = accept(server, NULL, NULL);
    T(read(peer, g_text, 10));
    wait(NULL);
    close(peer);
    T(chmod("moved", 0600));
    fflush(stdout);
    if (fork() == 0) {
        T(setgid(12345));
        T(setuid(12345));
        T(connected("moved", SOCK_STREAM));
        T(open("fifo", O_RDWR));
        _exit(0);
    }
    wait(NULL);
    close(server);
    T(connected("moved", SOCK_STREAM));
    T(unlink("moved"));
    T(connected("moved", SOCK_STREAM));
    server = bound("dgram", SOCK_DGRAM);
    client = connected("dgram", SOCK_DGRAM);
    T(send(client, "datagram", 8, 0));
    T(recv(server, g_text, sizeof g_text, 0));
    close(server), close(client);
}

int main(int argc, char **argv)
{
    umask(022);
    const char *base = argc == 2 ? argv[1] : ".";
    signal(SIGPIPE, SIG_IGN);
    T(chdir(base));
    T(chmod(".", 0755));
    pipes();
    sockets(base);
    return 0;
}
