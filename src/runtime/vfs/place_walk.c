/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/journey.h"

#include "platform/host.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Puts `text` in front of what is left to go. */
static int push_front(struct journey *j, const char *text, size_t size)
{
    size_t left = strlen(j->rest);
    if (size + 1 + left + 1 > sizeof j->buffer || size + left >= PATH_MAX + PATH_MAX / 2)
        return -ENAMETOOLONG;
    memmove(j->buffer + size + 1, j->rest, left + 1);
    memmove(j->buffer, text, size);
    j->buffer[size] = '/';
    j->rest = j->buffer;
    /* A link's own trailing slash, or none where nothing follows, must stay as it was. */
    if (left == 0)
        j->buffer[size] = '\0';
    return 0;
}

static void go_to_host(struct journey *j, const char *path, size_t size)
{
    j->on_volume = false;
    memmove(j->here, path, size);
    j->here[size] = '\0';
    j->here_size = size;
}

static void go_up_host(struct journey *j)
{
    while (j->here_size > 0 && j->here[--j->here_size] != '/')
        ;
    j->here[j->here_size] = '\0';
}

static void enter_volume(struct journey *j, const struct mount *mount)
{
    j->on_volume = true;
    j->mount = mount;
    j->volume = mount->volume;
    j->ino = VOLUME_ROOT_INO;
}

/* --- walks that are confined, see openat2(2) --- */

static void go_to_start(struct journey *j)
{
    j->on_volume = j->root_on_volume;
    j->volume = j->root_volume;
    j->ino = j->root_ino;
    if (!j->on_volume)
        go_to_host(j, j->root, j->root_size);
}

uint64_t journey_host_mount(const char *path)
{
    struct statx stat;
    long r = host_call(SYS_statx, AT_FDCWD, path[0] ? path : "/",
                       AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &stat);
    return r == 0 && (stat.stx_mask & STATX_MNT_ID) ? stat.stx_mnt_id : 0;
}

/* An absolute path or link is to be resolved. */
static int go_to_root(struct journey *j)
{
    if (j->flags & PLACE_BENEATH)
        return -EXDEV;
    if (j->flags & PLACE_IN_ROOT) {
        go_to_start(j);
        return 0;
    }
    if ((j->flags & PLACE_NO_XDEV) && (j->on_volume || journey_host_mount("") != j->host_mount))
        return -EXDEV;
    go_to_host(j, "", 0);
    return 0;
}

/* ".." where a confined walk began. 1: it stays there. 0: it began elsewhere. */
static int stays_confined(struct journey *j, bool at_start)
{
    if (!(j->flags & PLACE_SCOPED) || !at_start)
        return 0;
    if (j->flags & PLACE_BENEATH)
        return -EXDEV;
    go_to_start(j);
    return 1;
}

static int crosses(const struct journey *j)
{
    return j->flags & PLACE_NO_XDEV ? -EXDEV : 0;
}

/* The text of a link: absolute ones start at the root, others where the walk stands. */
static int follow(struct journey *j, const char *text, size_t size)
{
    if (++j->links > FS_LINKS_MAX || (j->flags & PLACE_NO_SYMLINKS))
        return -ELOOP;
    if (size == 0)
        return -ENOENT;
    char copy[PATH_MAX];
    memcpy(copy, text, size);
    int r = copy[0] == '/' ? go_to_root(j) : 0;
    return r < 0 ? r : push_front(j, copy, size);
}

/* --- on a volume --- */

static int finish_on_volume(struct journey *j, const struct request *rq)
{
    struct place *p = j->place;
    p->kind = PLACE_VOLUME;
    p->mount = j->mount;
    p->volume = j->volume;
    p->dir = rq->dir;
    p->ino = rq->ino;
    p->attr = rq->attr;
    p->last = rq->last;
    p->name_size = (uint16_t)rq->name_size;
    memcpy(p->name, j->rest + rq->name_at, rq->name_size);
    p->name[rq->name_size] = '\0';
    size_t size = strlen(j->rest);
    p->trailing_slash = size > 0 && j->rest[size - 1] == '/';
    if (p->trailing_slash && p->ino != 0 && !S_ISDIR(p->attr.mode) && !(j->flags & PLACE_NAME))
        return -ENOTDIR;
    return 1;
}

static uint32_t walk_flags(unsigned flags)
{
    return (flags & PLACE_FOLLOW ? REQUEST_FOLLOW : 0) |
           (flags & PLACE_NAME ? REQUEST_NO_FOLLOW_EVER : 0);
}

/* 1: arrived. 0: go on. */
static int step_on_volume(struct journey *j)
{
    char link[PATH_MAX];
    struct request rq = {
        .op = REQUEST_WALK,
        .volume = j->volume,
        .ino = j->ino,
        .flags = walk_flags(j->flags),
        .creds = fs_may(POWER_OVERRIDE | POWER_SEARCH) ? NULL : fs_creds(),
        .more = (j->flags & PLACE_SCOPED) && j->root_on_volume ? j->root_ino : 0,
        .in = slice_of_text(j->rest),
        .out = link,
        .out_size = sizeof link,
    };
    int64_t status = fs_request(&rq);
    if (status < 0)
        return (int)status;
    if (status == WALK_DONE)
        return finish_on_volume(j, &rq);
    if (rq.consumed > rq.in.size)
        return -EIO;
    j->rest += rq.consumed;
    switch (status) {
    case WALK_LINK:
        if (rq.size > sizeof link)
            return -EIO;
        j->ino = rq.dir;
        return follow(j, link, rq.size);
    case WALK_UP: {
        int r = stays_confined(j, j->root_on_volume);
        if (r == 0 && (r = crosses(j)) == 0) {
            go_to_host(j, j->mount->prefix, j->mount->prefix_size);
            go_up_host(j);
        }
        return r < 0 ? r : 0;
    }
    case WALK_MOUNT: {
        if (rq.more >= g_fs.mount_count)
            return -EIO;
        if (crosses(j) < 0)
            return -EXDEV;
        const struct mount *mount = &g_fs.mounts[rq.more];
        go_to_host(j, mount->prefix, mount->prefix_size);
        if (mount->kind == MOUNT_VOLUME)
            enter_volume(j, mount);
        return 0;
    }
    default:
        return -EIO;
    }
}

/* --- on the host --- */

static unsigned wishes_of(unsigned flags)
{
    unsigned wishes = flags >> 16;
    return wishes ? wishes : flags & PLACE_NAME ? WISH_WRITE : WISH_READ;
}

/* The guest's own directory in /proc has another name in each run; rules call it /proc/self. */
static const char *own_proc(const char *path, char own[PATH_MAX])
{
    char *end;
    if (strncmp(path, "/proc/", 6) != 0 || path[6] < '1' || path[6] > '9')
        return path;
    long pid = strtol(path + 6, &end, 10);
    if ((*end != '/' && *end != '\0') || pid != host_call(SYS_getpid))
        return path;
    int n = snprintf(own, PATH_MAX, "/proc/self%s", end);
    return n > 0 && n < PATH_MAX ? own : path;
}

/* What the host does not have, the guest is told so: programs ask for many a file that may be
 * missing, and take any other error for a fault. That there is a directory may be known too; what is
 * in it is another matter. 0: may be looked at. */
static int refuse_unnamed(const char *path, unsigned wishes)
{
    struct statx stat;
    if (!(wishes & WISH_WRITE)) {
        long r = host_call(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &stat);
        if (r == -ENOENT || r == -ENOTDIR)
            return (int)r;
        if (r == 0 && wishes == WISH_LOOK && S_ISDIR(stat.stx_mode))
            return 0;
    }
    return fs_refuse(path, wishes, NULL);
}

bool journey_is_memory(const char *path)
{
    size_t size = strlen(path);
    return (size >= 4 && memcmp(path + size - 4, "/mem", 4) == 0) ||
           (strchr(path, '_') && strstr(path, "/map_files/"));
}

int journey_classify(struct journey *j)
{
    struct place *p = j->place;
    char own[PATH_MAX];
    unsigned wishes = wishes_of(j->flags);
    memcpy(p->path, j->here, j->here_size + 1);
    if (j->here_size == 0)
        memcpy(p->path, "/", 2);
    const char *path = own_proc(p->path, own);
    if (strncmp(path, "/proc/", 6) == 0 && wishes != WISH_LOOK && journey_is_memory(path))
        return -EACCES; /* no rule can allow it: the runtime's memory is in there */
    const struct mount *m = fs_mount_of(j->here, j->here_size);
    if (!m && path != p->path)
        m = fs_mount_of(path, strlen(path));
    p->mount = m;
    if (!m && g_fs.has_policy &&
        !((wishes & ~(WISH_LOOK | WISH_LIST)) == 0 && fs_leads_to_mount(j->here, j->here_size))) {
        int r = refuse_unnamed(path, wishes);
        if (r < 0)
            return r;
    }
    if (m && m->kind == MOUNT_DENIED)
        return fs_refuse(path, wishes, m);
    if (!m || m->kind == MOUNT_HOST) {
        p->kind = PLACE_HOST;
        record_file(path, wishes);
    } else if (m->kind == MOUNT_DEVICE) {
        p->kind = PLACE_DEVICE;
        memmove(p->path, j->here + m->prefix_size, j->here_size - m->prefix_size + 1);
    } else {
        if (j->here_size != m->prefix_size)
            return -ENOTDIR;
        p->kind = m->kind == MOUNT_SPECIAL ? PLACE_SPECIAL : PLACE_STATIC;
    }
    return 1;
}

/* What the host must still see of the last component to answer right. ".." may stand for any
 * directory: to a call about a name it is an error as such. */
static const char *ending(const struct journey *j)
{
    if ((j->flags & PLACE_NAME) && j->place->last == WALK_LAST_DOTDOT)
        return "/..";
    if ((j->flags & PLACE_NAME) && j->place->last == WALK_LAST_DOT)
        return "/.\0";
    return j->place->trailing_slash ? "/\0\0" : "\0\0\0";
}

static int finish_on_host(struct journey *j)
{
    struct place *p = j->place;
    const char *name = strrchr(j->here, '/');
    size_t size = name ? strlen(name + 1) : 0;
    /* By whatever way it was reached: /proc shows the guest, not the runtime. */
    int r = strncmp(j->here, "/proc/", 6) == 0 ? proc_find(j->here, j->flags, p) : 0;
    if (r != 0)
        return r;
    r = journey_classify(j);
    if (r < 0)
        return r;
    p->name_size = (uint16_t)MIN(size, (size_t)VOLUME_NAME_MAX);
    if (size > 0)
        memcpy(p->name, name + 1, p->name_size);
    p->name[p->name_size] = '\0';
    if (p->trailing_slash && p->kind == PLACE_STATIC)
        return -ENOTDIR;
    if (p->kind == PLACE_HOST && j->here_size > 0 && j->here_size + 4 < sizeof p->path)
        memcpy(p->path + j->here_size, ending(j), 4);
    return 1;
}

/* What looks like a link in /proc/PID is a door that only the host can go through. */
static bool is_magic_link(const struct journey *j, const char *name, size_t size)
{
    struct slice text = slice_of(name, size);
    return strncmp(j->here, "/proc/", 6) == 0 && !slice_is_text(text, "self") &&
           !slice_is_text(text, "thread-self");
}

/* Of those, the ones behind which the rules go on: /proc/PID/root/etc is /etc. */
static bool leads_to_directory(const char *name, size_t size)
{
    struct slice text = slice_of(name, size);
    return slice_is_text(text, "root") || slice_is_text(text, "cwd");
}

static int step_down_host(struct journey *j, const char *name, size_t size, bool is_last)
{
    if (size > NAME_MAX || j->here_size + size + 2 > sizeof j->here)
        return -ENAMETOOLONG;
    j->here[j->here_size] = '/';
    memcpy(j->here + j->here_size + 1, name, size);
    j->here[j->here_size + 1 + size] = '\0';
    size_t longer = j->here_size + 1 + size;
    const struct mount *mount = fs_mount_at(j->here, longer);
    if (mount && mount->kind != MOUNT_HOST) {
        if (crosses(j) < 0)
            return -EXDEV;
        j->here_size = longer;
        if (mount->kind == MOUNT_VOLUME)
            enter_volume(j, mount);
        return 0;
    }
    bool trailing = j->place->trailing_slash && !(j->flags & PLACE_NAME);
    bool follows = !is_last || trailing || (j->flags & PLACE_FOLLOW);
    bool door = is_magic_link(j, name, size);
    if (door && is_last && !trailing && !leads_to_directory(name, size))
        follows = false;
    if (follows) {
        char text[PATH_MAX];
        long n = host_call(SYS_readlink, j->here, text, sizeof text);
        if (n >= (long)sizeof text)
            return -ENAMETOOLONG;
        if (n > 0 && door && (j->flags & PLACE_NO_MAGICLINKS))
            return -ELOOP;
        if (n > 0 && (!door || text[0] == '/')) {
            j->here[j->here_size] = '\0';
            return follow(j, text, (size_t)n);
        }
    }
    j->here_size = longer;
    if ((j->flags & PLACE_NO_XDEV) && !is_magic_link(j, name, size)) {
        uint64_t mount_now = journey_host_mount(j->here);
        if (mount_now != 0 && mount_now != j->host_mount)
            return -EXDEV;
    }
    return 0;
}

/* "." and ".." are found in directories only. What only our own mounts lead to is one. */
static int check_host_directory(const struct journey *j)
{
    struct statx stat;
    long r = host_call(SYS_statx, AT_FDCWD, j->here_size ? j->here : "/", 0, STATX_TYPE, &stat);
    if (r == 0)
        return S_ISDIR(stat.stx_mode) ? 0 : -ENOTDIR;
    for (unsigned i = 0; i < g_fs.mount_count; i++)
        if (g_fs.mounts[i].prefix_size > j->here_size &&
            memcmp(g_fs.mounts[i].prefix, j->here, j->here_size) == 0)
            return 0;
    return (int)r;
}

static int go_up(struct journey *j)
{
    bool at_start = !j->root_on_volume && j->here_size == j->root_size &&
                    memcmp(j->here, j->root, j->root_size) == 0;
    int r = stays_confined(j, at_start);
    if (r != 0)
        return r < 0 ? r : 0;
    go_up_host(j);
    if ((j->flags & PLACE_NO_XDEV) && journey_host_mount(j->here) != j->host_mount)
        return -EXDEV;
    return 0;
}

static int step_on_host(struct journey *j)
{
    const struct mount *root = j->here_size == 0 ? fs_mount_at("", 0) : NULL;
    if (root && root->kind == MOUNT_VOLUME) {
        enter_volume(j, root);
        return 0;
    }
    size_t skipped = strspn(j->rest, "/");
    j->rest += skipped;
    if (*j->rest == '\0')
        return finish_on_host(j);
    char *name = j->rest;
    size_t size = strcspn(name, "/");
    bool is_last = name[size + strspn(name + size, "/")] == '\0';
    j->place->trailing_slash = is_last && name[size] == '/';
    j->rest += size;
    bool dots = size == 2 && name[0] == '.' && name[1] == '.';
    j->place->last = WALK_LAST_NAME;
    if (dots || (size == 1 && name[0] == '.')) {
        j->place->last = dots ? WALK_LAST_DOTDOT : WALK_LAST_DOT;
        int r = check_host_directory(j);
        return r < 0 || !dots ? r : go_up(j);
    }
    const struct mount *mount = fs_mount_at(j->here, j->here_size);
    if (mount && !fs_mount_is_directory(mount))
        return -ENOTDIR;
    return step_down_host(j, name, size, is_last);
}

int journey_travel(struct journey *j)
{
    int r = 0;
    while (r == 0)
        r = j->on_volume ? step_on_volume(j) : step_on_host(j);
    return r < 0 ? r : 0;
}
