/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of /proc/self and /dev/fd where the host would show the runtime instead of the guest,
 * or a placeholder instead of a shielded file. */
#include "platform/host.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/proc_memory.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* What follows "/proc/self/" under any of its names, or NULL. */
static const char *below_self(const char *path)
{
    char *end;
    if (strncmp(path, "/proc/", 6) != 0)
        return NULL;
    path += 6;
    if (strncmp(path, "self/", 5) == 0)
        return path + 5;
    if (strncmp(path, "thread-self/", 12) == 0)
        return path + 12;
    if (!isdigit((unsigned char)path[0]))
        return NULL;
    long pid = strtol(path, &end, 10);
    return *end == '/' && pid == host_call(SYS_getpid) ? end + 1 : NULL;
}

static int self_place(const char *what, struct file *file, struct place *p)
{
    *p = (struct place){.kind = PLACE_SELF, .file = file};
    snprintf(p->path, sizeof p->path, "%s", what);
    return 1;
}

/* "N" or "N/rest" below fd/. */
static int find_fd(const char *text, unsigned flags, struct place *p)
{
    char *rest;
    if (!isdigit((unsigned char)text[0]))
        return 0;
    long fd = strtol(text, &rest, 10);
    if (fd < 0 || fd >= FD_MAX || (*rest != '\0' && *rest != '/') || !fd_is_shielded((int)fd))
        return 0;
    if (*rest == '/') {
        rest += strspn(rest, "/");
        int r = place_find((int)fd, *rest ? rest : ".", flags, true, p);
        return r < 0 ? r : 1;
    }
    struct file *f = fd_get((int)fd);
    if (!f)
        return 0;
    if (!(flags & PLACE_FOLLOW))
        return self_place("fd", f, p);
    if (!volume_file_of(f) && !static_file_mount(f) && special_kind_of(f) < 0) {
        file_put(f); /* a socket: the host knows how to refuse */
        return 0;
    }
    *p = (struct place){.kind = PLACE_FILE, .file = f};
    return 1;
}

static int find_cwd(const char *rest, unsigned flags, struct place *p)
{
    struct volume_file *cwd = fs_cwd();
    if (!cwd)
        return 0;
    file_put(&cwd->file);
    if (*rest == '\0' && !(flags & PLACE_FOLLOW))
        return self_place("cwd", NULL, p);
    rest += strspn(rest, "/");
    int r = place_find(AT_FDCWD, *rest ? rest : ".", flags, true, p);
    return r < 0 ? r : 1;
}

static int find_exe(unsigned flags, struct place *p)
{
    if (g_fs.program[0] == '\0')
        return 0;
    if (!(flags & PLACE_FOLLOW))
        return self_place("exe", NULL, p);
    int r = place_find(AT_FDCWD, g_fs.program, flags, true, p);
    return r < 0 ? r : 1;
}

int proc_find(const char *path, unsigned flags, struct place *p)
{
    static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    if (path[0] != '/' || (path[1] != 'p' && path[1] != 'd'))
        return 0;
    int memory = proc_memory_find(path, (flags >> 16) == WISH_READ, p);
    if (memory != 0)
        return memory;
    if (strncmp(path, "/dev/fd/", 8) == 0)
        return find_fd(path + 8, flags, p);
    for (int i = 0; i < 3; i++)
        if (strcmp(path, standard[i]) == 0 && (flags & PLACE_FOLLOW))
            return find_fd(i == 0 ? "0" : i == 1 ? "1" : "2", flags, p);
    const char *below = below_self(path);
    if (!below)
        return 0;
    if (strcmp(below, "exe") == 0)
        return find_exe(flags, p);
    if (strncmp(below, "cwd", 3) == 0 && (below[3] == '\0' || below[3] == '/'))
        return find_cwd(below + 3, flags, p);
    if (strncmp(below, "fd/", 3) == 0)
        return find_fd(below + 3, flags, p);
    return 0;
}

int64_t proc_open(struct place *place, int flags)
{
    return proc_memory_is(place->path) ? proc_memory_open(place->path, flags) : -ELOOP;
}

int64_t proc_statx(struct place *place, struct statx *ret_stat)
{
    (void)place;
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 1024,
        .stx_nlink = 1,
        .stx_mode = S_IFLNK | 0777,
        .stx_ino = 1,
        .stx_uid = fs_creds().uid,
        .stx_gid = fs_creds().gid,
    };
    return 0;
}

static int64_t text_of_fd(struct file *f, char *text, size_t size)
{
    struct volume_file *vf = volume_file_of(f);
    if (vf)
        return volume_file_path(vf, text, size);
    const struct mount *mount = static_file_mount(f);
    int special = special_kind_of(f);
    if (special >= 0)
        return snprintf(text, size, "%s", special_path((enum special_kind)special));
    int n = mount
                ? snprintf(text, size, "%s", mount->prefix)
                : snprintf(text, size, "socket:[%llu]", (unsigned long long)(uintptr_t)f % 100000);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : n;
}

int64_t proc_readlink(struct place *place, char *text, size_t size)
{
    if (strcmp(place->path, "fd") == 0)
        return text_of_fd(place->file, text, size);
    if (strcmp(place->path, "cwd") == 0) {
        struct volume_file *cwd = fs_cwd();
        int64_t n = cwd ? volume_file_path(cwd, text, size) : -ENOENT;
        if (cwd)
            file_put(&cwd->file);
        return n;
    }
    size_t n = strnlen(g_fs.program, sizeof g_fs.program);
    if (n > size)
        return -ENAMETOOLONG;
    memcpy(text, g_fs.program, n);
    return (int64_t)n;
}
