/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7): what is told of a directory and of a file, by this process's doings and a child's. */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

static int g_in;
static uint32_t g_cookies[16];

/* The cookie's number in order of appearance: the value itself is the kernel's. */
static int number_of(uint32_t cookie)
{
    if (cookie == 0)
        return 0;
    for (int i = 1; i < 16; i++) {
        if (g_cookies[i] == 0)
            g_cookies[i] = cookie;
        if (g_cookies[i] == cookie)
            return i;
    }
    return 99;
}

static void drain(const char *what)
{
    char bytes[8192] __attribute__((aligned(8)));
    ssize_t n;
    printf("%s:\n", what);
    while ((n = read(g_in, bytes, sizeof bytes)) > 0)
        for (char *at = bytes; at < bytes + n;) {
            struct inotify_event *e = (void *)at;
            printf("  wd %d mask %x cookie %d name '%s'\n", e->wd, e->mask, number_of(e->cookie),
                   e->len ? e->name : "");
            at += sizeof *e + e->len;
        }
    if (n < 0 && errno != EAGAIN)
        printf("  %s\n", strerrorname_np(errno));
    fflush(stdout);
}

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    close(fd);
}

static void errors(void)
{
    T(inotify_add_watch(99, "d", IN_ALL_EVENTS));
    T(inotify_add_watch(0, "d", IN_ALL_EVENTS));
    T(inotify_add_watch(g_in, "none", IN_ALL_EVENTS));
    T(inotify_add_watch(g_in, "d/file/x", IN_ALL_EVENTS));
    T(inotify_add_watch(g_in, "d", 0));
    T(inotify_add_watch(g_in, "d/file", IN_ONLYDIR | IN_ALL_EVENTS));
    T(inotify_add_watch(g_in, "d", IN_MASK_ADD | IN_MASK_CREATE | IN_CREATE));
    T(inotify_rm_watch(g_in, 77));
    T(inotify_rm_watch(99, 1));
    T(inotify_init1(0x1));
}

static void in_a_directory(void)
{
    int wd = inotify_add_watch(g_in, "d", IN_ALL_EVENTS);
    T(wd);
    T(inotify_add_watch(g_in, "d", IN_ALL_EVENTS));
    T(inotify_add_watch(g_in, "d/", IN_ALL_EVENTS));
    touch("d/new");
    drain("made");
    int fd = open("d/file", O_RDWR);
    T(write(fd, "12345", 5));
    T(write(fd, "12345", 5));
    drain("written");
    T(pread(fd, (char[5]){0}, 5, 0));
    drain("read");
    T(ftruncate(fd, 2));
    T(fchmod(fd, 0600));
    T(futimens(fd, NULL));
    close(fd);
    drain("changed and closed");
    fd = open("d/file", O_RDONLY);
    int two = dup(fd);
    close(fd);
    drain("duplicated");
    close(two);
    drain("closed");
    T(rename("d/new", "d/renamed"));
    T(rename("d/renamed", "elsewhere"));
    T(rename("elsewhere", "d/back"));
    drain("renamed");
    T(rename("d/back", "d/file"));
    drain("replaced");
    T(mkdir("d/sub", 0755));
    T(chmod("d/sub", 0700));
    drain("directory");
    T(symlink("x", "d/link"));
    T(link("d/file", "d/hard"));
    T(mknod("d/fifo", S_IFIFO | 0600, 0));
    drain("links");
    T(unlink("d/hard"));
    T(unlink("d/link"));
    T(unlink("d/fifo"));
    T(rmdir("d/sub"));
    drain("removed");
    T(truncate("d/file", 100));
    T(chmod("d/file", 0644));
    T(chown("d/file", 1, 1));
    drain("by path");
    T(chmod("d", 0700));
    drain("the directory itself");
    T(inotify_rm_watch(g_in, wd));
    drain("given up");
    touch("d/unseen");
    drain("nobody looks");
}

static void on_a_file(void)
{
    touch("f");
    int wd = inotify_add_watch(g_in, "f", IN_ALL_EVENTS);
    T(wd > 0);
    int fd = open("f", O_WRONLY | O_APPEND);
    T(write(fd, "x", 1));
    close(fd);
    drain("file");
    T(chmod("f", 0600));
    T(link("f", "f2"));
    T(unlink("f2"));
    T(unlink("f"));
    drain("file gone");
    touch("f");
    T(inotify_add_watch(g_in, "f", IN_CLOSE_WRITE | IN_ONESHOT) > 0);
    touch("f");
    touch("f");
    drain("once");
}

static void by_others(void)
{
    int ep = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    T(inotify_add_watch(g_in, "d", IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVE) > 0);
    T(epoll_ctl(ep, EPOLL_CTL_ADD, g_in, &event));
    T(epoll_wait(ep, &event, 1, 0));
    if (fork() == 0) {
        touch("d/childs");
        rename("d/childs", "d/childs2");
        unlink("d/childs2");
        _exit(0);
    }
    wait(NULL);
    T(epoll_wait(ep, &event, 1, 5000));
    int size = 0;
    T(ioctl(g_in, FIONREAD, &size));
    T(size > 0);
    drain("child");
    T(poll(&(struct pollfd){g_in, POLLIN, 0}, 1, 0));
    T(rename("d", "e"));
    touch("e/after");
    drain("moved");
    close(ep);
}

static void the_end(void)
{
    T(mkdir("gone", 0755));
    T(inotify_add_watch(g_in, "gone", IN_ALL_EVENTS) > 0);
    T(rename("gone", "gone2"));
    T(rmdir("gone2"));
    drain("directory gone");
}

int main(int argc, char **argv)
{
    umask(022);
    T(chdir(argc == 2 ? argv[1] : "."));
    g_in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    T(g_in > 2);
    T(mkdir("d", 0755));
    touch("d/file");
    errors();
    in_a_directory();
    on_a_file();
    by_others();
    the_end();
    return 0;
}
