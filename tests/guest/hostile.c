/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose host lies: hostile DIRECTORY. Works on files of a volume there, on memory, threads
 * and a socket; errors are expected. Ends with 3 if a read that succeeded gave other bytes than
 * those written, or a file that was synced is not there: that is never to happen. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SIZE 70000

static char g_written[SIZE], g_read[SIZE + 1];

static void untrue(const char *what)
{
    fprintf(stderr, "untrue: %s\n", what);
    _exit(3);
}

static void check(ssize_t n, size_t wanted)
{
    if (n == (ssize_t)wanted && memcmp(g_read, g_written, wanted) != 0)
        untrue("bytes");
}

static void files(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return;
    struct iovec parts[] = {{g_written, 1000}, {g_written + 1000, SIZE - 1000}};
    struct stat st;
    if (writev(fd, parts, 2) == SIZE && fsync(fd) == 0) {
        memset(g_read, 0, sizeof g_read);
        check(pread(fd, g_read, SIZE, 0), SIZE);
        if (fstat(fd, &st) == 0 && st.st_size != SIZE)
            untrue("size");
        char *map = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            if (memcmp(map, g_written, SIZE) != 0)
                untrue("mapping");
            munmap(map, SIZE);
        }
        map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            if (memcmp(map, g_written, SIZE) != 0)
                untrue("shared mapping");
            msync(map, SIZE, MS_SYNC);
            munmap(map, SIZE);
        }
        if (rename("file", "kept") == 0 && stat("kept", &st) == 0 && st.st_size != SIZE)
            untrue("size by name");
    }
    close(fd);
}

static void names(void)
{
    char text[100];
    mkdir("dir", 0700);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "dir/name-%d", i);
        close(open(text, O_CREAT | O_WRONLY, 0600));
    }
    symlink("dir", "link");
    if (readlink("link", text, sizeof text) == 3 && memcmp(text, "dir", 3) != 0)
        untrue("link");
    DIR *d = opendir("dir");
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && strncmp(e->d_name, "name-", 5) != 0)
            untrue("name");
    if (d)
        closedir(d);
    if (getcwd(text, sizeof text) && strcmp(text, "/data") != 0)
        untrue("working directory");
}

static void host_files(void)
{
    struct stat st;
    char text[256];
    int fd = open("/etc/passwd", O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text) > 0)
        lseek(fd, 0, SEEK_SET);
    fstat(fd, &st);
    close(fd);
    stat("/proc/self/exe", &st);
    readlink("/proc/self/exe", text, sizeof text);
    DIR *d = opendir("/etc");
    for (int i = 0; d && i < 300 && readdir(d); i++)
        ;
    if (d)
        closedir(d);
}

static void *work(void *arg)
{
    char *memory = malloc(300000);
    if (memory)
        memset(memory, 1, 300000);
    free(memory);
    return arg;
}

static void threads(void)
{
    pthread_t ids[3];
    bool started[3];
    for (int i = 0; i < 3; i++)
        started[i] = pthread_create(&ids[i], NULL, work, NULL) == 0;
    for (int i = 0; i < 3; i++)
        if (started[i])
            pthread_join(ids[i], NULL);
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        void *moved = mremap(memory, 1 << 20, 2 << 20, MREMAP_MAYMOVE);
        munmap(moved != MAP_FAILED ? moved : memory, moved != MAP_FAILED ? 2 << 20 : 1 << 20);
    }
}

static void sockets(void)
{
    int ends[2];
    char text[16], control[64];
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        return;
    struct epoll_event event = {.events = EPOLLIN}, got[4];
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event);
    send(ends[0], "hello", 5, 0);
    epoll_wait(epoll, got, 4, 0);
    struct pollfd ready = {ends[1], POLLIN, 0};
    poll(&ready, 1, 0);
    recvmsg(ends[1], &message, 0);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    getsockname(ends[0], (struct sockaddr *)&name, &len);
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

static void on_signal(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    struct timespec now;
    (void)alarm(30);
    for (int i = 0; i < SIZE; i++)
        g_written[i] = (char)(i * 7 + i / 251);
    if (argc != 2 || chdir(argv[1]) < 0)
        return 2;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    clock_gettime(CLOCK_REALTIME, &now);
    files();
    names();
    host_files();
    threads();
    sockets();
    puts("done");
    return 0;
}
