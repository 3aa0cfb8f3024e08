/* SPDX-License-Identifier: Apache-2.0 */
/* What the file shield carries across a host exec (a child of vfork() that becomes another
 * program): the way to the volume server, and which descriptors are which files. No key and no
 * content. Read back as any other input: bounded and checked. */
#include "base/reader.h"
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/thread.h"
#include "runtime/vfs/restore.h"
#include "runtime/vfs/ring.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/vfs.h"
#include "runtime/vfs/volume_client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define STATE_MAGIC 0x53464356u

enum saved_kind { SAVED_VOLUME = 1, SAVED_STATIC = 2, SAVED_SPECIAL = 3 };

/* One open file; what a kind does not use is 0. */
struct saved_file {
    int32_t fd; /* AT_FDCWD: the working directory */
    uint32_t kind, mount, volume, handle, type, flags;
    uint16_t name_size, uncut;
    uint64_t ino, dir;
    int64_t offset;
    char name[VOLUME_NAME_MAX + 1];
};

struct saved_head {
    uint32_t magic, client, serial;
    int32_t ring_fd, arena_fd, stand_in_fd;
    uint32_t file_count;
    uint32_t device_minors[OWNER_VOLUMES_MAX];
};

/* --- saving --- */

static void describe(struct file *f, int fd, struct saved_file *ret)
{
    *ret = (struct saved_file){.fd = fd, .flags = (uint32_t)atomic_load(&f->flags)};
    const struct volume_file *vf = volume_file_of(f);
    int special = special_kind_of(f);
    if (special >= 0) {
        ret->kind = SAVED_SPECIAL;
        ret->type = (uint32_t)special;
        return;
    }
    const struct mount *mount = vf ? vf->mount : static_file_mount(f);
    if (!mount)
        return;
    ret->mount = (uint32_t)(mount - g_fs.mounts);
    ret->kind = vf ? SAVED_VOLUME : SAVED_STATIC;
    if (!vf) {
        ret->offset = atomic_load(&f->offset);
        return;
    }
    ret->volume = vf->volume;
    ret->handle = vf->handle;
    ret->type = vf->type;
    ret->ino = vf->ino;
    ret->dir = vf->dir;
    ret->uncut = vf->uncut;
    ret->name_size = vf->name_size;
    memcpy(ret->name, vf->name, vf->name_size);
}

static int save_files(struct buf *state, uint32_t *ret_count, bool *ret_names_volume)
{
    struct saved_file saved;
    int r = 0;
    struct volume_file *cwd = fs_cwd();
    if (cwd) {
        describe(&cwd->file, AT_FDCWD, &saved);
        r = buf_append(state, &saved, sizeof saved);
        (*ret_count)++;
        *ret_names_volume = true;
        file_put(&cwd->file);
    }
    int limit = fd_limit();
    for (int fd = 0; r == 0 && fd < limit; fd++) {
        struct file *f = fd_get(fd);
        if (!f)
            continue;
        describe(f, fd, &saved);
        file_put(f);
        long flags = host_call(SYS_fcntl, fd, F_GETFD);
        if (saved.kind == 0 || flags < 0 || (flags & FD_CLOEXEC))
            continue;
        r = buf_append(state, &saved, sizeof saved);
        *ret_names_volume |= saved.kind == SAVED_VOLUME;
        (*ret_count)++;
    }
    return r;
}

static void keep_open(int fd, bool keep)
{
    if (fd >= 0)
        (void)host_call(SYS_fcntl, fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

int vfs_exec_save(struct buf *state)
{
    struct saved_head head = {.magic = STATE_MAGIC,
                              .client = process_self()->vfs_client,
                              .serial = process_self()->vfs_serial,
                              .ring_fd = g_fs.remote ? g_fs.remote->ring_fd : -1,
                              .arena_fd = g_fs.remote ? g_fs.remote->arena_fd : -1,
                              .stand_in_fd = stand_in_fd()};
    memcpy(head.device_minors, g_fs.device_minors, sizeof head.device_minors);
    size_t at = state->size;
    bool names_volume = false;
    int r = buf_append(state, &head, sizeof head);
    if (r == 0)
        r = save_files(state, &head.file_count, &names_volume);
    if (r < 0)
        return r;
    if (landlock_refuses_volumes() && !names_volume) /* as vfs_leave(): it gets no way to them */
        head.ring_fd = head.arena_fd = head.stand_in_fd = -1;
    memcpy(state->bytes + at, &head, sizeof head);
    keep_open(head.ring_fd, true);
    keep_open(head.arena_fd, true);
    keep_open(head.stand_in_fd, true);
    return 0;
}

/* --- restoring --- */

static struct slice g_state; /* until vfs_init() */

int vfs_exec_restore(struct slice state)
{
    g_state = state;
    return 0;
}

bool restore_pending(void)
{
    return g_state.size > 0;
}

static bool is_sane(const struct saved_file *saved)
{
    return saved->mount < g_fs.mount_count && saved->name_size <= VOLUME_NAME_MAX &&
           saved->handle < OWNER_OPEN_MAX && (saved->fd == AT_FDCWD || saved->fd >= 0);
}

static int restore_volume_file(const struct saved_file *saved)
{
    struct volume_file *vf;
    struct request opened = {
        .volume = saved->volume, .handle = saved->handle, .ino = saved->ino, .dir = saved->dir};
    int r = volume_file_adopt(&g_fs.mounts[saved->mount], &opened, saved->type, (int)saved->flags,
                              slice_of(saved->name, saved->name_size), &vf);
    if (r < 0)
        return r;
    vf->uncut = saved->uncut != 0;
    if (saved->fd == AT_FDCWD) {
        g_fs.cwd = vf;
        return 0;
    }
    return fd_replace(saved->fd, &vf->file);
}

static int restore_static_file(const struct saved_file *saved)
{
    struct file *f;
    int r = static_file_open(&g_fs.mounts[saved->mount], (int)saved->flags, &f);
    if (r < 0)
        return r;
    atomic_store(&f->offset, saved->offset);
    return fd_replace(saved->fd, f);
}

static int restore_special(const struct saved_file *saved)
{
    struct file *f;
    if (saved->type >= SPECIAL_COUNT)
        return -EBADMSG;
    int r = special_open((enum special_kind)saved->type, (int)saved->flags, &f);
    return r < 0 ? r : fd_replace(saved->fd, f);
}

static int restore_file(struct reader *rd, uint32_t *ret_handle)
{
    struct saved_file saved;
    reader_copy(rd, &saved, sizeof saved);
    if (rd->failed || !is_sane(&saved))
        return -EBADMSG;
    *ret_handle = saved.kind == SAVED_VOLUME ? saved.handle : 0;
    switch (saved.kind) {
    case SAVED_VOLUME:
        return restore_volume_file(&saved);
    case SAVED_SPECIAL:
        return restore_special(&saved);
    default:
        return restore_static_file(&saved);
    }
}

int restore_apply(struct error *e)
{
    struct reader rd = reader_over(g_state);
    struct saved_head head;
    uint32_t kept[REQUEST_TEXT_MAX / sizeof(uint32_t)];
    size_t kept_count = 0;
    g_state = (struct slice){0};
    reader_copy(&rd, &head, sizeof head);
    if (rd.failed || head.magic != STATE_MAGIC || head.client >= OWNER_CLIENTS_MAX)
        return error_set(e, -EBADMSG, "state of the file shield is malformed");
    int r = 0;
    memcpy(g_fs.device_minors, head.device_minors, sizeof g_fs.device_minors);
    if (head.stand_in_fd >= 0) {
        keep_open(head.stand_in_fd, false);
        stand_in_init(head.stand_in_fd);
    }
    if (head.ring_fd >= 0) {
        keep_open(head.ring_fd, false);
        keep_open(head.arena_fd, false);
        r = client_connect(head.ring_fd, head.arena_fd);
        g_fs.client = head.client;
    }
    g_fs.left = head.ring_fd < 0;
    if (r == 0 && g_fs.remote) {
        struct request rq = {.op = REQUEST_CLIENT_PID,
                             .handle = head.client,
                             .more = head.serial,
                             .ino = (uint64_t)host_call(SYS_getpid)};
        r = (int)fs_request(&rq);
    }
    for (uint32_t i = 0; r == 0 && i < head.file_count; i++) {
        uint32_t handle = 0;
        r = restore_file(&rd, &handle);
        if (handle != 0 && kept_count < ARRAY_COUNT(kept))
            kept[kept_count++] = handle;
    }
    if (r < 0 || !g_fs.remote)
        return r < 0 ? error_set(e, r, "cannot take over the open files") : 0;
    /* With more files than fit, the others stay open a little longer than they should. */
    struct request rq = {.op = REQUEST_CLIENT_KEEP,
                         .in = slice_of(kept, kept_count * sizeof kept[0])};
    return kept_count < ARRAY_COUNT(kept) ? (int)fs_request(&rq) : 0;
}
