/* SPDX-License-Identifier: Apache-2.0 */
/* No write key lives in two processes: before the first fork of a process with volumes, these move
 * to a volume server, and the process keeps nothing of them but the way there. */
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/thread.h"
#include "runtime/vfs/file_ops.h"
#include "runtime/vfs/mapping.h"
#include "runtime/vfs/restore.h"
#include "runtime/vfs/ring.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/vfs.h"
#include "runtime/vfs/volume_client.h"
#include "runtime/vfs/volume_kept.h"
#include "runtime/vfs/volume_server.h"
#include "runtime/vfs/write_behind.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Of the rest of the runtime; the file shield's own tests link without it. */
__attribute__((weak)) void memory_fork_prepare(void);
__attribute__((weak)) void memory_fork_done(void);
__attribute__((weak)) void sites_fork_prepare(void);
__attribute__((weak)) void sites_fork_done(void);

static struct volume_client g_client = {.arena_fd = -1};

static struct ring *map_ring(int fd)
{
    long at = host_mmap(0, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        fd, 0);
    return at < 0 && at > -4096 ? NULL : (struct ring *)at; /* NOLINT(performance-no-int-to-ptr) */
}

/* A client only reads what the server publishes. */
static void protect_published(struct ring *ring)
{
    (void)host_call(SYS_mprotect, &ring->published,
                    offsetof(struct ring, data) - offsetof(struct ring, published), PROT_READ);
}

static int make_ring(struct volume_client *client)
{
    fd_room_enter();
    long fd = host_call(SYS_memfd_create, "coffer-ring", MFD_CLOEXEC);
    client->ring_fd = fd < 0 ? (int)fd : fd_hide((int)fd);
    fd_room_leave();
    if (client->ring_fd < 0)
        return client->ring_fd;
    int r = host_ftruncate(client->ring_fd, sizeof(struct ring));
    client->ring = r == 0 ? map_ring(client->ring_fd) : NULL;
    if (!client->ring) {
        fd_hidden_close(client->ring_fd);
        return r < 0 ? r : -ENOMEM;
    }
    return 0;
}

int client_connect(int ring_fd, int arena_fd)
{
    uint64_t size;
    int r = host_fstat_size(ring_fd, &size, NULL);
    if (r < 0 || size != sizeof(struct ring))
        return r < 0 ? r : -EBADMSG;
    g_client.ring = map_ring(ring_fd);
    if (!g_client.ring)
        return -ENOMEM;
    protect_published(g_client.ring);
    g_client.ring_fd = ring_fd;
    g_client.arena_fd = arena_fd;
    g_fs.remote = &g_client;
    return 0;
}

static void share_position(struct volume_file *vf, void *ctx)
{
    struct volume_client *client = ctx;
    struct file_position *shared = volume_client_position(client, vf->handle);
    atomic_store(&shared->offset, atomic_load(&vf->position->offset));
    vf->position = shared;
}

static void unshare_position(struct volume_file *vf, void *ctx)
{
    (void)ctx;
    vf->position = &vf->own_position;
}

static void drop_ring(struct volume_client *client)
{
    volume_file_each(unshare_position, NULL);
    (void)host_call(SYS_munmap, client->ring, sizeof(struct ring));
    fd_hidden_close(client->ring_fd);
    client->ring = NULL;
}

/* The gate is closed: nobody else is in a request. */
static int move_to_server(void)
{
    struct volume_client *client = &g_client;
    int r = make_ring(client);
    if (r < 0)
        return r;
    pthread_mutex_lock(&g_fs.owner->lock);
    client->arena_fd = shared_map_arena(g_fs.owner);
    pthread_mutex_unlock(&g_fs.owner->lock);
    volume_file_each(share_position, client);
    r = volume_server_start(g_fs.owner, client->ring);
    if (r < 0) {
        drop_ring(client);
        return r;
    }
    protect_published(client->ring);
    owner_abandon(TAKE(g_fs.owner));
    vfs_close_backends();
    g_fs.remote = client;
    return 0;
}

static int second_client(uint32_t *ret_client, uint32_t *ret_serial)
{
    struct request rq = {.op = REQUEST_CLIENT_FORK};
    volume_file_share_all();
    int64_t r = fs_request_ungated(&rq);
    if (r < 0)
        return (int)r;
    *ret_client = rq.handle;
    *ret_serial = (uint32_t)rq.more;
    return 0;
}

static void child_is(uint32_t client, uint32_t serial, long pid)
{
    struct request rq = {.op = pid > 0 ? REQUEST_CLIENT_PID : REQUEST_CLIENT_DROP,
                         .handle = client,
                         .more = serial,
                         .ino = pid > 0 ? (uint64_t)pid : 0};
    if (client != 0)
        (void)fs_request_ungated(&rq);
}

int vfs_fork_prepare(void)
{
    if (!g_fs.owner)
        return 0;
    /* The server is born of a fork too and gives the guest's memory back: another thread may not be
     * in the middle of a mapping call, or its lock would stay taken there. */
    if (memory_fork_prepare) {
        memory_fork_prepare();
        sites_fork_prepare();
    }
    fs_gate_close();
    int r = g_fs.owner ? move_to_server() : 0;
    fs_gate_open();
    if (memory_fork_prepare) {
        sites_fork_done();
        memory_fork_done();
    }
    return r;
}

/* The client that the child will be; the gate's closer alone uses it. */
static uint32_t g_child, g_child_serial;

int vfs_fork_lock(void)
{
    fs_gate_close();
    g_child = 0;
    int r = g_fs.remote ? second_client(&g_child, &g_child_serial) : 0;
    if (r < 0)
        fs_gate_open();
    return r;
}

void vfs_fork_parent(long pid)
{
    child_is(g_child, g_child_serial, pid);
    fs_gate_open();
}

void vfs_fork_child(void)
{
    volume_file_after_fork();
    volume_kept_forget();
    static_file_after_fork();
    mapping_after_fork();
    write_behind_after_fork();
    locks_after_fork();
    atomic_store(&g_fs.cwd_lock, 0);
    g_fs.client = g_child;
    atomic_store(&g_fs.gate, 0);
    /* The parent says who we are as well; it may be dead by now. */
    child_is(g_child, g_child_serial, host_call(SYS_getpid));
}

void vfs_set_cwd(struct volume_file *cwd)
{
    fs_set_cwd(cwd);
}

static void count_file(struct volume_file *vf, void *ctx)
{
    (void)vf;
    ++*(unsigned *)ctx;
}

void vfs_leave(void)
{
    const struct process *process = process_self();
    unsigned files = 0;
    struct volume_file *cwd = fs_cwd();
    if (cwd)
        file_put(&cwd->file);
    if (!g_fs.remote || cwd || process->vfork_child || atomic_load(&process->thread_count) != 1 ||
        vfs_any_mapping() || !landlock_refuses_volumes())
        return;
    volume_file_each(count_file, &files);
    if (files > 0)
        return;
    volume_kept_forget();
    volume_client_goodbye(g_fs.remote);
    if (g_fs.remote->arena_fd >= 0)
        fd_hidden_close(g_fs.remote->arena_fd);
    drop_ring(g_fs.remote);
    g_fs.remote = NULL;
    g_fs.left = true;
}

int vfs_vfork_prepare(struct process *child)
{
    int r = vfs_fork_prepare();
    child->vfs_client = 0;
    child->vfs_verified = static_file_verified();
    child->vfs_cwd = NULL;
    if (r < 0)
        return r;
    if (g_fs.remote) {
        fs_gate_close();
        r = second_client(&child->vfs_client, &child->vfs_serial);
        fs_gate_open();
    }
    if (r == 0)
        child->vfs_cwd = fs_cwd();
    return r;
}

/* What the child did to itself is not the parent's: its identity, its directory. */
void vfs_vfork_parent(struct process *child, long pid)
{
    child_is(child->vfs_client, child->vfs_serial, pid);
    if (child->vfs_cwd)
        file_put(&child->vfs_cwd->file);
    fs_creds_changed();
}
