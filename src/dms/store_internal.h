/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_internal.h: what the files of the store share. */
#ifndef COFFER_DMS_STORE_INTERNAL_H
#define COFFER_DMS_STORE_INTERNAL_H

#include "dms/store.h"
#include "dms/store_derived.h"
#include "dms/store_statements.h"

#include <sqlite3.h>

#define DAV_LOCK_COLUMNS "token, node, shared, deep, owner, user, expires_s"

#define STATEMENT_ID(id, sql) STMT_##id,
enum statement { STORE_STATEMENTS(STATEMENT_ID) STMT_COUNT };

#define STEP_DEPTH_MAX 8

struct store {
    sqlite3 *db;
    int dir_fd, content_fd, incoming_fd;
    sqlite3_stmt *statements[STMT_COUNT];
    bool in_transaction;
    int64_t node_next, content_next; /* keys are never used again: see keys_load() */
    int64_t indexed;                 /* nodes up to this key are in the full-text index */
    bool purged;                     /* the index still holds words of what was purged */
    bool to_derive;                  /* something may be to be made: see store_derived.h */
    bool has_doomed;                 /* files to delete after the commit */
    bool sweeps_later;               /* by who asks for them */
    bool broken;                     /* a step could not be undone */
    struct store_audit *audit;
    int64_t factors; /* second factors there are; -1: to be counted */
    /* Of `committing`, when each step that is open began. */
    size_t step_marks[STEP_DEPTH_MAX];
    size_t step_depth;
    /* Type definitions, kept by the CMIS model; forgotten at rest and when a change is undone. */
    void *types;
    void (*types_forget)(struct store *store);
    struct buf committing; /* names in incoming/ that this transaction makes good, 32 bytes each */
};

/* A statement ready for binding; NULL without memory or if the database is broken. Always hand it
 * to stmt_done(). */
must_check sqlite3_stmt *store_stmt(struct store *store, enum statement id);
void stmt_done(sqlite3_stmt *stmt);
void stmt_donep(sqlite3_stmt **stmt);

/* Steps once: 1 a row, 0 done, -errno. */
must_check int store_step(struct store *store, sqlite3_stmt *stmt);
/* The -errno for what just failed in SQLite. */
must_check int store_errno(struct store *store, int sqlite_code);

/* Binds by the letters of `kinds`: i int64_t, s const char * (NULL: null), d double, b struct slice.
 * Static: what is bound must live until stmt_done(). Runs a statement that yields no row. */
must_check int store_run(struct store *store, enum statement id, const char *kinds, ...);
/* Binds and leaves the statement for stepping; NULL as store_stmt(). */
must_check sqlite3_stmt *store_query(struct store *store, enum statement id, const char *kinds,
                                     ...);

/* A text column as the arena's; NULL if it is null or without memory. */
char *column_text(sqlite3_stmt *stmt, int column, struct arena *arena);

/* A key was given up: makes sure that it is not used again after a start. */
must_check int key_retire(struct store *store, const char *setting, int64_t key, int64_t next);
must_check int number_store(struct store *store, const char *name, int64_t number);
/* What the store keeps in memory of the database; again after a rollback. */
must_check int keys_load(struct store *store);

/* Adds a content with the draft's bytes, refs 0. The second: one that was made of another, of which
 * nothing is made in turn. */
must_check int content_add(struct store *store, struct content_draft *draft, int64_t *ret_key);
must_check int content_add_result(struct store *store, struct content_draft *draft,
                                  int64_t *ret_key);
must_check int content_ref(struct store *store, int64_t key, int by);
/* The content `key` with the draft's bytes behind it, under a new key, without copying what is
 * there: for a file that one version alone refers to; -EMLINK for any other. What a crash or an undone
 * step leaves behind the file's end does not count: the row has the size. The digest is not known
 * then. */
must_check int content_grow(struct store *store, int64_t key, const struct content_draft *draft,
                            int64_t *ret_key);
/* In the step that content_grow() gave `grown` in, and that will be undone: the file has `size` bytes
 * again, as before. */
void content_cut(struct store *store, int64_t grown, int64_t size);
/* Deletes the files whose rows are gone. */
void content_sweep(struct store *store);
/* After a crash: settles what is in incoming/. */
must_check int content_recover(struct store *store);

/* What has changed, for whoever follows (CMIS: getContentChanges). `number`: of a document's
 * version. */
enum change_kind { CHANGE_CREATED, CHANGE_UPDATED, CHANGE_DELETED, CHANGE_SECURITY };
must_check int change_add(struct store *store, const struct actor *actor, int64_t key,
                          int64_t number, enum change_kind kind);
/* The same under another name in the audit trail, which change_add() writes too. */
must_check int change_note(struct store *store, const struct actor *actor, int64_t key,
                           int64_t number, enum change_kind kind, const char *action);

/* Within a step: */
must_check int version_last(struct store *store, int64_t key, int64_t *ret_number,
                            int64_t *ret_major);
/* 0 if `name` may be given to something in the folder. -EEXIST only speaks of what is filed there
 * beside its own things, for which the row's index is. `but`: this node may have it. */
must_check int node_place_check(struct store *store, int64_t parent, const char *name, int64_t but);
must_check int filed_check(struct store *store, int64_t parent, const char *name, int64_t but);
must_check int folder_depth_check(struct store *store, int64_t parent); /* may hold a folder */
/* A row with the key store->node_next is there now. */
must_check int node_added(struct store *store, const struct actor *actor, int64_t number);
must_check int trash_put(struct store *store, const struct actor *actor, const struct node *node);
/* For good, with all that names it. */
must_check int node_drop(struct store *store, int64_t key);

/* Users: owns `stmt`, whose rows are USER_COLUMNS, at most `limit` and one more. */
must_check int users_walk(struct store *store, sqlite3_stmt *stmt, int limit, user_fn *fn,
                          void *arg, bool *ret_more);
/* Before a step ends: 0 if there is an administrator, else -EBUSY. */
must_check int admin_left_check(struct store *store);

/* store_room.c: a little room on the disk for deleting. */
void room_keep(struct store *store); /* at start and at rest */
void room_use(struct store *store);  /* before something is deleted */

/* The audit trail's part of store_open() and store_close(), and again after a rollback. */
must_check int audit_open(struct store *store);
must_check int audit_reload(struct store *store);
void audit_close(struct store *store);
void audit_ended(struct store *store, bool committed); /* the transaction */

void node_read(sqlite3_stmt *stmt, struct arena *arena, struct node *ret);
/* The index takes in new nodes late and many at once, which costs a fraction of one by one: before
 * a search, at rest, and every SEARCH_PENDING_MAX nodes: of more, SQLite keeps more pages in memory to
 * undo a step with (6 MiB for 1,000). Until then these do nothing for them. */
#define SEARCH_PENDING_MAX 150
must_check int search_settle(struct store *store);     /* of so many, within a step */
must_check int search_settle_all(struct store *store); /* outside of one */
static inline bool search_pending(const struct store *store)
{
    return store->indexed + 1 < store->node_next;
}
/* The index entry for a node as it is now. */
must_check int search_add(struct store *store, const struct node *node);
must_check int search_remove(struct store *store, const struct node *node);
/* The entry again, with the words of the content it has now. Before the row changes otherwise. */
must_check int search_content(struct store *store, const struct node *node);

/* Text of contents: store_extract.c. What is indexed of one is at most EXTRACT_SIZE_MAX long. */
#define EXTRACT_SIZE_MAX ((size_t)1 << 20)
must_check int extract_get(struct store *store, int64_t key, struct buf *out);
bool extract_knows(const char *type); /* whether there are words in such contents */
must_check int extract_update(struct store *store, const struct node *node);

/* store_derived.c, within a step: a new content, in `fd` or else in `bytes`, is looked at; one goes, or is
 * another from now on. */
must_check int derived_want(struct store *store, int64_t content, int fd, struct slice bytes);
must_check int derived_forget(struct store *store, int64_t content);
/* The text of a document's content; nothing if there is none, or not yet: then the document waits for it. */
must_check int derived_text(struct store *store, const struct node *node, struct buf *bytes);

#endif
