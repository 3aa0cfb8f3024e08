/* SPDX-License-Identifier: Apache-2.0 */
/* volume/volume.h: the encrypted, log-structured store under the file shield.
 *
 * A volume is a tree of inodes like a local Linux file system's; it knows inode numbers and names,
 * no paths, no open descriptors, no permissions (the caller checks those). Every function is safe
 * on any thread. Results are 0 (or a count) or -errno as the system call would give; -EBADMSG is
 * found damage or tampering, -EKEYREJECTED an old or foreign state, -EIO a host that failed,
 * -EROFS a volume that stopped accepting writes (fenced, or a host write failed). Nothing
 * unverified is ever returned. Times are nanoseconds since 1970. */
#ifndef COFFER_VOLUME_VOLUME_H
#define COFFER_VOLUME_VOLUME_H

#include "base/error.h"
#include "base/macros.h"
#include "base/secret.h"
#include "base/slice.h"

#include <sys/types.h>

#define VOLUME_ROOT_INO 1
#define VOLUME_NAME_MAX 255
#define VOLUME_ID_SIZE 16
#define VOLUME_TAG_SIZE 32
#define VOLUME_SNAPSHOT_NAME_MAX 63

struct volume;

/* Where the bytes are kept: dir, mem or fault; see volume/backend.h. */
struct volume_backend;

enum volume_mode { VOLUME_MODE_NONE, VOLUME_MODE_PERIODIC, VOLUME_MODE_STRICT };

/* What the key broker remembers of a volume (design, section 5). */
struct volume_head {
    uint64_t epoch;               /* + 1 at every opening */
    uint8_t tag[VOLUME_TAG_SIZE]; /* SHA-256 over the newest commit record known */
    uint64_t sequence;            /* of that record; 0: freshly created, no tag yet */
};

/* What an opening was granted: until `term_ns` after `asked_ns` (CLOCK_MONOTONIC, when it was asked for,
 * not when the answer came) the authority lets nobody else in, and after a report from then on. */
struct volume_lease {
    int64_t asked_ns, term_ns;
};

/* The freshness authority: the key broker, or a local file in development. Called with no volume
 * lock that a reader needs, from the thread that commits. `ctx` is the caller's. */
struct volume_authority {
    /* Opening is a commit: given what the caller holds nothing about yet, returns the remembered
     * head with its epoch already advanced and recorded together with `opening_key_id`. */
    int (*open)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], const uint8_t opening_key_id[16],
                struct volume_head *ret_head, struct error *e);
    /* Records a new head under `epoch`. -ESTALE: fenced, another owner has opened it. -EAGAIN: the
     * authority cannot be reached, or cannot say, now. Whatever else: this owner may not go on. */
    int (*report)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head);
    /* The last head of a clean close; releases the lease. */
    int (*close)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head);
    void *ctx;
    /* Erase keys: without them, both NULL, nothing can be erased for good. The key numbered `epoch`
     * (from 1 on); one beyond the newest is made, and safely kept before this returns. -ENOKEY: it
     * has been destroyed. */
    int (*erase_key)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch,
                     struct key256 *ret_key);
    /* Destroys all keys before `epoch`. */
    int (*erase_drop)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], uint32_t epoch);
    /* Of the last open(), for VOLUME_MODE_PERIODIC; it changes what differs from 15 s since open() was
     * called. NULL: nothing does. */
    void (*lease)(void *ctx, const uint8_t id[VOLUME_ID_SIZE], struct volume_lease *lease);
};

/* Limits that decide when the store does its housekeeping. Tests make them small. */
struct volume_tuning {
    uint32_t segment_size;     /* a segment is left when it has this much, in a small volume */
    uint32_t checkpoint_size;  /* bytes of records between checkpoints */
    uint32_t checkpoint_count; /* batches between checkpoints */
    uint32_t garbage_size;     /* dead bytes that are not worth cleaning */
};

/* Copies between the caller's memory and the volume's. Fewer bytes than `size`: the caller's memory ends
 * there, and so does the read or write, with -EFAULT if not one byte was moved. */
typedef size_t volume_copy_fn(void *to, const void *from, size_t size);

struct volume_options {
    struct volume_backend *backend;           /* borrowed; outlives the volume */
    const struct key256 *key;                 /* the volume key; copied */
    uint8_t id[VOLUME_ID_SIZE];               /* checked against the superblock */
    const struct volume_authority *authority; /* NULL only with VOLUME_MODE_NONE */
    enum volume_mode mode;
    uint64_t size_max;                  /* bytes on the host; 0: only what the volume itself says */
    bool compress;                      /* volume_create(): contents, before they are encrypted */
    size_t cache_size;                  /* plaintext cache in bytes; 0: the default, small */
    int64_t (*now_ns)(void);            /* Unix time; NULL: the platform's clock */
    const struct volume_tuning *tuning; /* copied; NULL: the defaults */
    volume_copy_fn *copy; /* for callers whose memory may vanish meanwhile; NULL: it stays */
    /* Show, read-only, what still verifies of a damaged or old volume, and ask no authority which
     * state is the newest. `found` is told what had to be passed over. */
    bool salvage;
    void (*found)(void *ctx, const char *what);
    void *found_ctx;
    const char *snapshot; /* show this snapshot, read-only (-EROFS), instead of the newest state */
};

/* Kept in the volume; 0: none. */
struct volume_limits {
    uint64_t size_max;  /* bytes on the host */
    uint64_t inode_max; /* files, directories and all else */
};

struct volume_attr {
    uint64_t ino;
    uint32_t mode; /* type and permissions, as in st_mode */
    uint32_t uid, gid;
    uint32_t nlink;
    uint64_t rdev;
    uint64_t size;
    uint64_t allocated_size; /* bytes; st_blocks * 512 */
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
};

enum volume_attr_mask {
    VOLUME_ATTR_MODE = 1 << 0,
    VOLUME_ATTR_UID = 1 << 1,
    VOLUME_ATTR_GID = 1 << 2,
    VOLUME_ATTR_SIZE = 1 << 3,
    VOLUME_ATTR_ATIME = 1 << 4,
    VOLUME_ATTR_MTIME = 1 << 5,
};

struct volume_stats {
    uint64_t size_total, size_free; /* bytes */
    uint64_t inode_count;
    uint64_t host_size; /* bytes on the host */
    struct volume_head head;
    uint64_t unsynced_cut_size; /* log bytes dropped as an unsynced tail at open */
    uint64_t pinned_size;       /* bytes that only snapshots need */
    uint32_t snapshot_count;
    uint32_t erase_epoch;  /* 0: nothing can be erased for good */
    uint32_t master_epoch; /* how often everything has been rewritten under a new key */
    bool compresses;       /* contents, before they are encrypted */
};

/* Makes an empty volume in an empty backend, root directory mode 0755 owned by uid, gid. Does not
 * leave it open. -EEXIST if the backend holds anything. */
must_check int volume_create(const struct volume_options *options, uint32_t uid, uint32_t gid,
                             struct error *e);
must_check int volume_open(const struct volume_options *options, struct volume **ret_volume,
                           struct error *e);

/* Does `key` open the superblock? 0, -EBADMSG (no), or what reading gave. Touches nothing. */
must_check int volume_key_opens(struct volume_backend *backend, const uint8_t id[VOLUME_ID_SIZE],
                                const struct key256 *key);

/* Commits, reports, releases the lease, wipes keys and frees. The volume is gone even on error. */
int volume_close(struct volume *volume);

/* What was written goes to the host's page cache, encrypted: a killed process loses none of it, a power
 * failure may. 0 or -errno. */
must_check int volume_push(struct volume *volume);

/* Forgets everything without touching host or authority: for a child after fork(), and for tests
 * that play a crash. */
void volume_abandon(struct volume *volume);

/* Names. `name` is 1..255 bytes, no '/' and no NUL, not "." or "..". */
must_check int volume_lookup(struct volume *v, uint64_t dir, struct slice name, uint64_t *ret_ino);
must_check int volume_parent(struct volume *v, uint64_t dir, uint64_t *ret_ino);

/* A new inode of the type in attr->mode (regular, directory, symbolic link, fifo, socket, device)
 * with attr's permissions, owner and rdev; `target` is a symbolic link's text. */
must_check int volume_make(struct volume *v, uint64_t dir, struct slice name,
                           const struct volume_attr *attr, struct slice target, uint64_t *ret_ino);
/* An unnamed regular file (O_TMPFILE); comes back held, see volume_hold(). */
must_check int volume_make_unnamed(struct volume *v, const struct volume_attr *attr,
                                   uint64_t *ret_ino);
must_check int volume_link(struct volume *v, uint64_t ino, uint64_t dir, struct slice name);
must_check int volume_unlink(struct volume *v, uint64_t dir, struct slice name);
must_check int volume_rmdir(struct volume *v, uint64_t dir, struct slice name);
/* If that is a file's last name, the file gets VOLUME_ERASE_ATTRIBUTE: for a name that is about to go.
 * 0 also where there is nothing of that name. */
must_check int volume_erase_at_end(struct volume *v, uint64_t dir, struct slice name);
/* `flags`: RENAME_EXCHANGE, or any of RENAME_NOREPLACE and RENAME_WHITEOUT. */
must_check int volume_rename(struct volume *v, uint64_t dir, struct slice name, uint64_t new_dir,
                             struct slice new_name, unsigned flags);
/* Copies at most `size` bytes of the link's text; returns how many. */
must_check ssize_t volume_readlink(struct volume *v, uint64_t ino, char *text, size_t size);

/* Directory entries in a stable order. `cookie` 0 starts; each entry carries the cookie that
 * continues after it, which stays valid while entries come and go. Returns how many were filled; 0
 * at the end. "." and ".." are the caller's. */
struct volume_entry {
    uint64_t ino;
    uint64_t cookie;
    uint8_t type; /* DT_* */
    uint8_t name_len;
    char name[VOLUME_NAME_MAX + 1];
};
must_check int volume_readdir(struct volume *v, uint64_t dir, uint64_t cookie,
                              struct volume_entry *entries, size_t entries_max);

/* An inode that is held lives on after its last name is gone (an open, unlinked file). Holds do not
 * survive a crash: what was unlinked is reclaimed at the next open. */
must_check int volume_hold(struct volume *v, uint64_t ino);
void volume_release(struct volume *v, uint64_t ino);

must_check int volume_getattr(struct volume *v, uint64_t ino, struct volume_attr *ret_attr);
/* Applies the fields in `mask` (VOLUME_ATTR_*), all or nothing. SIZE truncates or extends. */
must_check int volume_setattr(struct volume *v, uint64_t ino, unsigned mask,
                              const struct volume_attr *attr);

/* Regular files. Reads return fewer bytes only at the end; holes read as zeros. A write is atomic
 * against a crash up to 1 MiB, and in pieces of 1 MiB beyond. `append` ignores `offset`, writes at
 * the end and returns where in *ret_offset (may be NULL). */
must_check ssize_t volume_read(struct volume *v, uint64_t ino, uint64_t offset, void *bytes,
                               size_t size);
must_check ssize_t volume_write(struct volume *v, uint64_t ino, uint64_t offset, const void *bytes,
                                size_t size);
must_check ssize_t volume_append(struct volume *v, uint64_t ino, const void *bytes, size_t size,
                                 uint64_t *ret_offset);
/* fallocate(2): FALLOC_FL_KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE. PUNCH_HOLE in a file that has the attribute
 * VOLUME_ERASE_ATTRIBUTE, whatever its value, is volume_erase() of that range; so is, for all of it,
 * removing such a file's last name, or renaming over it: at once, or when the last hold is gone. Then
 * -EOPNOTSUPP and -EBUSY mean that nothing happened; another error, that the name is gone and the
 * erasing comes at the next opening. */
#define VOLUME_ERASE_ATTRIBUTE "user.coffer.erase"
must_check int volume_allocate(struct volume *v, uint64_t ino, int mode, uint64_t offset,
                               uint64_t size);
/* lseek(2) with SEEK_DATA or SEEK_HOLE. -ENXIO past the end. */
must_check int volume_seek(struct volume *v, uint64_t ino, uint64_t offset, int whence,
                           uint64_t *ret_offset);

/* Everything the file depends on (or all, for ino 0) is on the host's disk, and in `strict` at the
 * authority, when this returns 0. */
must_check int volume_sync(struct volume *v, uint64_t ino, bool data_only);

/* Extended attributes, with the flags and results of setxattr(2) and friends. */
must_check ssize_t volume_getxattr(struct volume *v, uint64_t ino, struct slice name, void *value,
                                   size_t size);
must_check int volume_setxattr(struct volume *v, uint64_t ino, struct slice name,
                               struct slice value, int flags);
must_check ssize_t volume_listxattr(struct volume *v, uint64_t ino, char *names, size_t size);
must_check int volume_removexattr(struct volume *v, uint64_t ino, struct slice name);

/* The first inode after `after`, named or not; in salvage also where names are lost. -ENOENT. */
must_check int volume_inode_next(struct volume *v, uint64_t after, uint64_t *ret_ino);

/* Limits hold at once, also below what is there: then nothing new is taken (-ENOSPC; -EDQUOT for
 * inodes), and deleting works. Durable when it returns. */
must_check int volume_set_limits(struct volume *v, const struct volume_limits *limits);
void volume_get_limits(struct volume *v, struct volume_limits *ret_limits);

/* Gives back memory that it can get again: for a quiet moment. */
void volume_rest(struct volume *v);

void volume_statfs(struct volume *v, struct volume_stats *ret_stats);

/* Snapshots: the whole volume as it was, read-only, under a name of 1 to 63 printable characters
 * without '/'. Making one takes as long as a checkpoint; the space it pins comes back when it is
 * removed. Durable when they return. -EEXIST, -ENOENT, -EINVAL (name), -EMFILE (too many). */
struct volume_snapshot {
    char name[VOLUME_SNAPSHOT_NAME_MAX + 1];
    uint8_t uid[16];
    int64_t made_ns;
    uint64_t sequence, inode_count, size; /* size: bytes of the log it refers to */
};
must_check int volume_snapshot_make(struct volume *v, const char *name);
must_check int volume_snapshot_remove(struct volume *v, const char *name);
/* Makes the snapshot's state the newest; snapshots stay. Nothing may be held. -EBUSY. */
must_check int volume_snapshot_restore(struct volume *v, const char *name);
/* Oldest first; how many there are, of which at most `max` are filled in. */
int volume_snapshot_list(struct volume *v, struct volume_snapshot *list, size_t max);

/* A snapshot as one stream, encrypted and authenticated under `key`: whole, or what changed since the
 * snapshot `base`. The callbacks take all `size` bytes or fail with -errno; give up to `size` bytes,
 * 0 at the end. */
enum { VOLUME_STREAM_HEADER_SIZE = 64 };
typedef int volume_stream_write_fn(void *ctx, const void *bytes, size_t size);
typedef ssize_t volume_stream_read_fn(void *ctx, void *bytes, size_t size);
must_check int volume_export(struct volume *v, const char *snapshot, const char *base,
                             const struct key256 *key, volume_stream_write_fn *write, void *ctx);
/* Takes over a stream: a whole one into an empty volume, another into one that is as its base says.
 * All or nothing, whatever interrupts it: at the end the volume is what the exported snapshot
 * showed, and has that snapshot. Nothing may be held. -EBADMSG (changed, cut off, another key, or
 * no whole volume), -ESTALE (lacks the base, or has changed since), -ENOTEMPTY, -EEXIST. */
must_check int volume_import(struct volume *v, const struct key256 *key,
                             volume_stream_read_fn *read, void *ctx, struct error *e);
/* The id of the volume a stream came from. */
must_check int volume_stream_id(const uint8_t header[VOLUME_STREAM_HEADER_SIZE],
                                uint8_t id[VOLUME_ID_SIZE]);

/* Another volume key (`key` may be NULL: the same): the master key is wrapped anew, no data is
 * touched, and the old key opens nothing that is on the disk from then on. `anew`: also another
 * master key, and every segment is rewritten under it, so that not even both, the old key and a copy
 * of the old disk, help with what is written from now on. Interrupted, the volume opens with the
 * old key or the new one; volume_is_rewriting() says that a rewriting waits to be ended by another
 * call with `anew`. -EBUSY: snapshots cannot be rewritten; remove them first. */
must_check int volume_rekey(struct volume *v, const struct key256 *key, bool anew);
bool volume_is_rewriting(struct volume *v);

/* Erases contents for good: `size` bytes at `offset` of each file read as zeros afterwards, or, with
 * offset 0 and size UINT64_MAX, the files are empty; and nobody can read what was there any more,
 * not from this disk and not from any older copy of it, whatever keys they have, but with the erase
 * key that the authority destroys here. Everything that shares a segment with these contents is
 * rewritten: slow. Names and attributes are not covered. -EOPNOTSUPP: the authority keeps no erase
 * keys. -EBUSY: a snapshot has the contents. */
must_check int volume_erase(struct volume *v, const uint64_t *inos, size_t count, uint64_t offset,
                            uint64_t size);

struct volume_files {
    uint64_t *inos; /* the caller frees them */
    size_t count, capacity;
};

/* Adds the regular files at and, with `below`, below `ino`. -EISDIR: a directory, without `below`; -ELOOP:
 * deeper than 128 directories, so not all are there; -ENOMEM. */
must_check int volume_files_find(struct volume *v, uint64_t ino, bool below,
                                 struct volume_files *files);

/* The same by name: erases all regular files at and below `path` (from the root of the volume, links
 * are not followed), then removes it, unless it is the root. 0 also if there is none. Durable after
 * volume_sync(). */
must_check int volume_erase_path(struct volume *v, const char *path);

/* Reads and verifies everything. Calls `damage` for each finding (in words a person can act on);
 * returns how many, or -errno if it could not go on. */
typedef void volume_damage_fn(void *ctx, const char *what);
must_check int volume_check(struct volume *v, volume_damage_fn *damage, void *ctx);

#endif
