/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume put`, `get` and `cp`: between the host and a volume, and inside one. Modes, times
 * and symbolic links are kept, holes stay holes; owners too where root copies. */
#include "base/secret.h"
#include "cli/volume_cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_SIZE = 1 << 20, PATH_SIZE = 4096, ENTRIES = 32, DEPTH_MAX = 500 };

struct copy {
    struct volume_job *job;
    struct volume *v;
    char *bytes;          /* COPY_SIZE */
    char path[PATH_SIZE]; /* of the source, for messages */
    unsigned depth;
};

static void copy_fail(struct copy *c, int r)
{
    volume_fail_on(c->job, r, c->path);
}

/* Appends a name to the path; returns where to cut it off again, or 0 if it is too long. */
static size_t path_push(struct copy *c, const char *name)
{
    size_t len = strlen(c->path);
    int n = snprintf(c->path + len, sizeof c->path - len, "%s%s",
                     len > 0 && c->path[len - 1] == '/' ? "" : "/", name);
    if (n < 0 || (size_t)n >= sizeof c->path - len) {
        c->path[len] = '\0';
        return 0;
    }
    return len;
}

static int64_t time_ns(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static struct timespec time_spec(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

/* --- from the host --- */

static int write_whole(struct copy *c, uint64_t ino, uint64_t at, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = volume_write(c->v, ino, at + done, c->bytes + done, size - done);
        if (n < 0)
            return (int)n;
        done += (size_t)n;
    }
    return 0;
}

/* The data of a descriptor that may be a pipe, or have holes. */
static int data_put(struct copy *c, int fd, uint64_t ino, bool seekable)
{
    off_t at = 0;
    for (;;) {
        size_t most = COPY_SIZE;
        if (seekable) {
            off_t data = lseek(fd, at, SEEK_DATA);
            if (data < 0 && errno == ENXIO)
                break;
            at = MAX(at, data);
            off_t hole = lseek(fd, at, SEEK_HOLE);
            if (hole > at)
                most = (size_t)MIN((off_t)most, hole - at);
        }
        ssize_t n = seekable ? pread(fd, c->bytes, most, at) : read(fd, c->bytes, most);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        int r = write_whole(c, ino, (uint64_t)at, (size_t)n);
        if (r < 0)
            return r;
        at += n;
    }
    struct stat st;
    if (!seekable || fstat(fd, &st) < 0)
        return 0;
    const struct volume_attr size = {.size = (uint64_t)st.st_size};
    return volume_setattr(c->v, ino, VOLUME_ATTR_SIZE, &size);
}

static struct volume_attr attr_of_stat(const struct stat *st)
{
    return (struct volume_attr){.mode = st->st_mode,
                                .uid = st->st_uid,
                                .gid = st->st_gid,
                                .rdev = st->st_rdev,
                                .atime_ns = time_ns(&st->st_atim),
                                .mtime_ns = time_ns(&st->st_mtim)};
}

/* A new file, or the one that is there, empty. */
static int file_prepare(struct copy *c, uint64_t dir, struct slice name,
                        const struct volume_attr *attr, uint64_t *ret_ino)
{
    static const struct volume_attr empty = {.size = 0};
    struct volume_attr a;
    int r = volume_make(c->v, dir, name, attr, (struct slice){0}, ret_ino);
    if (r != -EEXIST)
        return r;
    r = volume_lookup(c->v, dir, name, ret_ino);
    if (r == 0)
        r = volume_getattr(c->v, *ret_ino, &a);
    if (r == 0 && !S_ISREG(a.mode))
        r = S_ISDIR(a.mode) ? -EISDIR : -EEXIST;
    return r < 0 ? r : volume_setattr(c->v, *ret_ino, VOLUME_ATTR_SIZE, &empty);
}

static int file_put(struct copy *c, int at_fd, const char *host_name, const struct stat *st,
                    uint64_t dir, struct slice name)
{
    const struct volume_attr attr = attr_of_stat(st);
    uint64_t ino;
    int fd = openat(at_fd, host_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = file_prepare(c, dir, name, &attr, &ino);
    if (r == 0)
        r = data_put(c, fd, ino, true);
    if (r == 0)
        r = volume_setattr(c->v, ino, VOLUME_ATTR_MODE | VOLUME_ATTR_ATIME | VOLUME_ATTR_MTIME,
                           &attr);
    (void)close(fd);
    return r;
}

static int link_put(struct copy *c, int at_fd, const char *host_name, const struct stat *st,
                    uint64_t dir, struct slice name)
{
    const struct volume_attr attr = attr_of_stat(st);
    char target[PATH_SIZE];
    uint64_t ino;
    ssize_t n = readlinkat(at_fd, host_name, target, sizeof target);
    if (n < 0)
        return -errno;
    int r = volume_make(c->v, dir, name, &attr, slice_of(target, (size_t)n), &ino);
    if (r == -EEXIST) {
        r = volume_unlink(c->v, dir, name);
        if (r == 0)
            r = volume_make(c->v, dir, name, &attr, slice_of(target, (size_t)n), &ino);
    }
    return r < 0 ? r : volume_setattr(c->v, ino, VOLUME_ATTR_ATIME | VOLUME_ATTR_MTIME, &attr);
}

static int entry_put(struct copy *c, int at_fd, const char *host_name, uint64_t dir,
                     struct slice name);

static int dir_contents_put(struct copy *c, int fd, uint64_t ino)
{
    DIR *stream = fdopendir(fd); /* owns fd from here on */
    if (!stream) {
        int r = -errno;
        (void)close(fd);
        return r;
    }
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        size_t cut = path_push(c, entry->d_name);
        int r = cut == 0
                    ? -ENAMETOOLONG
                    : entry_put(c, dirfd(stream), entry->d_name, ino, slice_of_text(entry->d_name));
        if (r < 0)
            copy_fail(c, r);
        if (cut > 0)
            c->path[cut] = '\0';
    }
    (void)closedir(stream);
    return 0;
}

static int dir_put(struct copy *c, int at_fd, const char *host_name, const struct stat *st,
                   uint64_t dir, struct slice name)
{
    const struct volume_attr attr = attr_of_stat(st);
    struct volume_attr a;
    uint64_t ino;
    if (!c->job->settings.recursive)
        return error_set(&c->job->e, -EISDIR, "is a directory (-r copies it with all below)");
    if (c->depth == DEPTH_MAX)
        return -ELOOP;
    int fd = openat(at_fd, host_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int r = volume_make(c->v, dir, name, &attr, (struct slice){0}, &ino);
    if (r == -EEXIST) {
        r = volume_lookup(c->v, dir, name, &ino);
        if (r == 0)
            r = volume_getattr(c->v, ino, &a);
        if (r == 0 && !S_ISDIR(a.mode))
            r = -ENOTDIR;
    }
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    c->depth++;
    r = dir_contents_put(c, fd, ino);
    c->depth--;
    return r < 0 ? r
                 : volume_setattr(c->v, ino,
                                  VOLUME_ATTR_MODE | VOLUME_ATTR_ATIME | VOLUME_ATTR_MTIME, &attr);
}

static int special_put(struct copy *c, const struct stat *st, uint64_t dir, struct slice name)
{
    const struct volume_attr attr = attr_of_stat(st);
    uint64_t ino;
    int r = volume_make(c->v, dir, name, &attr, (struct slice){0}, &ino);
    return r < 0 ? r : volume_setattr(c->v, ino, VOLUME_ATTR_ATIME | VOLUME_ATTR_MTIME, &attr);
}

static int entry_put(struct copy *c, int at_fd, const char *host_name, uint64_t dir,
                     struct slice name)
{
    struct stat st;
    if (fstatat(at_fd, host_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return file_put(c, at_fd, host_name, &st, dir, name);
    case S_IFDIR:
        return dir_put(c, at_fd, host_name, &st, dir, name);
    case S_IFLNK:
        return link_put(c, at_fd, host_name, &st, dir, name);
    default:
        return special_put(c, &st, dir, name);
    }
}

/* Reads from the next data at or after *at, up to the next hole. 0: there is no more. */
static ssize_t data_read(struct copy *c, uint64_t ino, uint64_t *at)
{
    uint64_t hole;
    int r = volume_seek(c->v, ino, *at, SEEK_DATA, at);
    if (r == 0)
        r = volume_seek(c->v, ino, *at, SEEK_HOLE, &hole);
    if (r < 0)
        return r == -ENXIO ? 0 : r;
    return volume_read(c->v, ino, *at, c->bytes, (size_t)MIN((uint64_t)COPY_SIZE, hole - *at));
}

/* --- to the host --- */

static int write_fd(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int data_get(struct copy *c, uint64_t ino, int fd, bool seekable, uint64_t size)
{
    uint64_t at = 0;
    ssize_t n;
    while ((n = seekable ? data_read(c, ino, &at)
                         : volume_read(c->v, ino, at, c->bytes, COPY_SIZE)) > 0) {
        if (seekable && lseek(fd, (off_t)at, SEEK_SET) < 0)
            return -errno;
        int r = write_fd(fd, c->bytes, (size_t)n);
        if (r < 0)
            return r;
        at += (uint64_t)n;
    }
    if (n < 0)
        return (int)n;
    return seekable && ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int attrs_get(int fd, const struct volume_attr *a)
{
    const struct timespec times[2] = {time_spec(a->atime_ns), time_spec(a->mtime_ns)};
    if (geteuid() == 0 && fchown(fd, a->uid, a->gid) < 0)
        return -errno;
    return fchmod(fd, a->mode & 07777) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int file_get(struct copy *c, uint64_t ino, const struct volume_attr *a, int at_fd,
                    const char *host_name)
{
    int fd = openat(at_fd, host_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = data_get(c, ino, fd, true, a->size);
    if (r == 0)
        r = attrs_get(fd, a);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

/* Owner and times of what has no descriptor. */
static int name_attrs_get(int at_fd, const char *host_name, const struct volume_attr *a)
{
    const struct timespec times[2] = {time_spec(a->atime_ns), time_spec(a->mtime_ns)};
    if (geteuid() == 0 && fchownat(at_fd, host_name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return utimensat(at_fd, host_name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int special_get(const struct volume_attr *a, int at_fd, const char *host_name)
{
    if (mknodat(at_fd, host_name, a->mode, a->rdev) < 0)
        return -errno;
    return name_attrs_get(at_fd, host_name, a);
}

static int link_get(struct copy *c, uint64_t ino, const struct volume_attr *a, int at_fd,
                    const char *host_name)
{
    char target[PATH_SIZE];
    ssize_t n = volume_readlink(c->v, ino, target, sizeof target - 1);
    if (n < 0)
        return (int)n;
    target[n] = '\0';
    if (symlinkat(target, at_fd, host_name) < 0 &&
        (errno != EEXIST || unlinkat(at_fd, host_name, 0) < 0 ||
         symlinkat(target, at_fd, host_name) < 0))
        return -errno;
    return name_attrs_get(at_fd, host_name, a);
}

static int inode_get_out(struct copy *c, uint64_t ino, int at_fd, const char *host_name);

static int dir_contents_get(struct copy *c, uint64_t ino, int fd)
{
    struct volume_entry entries[ENTRIES];
    uint64_t cookie = 0;
    int n;
    while ((n = volume_readdir(c->v, ino, cookie, entries, ENTRIES)) > 0) {
        for (int i = 0; i < n; i++) {
            size_t cut = path_push(c, entries[i].name);
            int r =
                cut == 0 ? -ENAMETOOLONG : inode_get_out(c, entries[i].ino, fd, entries[i].name);
            if (r < 0)
                copy_fail(c, r);
            if (cut > 0)
                c->path[cut] = '\0';
        }
        cookie = entries[n - 1].cookie;
    }
    return n;
}

static int dir_get(struct copy *c, uint64_t ino, const struct volume_attr *a, int at_fd,
                   const char *host_name)
{
    if (!c->job->settings.recursive)
        return error_set(&c->job->e, -EISDIR, "is a directory (-r copies it with all below)");
    if (c->depth == DEPTH_MAX)
        return -ELOOP;
    if (mkdirat(at_fd, host_name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(at_fd, host_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    c->depth++;
    int r = dir_contents_get(c, ino, fd);
    c->depth--;
    if (r == 0)
        r = attrs_get(fd, a);
    (void)close(fd);
    return r;
}

static int inode_get_out(struct copy *c, uint64_t ino, int at_fd, const char *host_name)
{
    struct volume_attr a;
    int r = volume_getattr(c->v, ino, &a);
    if (r < 0)
        return r;
    switch (a.mode & S_IFMT) {
    case S_IFREG:
        return file_get(c, ino, &a, at_fd, host_name);
    case S_IFDIR:
        return dir_get(c, ino, &a, at_fd, host_name);
    case S_IFLNK:
        return link_get(c, ino, &a, at_fd, host_name);
    default:
        return special_get(&a, at_fd, host_name);
    }
}

/* --- inside a volume --- */

static int inode_copy(struct copy *c, uint64_t ino, uint64_t dir, struct slice name);

static int data_copy(struct copy *c, uint64_t from, uint64_t to, uint64_t size)
{
    uint64_t at = 0;
    ssize_t n;
    while ((n = data_read(c, from, &at)) > 0) {
        int r = write_whole(c, to, at, (size_t)n);
        if (r < 0)
            return r;
        at += (uint64_t)n;
    }
    const struct volume_attr whole = {.size = size};
    return n < 0 ? (int)n : volume_setattr(c->v, to, VOLUME_ATTR_SIZE, &whole);
}

static int dir_copy(struct copy *c, uint64_t from, uint64_t to)
{
    struct volume_entry entries[ENTRIES];
    uint64_t cookie = 0;
    int n, r = c->depth == DEPTH_MAX ? -ELOOP : 0;
    c->depth++;
    while (r == 0 && (n = volume_readdir(c->v, from, cookie, entries, ENTRIES)) != 0) {
        r = n < 0 ? n : 0;
        for (int i = 0; r == 0 && i < n; i++)
            r = inode_copy(c, entries[i].ino, to, slice_of(entries[i].name, entries[i].name_len));
        cookie = n > 0 ? entries[n - 1].cookie : 0;
    }
    c->depth--;
    return r;
}

static int inode_copy(struct copy *c, uint64_t ino, uint64_t dir, struct slice name)
{
    struct volume_attr a;
    char target[PATH_SIZE];
    uint64_t to;
    int r = volume_getattr(c->v, ino, &a);
    if (r < 0)
        return r;
    if (S_ISDIR(a.mode) && !c->job->settings.recursive)
        return error_set(&c->job->e, -EISDIR, "is a directory (-r copies it with all below)");
    if (S_ISREG(a.mode)) {
        r = file_prepare(c, dir, name, &a, &to);
        if (r == 0)
            r = to == ino ? -EINVAL : data_copy(c, ino, to, a.size);
    } else {
        ssize_t n = S_ISLNK(a.mode) ? volume_readlink(c->v, ino, target, sizeof target) : 0;
        r = n < 0 ? (int)n : volume_make(c->v, dir, name, &a, slice_of(target, (size_t)n), &to);
        if (r == -EEXIST && S_ISDIR(a.mode))
            r = volume_lookup(c->v, dir, name, &to);
        if (r == 0 && S_ISDIR(a.mode))
            r = dir_copy(c, ino, to);
    }
    return r < 0 ? r
                 : volume_setattr(c->v, to,
                                  VOLUME_ATTR_MODE | VOLUME_ATTR_ATIME | VOLUME_ATTR_MTIME, &a);
}

/* --- verbs --- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Where a copy goes: into the directory `path` under `name`, if it is one, or to `path` itself. */
static int target_find(struct volume *v, const char *path, struct slice name, uint64_t *ret_dir,
                       struct slice *ret_name)
{
    struct volume_attr a;
    uint64_t ino;
    int r = volume_path_find(v, path, true, &ino);
    if (r == 0)
        r = volume_getattr(v, ino, &a);
    if (r == 0 && S_ISDIR(a.mode)) {
        *ret_dir = ino;
        *ret_name = name;
        return name.size == 0 ? -EINVAL : 0;
    }
    return r < 0 && r != -ENOENT ? r : volume_path_parent(v, path, ret_dir, ret_name);
}

static int stdin_put(struct copy *c, const char *path)
{
    const struct volume_attr attr = {.mode = S_IFREG | 0644, .uid = getuid(), .gid = getgid()};
    struct slice name;
    uint64_t dir, ino;
    int r = volume_path_parent(c->v, path, &dir, &name);
    if (r == 0)
        r = file_prepare(c, dir, name, &attr, &ino);
    return r < 0 ? r : data_put(c, STDIN_FILENO, ino, false);
}

static int put(struct copy *c, const char *from, const char *to)
{
    char host[PATH_SIZE];
    struct slice name;
    uint64_t dir;
    int n = snprintf(host, sizeof host, "%s", from);
    if (n <= 0 || (size_t)n >= sizeof host)
        return n == 0 ? -ENOENT : -ENAMETOOLONG;
    while (n > 1 && host[n - 1] == '/')
        host[--n] = '\0';
    memcpy(c->path, host, (size_t)n + 1);
    int r = target_find(c->v, to, slice_of_text(base_name(host)), &dir, &name);
    return r < 0 ? error_set(&c->job->e, r, "'%s' in the volume: %s", to, strerror(-r))
                 : entry_put(c, AT_FDCWD, host, dir, name);
}

static int get(struct copy *c, const char *from, const char *to)
{
    char host[PATH_SIZE];
    struct stat st;
    uint64_t ino;
    (void)snprintf(c->path, sizeof c->path, "%s", from);
    int r = volume_path_find(c->v, from, true, &ino);
    if (r < 0)
        return r;
    bool into = stat(to, &st) == 0 && S_ISDIR(st.st_mode);
    const char *name = base_name(from);
    if (into && (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        name = ".";
    int n = snprintf(host, sizeof host, "%s%s%s", to, into ? "/" : "", into ? name : "");
    if (n < 0 || (size_t)n >= sizeof host)
        return -ENAMETOOLONG;
    return inode_get_out(c, ino, AT_FDCWD, host);
}

static int stdout_get(struct copy *c, const char *from)
{
    struct volume_attr a;
    uint64_t ino;
    (void)snprintf(c->path, sizeof c->path, "%s", from);
    int r = volume_path_find(c->v, from, true, &ino);
    if (r == 0)
        r = volume_getattr(c->v, ino, &a);
    return r < 0 ? r : data_get(c, ino, STDOUT_FILENO, false, a.size);
}

static int copy_inside(struct copy *c, const char *from, const char *to)
{
    struct slice name;
    uint64_t ino = 0, dir = VOLUME_ROOT_INO;
    (void)snprintf(c->path, sizeof c->path, "%s", from);
    int r = volume_path_find(c->v, from, true, &ino);
    if (r == 0)
        r = target_find(c->v, to, slice_of_text(base_name(from)), &dir, &name);
    for (uint64_t at = r == 0 ? dir : VOLUME_ROOT_INO; at != VOLUME_ROOT_INO && r == 0;) {
        if (at == ino)
            return error_set(&c->job->e, -EINVAL, "cannot be copied into itself");
        r = volume_parent(c->v, at, &at);
    }
    return r < 0 ? r : inode_copy(c, ino, dir, name);
}

typedef int copy_fn(struct copy *c, const char *from, const char *to);

static int copy_run(struct volume_job *job, copy_fn *fn, const char *from, const char *to)
{
    struct copy c = {.job = job, .v = job->volume, .bytes = malloc(COPY_SIZE)};
    (void)snprintf(c.path, sizeof c.path, "%s", from);
    int r = c.bytes ? fn(&c, from, to) : -ENOMEM;
    if (r < 0)
        copy_fail(&c, r);
    if (c.bytes)
        secret_wipe(c.bytes, COPY_SIZE);
    free(c.bytes);
    return job->status;
}

static int stdin_put_to(struct copy *c, const char *from, const char *to)
{
    (void)from;
    return stdin_put(c, to);
}

static int stdout_get_to(struct copy *c, const char *from, const char *to)
{
    (void)to;
    return stdout_get(c, from);
}

int volume_verb_put(struct volume_job *job)
{
    const char *from = job->args[0];
    const char *to = job->count > 1 ? job->args[1] : "/";
    return copy_run(job, strcmp(from, "-") == 0 ? stdin_put_to : put, from, to);
}

int volume_verb_get(struct volume_job *job)
{
    const char *to = job->count > 1 ? job->args[1] : ".";
    return copy_run(job, strcmp(to, "-") == 0 ? stdout_get_to : get, job->args[0], to);
}

/* DIR:PATH names a place in the volume in DIR; returns where PATH begins, or NULL. */
static const char *place_split(const char *word, char *dir, size_t size)
{
    struct stat st;
    char probe[PATH_SIZE];
    const char *colon = strchr(word, ':');
    if (!colon || colon == word || (size_t)(colon - word) >= size)
        return NULL;
    memcpy(dir, word, (size_t)(colon - word));
    dir[colon - word] = '\0';
    int n = snprintf(probe, sizeof probe, "%s/volume", dir);
    return n > 0 && (size_t)n < sizeof probe && stat(probe, &st) == 0 ? colon + 1 : NULL;
}

int volume_verb_cp(struct volume_job *job)
{
    static char dirs[2][PATH_SIZE];
    const char *from = place_split(job->args[0], dirs[0], sizeof dirs[0]);
    const char *to = place_split(job->args[1], dirs[1], sizeof dirs[1]);
    job->dir = from ? dirs[0] : dirs[1];
    if (!from && !to) {
        (void)error_set(&job->e, -EINVAL,
                        "neither names a place in a volume, as DIR:PATH does (DIR must hold a "
                        "volume)");
        (void)volume_fail(job, -EINVAL, "cp");
        return VOLUME_EXIT_USAGE;
    }
    if (from && to && strcmp(dirs[0], dirs[1]) != 0) {
        (void)error_set(&job->e, -EINVAL, "the places are in two volumes; copy by way of the host");
        (void)volume_fail(job, -EINVAL, "cp");
        return VOLUME_EXIT_USAGE;
    }
    int r = volume_job_open(job);
    if (r < 0)
        return volume_fail(job, r, job->dir);
    if (from && to)
        return copy_run(job, copy_inside, from, to);
    return from ? copy_run(job, get, from, job->args[1]) : copy_run(job, put, job->args[0], to);
}
