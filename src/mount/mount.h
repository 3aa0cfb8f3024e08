/* SPDX-License-Identifier: Apache-2.0 */
/* mount/mount.h: a volume shown through FUSE (libfuse 3, the low-level interface), so that programs
 * outside a runtime can use it. The kernel of this machine then sees plaintext: for machines that
 * are trusted.
 *
 * Caches. Nobody else can change an open volume, so the kernel may keep names, attributes and pages
 * for as long as it likes. Written pages stay in the kernel until it writes them back, fsync() or
 * close(); from there to the disk they go with fsync(), or with the timer. */
#ifndef COFFER_MOUNT_MOUNT_H
#define COFFER_MOUNT_MOUNT_H

#define FUSE_USE_VERSION 314

#include "volume/local.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>

struct lookup_table;

struct mount {
    struct volume *volume;
    struct lookup_table *lookups;
    struct fuse_session *session;
    const char *point;
    bool read_only, writeback;
    uint64_t commit_s;        /* what changed is synced this often; 0: by fsync() only */
    _Atomic uint64_t changes; /* requests that changed something */
    _Atomic bool ended;
    int ready_fd; /* a byte goes here when the kernel has greeted; -1: nobody waits */
};

/* ops.c: what the kernel asks. */
extern const struct fuse_lowlevel_ops mount_ops;

/* --- lookups.c: how often the kernel has been given each inode. Safe on any thread. --- */

must_check int lookups_new(struct lookup_table **ret_table);
void lookups_free(struct lookup_table *table);
/* -ENOMEM. */
must_check int lookups_add(struct lookup_table *table, uint64_t ino);
/* The kernel forgets `count` of them. True if that was the last and the inode was kept. */
bool lookups_forget(struct lookup_table *table, uint64_t ino, uint64_t count);
/* The inode has lost its last name and is held in the volume: true if the kernel still knows it, so
 * that the hold goes with the last of its lookups. */
bool lookups_keep(struct lookup_table *table, uint64_t ino);

/* --- wire.c: what libfuse does not know of the protocol. --- */

/* For a session that is mounted and has not greeted yet. 0 or -errno. */
must_check int wire_attach(struct fuse_session *session);
/* Does the request that this thread serves take set-id bits from the file? */
bool wire_kills_set_id(void);

/* --- session.c --- */

/* The kernel has greeted: whoever waits is told, and from here on the log goes to syslog. */
void mount_ready(struct mount *m);

/* Serves until unmounted or told to end; closes the volume. The exit status. */
int mount_serve(struct mount *m, struct fuse_args *args, unsigned threads);

#endif
