/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store.h: one client's folders, documents, versions, users and sessions, in SQLite and content
 * files under one directory. Knows nothing of HTTP. One thread only.
 *
 *     DIR/coffer.db (+ -wal)   metadata, and contents up to STORE_INLINE_MAX
 *     DIR/content/NAME         larger contents, immutable, one file each, named at random; the
 *                              same bytes once, though each upload is a content of its own
 *     DIR/incoming/NAME        the same before their commit
 *
 * Durability: a larger content is written to incoming/ and synced (content_sync()) before the
 * transaction that names it commits; only then it moves to content/. So at start whatever is left
 * in incoming/ is moved if the database names it and deleted if not, and nothing else is searched.
 * Files to delete stand in a table until they are gone.
 *
 * Writes join one open transaction, each in a savepoint of its own; store_commit() makes all of
 * them durable with one sync. Nothing may be acknowledged before it returns 0. Reads see what is
 * not committed yet, so their answers wait for the commit too (store_in_transaction()).
 *
 * Errors: -ENOENT, -EEXIST (the name is taken), -EINVAL (a rule of names or trees), -ETXTBSY (the
 * document is checked out), -ENOSPC, -EQUOTA_... (what the user may store), -EIO, -ENOMEM. Texts of
 * results live in the arena given. */
#ifndef COFFER_DMS_STORE_H
#define COFFER_DMS_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "dms/digest.h"

#include <errno.h>

/* No call of the system gives these to us. */
#define EQUOTA_BYTES ENOSR
#define EQUOTA_DOCUMENTS EUSERS

#define STORE_ROOT 1 /* the root folder's key */
#define STORE_INLINE_MAX ((size_t)32 << 10)
#define STORE_GATHER_SIZE ((size_t)128 << 10)
#define STORE_NAME_SIZE_MAX 255
#define STORE_DEPTH_MAX 64
#define STORE_PAGE_MAX 1000
#define STORE_PROPERTIES_MAX 64
#define STORE_PROPERTY_NAME_MAX 128
#define STORE_PROPERTY_VALUE_MAX 4096

struct store;

must_check int store_open(const char *directory, struct store **ret_store, struct error *e);
/* Checkpoints and closes; an open transaction is rolled back. */
void store_close(struct store *store);

bool store_in_transaction(const struct store *store);
/* 0: everything since the last commit is durable. On failure all of it is undone. */
must_check int store_commit(struct store *store);
/* What was done since the last commit must not become durable: the next commit fails. */
void store_spoil(struct store *store);
/* Gives memory back and shortens the write-ahead log. For when nothing is going on. */
void store_rest(struct store *store);

/* Several changes that are one: begin, then end with the result so far, which undoes all of it if it
 * is negative, and is returned. May nest; every single change below is a step already. */
must_check int store_step_begin(struct store *store);
must_check int store_step_end(struct store *store, int result);

/* Contents */

struct content {
    int64_t key;
    int64_t size;
    char *file;       /* name under content/, or NULL: then it is inline */
    struct buf bytes; /* inline; filled by content_load() only */
};

/* One being received. Starts as {.fd = -1}; content_drop() always ends it. */
struct content_draft {
    int fd; /* -1 while it is small */
    char file[33];
    int64_t size;
    struct buf bytes; /* all of it while small, then what is not written yet */
    struct digest_state digest;
    int64_t digested; /* of so many bytes, from the first; content_sync() does the rest */
};
must_check int content_draft_write(struct store *store, struct content_draft *draft,
                                   struct slice bytes);
/* Makes a file of incoming/ whole and durable, and its digest too: may be called on another thread. 0 or -errno. Always
 * needed before the content is used; nothing to do for a small one. */
must_check int content_sync(struct content_draft *draft, int incoming_fd);
int store_incoming_fd(const struct store *store);
void content_drop(struct store *store, struct content_draft *draft);

/* Files whose contents are gone wait to be deleted; each change's commit deletes them, or with
 * store_sweep_later() whoever asks for them here, so that it can be done on another thread. A file is
 * erased as it is deleted: on a volume of ours nobody can read it again, not from old copies either
 * (docs/volume.md); elsewhere, or where the volume cannot, it is just deleted. */
void store_sweep_later(struct store *store);
bool store_has_doomed(const struct store *store);
#define DOOMED_NAME_SIZE 33
/* At most `max` names behind `after` ("": from the first), DOOMED_NAME_SIZE bytes each with their 0. Until
 * more are doomed store_has_doomed() is false then. */
must_check int doomed_list(struct store *store, const char *after, struct buf *ret_names,
                           size_t max);
/* The last of a list, behind which the next goes on. */
void doomed_last(const struct buf *names, char last[DOOMED_NAME_SIZE]);
/* Deletes the files: on any thread. In `names` stay those that are gone now. How many could not be
 * erased though the volume has the means, or not even deleted. */
size_t doomed_erase(const struct store *store, struct buf *names);
/* They are gone: a change of its own, to be committed. */
must_check int doomed_forget(struct store *store, const struct buf *names);

/* Fills *bytes with an inline content, or opens the file: exactly one of both (*ret_fd is -1). A
 * negative key is minus a document's: the text that the full-text index has of it. */
must_check int content_load(struct store *store, int64_t key, struct buf *bytes, int *ret_fd,
                            int64_t *ret_size);

/* Nodes */

/* Items, relationships and policies are CMIS's; only its bindings show them. */
enum node_kind {
    NODE_FOLDER = 1,
    NODE_DOCUMENT = 2,
    NODE_ITEM = 3,
    NODE_RELATIONSHIP = 4,
    NODE_POLICY = 5,
};

struct node {
    int64_t key;
    int64_t parent; /* 0: the root; negative: in no folder */
    enum node_kind kind;
    char *name;
    int64_t revision; /* changes with every change of the node */
    int64_t created_ms, modified_ms;
    char *created_by, *modified_by;
    bool has_properties;
    int64_t trash; /* key of the node that was deleted; 0: not deleted */
    int64_t trashed_ms;
    /* Documents: the current version */
    int64_t version;
    int64_t content;
    int64_t size;
    char *type;
    /* CMIS */
    char *cmis_type;     /* NULL: the base type */
    int64_t checked_out; /* number of the private working copy; 0: none */
    char *checked_out_by;
    int64_t numbers_used; /* of versions that are gone */
    int acl;              /* 0: inherits; 1: and has entries; 2: has entries alone */
};

/* Who does it and when; part of every change. */
struct actor {
    const char *user;
    int64_t now_ms;
    const char *from; /* the peer's address, or NULL; see call_from() */
};

/* Also finds deleted nodes; the caller looks at `trash`. */
must_check int node_get(struct store *store, struct arena *arena, int64_t key, struct node *ret);
must_check int node_child(struct store *store, struct arena *arena, int64_t parent,
                          const char *name, struct node *ret);

/* 0 if `name` may name a node, -EINVAL otherwise. */
must_check int node_name_check(const char *name);

must_check int folder_create(struct store *store, const struct actor *actor, int64_t parent,
                             const char *name, int64_t *ret_key);
/* Takes the draft's content. */
must_check int document_create(struct store *store, const struct actor *actor, int64_t parent,
                               const char *name, const char *type, struct content_draft *draft,
                               int64_t *ret_key);
must_check int document_update(struct store *store, const struct actor *actor, int64_t key,
                               const char *type, struct content_draft *draft);
/* A new version that shares the content of another document's current one. */
must_check int document_update_from(struct store *store, const struct actor *actor, int64_t key,
                                    int64_t from);
/* Shares the content of the current version. */
must_check int document_copy(struct store *store, const struct actor *actor, int64_t key,
                             int64_t parent, const char *name, int64_t *ret_key);

/* Renames and moves. -EINVAL: a folder into itself, or too deep. */
must_check int node_move(struct store *store, const struct actor *actor, int64_t key,
                         int64_t parent, const char *name);

struct property {
    char *name, *value;
};
must_check int properties_get(struct store *store, struct arena *arena, int64_t key,
                              struct property **ret, size_t *ret_count);
/* Appends the words that the full-text index has of a document's content, which takes in what is new
 * first. -ENOENT: there are none, or not yet. */
must_check int document_text(struct store *store, const struct node *node, struct buf *out);

/* Replaces all of them. */
must_check int properties_set(struct store *store, const struct actor *actor, int64_t key,
                              const struct property *properties, size_t count);

struct version {
    int64_t number;
    int64_t content;
    int64_t size;
    char *type;
    int64_t created_ms;
    char *created_by;
};
must_check int version_get(struct store *store, struct arena *arena, int64_t key, int64_t number,
                           struct version *ret);
/* Makes an old version's content the newest version. */
must_check int version_restore(struct store *store, const struct actor *actor, int64_t key,
                               int64_t number);

/* To the trash, with all that is below. -EINVAL for the root. */
must_check int node_trash(struct store *store, const struct actor *actor, int64_t key);
/* Back to where it was, or to `parent` if that is not 0. -EEXIST: the name is taken by now; -ENOENT:
 * it is not in the trash, or its folder is not there any more. */
must_check int node_restore(struct store *store, const struct actor *actor, int64_t key,
                            int64_t parent);
/* For good, of what is in the trash. */
must_check int node_purge(struct store *store, const struct actor *actor, int64_t key);

/* Lists. Each calls fn for up to `limit` rows after `after` and tells whether there are more. */
typedef int node_fn(void *arg, const struct node *node);
typedef int version_fn(void *arg, const struct version *version);
must_check int node_children(struct store *store, int64_t parent, const char *after, int limit,
                             node_fn *fn, void *arg, bool *ret_more);
/* Newest first; `before` is a key, INT64_MAX for the first page. */
must_check int node_search(struct store *store, const char *words, const char *property,
                           const char *value, int64_t before, int limit, node_fn *fn, void *arg,
                           bool *ret_more);
must_check int node_trashed(struct store *store, int64_t before, int limit, node_fn *fn, void *arg,
                            bool *ret_more);
must_check int version_list(struct store *store, int64_t key, int64_t before, int limit,
                            version_fn *fn, void *arg, bool *ret_more);

/* Users and sessions */

enum role { ROLE_USER = 0, ROLE_ADMIN = 1 };

struct user {
    int64_t key;
    char *name;
    enum role role;     /* by itself or by a group */
    enum role own_role; /* by itself */
    char *hash;         /* Argon2's own encoding */
    bool must_change;
    int64_t created_ms;
};
must_check int user_find(struct store *store, struct arena *arena, const char *name,
                         struct user *ret);
must_check int user_by_key(struct store *store, struct arena *arena, int64_t key, struct user *ret);
must_check int user_add(struct store *store, const char *name, enum role role, const char *hash,
                        bool must_change, int64_t now_ms);
/* `role`: the own one. -EBUSY, as with the removal: no administrator would be left. */
must_check int user_change(struct store *store, int64_t key, enum role role, const char *hash,
                           bool must_change);
/* With all that names the user, so that whoever gets the name later gets nothing of it: sessions,
 * tokens, groups, links, access entries, unfinished uploads and WebDAV locks; comments and documents
 * that are checked out stay, under a name that no user can have; web hooks stay, paused. */
must_check int user_remove(struct store *store, const struct actor *actor, const struct user *user);
typedef int user_fn(void *arg, const struct user *user);
must_check int user_list(struct store *store, const char *after, int limit, user_fn *fn, void *arg,
                         bool *ret_more);
must_check int user_counts(struct store *store, int64_t *ret_users, int64_t *ret_admins);

#define TOKEN_HASH_SIZE 32
must_check int session_add(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], int64_t user,
                           int64_t expires_s, int64_t now_s);
/* The user of a live session. */
must_check int session_find(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], int64_t now_s,
                            int64_t *ret_user);
must_check int session_remove(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE]);
/* All of a user's, but the one with hash `except` (may be NULL). */
must_check int session_remove_all(struct store *store, int64_t user, const uint8_t *except);

/* What a user may do with a node by its access list and those of the folders above. 0, -ENOENT: may
 * not even see it, -EACCES. Administrators may do everything. */
enum access_right { ACCESS_READ, ACCESS_WRITE, ACCESS_ALL /* and its access list */ };
must_check int access_check(struct store *store, const struct user *user, const struct node *node,
                            enum access_right right);

/* Small facts about the store itself, by name. -ENOENT. */
must_check int setting_get(struct store *store, struct arena *arena, const char *name,
                           char **ret_value);
must_check int setting_set(struct store *store, const char *name, const char *value);

struct store_counts {
    int64_t documents, folders, trashed;
};
must_check int store_count(struct store *store, struct store_counts *ret_counts);

#endif
