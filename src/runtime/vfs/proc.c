/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of /proc/self and /dev/fd where the host would show the runtime instead of the guest,
 * or a placeholder instead of a shielded file. */
#include "base/buf.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/proc_memory.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define MOUNTS_SIZE_MAX ((size_t)4 << 20)

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

/* fdinfo/N of a shielded file: the host would tell of its placeholder. */
static int find_fdinfo(const char *text, struct place *p)
{
    char *rest;
    if (!isdigit((unsigned char)text[0]))
        return 0;
    long fd = strtol(text, &rest, 10);
    if (*rest != '\0' || fd < 0 || fd > INT_MAX)
        return 0;
    if (fd_is_hidden((int)fd))
        return -ENOENT;
    struct file *f = fd_get((int)fd);
    if (f && !volume_file_of(f)) {
        file_put(f);
        return 0;
    }
    return f ? self_place("fdinfo", f, p) : 0;
}

/* "N" or "N/rest" below fd/. */
static int find_fd(const char *text, unsigned flags, struct place *p)
{
    char *rest;
    if (!isdigit((unsigned char)text[0]))
        return 0;
    long fd = strtol(text, &rest, 10);
    if (fd >= 0 && fd <= INT_MAX && fd_is_hidden((int)fd))
        return -ENOENT; /* the runtime's own */
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
    if (strncmp(path, "/dev/", 5) == 0 && path[5] != 'f' && path[5] != 's')
        return 0; /* neither fd nor std...: most paths of /dev end here */
    int memory = proc_memory_find(path, (flags >> 16) == WISH_READ, p);
    if (memory != 0)
        return memory;
    if (strncmp(path, "/dev/fd/", 8) == 0)
        return find_fd(path + 8, flags, p);
    for (int i = 0; i < 3; i++)
        if (strcmp(path, standard[i]) == 0 && (flags & PLACE_FOLLOW))
            return find_fd(i == 0 ? "0" : i == 1 ? "1" : "2", flags, p);
    const char *below = strcmp(path, "/proc/mounts") == 0 ? "mounts" : below_self(path);
    if (!below)
        return 0;
    if (strncmp(below, "task/", 5) == 0 && isdigit((unsigned char)below[5])) {
        below += 5 + strspn(below + 5, "0123456789");
        if (*below++ != '/')
            return 0;
    }
    if (strcmp(below, "exe") == 0)
        return find_exe(flags, p);
    if (strncmp(below, "cwd", 3) == 0 && (below[3] == '\0' || below[3] == '/'))
        return find_cwd(below + 3, flags, p);
    if (strncmp(below, "fd/", 3) == 0)
        return find_fd(below + 3, flags, p);
    if (strncmp(below, "fdinfo/", 7) == 0)
        return find_fdinfo(below + 7, p);
    if (strcmp(below, "mounts") == 0 || strcmp(below, "mountinfo") == 0)
        return self_place(below, NULL, p);
    return 0;
}

/* --- files of text that are made when they are opened --- */

/* Who may not look into /proc/self/fd, as nobody but root may in a process that is closed to dumps,
 * keeps the file itself, which nothing can change any more. */
int64_t proc_text_open(const char *name, struct slice text, int flags)
{
    char path[64];
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    unsigned kind = MFD_ALLOW_SEALING | (flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    int fd = (int)host_call(SYS_memfd_create, name, kind);
    if (fd < 0)
        return fd;
    int r = text.size > 0 ? host_pwrite(fd, text.bytes, text.size, 0) : 0;
    if (r == 0)
        r = (int)host_call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
    if (r < 0) {
        host_close(fd);
        return r;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (reader >= 0) {
        r = (int)host_call(SYS_dup3, reader, fd, flags & O_CLOEXEC);
        host_close(reader);
    }
    return fd;
}

/* Text the guest may read, as a file of the host's memory: nothing in it is secret. */
static int64_t text_open(struct slice text, int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY ? -EACCES : proc_text_open("proc", text, flags);
}

static int64_t fdinfo_open(struct file *f, int flags)
{
    char text[256];
    struct volume_file *vf = volume_file_of(f);
    int n =
        snprintf(text, sizeof text, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%llu\nino:\t%llu\n",
                 (long long)atomic_load(&vf->position->offset), (unsigned)atomic_load(&f->flags),
                 (unsigned long long)FS_MOUNT_ID(vf->volume), (unsigned long long)vf->ino);
    return text_open(slice_of(text, (size_t)n), flags);
}

/* Linux writes what separates fields in these files as \ooo. */
static void add_escaped(struct buf *text, const char *path)
{
    for (; *path; path++)
        if (strchr(" \t\n\\", *path))
            buf_printf(text, "\\%03o", (unsigned char)*path);
        else
            buf_printf(text, "%c", *path);
}

static void add_volume(struct buf *text, const struct mount *mount, bool info)
{
    const char *mode = mount->read_only ? "ro" : "rw";
    unsigned long long id = (unsigned long long)FS_MOUNT_ID(mount->volume);
    if (info)
        buf_printf(text, "%llu 1 0:%u / ", id,
                   g_fs.device_minors[mount->volume % OWNER_VOLUMES_MAX]);
    else
        buf_printf(text, "coffer ");
    add_escaped(text, mount->prefix_size ? mount->prefix : "/");
    if (info)
        buf_printf(text, " %s,noatime - ext4 coffer %s\n", mode, mode);
    else
        buf_printf(text, " ext4 %s,noatime 0 0\n", mode);
}

/* The host's mounts, then the volumes. */
static int64_t mounts_open(const char *which, int flags)
{
    char path[64], chunk[4096];
    SCOPED(buf_done) struct buf text = {0};
    snprintf(path, sizeof path, "/proc/self/%s", which);
    const struct mount *rule = fs_mount_of(path, strlen(path));
    bool allowed = rule ? rule->kind == MOUNT_HOST : !g_fs.has_policy;
    int fd = allowed ? host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -EACCES;
    if (allowed && fd < 0)
        return fd;
    long n;
    while (allowed && (n = host_call(SYS_read, fd, chunk, sizeof chunk)) > 0 &&
           n <= (long)sizeof chunk && text.size < MOUNTS_SIZE_MAX)
        buf_append(&text, chunk, (size_t)n);
    if (allowed)
        host_close(fd);
    for (unsigned i = g_fs.mount_count; i-- > 0;)
        if (g_fs.mounts[i].kind == MOUNT_VOLUME)
            add_volume(&text, &g_fs.mounts[i], strcmp(which, "mountinfo") == 0);
    return text.failed ? -ENOMEM : text_open(slice_of(text.bytes, text.size), flags);
}

static bool is_link(const struct place *place)
{
    return strcmp(place->path, "fd") == 0 || strcmp(place->path, "cwd") == 0 ||
           strcmp(place->path, "exe") == 0;
}

int64_t proc_open(struct place *place, int flags)
{
    if (proc_memory_is(place->path))
        return proc_memory_open(place->path, flags);
    if (strcmp(place->path, "fdinfo") == 0)
        return fdinfo_open(place->file, flags);
    return is_link(place) ? -ELOOP : mounts_open(place->path, flags);
}

/* A descriptor's link says in its mode what the descriptor may do. */
static uint16_t link_mode(const struct place *place)
{
    if (strcmp(place->path, "fd") != 0)
        return 0777;
    int flags = atomic_load(&place->file->flags), access = flags & O_ACCMODE;
    if (flags & O_PATH)
        return 0;
    return (uint16_t)(0100 | (access != O_WRONLY ? 0400 : 0) | (access != O_RDONLY ? 0200 : 0));
}

int64_t proc_statx(struct place *place, struct statx *ret_stat)
{
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 1024,
        .stx_nlink = 1,
        .stx_mode = is_link(place) ? S_IFLNK | link_mode(place) : S_IFREG | 0444,
        .stx_ino = 1,
        .stx_uid = fs_creds()->uid,
        .stx_gid = fs_creds()->gid,
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
    if (!is_link(place))
        return -EINVAL;
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
