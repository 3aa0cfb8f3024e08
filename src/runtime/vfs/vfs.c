/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/vfs.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/copy_map.h"
#include "runtime/vfs/file_ops.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/mapping.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/private_volume.h"
#include "runtime/vfs/restore.h"
#include "runtime/vfs/ring.h"
#include "runtime/vfs/special.h"
#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/static_file.h"
#include "runtime/vfs/volume_client.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/volume_order.h"
#include "runtime/vfs/write_behind.h"
#include "volume/backend.h"
#include "volume/recovery_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define DEVICE_PREFIX "/dev/coffer"
#define BUSY_PATIENCE_NS INT64_C(5000000000)
#define BUSY_PAUSE_NS 5000000

static struct volume_backend *g_backends[RUNTIME_VOLUMES_MAX];

/* --- rules become mounts --- */

static int add_mount(struct mount mount, struct error *e)
{
    if (mount.prefix[0] != '/')
        return error_set(e, -EINVAL, "file rule '%s' is not an absolute path", mount.prefix);
    if (mount.prefix[1] == '\0')
        mount.prefix = "";
    mount.prefix_size = strlen(mount.prefix);
    if (mount.prefix_size >= PATH_MAX)
        return error_set(e, -ENAMETOOLONG, "file rule is too long");
    if (g_fs.mount_count == FS_MOUNTS_MAX)
        return error_set(e, -E2BIG, "more than %d file rules", FS_MOUNTS_MAX);
    unsigned at = g_fs.mount_count;
    while (at > 0 && g_fs.mounts[at - 1].prefix_size < mount.prefix_size) {
        g_fs.mounts[at] = g_fs.mounts[at - 1];
        at--;
    }
    g_fs.mounts[at] = mount;
    g_fs.mount_count++;
    return 0;
}

static int add_rule(const struct runtime_file_rule *rule, unsigned *private_count, struct error *e)
{
    static const enum mount_kind kinds[] = {
        [FILE_CLASS_HOST] = MOUNT_HOST,
        [FILE_CLASS_ENCRYPTED] = MOUNT_VOLUME,
        [FILE_CLASS_AUTHENTICATED] = MOUNT_AUTHENTICATED,
        [FILE_CLASS_PRIVATE] = MOUNT_VOLUME,
        [FILE_CLASS_DENIED] = MOUNT_DENIED,
    };
    struct mount mount = {.prefix = rule->prefix,
                          .kind = kinds[rule->class],
                          .volume = rule->volume,
                          .read_only = rule->read_only,
                          .rule = rule};
    if (rule->class == FILE_CLASS_ENCRYPTED && !restore_pending() &&
        rule->volume >= g_fs.config->volume_count)
        return error_set(e, -EINVAL, "file rule '%s' names volume %u, which there is not",
                         rule->prefix, rule->volume);
    if (rule->class == FILE_CLASS_PRIVATE) {
        mount.volume = RUNTIME_VOLUMES_MAX + (*private_count)++;
        if (mount.volume >= OWNER_VOLUMES_MAX)
            return error_set(e, -E2BIG, "more than %d private directories",
                             OWNER_VOLUMES_MAX - RUNTIME_VOLUMES_MAX);
    }
    return add_mount(mount, e);
}

static bool host_has(const char *path)
{
    struct statx stat;
    return host_call(SYS_statx, AT_FDCWD, path[0] ? path : "/", AT_SYMLINK_NOFOLLOW, STATX_TYPE,
                     &stat) == 0;
}

/* Mounts below a volume must be found by walks inside it; only a direct child of the root, or of a
 * directory that is there at the start, can be one. */
static int place_inside(struct mount *mount, unsigned index, struct error *e)
{
    for (unsigned i = index + 1; i < g_fs.mount_count; i++) {
        struct mount *outer = &g_fs.mounts[i];
        size_t size = outer->prefix_size;
        if (mount->prefix_size <= size || memcmp(mount->prefix, outer->prefix, size) != 0 ||
            mount->prefix[size] != '/')
            continue;
        if (outer->kind != MOUNT_VOLUME)
            return 0;
        const char *name = strrchr(mount->prefix, '/') + 1;
        struct request rq = {
            .op = REQUEST_WALK,
            .volume = outer->volume,
            .ino = VOLUME_ROOT_INO,
            .in = slice_of(mount->prefix + size, (size_t)(name - mount->prefix) - size)};
        struct owner *owner = g_fs.owner;
        if (fs_request(&rq) != WALK_DONE || rq.ino == 0 || owner->mount_count == OWNER_MOUNTS_MAX)
            return error_set(e, -ENOENT,
                             "file rule '%s' lies in a directory of a volume that does "
                             "not exist",
                             mount->prefix);
        struct owner_mount *inside = &owner->mounts[owner->mount_count++];
        *inside = (struct owner_mount){.volume = outer->volume, .mount = index, .dir = rq.ino};
        snprintf(inside->name, sizeof inside->name, "%s", name);
        mount->inside = true;
        return 0;
    }
    return 0;
}

/* A device number of the volume's own, made of its id: programs tell files apart by it, and those of
 * two processes on different volumes too (PostgreSQL finds its shared memory so). Memory's volumes are
 * seen by one family only. Above what the host gives to its own file systems. */
static void choose_devices(const struct runtime_config *config)
{
    const uint32_t base = 0x80000, room = 0x7ffff;
    for (uint32_t i = 0; i < OWNER_VOLUMES_MAX; i++) {
        uint32_t id = 0;
        if (i < config->volume_count)
            memcpy(&id, config->volumes[i].id, sizeof id);
        /* Numbers apart by more than the volumes of a process can never meet. */
        g_fs.device_minors[i] = base + (id % (room / OWNER_VOLUMES_MAX)) * OWNER_VOLUMES_MAX + i;
    }
}

static int learn_rules(const struct runtime_config *config, struct error *e)
{
    choose_devices(config);
    unsigned private_count = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < config->file_rule_count; i++)
        r = add_rule(&config->file_rules[i], &private_count, e);
    for (unsigned i = 0; r == 0 && i < config->secret_file_count; i++)
        r = add_mount((struct mount){.prefix = config->secret_files[i].path,
                                     .kind = MOUNT_SECRET,
                                     .read_only = true,
                                     .secret = &config->secret_files[i]},
                      e);
    if (r == 0)
        r = add_mount((struct mount){.prefix = DEVICE_PREFIX, .kind = MOUNT_DEVICE}, e);
    bool denies = config->has_policy;
    for (unsigned i = 0; i < config->file_rule_count; i++)
        denies |= config->file_rules[i].class == FILE_CLASS_DENIED;
    for (unsigned i = 0; r == 0 && i < SPECIAL_COUNT; i++) {
        const char *path = special_path((enum special_kind)i);
        bool wanted = denies || i == SPECIAL_RANDOM || i == SPECIAL_URANDOM;
        if (wanted && !fs_mount_at(path, strlen(path)))
            r = add_mount((struct mount){.prefix = path, .kind = MOUNT_SPECIAL, .volume = i}, e);
    }
    for (unsigned i = 0; r == 0 && i < g_fs.mount_count; i++) {
        struct mount *mount = &g_fs.mounts[i];
        if (mount->kind == MOUNT_HOST)
            continue;
        mount->hidden = !host_has(mount->prefix);
        /* Found by their own names; a host link that leads to the host's is the host's affair. */
        if (mount->kind == MOUNT_SPECIAL)
            continue;
        if (!mount->hidden)
            g_fs.shadowing = true;
        else if (mount->kind != MOUNT_DEVICE)
            g_fs.redirects = true;
    }
    return r;
}

static int place_all_inside(struct error *e)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && g_fs.owner && i < g_fs.mount_count; i++)
        r = place_inside(&g_fs.mounts[i], i, e);
    return r;
}

/* --- volumes --- */

/* A family that was killed leaves a volume server that commits and then lets go: wait for it. */
static int open_patiently(const struct volume_options *options, struct volume **ret_volume,
                          struct error *e)
{
    int64_t give_up_at_ns = host_monotonic_ns() + BUSY_PATIENCE_NS;
    for (;;) {
        struct error now = {0};
        int r = volume_open(options, ret_volume, &now);
        if (r != -EBUSY || host_monotonic_ns() > give_up_at_ns) {
            *e = now;
            return r;
        }
        struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
        (void)host_call(SYS_nanosleep, &pause, NULL);
    }
}

/* Said at the start, for otherwise what the policy names could never be deleted. */
static int purge_ready(const struct runtime_volume *rv, unsigned index, struct error *e)
{
    struct volume_stats stats;
    if (!rv->purge || !rv->purge[0])
        return 0;
    volume_statfs(g_fs.owner->volumes[index], &stats);
    if (stats.erase_epoch == 0)
        return error_set(e, -EOPNOTSUPP,
                         "the policy has deleted files of volume '%s' erased, and nobody keeps an "
                         "erase key for it",
                         rv->name);
    g_fs.owner->purge[index] = rv->purge;
    return 0;
}

/* As it was left, without its key broker; what the program changes is forgotten. */
static int open_recovery(const struct runtime_config *config, unsigned index, struct error *e)
{
    const struct runtime_volume *rv = &config->volumes[index];
    struct volume_options options = recovery_volume_options(rv->recovery);
    options.cache_size = config->cache_size;
    options.copy = guest_copy_some;
    int r = volume_open(&options, &g_fs.owner->volumes[index], e);
    r = recovery_volume_judge(rv->recovery, r, e);
    return r < 0 ? error_prefix(e, r, "opening the volume in '%s'", rv->host_dir) : 0;
}

static int open_volume(const struct runtime_config *config, unsigned index, struct error *e)
{
    const struct runtime_volume *rv = &config->volumes[index];
    if (rv->recovery)
        return open_recovery(config, index, e);
    int r = volume_dir_open(rv->host_dir, rv->create, &g_backends[index]);
    if (r < 0)
        return error_set(e, r, "cannot open directory '%s' of volume '%s'", rv->host_dir, rv->name);
    struct volume_options options = {
        .backend = g_backends[index],
        .key = &rv->key,
        .authority = rv->authority,
        .mode = rv->mode,
        .cache_size = config->cache_size,
        .copy = guest_copy_some,
        .compress = rv->compress,
    };
    memcpy(options.id, rv->id, sizeof options.id);
    volume_order_key(rv, &options);
    if (rv->create) {
        struct error ignored = {0};
        r = volume_create(&options, fs_creds()->uid, fs_creds()->gid, &ignored);
        if (r < 0 && r != -EEXIST) {
            *e = ignored;
            return error_prefix(e, r, "making volume '%s'", rv->name);
        }
    }
    r = open_patiently(&options, &g_fs.owner->volumes[index], e);
    if (r < 0)
        return error_prefix(e, r, "opening volume '%s' in '%s'", rv->name, rv->host_dir);
    volume_order_run(rv, g_fs.owner->volumes[index]);
    return purge_ready(rv, index, e);
}

static bool needs_owner(const struct runtime_config *config)
{
    for (unsigned i = 0; i < config->file_rule_count; i++)
        if (config->file_rules[i].class == FILE_CLASS_PRIVATE)
            return true;
    return config->volume_count > 0;
}

void vfs_close_backends(void)
{
    for (unsigned i = 0; i < RUNTIME_VOLUMES_MAX; i++) {
        volume_dir_close(g_backends[i]);
        g_backends[i] = NULL;
    }
    private_volumes_free();
}

static void give_up(void)
{
    owner_abandon(TAKE(g_fs.owner));
    vfs_close_backends();
    g_fs.mount_count = 0;
}

int vfs_init(const struct runtime_config *config, struct error *e)
{
    g_fs.config = config;
    g_fs.has_policy = config->has_policy;
    fs_creds_changed();
    long mask = host_call(SYS_umask, 0);
    (void)host_call(SYS_umask, mask);
    atomic_store(&process_self()->vfs_umask, (uint32_t)mask & 0777);
    int r = learn_rules(config, e);
    if (r == 0 && restore_pending())
        return restore_apply(e);
    if (r == 0 && needs_owner(config)) {
        g_fs.owner = owner_new();
        r = g_fs.owner ? 0 : error_set(e, -ENOMEM, "no memory");
        if (r == 0) {
            g_fs.owner->open_volume = private_volume_open;
            g_fs.owner->kept_count = config->volume_count;
        }
        stand_in_init(-1);
    }
    if (r == 0 && config->volume_count > 0)
        volume_dir_hide_fds(fd_hide, fd_hidden_close);
    for (unsigned i = 0; r == 0 && i < config->volume_count; i++)
        r = open_volume(config, i, e);
    if (r == 0)
        r = place_all_inside(e);
    if (r < 0)
        give_up();
    else
        host_directory_init();
    return r;
}

bool vfs_names_sockets(void)
{
    return g_stand_ins != NULL;
}

int vfs_server_pid(void)
{
    return g_fs.remote ? atomic_load(&g_fs.remote->ring->server_pid) : 0;
}

bool vfs_owns_volumes(void)
{
    return g_fs.owner != NULL;
}

bool vfs_must_close(void)
{
    return g_fs.owner || g_fs.remote;
}

void vfs_exit(void)
{
    if (g_fs.remote) {
        volume_client_goodbye(g_fs.remote);
        return;
    }
    if (g_fs.left)
        return;
    write_behind_end();
    int r = owner_close(TAKE(g_fs.owner));
    stand_in_remove_all();
    if (r < 0)
        LOG_ERROR("volumes did not close cleanly", LOG_INT("error", r));
    vfs_close_backends();
}

uint64_t vfs_host_size(void)
{
    uint64_t total = 0;
    for (unsigned i = 0; g_fs.config && i < g_fs.config->volume_count; i++) {
        struct volume_stats stats = {0};
        struct request rq = {
            .op = REQUEST_STATFS, .volume = i, .out = &stats, .out_size = sizeof stats};
        if (fs_request(&rq) == 0)
            total += stats.host_size;
    }
    return total;
}

/* --- programs --- */

static int program_on_volume(struct place *p, struct file **ret_file)
{
    struct inode_ref ref;
    struct volume_file *vf;
    int r = place_inode(p, &ref);
    if (r < 0)
        return r == -EROFS ? -EACCES : r;
    if (!S_ISREG(ref.attr.mode))
        return S_ISLNK(ref.attr.mode) ? -ELOOP : -EACCES;
    r = permission_check(&ref.attr, fs_creds(), PERMISSION_EXECUTE);
    struct volume_file *known = p->kind == PLACE_FILE ? volume_file_of(p->file) : NULL;
    if (r == 0)
        r = volume_file_open(ref.mount, ref.volume, ref.ino, ref.attr.mode, O_RDONLY,
                             known ? known->dir : p->dir,
                             known ? slice_of(known->name, known->name_size) : place_name(p), &vf);
    if (r == 0)
        *ret_file = &vf->file;
    return r;
}

static void program_forget(int *fd, struct file **file)
{
    if (*fd >= 0)
        host_close(*fd);
    if (*file)
        file_put(*file);
    *fd = -1;
    *file = NULL;
}

int vfs_program_open_at(int dir_fd, const char *path, bool no_follow, int *ret_fd,
                        struct file **ret_file)
{
    struct place place;
    unsigned flags =
        (no_follow ? 0 : PLACE_FOLLOW) | PLACE_EXECUTES | (path[0] ? 0 : PLACE_EMPTY_PATH);
    int last = O_RDONLY | O_NONBLOCK | O_CLOEXEC | (no_follow ? O_NOFOLLOW : 0);
    *ret_fd = -1;
    *ret_file = NULL;
    int r = proc_find(path, flags, &place);
    if (r == 0)
        r = place_find(dir_fd, path, flags, g_fs.redirects, &place);
    if (r < 0)
        return r;
    switch (place.kind) {
    case PLACE_HOST:
        r = host_openat(place.as_given ? dir_fd : AT_FDCWD, place.as_given ? path : place.path,
                        last, 0);
        *ret_fd = r;
        break;
    case PLACE_STATIC:
        r = place.mount->kind == MOUNT_SECRET ? -EACCES
                                              : static_file_open(place.mount, O_RDONLY, ret_file);
        break;
    case PLACE_VOLUME:
    case PLACE_FILE:
        r = program_on_volume(&place, ret_file);
        break;
    default:
        r = -EACCES;
    }
    const uint64_t rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
    if (r >= 0)
        r = place.kind == PLACE_HOST ? landlock_check_host_fd(*ret_fd, rights)
                                     : landlock_check(&place, rights);
    if (r < 0)
        program_forget(ret_fd, ret_file);
    place_done(&place);
    return r < 0 ? r : 0;
}

int64_t vfs_program_path(struct file *f, char *text, size_t size)
{
    struct volume_file *vf = f ? volume_file_of(f) : NULL;
    return vf ? volume_file_path(vf, text, size) : -EINVAL;
}

static int64_t cwd_text(char *text, size_t size)
{
    struct volume_file *cwd = fs_cwd();
    int64_t n = cwd ? volume_file_path(cwd, text, size) : 0;
    if (cwd) {
        file_put(&cwd->file);
        return n;
    }
    n = host_call(SYS_getcwd, text, size);
    return n > 0 && (uint64_t)n <= size ? n - 1 : -ENOENT;
}

void vfs_program_is(const char *path)
{
    char text[PATH_MAX];
    if (path[0] == '/') {
        snprintf(g_fs.program, sizeof g_fs.program, "%s", path);
        return;
    }
    int64_t n = cwd_text(text, sizeof text - 1);
    if (n < 0)
        n = 0;
    text[n] = '\0';
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if ((size_t)n + 1 + strlen(path) < sizeof g_fs.program) {
        memcpy(g_fs.program, text, (size_t)n);
        snprintf(g_fs.program + n, sizeof g_fs.program - (size_t)n, "/%s", path);
    }
}

/* --- memory --- */

void vfs_unmapping(uint64_t address, uint64_t size)
{
    if (mapping_any())
        mapping_unmapping(address, size);
}

int64_t vfs_msync(uint64_t address, uint64_t size, int flags)
{
    return mapping_any() ? mapping_sync(address, size, flags) : 0;
}

int vfs_remapped(uint64_t old, uint64_t old_size, uint64_t address, uint64_t size)
{
    return mapping_any() ? mapping_remapped(old, old_size, address, size) : 0;
}

int64_t vfs_discard(uint64_t address, uint64_t size, uint64_t *ret_from, uint64_t *ret_to)
{
    return copies_any() ? copies_discard(address, address + size, ret_from, ret_to) : 0;
}

void vfs_protected(uint64_t address, uint64_t size, int prot)
{
    if (copies_any())
        copies_protected(address, address + size, prot);
}

int64_t vfs_remove_mapped(uint64_t address, uint64_t size)
{
    return mapping_remove(address, size);
}

bool vfs_is_mapping(uint64_t address, uint64_t size)
{
    return mapping_any() && mapping_is(address, size, false);
}

bool vfs_is_read_only_mapping(uint64_t address, uint64_t size)
{
    return mapping_any() && mapping_is(address, size, true);
}

bool vfs_any_mapping(void)
{
    return mapping_any();
}

void vfs_closing(struct file *f)
{
    struct volume_file *vf = volume_file_of(f);
    if (vf)
        locks_closing(vf);
}
