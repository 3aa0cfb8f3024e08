/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_marks.h: what people put on folders and documents: a star, a tag, a comment; and what
 * each opened last. Marks go when their node is purged; those of the trash are kept but not shown.
 * As store.h: one thread, -errno, results in the arena. */
#ifndef COFFER_DMS_STORE_MARKS_H
#define COFFER_DMS_STORE_MARKS_H

#include "dms/store.h"

#define FAVOURITES_MAX 1000 /* of one user */
#define RECENT_MAX 100      /* of one user; the oldest goes */
#define TAGS_MAX 32         /* of one node */
#define TAG_SIZE_MAX 64
#define COMMENT_SIZE_MAX 10000
#define COMMENTS_MAX 1000 /* of one node */

/* Keys of nodes that are not deleted, and a time for each (ms). */
struct marked {
    int64_t *keys, *times;
    size_t count;
};

/* -EDQUOT over FAVOURITES_MAX. */
must_check int favourite_set(struct store *store, int64_t user, int64_t node, bool on,
                             int64_t now_ms);
must_check int favourite_has(struct store *store, int64_t user, int64_t node, bool *ret);
must_check int favourites_get(struct store *store, struct arena *arena, int64_t user,
                              struct marked *ret);
must_check int recent_add(struct store *store, int64_t user, int64_t node, int64_t now_ms);
must_check int recent_get(struct store *store, struct arena *arena, int64_t user,
                          struct marked *ret);

/* A tag has 1 to TAG_SIZE_MAX bytes of UTF-8 without control characters or commas. */
must_check int tag_check(const char *tag); /* -EINVAL */
must_check int tags_set(struct store *store, int64_t node, const char *const *tags, size_t count);
must_check int tags_get(struct store *store, struct arena *arena, int64_t node, char ***ret_tags,
                        size_t *ret_count);
/* Each tag on each node, in the order of the tags. `tag` lives during the call. */
typedef int tag_fn(void *arg, const char *tag, int64_t node);
must_check int tags_walk(struct store *store, tag_fn *fn, void *arg);
/* At most STORE_PAGE_MAX, newest key first. */
must_check int tag_nodes(struct store *store, struct arena *arena, const char *tag,
                         struct marked *ret);

struct comment {
    int64_t key, node;
    char *user, *text;
    int64_t created_ms, edited_ms; /* 0: never */
};
/* -EDQUOT over COMMENTS_MAX. */
must_check int comment_add(struct store *store, const struct actor *actor, int64_t node,
                           const char *text, int64_t *ret_key);
must_check int comment_get(struct store *store, struct arena *arena, int64_t key,
                           struct comment *ret);
must_check int comment_edit(struct store *store, int64_t key, const char *text, int64_t now_ms);
must_check int comment_remove(struct store *store, int64_t key);
typedef int comment_fn(void *arg, const struct comment *comment);
/* Oldest first. */
must_check int comments_walk(struct store *store, int64_t node, comment_fn *fn, void *arg);

/* Within a step: the node, or the user, goes. */
must_check int marks_forget_node(struct store *store, int64_t node);
must_check int marks_forget_user(struct store *store, int64_t user);

#define MARKED_NODES(table, time) \
    "SELECT node.key, " time " FROM " table " JOIN node ON node.key = " table ".node "
#define COMMENT_COLUMNS "key, node, user, text, created_ms, edited_ms"

#define STORE_MARKS_STATEMENTS(S)                                                                 \
    S(FAVOURITE_ADD, "INSERT OR IGNORE INTO favourite(user, node, at_ms) VALUES(?1, ?2, ?3)")     \
    S(FAVOURITE_REMOVE, "DELETE FROM favourite WHERE user = ?1 AND node = ?2")                    \
    S(FAVOURITE_HAS, "SELECT 1 FROM favourite WHERE user = ?1 AND node = ?2")                     \
    S(FAVOURITE_COUNT, "SELECT count(*) FROM favourite WHERE user = ?1")                          \
    S(FAVOURITE_LIST,                                                                             \
      MARKED_NODES("favourite",                                                                   \
                   "at_ms") "WHERE favourite.user = ?1 AND trash = 0 ORDER BY at_ms DESC")        \
    S(RECENT_ADD, "INSERT OR REPLACE INTO recent(user, node, at_ms) VALUES(?1, ?2, ?3)")          \
    S(RECENT_TRIM, "DELETE FROM recent WHERE user = ?1 AND node IN (SELECT node FROM recent "     \
                   "WHERE user = ?1 ORDER BY at_ms DESC LIMIT -1 OFFSET ?2)")                     \
    S(RECENT_LIST,                                                                                \
      MARKED_NODES("recent", "at_ms") "WHERE recent.user = ?1 AND trash = 0 ORDER BY at_ms DESC") \
    S(TAG_ADD, "INSERT OR IGNORE INTO tag(node, tag) VALUES(?1, ?2)")                             \
    S(TAG_CLEAR, "DELETE FROM tag WHERE node = ?1")                                               \
    S(TAG_LIST, "SELECT tag FROM tag WHERE node = ?1 ORDER BY tag")                               \
    S(TAG_ALL, "SELECT tag, tag.node FROM tag JOIN node ON node.key = tag.node WHERE trash = 0 "  \
               "ORDER BY tag")                                                                    \
    S(TAG_NODES,                                                                                  \
      MARKED_NODES(                                                                               \
          "tag", "modified_ms") "WHERE tag = ?1 AND trash = 0 ORDER BY node.key DESC LIMIT 1000") \
    S(COMMENT_ADD, "INSERT INTO comment(node, user, text, created_ms, edited_ms) "                \
                   "VALUES(?1, ?2, ?3, ?4, 0) RETURNING key")                                     \
    S(COMMENT_COUNT, "SELECT count(*) FROM comment WHERE node = ?1")                              \
    S(COMMENT_GET, "SELECT " COMMENT_COLUMNS " FROM comment WHERE key = ?1")                      \
    S(COMMENT_LIST, "SELECT " COMMENT_COLUMNS " FROM comment WHERE node = ?1 ORDER BY key")       \
    S(COMMENT_EDIT, "UPDATE comment SET text = ?2, edited_ms = ?3 WHERE key = ?1")                \
    S(COMMENT_REMOVE, "DELETE FROM comment WHERE key = ?1")                                       \
    S(COMMENT_CLEAR, "DELETE FROM comment WHERE node = ?1")                                       \
    S(FAVOURITE_FORGET, "DELETE FROM favourite WHERE node = ?1")                                  \
    S(RECENT_FORGET, "DELETE FROM recent WHERE node = ?1")                                        \
    S(FAVOURITE_FORGET_USER, "DELETE FROM favourite WHERE user = ?1")                             \
    S(RECENT_FORGET_USER, "DELETE FROM recent WHERE user = ?1")

#define STORE_MARKS_SCHEMA                                                                \
    "CREATE TABLE favourite(user INTEGER, node INTEGER, at_ms INTEGER NOT NULL, "         \
    "PRIMARY KEY(user, node)) WITHOUT ROWID;"                                             \
    "CREATE INDEX favourite_node ON favourite(node);"                                     \
    "CREATE TABLE recent(user INTEGER, node INTEGER, at_ms INTEGER NOT NULL, "            \
    "PRIMARY KEY(user, node)) WITHOUT ROWID;"                                             \
    "CREATE INDEX recent_node ON recent(node);"                                           \
    "CREATE TABLE tag(node INTEGER, tag TEXT, PRIMARY KEY(node, tag)) WITHOUT ROWID;"     \
    "CREATE INDEX tag_tag ON tag(tag, node);"                                             \
    "CREATE TABLE comment(key INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, " \
    "user TEXT NOT NULL, text TEXT NOT NULL, created_ms INTEGER NOT NULL, "               \
    "edited_ms INTEGER NOT NULL);"                                                        \
    "CREATE INDEX comment_node ON comment(node);"

#endif
