/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_audit.h: who did what, when and from where. Append-only: no function changes or removes
 * an entry. Each entry's hash covers it and the hash before it, so a later change, a gap or a
 * cut in the middle shows; whoever keeps a hash can prove a cut at the end too.
 *
 *     hash = SHA-256(hash before (32 zero bytes for the first), sequence, time, node as 64-bit
 *            big-endian numbers, then action, user, from, detail, each behind its size as a 32-bit
 *            big-endian number, then the mark)
 *     mark = SHA-256(salt (16 random bytes), name)
 *
 * The chain holds a mark of the name and not the name, so that purging a node can take its names out
 * of the trail (audit_forget(): name and salt go) and the chain still holds.
 *
 * A change's entry is part of its transaction: one is durable if and only if the other is. Reading
 * is noted in memory first and written with the next commit or audit_settle(), so that a download
 * waits for no disk; a crash loses at most what was not settled. The same user reading the same
 * content from the same place again within AUDIT_READ_PAUSE_MS is one entry. */
#ifndef COFFER_DMS_STORE_AUDIT_H
#define COFFER_DMS_STORE_AUDIT_H

#include "dms/digest.h"
#include "dms/store.h"

#define AUDIT_READ_PAUSE_MS 60000
#define AUDIT_SALT_SIZE 16
#define AUDIT_NOTES_MAX 256 /* reads in memory; then they are written at once */

struct audit_entry {
    int64_t sequence; /* from 1, without gaps */
    int64_t time_ms;
    char *action; /* "create", "read", "sign-in", ...: docs/document-audit.md lists them */
    char *user;   /* "" where nobody is signed in */
    char *from;   /* the peer's address, as an untrusted part told it */
    int64_t node; /* 0: about no node */
    char *name;   /* of the node then, or of the user it is about; "" once the node is purged */
    char *detail;
    uint8_t salt[AUDIT_SALT_SIZE]; /* zeros once the name is gone */
    uint8_t mark[DIGEST_SIZE];
    uint8_t hash[DIGEST_SIZE];
};

/* Within a step, or alone. `name` and `detail` may be NULL. */
must_check int audit_add(struct store *store, const struct actor *actor, const char *action,
                         int64_t node, const char *name, const char *detail);

/* Never fails for the reader's sake: without memory the entry is written at once. */
must_check int audit_read_note(struct store *store, const struct actor *actor, int64_t node,
                               int64_t content, const char *name, const char *detail);
bool audit_has_notes(const struct store *store);
/* Writes what was noted, as a step of the open transaction or a new one. */
must_check int audit_settle(struct store *store);

/* Newest first, before `before` (INT64_MAX: all); node 0 and user NULL: of all. */
typedef int audit_fn(void *arg, const struct audit_entry *entry);
must_check int audit_list(struct store *store, int64_t node, const char *user, int64_t before,
                          int limit, audit_fn *fn, void *arg, bool *ret_more);
/* Oldest first, after `after`. */
must_check int audit_export(struct store *store, int64_t after, int limit, audit_fn *fn, void *arg,
                            bool *ret_more);

/* Within a step: takes the names of a node that is purged out of its entries. */
must_check int audit_forget(struct store *store, int64_t node);

struct audit_head {
    int64_t sequence; /* 0: no entry yet */
    uint8_t hash[DIGEST_SIZE];
};
void audit_head_get(const struct store *store, struct audit_head *ret);

/* What the hash of an entry must be, given the one before it and the entry's mark; and whether the
 * mark is that of the name. */
bool audit_name_holds(const struct audit_entry *entry);
void audit_hash(const struct audit_entry *entry, const uint8_t before[DIGEST_SIZE],
                uint8_t ret_hash[DIGEST_SIZE]);

/* Reads the whole chain, `limit` entries at a time: start with {0}; call until `more` is false. A
 * broken chain gives -EBADMSG, and `bad` the entry at which it breaks. */
struct audit_check {
    struct audit_head at;
    int64_t bad;
};
must_check int audit_check(struct store *store, struct audit_check *check, int limit,
                           bool *ret_more);

#endif
