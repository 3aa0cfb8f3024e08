/* SPDX-License-Identifier: Apache-2.0 */
/* Where a walk starts, and whether one is needed at all; the walk itself: place_walk.c. */
#include "runtime/vfs/place.h"

#include "platform/host.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/journey.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- texts --- */

/* Absolute, and no empty, "." or ".." component. */
static bool is_clean(const char *path)
{
    for (const char *at = path; *at == '/'; at += strcspn(at, "/")) {
        at++;
        size_t size = strcspn(at, "/");
        if (size == 0 && *at == '\0')
            return true;
        if (size == 0 || (at[0] == '.' && (size == 1 || (size == 2 && at[1] == '.'))))
            return false;
    }
    return true;
}

static bool has_dotdot(const char *path)
{
    for (const char *at = strchr(path, '.'); at; at = strchr(at + 1, '.'))
        if (at[1] == '.' && (at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
            return true;
    return false;
}

/* --- where it starts --- */

/* Where a host descriptor is, by its link in /proc. */
static int read_host_place(struct journey *j, int fd)
{
    char link[64];
    if (fd == AT_FDCWD)
        memcpy(link, "/proc/self/cwd", sizeof "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = host_call(SYS_readlink, link, j->here, sizeof j->here - 1);
    if (n < 0)
        return fd == AT_FDCWD ? (int)n : -EBADF;
    if (n >= (long)sizeof j->here - 1 || n == 0 || j->here[0] != '/')
        return -ENOTDIR;
    j->here_size = n == 1 ? 0 : (size_t)n;
    j->here[j->here_size] = '\0';
    return 0;
}

static bool is_removed(const struct journey *j)
{
    static const char mark[] = " (deleted)";
    struct statx stat;
    return j->here_size >= sizeof mark &&
           strcmp(j->here + j->here_size - (sizeof mark - 1), mark) == 0 &&
           host_call(SYS_statx, AT_FDCWD, j->here, 0, STATX_TYPE, &stat) == -ENOENT;
}

/* From a directory that has been removed only "." and ".." lead anywhere. 1: it is "." alone. */
static int leave_removed(struct journey *j, int dir_fd)
{
    while (j->rest[0] == '.' && (j->rest[1] == '/' || j->rest[1] == '\0')) {
        j->rest += 1 + strspn(j->rest + 1, "/");
        if (*j->rest == '\0')
            return 1;
    }
    size_t size = strcspn(j->rest, "/");
    if (size != 2 || memcmp(j->rest, "..", 2) != 0 || (j->flags & PLACE_SCOPED))
        return -ENOENT;
    int up = host_openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (up < 0)
        return up;
    int r = read_host_place(j, up);
    host_close(up);
    j->rest += size;
    return r;
}

static int start_at_host_fd(struct journey *j, int fd)
{
    int r = read_host_place(j, fd);
    return r == 0 && is_removed(j) ? leave_removed(j, fd) : r;
}

static int start_at_file(struct journey *j, struct volume_file *file)
{
    j->on_volume = true;
    j->mount = file->mount;
    j->volume = file->volume;
    j->ino = file->ino;
    return 0;
}

/* `ret_file`: the shielded descriptor that a relative path starts at, referenced; may be NULL. */
static int starting_file(int dir_fd, struct file **ret_file)
{
    *ret_file = NULL;
    if (dir_fd == AT_FDCWD) {
        struct volume_file *cwd = fs_cwd();
        *ret_file = cwd ? &cwd->file : NULL;
    } else if (dir_fd >= 0) {
        *ret_file = fd_get(dir_fd);
        if (is_host_directory(*ret_file)) {
            file_put(*ret_file);
            *ret_file = NULL;
        }
    }
    return 0;
}

static int go_to_beginning(struct journey *j, int dir_fd, struct file *start)
{
    if (!start)
        return start_at_host_fd(j, dir_fd);
    struct volume_file *file = volume_file_of(start);
    if (!file || !S_ISDIR(file->type))
        return -ENOTDIR;
    return start_at_file(j, file);
}

/* Remembers where the walk begins, for one that is confined. */
static void note_start(struct journey *j)
{
    j->root_on_volume = j->on_volume;
    j->root_volume = j->volume;
    j->root_ino = j->ino;
    j->root_size = j->here_size;
    memcpy(j->root, j->here, j->here_size + 1);
    if ((j->flags & PLACE_NO_XDEV) && !j->on_volume)
        j->host_mount = journey_host_mount(j->here);
}

static int set_out(struct journey *j, bool absolute, int dir_fd, struct file *start)
{
    int r = 0;
    if (absolute && (j->flags & PLACE_BENEATH))
        return -EXDEV;
    if (!absolute || (j->flags & PLACE_IN_ROOT))
        r = go_to_beginning(j, dir_fd, start);
    if (r > 0) {
        j->place->kind = PLACE_HOST;
        j->place->as_given = true;
    }
    if (r != 0)
        return r < 0 ? r : 0;
    if (j->flags & (PLACE_SCOPED | PLACE_NO_XDEV))
        note_start(j);
    return journey_travel(j);
}

/* Does the host find its way alone? Only if nothing of ours can lie on it. */
static bool host_will_do(const char *path, unsigned flags, struct file *start)
{
    if (g_fs.has_policy || g_fs.shadowing || start || g_explain_records)
        return false;
    if (strcmp(path, "mem") == 0 || journey_is_memory(path))
        return false;
    if (flags & (PLACE_SCOPED | PLACE_NO_XDEV))
        return !g_fs.redirects;
    return path[0] == '/' ? is_clean(path) && !fs_mount_of(path, strlen(path)) : !has_dotdot(path);
}

int place_may_change(int fd)
{
    struct place place = {.kind = PLACE_HOST};
    struct journey j = {.place = &place, .flags = PLACE_WRITES};
    if (!g_fs.has_policy && !g_fs.shadowing && !g_fs.redirects)
        return 0;
    if (read_host_place(&j, fd) < 0 || is_removed(&j))
        return 0; /* it has no path that a rule could name: a pipe, a socket */
    int r = journey_classify(&j);
    if (r < 0)
        return r;
    return place.mount && place.mount->read_only ? fs_refuse_write(place.path, place.mount) : 0;
}

int place_find(int dir_fd, const char *path, unsigned flags, bool careful, struct place *ret_place)
{
    struct place *p = ret_place;
    p->kind = PLACE_HOST;
    p->as_given = false;
    p->trailing_slash = false;
    p->mount = NULL;
    p->file = NULL;
    p->name_size = 0;
    p->last = WALK_LAST_NAME;
    if (path[0] == '\0' && !(flags & PLACE_EMPTY_PATH))
        return -ENOENT;
    struct file *start = NULL;
    if (path[0] != '/' || (flags & PLACE_IN_ROOT))
        (void)starting_file(dir_fd, &start);
    if (path[0] == '\0') {
        p->kind = start ? PLACE_FILE : PLACE_HOST;
        p->as_given = !start;
        p->file = start;
        return !start && (flags & PLACE_WRITES) ? place_may_change(dir_fd) : 0;
    }
    if (!careful && host_will_do(path, flags, start)) {
        p->as_given = true;
        return 0;
    }
    struct journey j;
    j.place = p;
    j.flags = flags;
    j.links = 0;
    j.on_volume = false;
    j.root_on_volume = false;
    j.root_size = 0;
    j.host_mount = 0;
    j.volume = 0;
    j.ino = 0;
    j.here_size = 0;
    j.here[0] = '\0';
    size_t size = strlen(path);
    memcpy(j.buffer, path, size + 1); /* both at most PATH_MAX, by the caller */
    j.rest = j.buffer;
    int r = set_out(&j, path[0] == '/', dir_fd, start);
    if (start)
        file_put(start);
    return r;
}

void place_done(struct place *place)
{
    if (place->file)
        file_put(place->file);
    place->file = NULL;
}
