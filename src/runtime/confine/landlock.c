/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/confine/landlock.h"

#include "base/buf.h"
#include "platform/host.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define REFER LANDLOCK_ACCESS_FS_REFER
#define OF_FILES                                                                                 \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_TRUNCATE)
#define FS_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define DEPTH_MAX 4096 /* directories above each other on a volume */
#define RULES_MAX (1u << 20)

static const struct landlock_layer *domain(void)
{
    return thread_self()->confined.domain;
}

bool landlock_is_on(void)
{
    for (const struct landlock_layer *l = domain(); l; l = l->outer)
        if (l->handled != 0)
            return true;
    return false;
}

/* What each layer still denies of what is wanted, the innermost first. */
struct look {
    unsigned layers;
    uint64_t denied[LANDLOCK_LAYERS_MAX];
};

static struct look look_begin(uint64_t wanted)
{
    struct look look = {0};
    for (const struct landlock_layer *l = domain(); l && look.layers < LANDLOCK_LAYERS_MAX;
         l = l->outer) /* moves are denied also by rules that do not speak of them */
        look.denied[look.layers++] = wanted & (l->handled | REFER);
    return look;
}

static uint64_t look_denied(const struct look *look)
{
    uint64_t denied = 0;
    for (unsigned i = 0; i < look->layers; i++)
        denied |= look->denied[i];
    return denied;
}

static void visit(struct look *look, struct landlock_spot at)
{
    unsigned i = 0;
    for (const struct landlock_layer *l = domain(); l && i < look->layers; l = l->outer, i++)
        for (unsigned n = 0; look->denied[i] != 0 && n < l->count; n++)
            if (l->rules[n].at.ground == at.ground && l->rules[n].at.a == at.a &&
                l->rules[n].at.b == at.b)
                look->denied[i] &= ~l->rules[n].allowed;
}

static int spot_of_stat(long r, const struct statx *stat, struct landlock_spot *ret_spot)
{
    if (r < 0 || !(stat->stx_mask & STATX_INO))
        return r < 0 ? (int)r : -EBADF;
    *ret_spot = (struct landlock_spot){
        GROUND_HOST, makedev(stat->stx_dev_major, stat->stx_dev_minor), stat->stx_ino};
    return 0;
}

/* A host path without links and dots, and all that it lies beneath. */
static void visit_host(struct look *look, const char *path)
{
    char copy[PATH_MAX];
    size_t size = strnlen(path, sizeof copy - 1);
    memcpy(copy, path, size);
    copy[size] = '\0';
    for (;;) {
        struct statx stat = {0};
        struct landlock_spot at = {0};
        long r = host_call(SYS_statx, AT_FDCWD, size > 0 ? copy : "/",
                           AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO, &stat);
        if (spot_of_stat(r, &stat, &at) == 0)
            visit(look, at);
        if (size == 0 || look_denied(look) == 0)
            return;
        while (size > 0 && copy[--size] != '/')
            ;
        copy[size] = '\0';
    }
}

static void visit_above(struct look *look, const struct mount *mount);

static uint64_t parent_of(uint32_t volume, uint64_t ino)
{
    char link[PATH_MAX];
    struct request rq = {.op = REQUEST_WALK,
                         .volume = volume,
                         .ino = ino,
                         .in = slice_of_text(".."),
                         .out = link,
                         .out_size = sizeof link};
    return fs_request(&rq) == WALK_DONE ? rq.ino : 0;
}

/* A directory on a volume, and all that it lies beneath. */
static void visit_directory(struct look *look, const struct mount *mount, uint32_t volume,
                            uint64_t ino)
{
    for (unsigned depth = 0; ino != 0 && depth < DEPTH_MAX; depth++) {
        visit(look, (struct landlock_spot){GROUND_VOLUME, volume, ino});
        if (look_denied(look) == 0)
            return;
        if (ino == VOLUME_ROOT_INO) {
            visit_above(look, mount);
            return;
        }
        ino = parent_of(volume, ino);
    }
}

/* Where the mount's name is: a host directory, or one on another volume. */
static void visit_above(struct look *look, const struct mount *mount)
{
    char path[PATH_MAX];
    struct place place;
    size_t size = mount->prefix_size;
    if (size == 0 || size >= sizeof path)
        return;
    memcpy(path, mount->prefix, size);
    while (size > 0 && path[--size] != '/')
        ;
    path[size] = '\0';
    const struct mount *around = fs_mount_of(path, size);
    if (!around || around->kind != MOUNT_VOLUME) {
        visit_host(look, path);
    } else if (place_find(AT_FDCWD, size > 0 ? path : "/", PLACE_FOLLOW | PLACE_LOOKS, true,
                          &place) == 0) {
        if (place.kind == PLACE_VOLUME)
            visit_directory(look, place.mount, place.volume, place.ino);
        place_done(&place);
    }
}

static struct landlock_spot spot_of_mount(const struct mount *mount)
{
    return (struct landlock_spot){GROUND_MOUNT, (uint64_t)(mount - g_fs.mounts), 0};
}

static const struct mount *mount_of_special(const struct file *file)
{
    int kind = special_kind_of(file);
    for (unsigned i = 0; kind >= 0 && i < g_fs.mount_count; i++)
        if (g_fs.mounts[i].kind == MOUNT_SPECIAL && g_fs.mounts[i].volume == (uint32_t)kind)
            return &g_fs.mounts[i];
    return NULL;
}

static const struct mount *mount_of_file(struct file *file)
{
    const struct mount *mount = static_file_mount(file);
    return mount ? mount : mount_of_special(file);
}

int landlock_spot_of(struct file *file, struct landlock_spot *ret_spot, bool *ret_is_directory)
{
    const struct volume_file *vf = volume_file_of(file);
    const struct mount *mount = vf ? NULL : mount_of_file(file);
    *ret_is_directory = vf && S_ISDIR(vf->type);
    if (vf)
        *ret_spot = (struct landlock_spot){GROUND_VOLUME, vf->volume, vf->ino};
    else if (mount)
        *ret_spot = spot_of_mount(mount);
    return vf || mount ? 0 : -EBADFD;
}

int landlock_spot_of_host(int fd, struct landlock_spot *ret_spot, bool *ret_is_directory)
{
    struct statx stat = {0};
    long r = host_call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO | STATX_TYPE, &stat);
    *ret_is_directory = S_ISDIR(stat.stx_mode);
    return spot_of_stat(r, &stat, ret_spot);
}

static void visit_mount(struct look *look, const struct mount *mount)
{
    if (!mount)
        return;
    visit(look, spot_of_mount(mount));
    visit_above(look, mount);
}

static void visit_inode(struct look *look, const struct mount *mount, uint32_t volume, uint64_t ino,
                        uint64_t dir, bool is_directory)
{
    if (!is_directory)
        visit(look, (struct landlock_spot){GROUND_VOLUME, volume, ino});
    visit_directory(look, mount, volume, is_directory ? ino : dir != 0 ? dir : VOLUME_ROOT_INO);
}

static void visit_place(struct look *look, struct place *p)
{
    const struct volume_file *vf = p->kind == PLACE_FILE ? volume_file_of(p->file) : NULL;
    switch (p->kind) {
    case PLACE_VOLUME:
        visit_inode(look, p->mount, p->volume, p->ino, p->dir, S_ISDIR(p->attr.mode));
        break;
    case PLACE_FILE:
        if (vf)
            visit_inode(look, vf->mount, vf->volume, vf->ino, vf->dir, S_ISDIR(vf->type));
        else
            visit_mount(look, mount_of_file(p->file));
        break;
    case PLACE_SELF:
        visit_host(look, "/proc/self");
        break;
    case PLACE_HOST:
        visit_host(look, p->path);
        break;
    default:
        visit_mount(look, p->mount);
        break;
    }
}

int landlock_check(struct place *place, uint64_t rights)
{
    if (rights == 0 || !landlock_is_on())
        return 0;
    struct look look = look_begin(rights);
    visit_place(&look, place);
    return look_denied(&look) ? -EACCES : 0;
}

int landlock_check_parent(const struct place *place, uint64_t rights)
{
    if (!landlock_is_on())
        return 0;
    struct look look = look_begin(rights);
    visit_directory(&look, place->mount, place->volume, place->dir);
    return look_denied(&look) ? -EACCES : 0;
}

int landlock_check_host(const char *path, uint64_t rights)
{
    struct look look = look_begin(rights);
    visit_host(&look, path);
    return look_denied(&look) ? -EACCES : 0;
}

int landlock_check_host_fd(int fd, uint64_t rights)
{
    static const char gone[] = " (deleted)", memory[] = "/memfd:";
    char link[32], path[PATH_MAX];
    struct landlock_spot at;
    bool is_directory;
    if (!landlock_is_on())
        return 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = host_call(SYS_readlink, link, path, sizeof path - 1);
    if (n <= 0 || n >= (long)sizeof path - 1 || landlock_spot_of_host(fd, &at, &is_directory) < 0)
        return -EACCES;
    path[n] = '\0';
    if (path[0] != '/' || strncmp(path, memory, sizeof memory - 1) == 0)
        return 0; /* in no directory: Linux asks no rules */
    if (n >= (long)sizeof gone && strcmp(path + n - (sizeof gone - 1), gone) == 0)
        path[n - (long)(sizeof gone - 1)] = '\0';
    struct look look = look_begin(rights);
    visit(&look, at);
    char *slash = strrchr(path, '/'); /* the name may be another file's by now */
    if (slash)
        *slash = '\0';
    visit_host(&look, path);
    return look_denied(&look) ? -EACCES : 0;
}

bool landlock_is_lent(const char *path)
{
    char own[PATH_MAX];
    if (strncmp(path, "/proc", 5) == 0 || strcmp(path, "/dev/null") == 0)
        return true;
    long n = host_call(SYS_readlink, "/proc/self/exe", own, sizeof own - 1);
    own[n > 0 && n < (long)sizeof own ? n : 0] = '\0';
    return strcmp(path, own) == 0;
}

/* Everything that the first version of the interface knows is handled, and nothing of it allowed. */
static bool refuses(const struct mount *mount)
{
    struct look look = look_begin(~0ull);
    unsigned i = 0;
    for (const struct landlock_layer *l = domain(); l && i < look.layers; l = l->outer, i++)
        for (unsigned n = 0; n < l->count; n++)
            if (l->rules[n].at.ground == GROUND_VOLUME && l->rules[n].at.a == mount->volume)
                look.denied[i] &= ~l->rules[n].allowed;
    visit_above(&look, mount);
    for (i = 0; i < look.layers; i++)
        if ((look.denied[i] & FS_FIRST) == FS_FIRST)
            return true;
    return false;
}

bool landlock_refuses_volumes(void)
{
    bool refused = landlock_is_on();
    for (unsigned i = 0; refused && i < g_fs.mount_count; i++)
        refused = g_fs.mounts[i].kind != MOUNT_VOLUME || refuses(&g_fs.mounts[i]);
    return refused;
}

uint64_t landlock_open_rights(uint32_t mode, int flags)
{
    if (flags & O_PATH)
        return 0;
    if (S_ISDIR(mode))
        return LANDLOCK_ACCESS_FS_READ_DIR;
    int access = flags & O_ACCMODE;
    return (access == O_RDONLY || access == O_RDWR ? LANDLOCK_ACCESS_FS_READ_FILE : 0) |
           (access == O_WRONLY || access == O_RDWR ? LANDLOCK_ACCESS_FS_WRITE_FILE : 0) |
           (flags & O_TRUNC ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
}

uint64_t landlock_make_right(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return LANDLOCK_ACCESS_FS_MAKE_DIR;
    case S_IFLNK:
        return LANDLOCK_ACCESS_FS_MAKE_SYM;
    case S_IFCHR:
        return LANDLOCK_ACCESS_FS_MAKE_CHAR;
    case S_IFBLK:
        return LANDLOCK_ACCESS_FS_MAKE_BLOCK;
    case S_IFIFO:
        return LANDLOCK_ACCESS_FS_MAKE_FIFO;
    case S_IFSOCK:
        return LANDLOCK_ACCESS_FS_MAKE_SOCK;
    default:
        return LANDLOCK_ACCESS_FS_MAKE_REG;
    }
}

static uint64_t remove_right(uint32_t mode)
{
    return S_ISDIR(mode) ? LANDLOCK_ACCESS_FS_REMOVE_DIR : LANDLOCK_ACCESS_FS_REMOVE_FILE;
}

static struct look look_at_directory(const struct landlock_name *n, uint64_t wanted)
{
    struct look look = look_begin(wanted);
    visit_directory(&look, n->mount, n->volume, n->dir);
    return look;
}

/* Would `n` be allowed at `there` what it is denied `here`? */
static bool gains(const struct landlock_name *n, const struct look *here, const struct look *there)
{
    struct look before = *here, after = *there;
    visit(&before, (struct landlock_spot){GROUND_VOLUME, n->volume, n->ino});
    visit(&after, (struct landlock_spot){GROUND_VOLUME, n->volume, n->ino});
    uint64_t relevant = S_ISDIR(n->mode) ? ~0ull : OF_FILES;
    for (unsigned i = 0; i < before.layers; i++)
        if (before.denied[i] & ~after.denied[i] & relevant)
            return true;
    return false;
}

int landlock_check_move(const struct landlock_name *from, const struct landlock_name *to, bool link,
                        bool exchange)
{
    if (!landlock_is_on())
        return 0;
    uint64_t here = exchange ? landlock_make_right(to->mode) : 0;
    uint64_t there = landlock_make_right(from->mode);
    if (!link) {
        here |= remove_right(from->mode);
        there |= to->ino != 0 ? remove_right(to->mode) : 0;
    }
    if (from->dir == to->dir && from->volume == to->volume) {
        struct look look = look_at_directory(from, here | there);
        return look_denied(&look) ? -EACCES : 0;
    }
    struct look old = look_at_directory(from, LANDLOCK_FS_ALL);
    struct look new = look_at_directory(to, LANDLOCK_FS_ALL);
    if ((look_denied(&old) & here) || (look_denied(&new) & there))
        return -EACCES;
    if (((look_denied(&old) | look_denied(&new)) & REFER) || gains(from, &old, &new) ||
        (exchange && gains(to, &new, &old)))
        return -EXDEV;
    return 0;
}

struct landlock_layer *landlock_hold(struct landlock_layer *layer)
{
    if (layer)
        atomic_fetch_add(&layer->holders, 1);
    return layer;
}

void landlock_put(struct landlock_layer *layer)
{
    while (layer && atomic_fetch_sub(&layer->holders, 1) == 1) {
        struct landlock_layer *outer = layer->outer;
        if (layer->host_fd >= 0)
            fd_hidden_close(layer->host_fd);
        free(layer);
        layer = outer;
    }
}

int landlock_save(const struct landlock_layer *layer, struct buf *to)
{
    const struct landlock_layer *layers[LANDLOCK_LAYERS_MAX];
    uint32_t count = 0;
    for (; layer && count < LANDLOCK_LAYERS_MAX; layer = layer->outer)
        layers[count++] = layer;
    int r = buf_append(to, &count, sizeof count);
    while (r == 0 && count-- > 0) { /* the outermost first */
        const struct landlock_layer *l = layers[count];
        r = buf_append(to, &l->handled, sizeof l->handled);
        if (r == 0)
            r = buf_append(to, &l->count, sizeof l->count);
        if (r == 0)
            r = buf_append(to, l->rules, l->count * sizeof l->rules[0]);
    }
    return r;
}

static struct landlock_layer *layer_read(struct reader *from, struct landlock_layer *outer)
{
    uint64_t handled = reader_u64(from);
    uint32_t count = reader_u32(from);
    if (!reader_ok(from) || (handled & ~LANDLOCK_FS_ALL) || count > RULES_MAX ||
        count * sizeof(struct landlock_rule) > reader_left(from))
        return NULL;
    struct landlock_layer *l = calloc(1, sizeof *l + count * sizeof l->rules[0]);
    if (!l)
        return NULL;
    *l = (struct landlock_layer){.depth = outer ? outer->depth + 1 : 1,
                                 .outer = outer,
                                 .handled = handled,
                                 .host_fd = -1,
                                 .count = count};
    atomic_init(&l->holders, 1);
    reader_copy(from, l->rules, count * sizeof l->rules[0]);
    return l;
}

int landlock_restore(struct landlock_layer **ret_layer, struct reader *from)
{
    uint32_t count = reader_u32(from);
    if (!reader_ok(from) || count > LANDLOCK_LAYERS_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < count; i++) {
        struct landlock_layer *l = layer_read(from, *ret_layer);
        if (!l)
            return -EBADMSG;
        *ret_layer = l;
    }
    return 0;
}
