/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_fixity.h: a walk over all contents that tells whether their bytes are still those that
 * came in, by their SHA-256; what it found and how far it is. Reads no files: fixity.c does, away
 * from the loop. As store.h: one thread, -errno. */
#ifndef COFFER_DMS_STORE_FIXITY_H
#define COFFER_DMS_STORE_FIXITY_H

#include "dms/store.h"

/* One content to be looked at. */
struct fixity_item {
    int64_t key, size;
    bool in_file;
    bool has_digest;
    uint8_t digest[DIGEST_SIZE];
};
/* The next behind `after`; of contents that share a file the first alone. -ENOENT: that was all. */
must_check int fixity_next(struct store *store, int64_t after, struct fixity_item *ret);

/* Where a walk is, as of the last fixity_place_set(). */
struct fixity_place {
    int64_t key;                /* the last content that was looked at */
    int64_t begun_ms, ended_ms; /* of the walk; ended_ms 0: it is under way */
    int64_t contents, bytes;    /* looked at in it */
};
must_check int fixity_place_get(struct store *store, struct fixity_place *ret);
must_check int fixity_place_set(struct store *store, const struct fixity_place *place);

/* What reading gave: the digest, or NULL with what is wrong ("missing", "short", "unreadable"). The
 * content and all that share its file are noted as damaged ("changed" if the digest is another), or
 * as well again. Where no digest was known this one is from now on. *ret_damaged: whether this is
 * news of damage. A content that has gone meanwhile is nothing. */
must_check int fixity_note(struct store *store, const struct actor *actor,
                           const struct fixity_item *item, const uint8_t *digest, const char *wrong,
                           bool *ret_damaged);

struct damage {
    int64_t content; /* behind which a list goes on */
    int64_t found_ms;
    const char *kind;
    int64_t node, number; /* of the document and its version */
    const char *name;
    int64_t trash;
};
typedef int damage_fn(void *arg, const struct damage *damage);
/* Each version whose content is damaged; of at most `limit` contents behind `after`. Texts live
 * during the call. */
must_check int damage_list(struct store *store, int64_t after, int limit, damage_fn *fn, void *arg,
                           int64_t *ret_last, bool *ret_more);
must_check int damage_count(struct store *store, int64_t *ret);

#define STORE_FIXITY_STATEMENTS(S)                                                               \
    S(FIXITY_NEXT, "SELECT key, size, file IS NOT NULL, digest FROM content WHERE key > ?1 AND " \
                   "(file IS NULL OR NOT EXISTS (SELECT 1 FROM content AS other WHERE "          \
                   "other.file = content.file AND other.key < content.key AND other.size = "     \
                   "content.size)) ORDER BY key LIMIT 1")                                        \
    S(FIXITY_ALIKE, "SELECT other.key FROM content JOIN content AS other ON other.key = "        \
                    "content.key OR (other.file = content.file AND other.size = content.size) "  \
                    "WHERE content.key = ?1")                                                    \
    S(FIXITY_DIGEST, "UPDATE content SET digest = ?2 WHERE key = ?1 AND digest IS NULL")         \
    S(DAMAGE_GET, "SELECT 1 FROM damage WHERE content = ?1")                                     \
    S(DAMAGE_SET, "INSERT OR IGNORE INTO damage(content, found_ms, kind) VALUES(?1, ?2, ?3)")    \
    S(DAMAGE_CLEAR, "DELETE FROM damage WHERE content = ?1")                                     \
    S(DAMAGE_COUNT, "SELECT count(*) FROM damage")                                               \
    S(DAMAGE_LIST, "SELECT content, found_ms, kind FROM damage WHERE content > ?1 ORDER BY "     \
                   "content LIMIT ?2")                                                           \
    S(DAMAGE_NODES, "SELECT node.key, version.number, coalesce(version.name, node.name), "       \
                    "node.trash FROM version JOIN node ON node.key = version.node WHERE "        \
                    "version.content = ?1 ORDER BY node.key, version.number")

#define STORE_FIXITY_SCHEMA                                                        \
    "CREATE TABLE damage(content INTEGER PRIMARY KEY, found_ms INTEGER NOT NULL, " \
    "kind TEXT NOT NULL);"                                                         \
    "CREATE TRIGGER content_removed AFTER DELETE ON content BEGIN "                \
    "DELETE FROM damage WHERE content = OLD.key; END;"                             \
    "CREATE TRIGGER content_grown AFTER UPDATE OF key ON content BEGIN "           \
    "DELETE FROM damage WHERE content = OLD.key; END;"

#endif
