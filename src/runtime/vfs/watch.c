/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins of watched inodes. 'd' stands for a directory, and under it every entry has one of its own
 * kind; 'f' stands for anything else, and is the same host inode (a hard link) wherever the file has
 * a name in a watched directory, so that whoever watches either sees what happens. */
#include "runtime/vfs/watch.h"

#include "platform/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ENTRIES_PER_REQUEST 32

static struct stand_in_watched *find(uint32_t volume, uint64_t ino)
{
    uint32_t count = atomic_load(&g_stand_ins->watched_count);
    for (uint32_t i = 0; ino != 0 && i < count && i < STAND_INS_WATCHED; i++) {
        struct stand_in_watched *w = &g_stand_ins->watched[i];
        if (atomic_load(&w->ino) == ino && atomic_load(&w->volume) == volume)
            return w;
    }
    return NULL;
}

static struct stand_in_watched *add(uint32_t volume, uint64_t ino)
{
    struct stand_in_watched *w = find(volume, ino);
    for (uint32_t i = 0; !w && i < STAND_INS_WATCHED; i++) {
        uint64_t free_ino = 0;
        if (!atomic_compare_exchange_strong(&g_stand_ins->watched[i].ino, &free_ino, ino))
            continue;
        w = &g_stand_ins->watched[i];
        atomic_store(&w->volume, volume);
        uint32_t count = atomic_load(&g_stand_ins->watched_count);
        while (count < i + 1 &&
               !atomic_compare_exchange_weak(&g_stand_ins->watched_count, &count, i + 1))
            ;
    }
    return w;
}

/* The file 'f', made if need be. Others of the family may have other user ids. */
static int make_file(const struct watch_name *what, char path[STAND_IN_PATH_MAX])
{
    int r = stand_in_path(path, 'f', what->volume, what->ino, 0, NULL);
    if (r == 0)
        r = (int)host_call(SYS_mknod, path, S_IFREG | 0600, 0);
    if (r == 0) {
        (void)host_call(SYS_chmod, path, 0666);
        (void)host_call(SYS_truncate, path, 1); /* something to read */
    }
    return r == -EEXIST ? 0 : r;
}

static int make_directory(const char *path)
{
    int r = (int)host_call(SYS_mkdir, path, 0700);
    if (r == 0)
        (void)host_call(SYS_chmod, path, 0777);
    return r == -EEXIST ? 0 : r;
}

/* The entry of a watched directory, if it is one; false: nothing is to be done. */
static bool entry_path(const struct watch_name *what, char path[STAND_IN_PATH_MAX])
{
    const struct stand_in_watched *dir = find(what->volume, what->dir);
    return dir && what->name[0] != '\0' &&
           stand_in_path(path, 'd', what->volume, what->dir, atomic_load(&dir->generation),
                         what->name) == 0;
}

/* The stand-in of the inode itself, if it is watched. */
static bool own_path(const struct watch_name *what, char path[STAND_IN_PATH_MAX])
{
    const struct stand_in_watched *own = find(what->volume, what->ino);
    return own && stand_in_path(path, what->is_dir ? 'd' : 'f', what->volume, what->ino,
                                what->is_dir ? atomic_load(&own->generation) : 0, NULL) == 0;
}

static void make_entry(const struct watch_name *what, const char *entry)
{
    char file[STAND_IN_PATH_MAX];
    if (what->is_dir)
        (void)!make_directory(entry);
    else if (make_file(what, file) == 0)
        (void)host_call(SYS_link, file, entry);
}

/* A directory that begins to be watched: what is in it already. */
static void fill(const struct watch_name *dir)
{
    struct volume_entry entries[ENTRIES_PER_REQUEST];
    uint64_t cookie = 0;
    for (;;) {
        struct request rq = {.op = REQUEST_READDIR,
                             .volume = dir->volume,
                             .ino = dir->ino,
                             .offset = cookie,
                             .out = entries,
                             .out_size = sizeof entries};
        int64_t count = fs_request(&rq);
        if (count <= 0 || count > ENTRIES_PER_REQUEST)
            return;
        for (int64_t i = 0; i < count; i++) {
            char path[STAND_IN_PATH_MAX];
            struct watch_name entry = {dir->volume, dir->ino, entries[i].ino, entries[i].name,
                                       entries[i].type == DT_DIR};
            if (entry_path(&entry, path))
                make_entry(&entry, path);
            cookie = entries[i].cookie;
        }
    }
}

int watch_prepare(const struct watch_name *what, char path[STAND_IN_PATH_MAX])
{
    if (!g_stand_ins)
        return -ENOSPC;
    bool known = find(what->volume, what->ino) != NULL;
    struct stand_in_watched *w = add(what->volume, what->ino);
    if (!w)
        return -ENOSPC;
    if (!what->is_dir)
        return make_file(what, path);
    int r = stand_in_path(path, 'd', what->volume, what->ino, atomic_load(&w->generation), NULL);
    if (r == 0)
        r = make_directory(path);
    if (r == 0 && !known)
        fill(what);
    return r;
}

void watch_made(const struct watch_name *what)
{
    char path[STAND_IN_PATH_MAX];
    if (watch_any() && entry_path(what, path))
        make_entry(what, path);
}

void watch_removed(const struct watch_name *what, bool gone)
{
    char path[STAND_IN_PATH_MAX];
    if (!watch_any())
        return;
    if (entry_path(what, path))
        (void)host_call(what->is_dir ? SYS_rmdir : SYS_unlink, path);
    struct stand_in_watched *own = find(what->volume, what->ino);
    bool has = own_path(what, path);
    if (!has)
        has = gone && !what->is_dir &&
              stand_in_path(path, 'f', what->volume, what->ino, 0, NULL) == 0;
    if (!gone || !has)
        return;
    (void)host_call(what->is_dir ? SYS_rmdir : SYS_unlink, path);
    if (own)
        atomic_store(&own->ino, 0);
}

/* A watched directory got another name: so does its stand-in. */
static void move_own(const struct watch_name *what)
{
    char old[STAND_IN_PATH_MAX], new[STAND_IN_PATH_MAX];
    struct stand_in_watched *own = find(what->volume, what->ino);
    if (!own || !what->is_dir || !own_path(what, old))
        return;
    uint32_t next = atomic_load(&own->generation) + 1;
    if (stand_in_path(new, 'd', what->volume, what->ino, next, NULL) == 0 &&
        host_call(SYS_rename, old, new) == 0)
        atomic_store(&own->generation, next);
}

/* Where only one of the two directories is watched, the other side is a name nobody watches. */
void watch_moved(const struct watch_name *from, const struct watch_name *to)
{
    char old[STAND_IN_PATH_MAX], new[STAND_IN_PATH_MAX];
    if (!watch_any())
        return;
    bool leaves = entry_path(from, old), arrives = entry_path(to, new);
    if (!leaves && arrives && stand_in_path(old, 'm', from->volume, from->ino, 0, NULL) == 0)
        make_entry(from, old);
    if (leaves && !arrives && stand_in_path(new, 'm', from->volume, from->ino, 0, NULL) < 0)
        leaves = false;
    if (leaves || arrives)
        (void)host_call(SYS_rename, old, new);
    if (leaves && !arrives)
        (void)host_call(from->is_dir ? SYS_rmdir : SYS_unlink, new);
    move_own(to);
}

void watch_exchanged(const struct watch_name *a, const struct watch_name *b)
{
    char one[STAND_IN_PATH_MAX], two[STAND_IN_PATH_MAX];
    if (!watch_any())
        return;
    if (entry_path(a, one) && entry_path(b, two))
        (void)host_call(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE);
    move_own(a);
    move_own(b);
}

/* By the entry's name if the directory is watched: the file's watchers see that too. */
static bool either_path(const struct watch_name *what, char path[STAND_IN_PATH_MAX])
{
    return entry_path(what, path) || own_path(what, path);
}

void watch_modified(const struct watch_name *what)
{
    char path[STAND_IN_PATH_MAX];
    if (watch_any() && !what->is_dir && either_path(what, path))
        (void)host_call(SYS_truncate, path, 1);
}

void watch_changed(const struct watch_name *what)
{
    char path[STAND_IN_PATH_MAX];
    if (!watch_any())
        return;
    if (entry_path(what, path))
        (void)host_call(SYS_chmod, path, what->is_dir ? 0777 : 0666);
    else if (!what->is_dir && own_path(what, path))
        (void)host_call(SYS_chmod, path, 0666);
    if (what->is_dir && own_path(what, path))
        (void)host_call(SYS_chmod, path, 0777);
}

void watch_opened(const struct watch_name *what, int fd, int flags)
{
    char path[STAND_IN_PATH_MAX];
    bool found =
        watch_any() && !(flags & O_PATH) &&
        (what->is_dir ? own_path(what, path) || entry_path(what, path) : either_path(what, path));
    if (!found)
        return;
    int host = host_openat(AT_FDCWD, path, (flags & O_ACCMODE) | O_CLOEXEC | O_NOFOLLOW, 0);
    if (host < 0)
        return;
    (void)host_call(SYS_dup3, host, fd, flags & O_CLOEXEC);
    host_close(host);
}

struct watch_name watch_name_of(const struct volume_file *vf)
{
    return (struct watch_name){vf->volume, vf->dir, vf->ino, vf->name, S_ISDIR(vf->type)};
}
