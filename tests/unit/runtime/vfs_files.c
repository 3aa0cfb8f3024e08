/* SPDX-License-Identifier: Apache-2.0 */
/* The file shield's calls on a volume in memory, as a guest would make them. */
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/fd_table.h"
#include "runtime/syscall/call.h"
#include "runtime/thread.h"
#include "runtime/vfs/file_ops.h"
#include "runtime/vfs/fs.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/vfs.h"
#include "runtime/vfs/volume_client.h"
#include "volume/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define HOST_DIR "/tmp/coffer-unit-vfs"

int64_t sys_pass(struct syscall_call *c)
{
    return host_call6(c->nr, (long)c->args[0], (long)c->args[1], (long)c->args[2], (long)c->args[3],
                      (long)c->args[4], (long)c->args[5]);
}

/* There is no network shield here. */
int64_t sys_bind(struct syscall_call *c)
{
    return sys_pass(c);
}

int64_t sys_connect(struct syscall_call *c)
{
    return sys_pass(c);
}

static struct thread g_thread;
static struct runtime_config g_config;
static char g_host_dir[64];

static void set_up(void)
{
    if (g_fs.config)
        return;
    platform_set(&platform_sim);
    snprintf(g_host_dir, sizeof g_host_dir, "%s-%d", HOST_DIR, getpid());
    REQUIRE(mkdir(g_host_dir, 0700) == 0);
    g_thread.process = &g_process;
    g_process.pid = getpid();
    REQUIRE(fd_table_new(&g_process.fds) == 0);
    REQUIRE(thread_adopt(&g_thread) == 0);
    g_config.file_rules[0] =
        (struct runtime_file_rule){.prefix = "/data", .class = FILE_CLASS_PRIVATE};
    g_config.file_rules[1] =
        (struct runtime_file_rule){.prefix = "/data2", .class = FILE_CLASS_PRIVATE};
    g_config.file_rules[2] =
        (struct runtime_file_rule){.prefix = "/denied", .class = FILE_CLASS_DENIED};
    g_config.file_rule_count = 3;
    g_config.secret_files[0] = (struct runtime_secret_file){
        .path = "/run/secret", .bytes = slice_of_text("s3cret"), .mode = 0400};
    g_config.secret_file_count = 1;
    struct error e = {0};
    REQUIRE(vfs_init(&g_config, &e) == 0);
}

static int64_t call(syscall_fn *fn, long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    struct syscall_call sc = {nr, {a, b, c, d, e, 0}, &g_thread};
    set_up();
    return fn(&sc);
}
#define P(x) ((unsigned long)(x))

static int64_t do_open(const char *path, int flags, int mode)
{
    return call(sys_open, SYS_open, P(path), flags, mode, 0, 0);
}
static int64_t do_close(int64_t fd)
{
    struct file *f = fd_detach((int)fd);
    if (f) {
        vfs_closing(f);
        file_put(f);
    }
    return close((int)fd);
}
static int64_t do_write(int64_t fd, const void *bytes, size_t size)
{
    struct file *f = fd_get((int)fd);
    if (!f)
        return write((int)fd, bytes, size);
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    int64_t n = f->ops->write(f, &iov, 1, -1, 0);
    file_put(f);
    return n;
}
static int64_t do_pread(int64_t fd, void *bytes, size_t size, int64_t offset)
{
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    struct iovec iov = {bytes, size};
    int64_t n = f->ops->read(f, &iov, 1, offset, 0);
    file_put(f);
    return n;
}
static int64_t do_stat(const char *path, struct stat *st)
{
    return call(sys_stat, SYS_stat, P(path), P(st), 0, 0, 0);
}
static int64_t put_text(const char *path, const char *text)
{
    int64_t fd = do_open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (fd < 0)
        return fd;
    int64_t n = do_write(fd, text, strlen(text));
    do_close(fd);
    return n;
}
static const char *get_text(const char *path)
{
    static char text[256];
    int64_t fd = do_open(path, O_RDONLY, 0);
    if (fd < 0) {
        snprintf(text, sizeof text, "error %lld", (long long)fd);
        return text;
    }
    int64_t n = do_pread(fd, text, sizeof text - 1, 0);
    do_close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

TEST(a_file_on_a_volume_keeps_what_is_written)
{
    struct stat st;
    CHECK_EQ(put_text("/data/a", "hello"), 5);
    CHECK_TEXT(get_text("/data/a"), "hello");
    CHECK_EQ(do_stat("/data/a", &st), 0);
    CHECK_EQ(st.st_size, 5);
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(do_open("/data/a", O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
    CHECK_EQ(do_open("/data/none", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(do_open("/data/a/b", O_RDONLY, 0), -ENOTDIR);
    CHECK_EQ(do_open("/data/a/", O_RDONLY, 0), -ENOTDIR);
    CHECK_EQ(do_open("/data", O_WRONLY, 0), -EISDIR);
}

TEST(the_host_never_gets_a_file_that_is_ours)
{
    CHECK_EQ(put_text("/data/x", "x"), 1);
    CHECK_EQ(access("/data/x", F_OK), -1);
}

TEST(dots_and_links_lead_where_linux_leads)
{
    struct stat st;
    CHECK_EQ(call(sys_mkdir, SYS_mkdir, P("/data/d"), 0755, 0, 0, 0), 0);
    CHECK_EQ(put_text("/data/d/f", "in d"), 4);
    CHECK_TEXT(get_text("/data/d/../d/./f"), "in d");
    CHECK_TEXT(get_text("//data///d//f"), "in d");
    CHECK_TEXT(get_text("/data/../data/d/f"), "in d");
    CHECK_TEXT(get_text("/proc/../data/d/f"), "in d");
    CHECK_EQ(call(sys_symlink, SYS_symlink, P("d/f"), P("/data/rel"), 0, 0, 0), 0);
    CHECK_TEXT(get_text("/data/rel"), "in d");
    CHECK_EQ(call(sys_symlink, SYS_symlink, P("/data/d"), P("/data/abs"), 0, 0, 0), 0);
    CHECK_TEXT(get_text("/data/abs/f"), "in d");
    CHECK_EQ(call(sys_symlink, SYS_symlink, P("loop"), P("/data/loop"), 0, 0, 0), 0);
    CHECK_EQ(do_open("/data/loop", O_RDONLY, 0), -ELOOP);
    CHECK_EQ(do_open("/data/rel", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    CHECK_EQ(call(sys_lstat, SYS_lstat, P("/data/rel"), P(&st), 0, 0, 0), 0);
    CHECK(S_ISLNK(st.st_mode));
    char text[16] = "";
    CHECK_EQ(call(sys_readlink, SYS_readlink, P("/data/rel"), P(text), sizeof text, 0, 0), 3);
    CHECK_TEXT(text, "d/f");
}

TEST(links_lead_from_the_host_into_a_volume_and_back)
{
    char link_path[128], host_file[128];
    set_up();
    snprintf(link_path, sizeof link_path, "%s/into", g_host_dir);
    snprintf(host_file, sizeof host_file, "%s/file", g_host_dir);
    REQUIRE(symlink("/data/via", link_path) == 0);
    CHECK_EQ(put_text(link_path, "through"), 7);
    CHECK_TEXT(get_text("/data/via"), "through");
    CHECK_EQ(put_text(host_file, "plain"), 5);
    CHECK_EQ(call(sys_symlink, SYS_symlink, P(host_file), P("/data/out"), 0, 0, 0), 0);
    struct stat st;
    CHECK_EQ(do_stat("/data/out", &st), 0);
    CHECK_EQ(st.st_size, 5);
}

TEST(names_move_within_a_volume_and_not_across)
{
    CHECK_EQ(put_text("/data/m1", "1"), 1);
    CHECK_EQ(put_text("/data/m2", "22"), 2);
    CHECK_EQ(call(sys_rename, SYS_rename, P("/data/m1"), P("/data/m2"), 0, 0, 0), 0);
    CHECK_TEXT(get_text("/data/m2"), "1");
    CHECK_EQ(call(sys_rename, SYS_rename, P("/data/m2"), P("/data2/m"), 0, 0, 0), -EXDEV);
    CHECK_EQ(call(sys_link, SYS_link, P("/data/m2"), P("/tmp/m"), 0, 0, 0), -EXDEV);
    CHECK_EQ(call(sys_link, SYS_link, P("/data/m2"), P("/data/m3"), 0, 0, 0), 0);
    CHECK_EQ(call(sys_unlink, SYS_unlink, P("/data/m2"), 0, 0, 0, 0), 0);
    CHECK_TEXT(get_text("/data/m3"), "1");
    CHECK_EQ(call(sys_rmdir, SYS_rmdir, P("/data"), 0, 0, 0, 0), -EBUSY);
    CHECK_EQ(call(sys_unlink, SYS_unlink, P("/data"), 0, 0, 0, 0), -EISDIR);
}

TEST(an_unlinked_open_file_lives_until_it_is_closed)
{
    char text[8] = "";
    int64_t fd = do_open("/data/gone", O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(do_write(fd, "still", 5), 5);
    CHECK_EQ(call(sys_unlink, SYS_unlink, P("/data/gone"), 0, 0, 0, 0), 0);
    CHECK_EQ(do_open("/data/gone", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(do_pread(fd, text, 5, 0), 5);
    CHECK_TEXT(text, "still");
    char link[PATH_MAX], path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)fd);
    int64_t n = call(sys_readlink, SYS_readlink, P(path), P(link), sizeof link, 0, 0);
    link[n < 0 ? 0 : n] = '\0';
    CHECK_TEXT(link, "/data/gone (deleted)");
    do_close(fd);
}

TEST(a_listing_names_everything_once)
{
    enum { COUNT = 300 };
    char name[64], buffer[4096];
    bool seen[COUNT] = {false};
    CHECK_EQ(call(sys_mkdir, SYS_mkdir, P("/data/many"), 0755, 0, 0, 0), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "/data/many/%d", i);
        CHECK_EQ(put_text(name, "x"), 1);
    }
    int64_t fd = do_open("/data/many", O_RDONLY | O_DIRECTORY, 0), n;
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    int dots = 0, doubles = 0, all = 0;
    while ((n = f->ops->getdents(f, buffer, sizeof buffer)) > 0) {
        for (int64_t at = 0; at < n;) {
            struct dirent64 *d = (struct dirent64 *)(void *)(buffer + at);
            at += d->d_reclen;
            int number = (int)strtol(d->d_name, NULL, 10);
            if (d->d_name[0] == '.') {
                dots++;
            } else {
                doubles += seen[number];
                seen[number] = true;
                all++;
            }
        }
    }
    file_put(f);
    do_close(fd);
    CHECK_EQ(n, 0);
    CHECK_EQ(dots, 2);
    CHECK_EQ(all, COUNT);
    CHECK_EQ(doubles, 0);
}

TEST(the_listing_of_the_root_names_the_mounts)
{
    char buffer[8192];
    int64_t fd = do_open("/", O_RDONLY | O_DIRECTORY, 0), n;
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    int found = 0;
    while ((n = f->ops->getdents(f, buffer, sizeof buffer)) > 0)
        for (int64_t at = 0; at < n;) {
            struct dirent64 *d = (struct dirent64 *)(void *)(buffer + at);
            at += d->d_reclen;
            found += strcmp(d->d_name, "data") == 0 || strcmp(d->d_name, "data2") == 0;
        }
    CHECK_EQ(n, 0);
    CHECK_EQ(found, 2);
    file_put(f);
    /* Names below it are still found. */
    struct stat st;
    CHECK_EQ(call(sys_newfstatat, SYS_newfstatat, fd, P("proc"), P(&st), 0, 0), 0);
    CHECK_EQ(call(sys_newfstatat, SYS_newfstatat, fd, P("data"), P(&st), 0, 0), 0);
    CHECK(S_ISDIR(st.st_mode));
    do_close(fd);
}

TEST(the_working_directory_may_be_on_a_volume)
{
    char text[PATH_MAX];
    CHECK_EQ(call(sys_mkdir, SYS_mkdir, P("/data/w"), 0755, 0, 0, 0), 0);
    CHECK_EQ(call(sys_chdir, SYS_chdir, P("/data/w"), 0, 0, 0, 0), 0);
    CHECK_EQ(call(sys_getcwd, SYS_getcwd, P(text), sizeof text, 0, 0, 0), 8);
    CHECK_TEXT(text, "/data/w");
    CHECK_EQ(put_text("here", "rel"), 3);
    CHECK_TEXT(get_text("/data/w/here"), "rel");
    CHECK_TEXT(get_text("../w/here"), "rel");
    struct stat st;
    CHECK_EQ(do_stat("../../proc", &st), 0);
    CHECK_EQ(call(sys_chdir, SYS_chdir, P("/"), 0, 0, 0, 0), 0);
    CHECK_EQ(call(sys_getcwd, SYS_getcwd, P(text), sizeof text, 0, 0, 0), 2);
    CHECK_TEXT(get_text("data/w/here"), "rel");
}

TEST(mapped_and_written_bytes_are_the_same_bytes)
{
    char text[16] = "";
    CHECK_EQ(put_text("/data/map", "0123456789"), 10);
    int64_t fd = do_open("/data/map", O_RDWR, 0);
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    int64_t at = f->ops->mmap(f, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    REQUIRE(at > 0);
    char *bytes = (char *)at;
    CHECK(memcmp(bytes, "0123456789", 10) == 0);
    memcpy(bytes, "AB", 2);
    CHECK_EQ(do_pread(fd, text, 4, 0), 4);
    CHECK_TEXT(text, "AB23");
    CHECK_EQ(do_write(fd, "xyz", 3), 3);
    CHECK(memcmp(bytes, "xyz3", 4) == 0);
    bytes[9] = '!';
    CHECK_EQ(vfs_msync(P(bytes), 4096, MS_SYNC), 0);
    vfs_unmapping(P(bytes), 4096);
    munmap(bytes, 4096);
    CHECK(!vfs_any_mapping());
    file_put(f);
    do_close(fd);
    CHECK_TEXT(get_text("/data/map"), "xyz345678!");
}

TEST(a_private_mapping_is_a_copy)
{
    CHECK_EQ(put_text("/data/pmap", "private"), 7);
    int64_t fd = do_open("/data/pmap", O_RDONLY, 0);
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    int64_t at = f->ops->mmap(f, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    REQUIRE(at > 0);
    memcpy((char *)at, "changed", 7);
    munmap((void *)at, 4096);
    CHECK_EQ(f->ops->mmap(f, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0), -EACCES);
    file_put(f);
    do_close(fd);
    CHECK_TEXT(get_text("/data/pmap"), "private");
}

TEST(secrets_are_read_only_files)
{
    struct stat st;
    CHECK_TEXT(get_text("/run/secret"), "s3cret");
    CHECK_EQ(do_stat("/run/secret", &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 0400);
    CHECK_EQ(do_open("/run/secret", O_RDWR, 0), -EROFS);
    CHECK_EQ(call(sys_unlink, SYS_unlink, P("/run/secret"), 0, 0, 0, 0), -EROFS);
    CHECK_EQ(access("/run/secret", F_OK), -1);
}

TEST(what_a_rule_denies_is_denied_under_every_name)
{
    CHECK_EQ(do_open("/denied", O_RDONLY, 0), -EACCES);
    CHECK_EQ(do_open("/denied/deep/er", O_CREAT | O_WRONLY, 0600), -EACCES);
    CHECK_EQ(do_open("/data/../denied/x", O_RDONLY, 0), -EACCES);
}

TEST(flock_excludes_another_description_and_not_a_duplicate)
{
    CHECK_EQ(put_text("/data/lock", ""), 0);
    int64_t one = do_open("/data/lock", O_RDWR, 0), two = do_open("/data/lock", O_RDWR, 0);
    struct file *f1 = fd_get((int)one), *f2 = fd_get((int)two);
    REQUIRE(f1 && f2);
    CHECK_EQ(f1->ops->flock(f1, LOCK_EX), 0);
    CHECK_EQ(f2->ops->flock(f2, LOCK_EX | LOCK_NB), -EAGAIN);
    file_put(f1);
    do_close(one);
    CHECK_EQ(f2->ops->flock(f2, LOCK_EX | LOCK_NB), 0);
    file_put(f2);
    do_close(two);
}

TEST(attributes_are_kept)
{
    struct stat st;
    char value[8] = "";
    struct timespec times[2] = {{100, 5}, {200, 6}};
    CHECK_EQ(put_text("/data/attr", "x"), 1);
    CHECK_EQ(call(sys_chmod, SYS_chmod, P("/data/attr"), 04751, 0, 0, 0), 0);
    CHECK_EQ(call(sys_chown, SYS_chown, P("/data/attr"), 12, 34, 0, 0), 0);
    CHECK_EQ(call(sys_utimensat, SYS_utimensat, AT_FDCWD, P("/data/attr"), P(times), 0, 0), 0);
    CHECK_EQ(do_stat("/data/attr", &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 0751);
    CHECK_EQ(st.st_uid, 12);
    CHECK_EQ(st.st_gid, 34);
    CHECK_EQ(st.st_mtim.tv_sec, 200);
    CHECK_EQ(st.st_mtim.tv_nsec, 6);
    CHECK_EQ(call(sys_setxattr, SYS_setxattr, P("/data/attr"), P("user.k"), P("v1"), 2, 0), 0);
    CHECK_EQ(call(sys_getxattr, SYS_getxattr, P("/data/attr"), P("user.k"), P(value), 8, 0), 2);
    CHECK_TEXT(value, "v1");
    CHECK_EQ(call(sys_getxattr, SYS_getxattr, P("/data/attr"), P("user.z"), P(value), 8, 0),
             -ENODATA);
    CHECK_EQ(call(sys_truncate, SYS_truncate, P("/data/attr"), 5000, 0, 0, 0), 0);
    CHECK_EQ(do_stat("/data/attr", &st), 0);
    CHECK_EQ(st.st_size, 5000);
}

TEST(names_and_paths_that_are_too_long_say_so)
{
    char path[PATH_MAX + 64];
    memset(path, 'a', sizeof path);
    memcpy(path, "/data/", 6);
    path[6 + 256] = '\0';
    CHECK_EQ(do_open(path, O_RDONLY, 0), -ENAMETOOLONG);
    path[6 + 256] = 'a';
    path[sizeof path - 1] = '\0';
    CHECK_EQ(do_open(path, O_RDONLY, 0), -ENAMETOOLONG);
    CHECK_EQ(do_open("", O_RDONLY, 0), -ENOENT);
}

TEST(an_unnamed_file_gets_a_name_by_link)
{
    char path[64];
    int64_t fd = do_open("/data", O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(do_write(fd, "tmp", 3), 3);
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)fd);
    CHECK_EQ(call(sys_linkat, SYS_linkat, AT_FDCWD, P(path), AT_FDCWD, P("/data/named"),
                  AT_SYMLINK_FOLLOW),
             0);
    do_close(fd);
    CHECK_TEXT(get_text("/data/named"), "tmp");
}

/* Runs `body` in a forked guest and returns its exit status. */
static int in_child(int (*body)(void *arg), void *arg)
{
    int status = -1;
    set_up();
    REQUIRE(vfs_fork_prepare() == 0 && vfs_fork_lock() == 0);
    fflush(stdout);
    int pid = fork();
    if (pid == 0) {
        g_process.pid = getpid();
        vfs_fork_child();
        int result = body(arg);
        vfs_exit();
        _exit(result);
    }
    vfs_fork_parent(pid);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int child_writes(void *arg)
{
    int64_t fd = *(int64_t *)arg;
    if (do_write(fd, "child", 5) != 5 || put_text("/data/by-child", "new") != 3)
        return 1;
    char text[16] = "";
    return do_pread(fd, text, 11, 0) == 11 && strcmp(text, "parentchild") == 0 ? 0 : 2;
}

TEST(parent_and_child_see_one_volume_and_share_positions)
{
    char text[32] = "";
    int64_t fd = do_open("/data/shared", O_CREAT | O_RDWR, 0600);
    CHECK_EQ(do_write(fd, "parent", 6), 6);
    CHECK_EQ(in_child(child_writes, &fd), 0);
    CHECK(g_fs.owner == NULL && g_fs.remote != NULL);
    CHECK_EQ(do_write(fd, "again", 5), 5);
    CHECK_EQ(do_pread(fd, text, sizeof text, 0), 16);
    CHECK_TEXT(text, "parentchildagain");
    CHECK_TEXT(get_text("/data/by-child"), "new");
    CHECK_TEXT(get_text("/data/map"), "xyz345678!");
    do_close(fd);
}

static uint64_t inodes_in_use(void)
{
    struct volume_stats stats = {0};
    struct request rq = {.op = REQUEST_STATFS,
                         .volume = fs_mount_at("/data", 5)->volume,
                         .out = &stats,
                         .out_size = sizeof stats};
    return fs_request(&rq) == 0 ? stats.inode_count : 0;
}

static int child_unlinks(void *arg)
{
    uint64_t before = inodes_in_use();
    (void)arg;
    if (call(sys_unlink, SYS_unlink, P("/data/kept"), 0, 0, 0, 0) != 0 ||
        inodes_in_use() != before - 1)
        return 1;
    return do_open("/data/kept", O_RDONLY, 0) == -ENOENT ? 0 : 2;
}

static int child_takes_the_name(void *arg)
{
    uint64_t before = inodes_in_use();
    (void)arg;
    if (call(sys_rename, SYS_rename, P("/data/kept2"), P("/data/kept"), 0, 0, 0) != 0 ||
        inodes_in_use() != before - 1)
        return 1;
    return strcmp(get_text("/data/kept"), "other") == 0 ? 0 : 2;
}

static int child_does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(a_file_that_was_closed_takes_no_room_without_a_name)
{
    CHECK_EQ(in_child(child_does_nothing, NULL), 0); /* there is a volume server from now on */
    put_text("/data/kept", "kept");
    put_text("/data/kept2", "other");
    for (int turn = 0; turn < 3; turn++)
        CHECK_TEXT(get_text("/data/kept"), "kept");
    CHECK_EQ(in_child(child_takes_the_name, NULL), 0);
    for (int turn = 0; turn < 3; turn++)
        CHECK_TEXT(get_text("/data/kept"), "other");
    CHECK_EQ(in_child(child_unlinks, NULL), 0);
    CHECK_EQ(do_open("/data/kept", O_RDONLY, 0), -ENOENT);
}

/* What the server closed of the kept files, it gives other files the handles of. */
TEST(a_kept_file_is_never_taken_for_another)
{
    enum { FILES = 900 };
    char path[32], text[32];
    unsigned wrong = 0;
    CHECK_EQ(in_child(child_does_nothing, NULL), 0);
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(path, sizeof path, "/data/one-of-many-%d", i);
        put_text(path, path);
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < FILES; i++) {
            (void)snprintf(path, sizeof path, "/data/one-of-many-%d", i);
            if (turn == 0 || i % 3 != 0)
                wrong += strcmp(get_text(path), path) != 0;
            if (turn == 0 && i % 3 == 0)
                CHECK_EQ(call(sys_unlink, SYS_unlink, P(path), 0, 0, 0, 0), 0);
            /* One that was read before. */
            (void)snprintf(text, sizeof text, "/data/one-of-many-%d", MAX(i - 7, 1));
            if (MAX(i - 7, 1) % 3 != 0)
                wrong += strcmp(get_text(text), text) != 0;
        }
    }
    CHECK_EQ(wrong, 0);
}

/* Files that are only kept are closed before anybody is told that there are too many. */
TEST(kept_files_make_room_for_open_ones)
{
    static const struct key256 key = {{1}};
    struct volume_backend *backend;
    struct error e;
    REQUIRE(volume_mem_new(&backend) == 0);
    struct volume_options options = {.backend = backend, .key = &key};
    struct owner *owner = owner_new();
    static struct owner_public published;
    static _Atomic uint32_t kept[OWNER_OPEN_MAX];
    REQUIRE(owner && volume_create(&options, 0, 0, &e) == 0 &&
            volume_open(&options, &owner->volumes[0], &e) == 0);
    owner_publish_start(owner, &published, kept);
    struct request rq = {.op = REQUEST_OPEN, .ino = VOLUME_ROOT_INO};
    uint32_t count = 0;
    while (owner_execute(owner, &rq) == 0)
        count++;
    CHECK_EQ(count, OWNER_OPEN_MAX - 1);
    CHECK_EQ(owner_execute(owner, &rq), -ENFILE);
    atomic_store(&kept[7], 1);
    atomic_store(&kept[8], 2); /* nobody's who has it open */
    CHECK_EQ(owner_execute(owner, &rq), 0);
    CHECK_EQ(rq.handle, 7);
    CHECK_EQ(atomic_load(&kept[7]), 0);
    CHECK_EQ(owner_execute(owner, &rq), -ENFILE);
    owner_abandon(owner);
    volume_mem_free(backend);
}

static int child_locks_and_dies(void *arg)
{
    struct flock lock = {.l_type = F_WRLCK};
    (void)arg;
    int64_t fd = do_open("/data/lock", O_RDWR, 0);
    struct file *f = fd_get((int)fd);
    if (!f || f->ops->fcntl(f, F_SETLK, P(&lock)) != 0)
        _exit(1);
    kill(getpid(), SIGKILL);
    return 0;
}

TEST(a_client_that_is_killed_leaves_no_lock_behind)
{
    struct flock lock = {.l_type = F_WRLCK};
    CHECK_EQ(in_child(child_locks_and_dies, NULL), 100);
    int64_t fd = do_open("/data/lock", O_RDWR, 0), r = -EAGAIN;
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    /* The server learns of the death by itself, a moment later. */
    while (r == -EAGAIN)
        r = f->ops->fcntl(f, F_SETLK, P(&lock));
    CHECK_EQ(r, 0);
    file_put(f);
    do_close(fd);
}

static int64_t g_exchange;

static int child_reads_held(void *arg)
{
    char text[8] = "";
    (void)arg;
    return do_pread(g_exchange, text, 4, 0) == 4 && strcmp(text, "held") == 0 ? 0 : 1;
}

/* Where in an exchange a client dies. */
enum stage {
    DIES_CLAIMED,   /* has a slot, nothing in it */
    DIES_REQUESTED, /* the request stands there, its bit does not */
    DIES_UNRUNG,    /* the bit too; the server was not woken */
    DIES_RUNG,      /* it was: the answer may be under way */
    DIES_ANSWERED,  /* has not taken the answer away */
    DIES_SENSELESS, /* what it asked has sizes and numbers beyond all bounds */
    DIES_MOVING,    /* holds the lock of a position */
    DIES_COUNT,
};

static void leave_in(struct ring_slot *slot, enum stage stage)
{
    struct ring *ring = g_fs.remote->ring;
    slot->has_creds = false;
    slot->request = (struct request){.op = REQUEST_GETATTR, .ino = 1};
    if (stage == DIES_SENSELESS) {
        memset(&slot->request, 0xff, sizeof slot->request);
        slot->request.op = (uint32_t)(slot - ring->slots) % (REQUEST_OP_COUNT + 2);
        slot->request.in.size = (slot - ring->slots) % 3 == 0 ? 16 : SIZE_MAX / 2;
    }
    if (stage > DIES_CLAIMED)
        atomic_store(&slot->state, SLOT_OF(SLOT_REQUESTED, g_fs.client));
    if (stage > DIES_REQUESTED)
        atomic_fetch_or(&ring->pending, (int)(1u << (slot - ring->slots)));
    if (stage > DIES_UNRUNG)
        ring_wake(&ring->pending, 1);
    while (stage == DIES_ANSWERED && SLOT_STATE(atomic_load(&slot->state)) != SLOT_DONE)
        sched_yield();
}

/* Takes every slot that is free, and dies with them. */
static int child_dies(void *arg)
{
    enum stage stage = *(enum stage *)arg;
    struct ring *ring = g_fs.remote->ring;
    for (unsigned i = 0; i < RING_SLOTS && stage < DIES_MOVING; i++) {
        int expected = SLOT_FREE;
        if (atomic_compare_exchange_strong(&ring->slots[i].state, &expected,
                                           SLOT_OF(SLOT_CLAIMED, g_fs.client)))
            leave_in(&ring->slots[i], stage);
    }
    struct file *f = fd_get((int)g_exchange);
    if (stage == DIES_MOVING && f) {
        g_thread.tid = getpid();
        position_acquire(volume_file_of(f));
    }
    kill(getpid(), SIGKILL);
    return 0;
}

TEST(a_client_that_is_killed_anywhere_in_an_exchange_takes_nothing_with_it)
{
    char text[32] = "";
    g_exchange = do_open("/data/exchange", O_CREAT | O_RDWR, 0600);
    CHECK_EQ(do_write(g_exchange, "held", 4), 4);
    for (enum stage stage = 0; stage < DIES_COUNT; stage++) {
        CHECK_EQ(in_child(child_dies, &stage), 100);
        /* More requests than slots, each of which has to come round. */
        for (int i = 0; i < 2 * RING_SLOTS; i++)
            CHECK_EQ(do_pread(g_exchange, text, sizeof text, 0), 4);
        struct file *f = fd_get((int)g_exchange);
        CHECK_EQ(f->ops->seek(f, 2, SEEK_SET), 2);
        file_put(f);
        CHECK_EQ(in_child(child_reads_held, NULL), 0);
        const struct ring *ring = g_fs.remote->ring;
        unsigned taken = RING_SLOTS;
        while (taken > 0) { /* the server learns of the death by itself, a moment later */
            taken = 0;
            for (unsigned i = 0; i < RING_SLOTS; i++)
                taken += atomic_load(&ring->slots[i].state) != SLOT_FREE;
            sched_yield();
        }
    }
    CHECK_TEXT(text, "held");
    do_close(g_exchange);
}

static int child_maps(void *arg)
{
    (void)arg;
    int64_t fd = do_open("/data/shm", O_RDWR, 0);
    struct file *f = fd_get((int)fd);
    int64_t at = f->ops->mmap(f, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    if (at < 0 || memcmp((char *)at, "from parent", 11) != 0)
        return 1;
    memcpy((char *)at + 100, "from child", 10);
    file_put(f);
    return 0;
}

TEST(a_shared_mapping_is_one_memory_in_all_processes)
{
    CHECK_EQ(put_text("/data/shm", "."), 1);
    CHECK_EQ(call(sys_truncate, SYS_truncate, P("/data/shm"), 4096, 0, 0, 0), 0);
    int64_t fd = do_open("/data/shm", O_RDWR, 0);
    struct file *f = fd_get((int)fd);
    REQUIRE(f);
    int64_t at = f->ops->mmap(f, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    REQUIRE(at > 0);
    memcpy((char *)at, "from parent", 11);
    CHECK_EQ(in_child(child_maps, NULL), 0);
    CHECK(memcmp((char *)at + 100, "from child", 10) == 0);
    vfs_unmapping((uint64_t)at, 4096);
    munmap((void *)at, 4096);
    char text[16] = "";
    CHECK_EQ(do_pread(fd, text, 10, 100), 10);
    CHECK_TEXT(text, "from child");
    file_put(f);
    do_close(fd);
}

TEST(large_reads_and_writes_reach_the_server_in_pieces)
{
    enum { SIZE = 1000003 };
    uint8_t *bytes = malloc(SIZE), *again = malloc(SIZE);
    REQUIRE(bytes && again);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    int64_t fd = do_open("/data/large", O_CREAT | O_RDWR | O_APPEND, 0600);
    CHECK_EQ(do_write(fd, bytes, SIZE), SIZE);
    CHECK_EQ(do_pread(fd, again, SIZE, 0), SIZE);
    CHECK(memcmp(bytes, again, SIZE) == 0);
    free(bytes);
    free(again);
    do_close(fd);
}

TEST(at_the_end_everything_closes)
{
    char command[128];
    vfs_exit();
    snprintf(command, sizeof command, "rm -rf '%s'", g_host_dir);
    CHECK_EQ(system(command), 0);
}

TAP_MAIN()
