/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/fs.h: the file shield's state in this process, for the files of vfs/ only.
 *
 * Requests go to the owner in this process or, once it has forked, to the volume server. */
#ifndef COFFER_RUNTIME_VFS_FS_H
#define COFFER_RUNTIME_VFS_FS_H

#include "runtime/config.h"
#include "runtime/fd.h"
#include "runtime/lock.h"
#include "runtime/thread.h"
#include "runtime/vfs/owner.h"
#include "runtime/vfs/request.h"

#include <linux/limits.h>

#define FS_MOUNTS_MAX (RUNTIME_FILE_RULES_MAX + RUNTIME_SECRET_FILES_MAX + 8)
#define FS_FILE_SIZE_MAX ((INT64_C(1) << 44) - 4096)            /* as ext4's */
#define FS_MOUNT_ID(volume_) (UINT64_C(0x7fff0000) + (volume_)) /* unlike any of the host's */
#define FS_LINKS_MAX 40 /* symbolic links followed in one path, as Linux does */

enum mount_kind {
    MOUNT_HOST,
    MOUNT_VOLUME, /* encrypted or private */
    MOUNT_AUTHENTICATED,
    MOUNT_SECRET,
    MOUNT_DEVICE,  /* /dev/coffer */
    MOUNT_SPECIAL, /* /dev/null and the like; `volume` says which */
    MOUNT_DENIED,
};

struct mount {
    const char *prefix; /* absolute, normalised; "" for "/" */
    size_t prefix_size;
    enum mount_kind kind;
    uint32_t volume; /* the owner's index */
    bool read_only;
    bool hidden; /* nothing is at that path on the host, so a host call cannot reach under it */
    bool inside; /* lies inside a volume */
    const struct runtime_file_rule *rule;
    const struct runtime_secret_file *secret;
};

struct volume_client;
struct volume_file;

struct fs {
    const struct runtime_config *config;
    struct mount mounts[FS_MOUNTS_MAX]; /* the longest prefix first */
    unsigned mount_count;
    uint32_t device_minors[OWNER_VOLUMES_MAX]; /* what st_dev shows for a volume; major 0 */
    bool has_policy;
    bool redirects; /* some mount is where the host has nothing: it may be reached through a link */
    bool shadowing; /* some mount covers what the host has there: host paths must be walked */
    struct owner *owner;          /* NULL: there is none, or it is in the volume server */
    struct volume_client *remote; /* the way to the volume server */
    bool left;                    /* there is neither: see vfs_leave() */
    uint32_t client;
    _Atomic int gate;        /* requests under way; FS_GATE_CLOSED while a fork goes on */
    lock_word cwd_lock;      /* protects: cwd, and vfs_cwd of struct process */
    struct volume_file *cwd; /* a directory on a volume; NULL: the host's */
    char program[PATH_MAX];  /* what /proc/self/exe names */
};

extern struct fs g_fs;

/* Sends a request; `client` is filled in. The owner's result. */
int64_t fs_request(struct request *rq);

/* Where an open file's position is: in shared memory once there are several processes. */
struct file_position;
/* Is a rule about something below this path? */
bool fs_holds_mount(const char *path);

must_check struct file_position *fs_position(uint32_t handle, struct file_position *own);

/* Counts up when a lock goes: what to wait on for one. */
_Atomic uint32_t *fs_unlock_count(void);

/* Lets go of the volumes' host files, after owner_close() or owner_abandon(). */
void vfs_close_backends(void);

/* For what may not be torn apart by a move to the volume server. Not nested. */
void fs_gate_enter(void);
void fs_gate_leave(void);
/* Until fs_gate_open(), no request is under way but those made with fs_request_ungated(). */
void fs_gate_close(void);
/* Around what uses the owner outside a request. */
void fs_gate_enter(void);
void fs_gate_leave(void);
void fs_gate_open(void);
int64_t fs_request_ungated(struct request *rq);

/* The calling thread's identity may have changed. */
void fs_creds_changed(void);

/* The working directory if it is on a volume, with a reference; NULL: the host's. And the other way
 * round: takes the reference. A child of vfork() has one of its own. */
must_check struct volume_file *fs_cwd(void);
void fs_set_cwd(struct volume_file *vf);

/* Who the calling thread is now, and whether it has one of these powers. */
static inline const struct creds *fs_creds(void)
{
    return &thread_self()->creds;
}
static inline bool fs_may(uint32_t powers)
{
    return (fs_creds()->powers & powers) != 0;
}

/* Of a request that changes a file's bytes: see struct request. */
static inline const struct creds *fs_writer(void)
{
    return fs_may(POWER_SET_ID) ? NULL : fs_creds();
}

static inline uint32_t fs_umask(void)
{
    return atomic_load(&process_self()->vfs_umask);
}

/* Explains a refusal: which path, why (NULL: no rule names it), and what would allow it. -EACCES. */
int fs_refuse(const char *path, unsigned wishes, const struct mount *mount);
/* The same for a rule that is read-only: -EROFS. */
int fs_refuse_write(const char *path, const struct mount *mount);
/* Is `path` a directory on the way to something that a rule names? */
bool fs_leads_to_mount(const char *path, size_t size);

/* The mount with the longest prefix of normalised absolute `path`, or NULL. */
must_check const struct mount *fs_mount_of(const char *path, size_t size);
/* The mount whose prefix is exactly `path`, or NULL. */
must_check const struct mount *fs_mount_at(const char *path, size_t size);

/* The name that `mount` has in directory `dir`, or NULL if it is not right in it. */
must_check const char *fs_mount_name_in(const struct mount *mount, const char *dir, size_t size);
bool fs_mount_is_directory(const struct mount *mount);

#endif
