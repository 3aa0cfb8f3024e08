/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/fs.h"

#include "platform/host.h"
#include "runtime/explain/explain.h"
#include "runtime/thread.h"
#include "runtime/vfs/vfs.h"
#include "runtime/vfs/volume_client.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/write_behind.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

#define GATE_CLOSED (1 << 30)

LARGE_TABLE struct fs g_fs;

/* --- requests, and the gate that a fork closes --- */

void fs_gate_enter(void)
{
    while (atomic_fetch_add(&g_fs.gate, 1) & GATE_CLOSED) {
        int now = atomic_fetch_sub(&g_fs.gate, 1) - 1;
        futex_wake(&g_fs.gate, INT_MAX);
        while (now & GATE_CLOSED) {
            futex_wait(&g_fs.gate, now);
            now = atomic_load(&g_fs.gate);
        }
    }
}

void fs_gate_leave(void)
{
    if ((atomic_fetch_sub(&g_fs.gate, 1) - 1) & GATE_CLOSED)
        futex_wake(&g_fs.gate, INT_MAX);
}

void fs_gate_close(void)
{
    int now = atomic_fetch_or(&g_fs.gate, GATE_CLOSED) | GATE_CLOSED;
    while (now != GATE_CLOSED) {
        futex_wait(&g_fs.gate, now);
        now = atomic_load(&g_fs.gate);
    }
}

void fs_gate_open(void)
{
    atomic_fetch_and(&g_fs.gate, ~GATE_CLOSED);
    futex_wake(&g_fs.gate, INT_MAX);
}

int64_t fs_request_ungated(struct request *rq)
{
    const struct process *process = process_self();
    rq->client = process->vfork_child ? process->vfs_client : g_fs.client;
    if (g_fs.owner) {
        int64_t r = owner_execute(g_fs.owner, rq);
        write_behind_note(g_fs.owner);
        return r;
    }
    return g_fs.remote ? volume_client_call(g_fs.remote, rq) : g_fs.left ? -EACCES : -ENODEV;
}

int64_t fs_request(struct request *rq)
{
    if (thread_self()->has_position)
        return fs_request_ungated(rq);
    fs_gate_enter();
    int64_t r = fs_request_ungated(rq);
    fs_gate_leave();
    return r;
}

struct file_position *fs_position(uint32_t handle, struct file_position *own)
{
    return g_fs.remote ? volume_client_position(g_fs.remote, handle) : own;
}

_Atomic uint32_t *fs_unlock_count(void)
{
    return g_fs.remote ? volume_client_unlock_count(g_fs.remote) : g_fs.owner->unlock_count;
}

/* --- the working directory --- */

static struct volume_file **cwd_slot(void)
{
    struct process *process = process_self();
    return process->vfork_child ? &process->vfs_cwd : &g_fs.cwd;
}

struct volume_file *fs_cwd(void)
{
    lock_acquire(&g_fs.cwd_lock);
    struct volume_file *vf = *cwd_slot();
    if (vf)
        atomic_fetch_add(&vf->file.references, 1);
    lock_release(&g_fs.cwd_lock);
    return vf;
}

void fs_set_cwd(struct volume_file *vf)
{
    lock_acquire(&g_fs.cwd_lock);
    struct volume_file *old = *cwd_slot();
    *cwd_slot() = vf;
    lock_release(&g_fs.cwd_lock);
    if (old)
        file_put(&old->file);
}

/* --- rules --- */

static bool covers(const struct mount *mount, const char *path, size_t size)
{
    return size >= mount->prefix_size && memcmp(path, mount->prefix, mount->prefix_size) == 0 &&
           (size == mount->prefix_size || path[mount->prefix_size] == '/');
}

const struct mount *fs_mount_of(const char *path, size_t size)
{
    for (unsigned i = 0; i < g_fs.mount_count; i++)
        if (covers(&g_fs.mounts[i], path, size))
            return &g_fs.mounts[i];
    return NULL;
}

const struct mount *fs_mount_at(const char *path, size_t size)
{
    for (unsigned i = 0; i < g_fs.mount_count; i++)
        if (g_fs.mounts[i].prefix_size == size && memcmp(path, g_fs.mounts[i].prefix, size) == 0)
            return &g_fs.mounts[i];
    return NULL;
}

const char *fs_mount_name_in(const struct mount *mount, const char *dir, size_t size)
{
    if (size == 1 && dir[0] == '/')
        size = 0;
    if (mount->prefix_size < size + 2 || memcmp(mount->prefix, dir, size) != 0 ||
        mount->prefix[size] != '/' || strchr(mount->prefix + size + 1, '/'))
        return NULL;
    return mount->prefix + size + 1;
}

bool fs_mount_is_directory(const struct mount *mount)
{
    return mount->kind != MOUNT_SECRET && mount->kind != MOUNT_AUTHENTICATED &&
           mount->kind != MOUNT_SPECIAL;
}

int fs_refuse(const char *path, unsigned wishes, const struct mount *mount)
{
    explain_file(path, wishes, mount ? mount->prefix : NULL, "denied");
    return -EACCES;
}

int fs_refuse_write(const char *path, const struct mount *mount)
{
    explain_file(path, WISH_WRITE, mount->prefix, "read-only");
    return -EROFS;
}

bool fs_holds_mount(const char *path)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    for (unsigned i = 0; i < g_fs.mount_count; i++) {
        const struct mount *mount = &g_fs.mounts[i];
        if (mount->prefix_size > size && memcmp(mount->prefix, path, size) == 0 &&
            mount->prefix[size] == '/')
            return true;
    }
    return false;
}

bool fs_leads_to_mount(const char *path, size_t size)
{
    for (unsigned i = 0; i < g_fs.mount_count; i++) {
        const struct mount *mount = &g_fs.mounts[i];
        if (mount->kind != MOUNT_DENIED && mount->prefix_size > size &&
            memcmp(mount->prefix, path, size) == 0 && mount->prefix[size] == '/')
            return true;
    }
    return false;
}

const char *vfs_class_of(const char *path)
{
    static const char names[][14] = {"host",   "volume",  "authenticated", "secret",
                                     "device", "special", "denied"};
    if (path[0] != '/') {
        struct volume_file *cwd = fs_cwd();
        if (cwd)
            file_put(&cwd->file);
        return cwd ? "volume" : "relative";
    }
    const struct mount *m = fs_mount_of(path, strlen(path));
    if (!m)
        return g_fs.has_policy ? "unnamed" : "host";
    return m->rule && m->rule->class == FILE_CLASS_PRIVATE ? "private" : names[m->kind];
}

/* --- who asks --- */

static uint32_t powers_of(const uint32_t sets[2])
{
    static const uint8_t numbers[] = {
        CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,    CAP_FSETID,
        CAP_CHOWN,        CAP_MKNOD,           CAP_SYS_ADMIN, CAP_LEASE};
    uint32_t powers = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++)
        if (sets[numbers[i] / 32] >> numbers[i] % 32 & 1)
            powers |= 1u << i;
    return powers;
}

/* access(2) asks for who the process really is: root with what it may have, others with nothing. */
static uint32_t real_powers(const struct __user_cap_data_struct *data, uint32_t real_uid)
{
    const uint32_t permitted[2] = {data[0].permitted, data[1].permitted};
    return real_uid == 0 ? powers_of(permitted) : 0;
}

void fs_creds_changed(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    struct creds creds = {.real_uid = (uint32_t)host_call(SYS_getuid),
                          .real_gid = (uint32_t)host_call(SYS_getgid)};
    /* No identity: says what it is, and changes nothing. */
    creds.uid = (uint32_t)host_call(SYS_setfsuid, -1);
    creds.gid = (uint32_t)host_call(SYS_setfsgid, -1);
    if (host_call(SYS_capget, &head, data) == 0) {
        const uint32_t effective[2] = {data[0].effective, data[1].effective};
        creds.powers = powers_of(effective);
        creds.real_powers = real_powers(data, creds.real_uid);
    }
    uint32_t groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];
    long count = host_call(SYS_getgroups, ARRAY_COUNT(groups), groups);
    if (count > 0 && count <= (long)ARRAY_COUNT(groups)) {
        creds.group_count = (uint32_t)MIN(count, (long)CREDS_GROUPS_MAX);
        memcpy(creds.groups, groups, creds.group_count * sizeof creds.groups[0]);
    }
    thread_self()->creds = creds;
}

void vfs_identity_changed(void)
{
    fs_creds_changed();
}
