/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_derived.h: what programs make of contents: the text of a PDF, small pictures. By content,
 * not by document, so versions and copies share it; each result is a content of its own and goes with
 * what it was made of. What is to be made is decided by the first bytes of a content, never by what
 * its sender says, and stands in the database until it is done. As store.h: one thread, -errno. */
#ifndef COFFER_DMS_STORE_DERIVED_H
#define COFFER_DMS_STORE_DERIVED_H

#include "dms/store.h"

/* In the database: never renumber. DERIVED_LOOK: what a content is has not been looked at yet. */
enum derived_kind {
    DERIVED_LOOK = 0,
    DERIVED_PDF_TEXT = 1,
    DERIVED_PDF_THUMBNAIL = 2,
    DERIVED_IMAGE_THUMBNAIL = 3,
    DERIVED_KIND_COUNT
};

/* Where nothing could be made there is a row with result 0, so that it is not tried again. */
#define STORE_DERIVED_SCHEMA                                                                      \
    "CREATE TABLE derived(content INTEGER, kind INTEGER, result INTEGER NOT NULL, "               \
    "width INTEGER NOT NULL, height INTEGER NOT NULL, PRIMARY KEY(content, kind)) WITHOUT ROWID;" \
    "CREATE TABLE to_derive(kind INTEGER, content INTEGER, PRIMARY KEY(kind, content)) "          \
    "WITHOUT ROWID;"                                                                              \
    "CREATE TABLE awaiting(content INTEGER, node INTEGER, PRIMARY KEY(content, node)) "           \
    "WITHOUT ROWID;"                                                                              \
    "INSERT INTO to_derive SELECT 0, key FROM content;"                                           \
    "INSERT INTO awaiting SELECT content, key FROM node WHERE kind = 2 AND content <> 0 AND "     \
    "type LIKE 'application/pdf%';"

#define STORE_DERIVED_STATEMENTS(S)                                                              \
    S(TO_DERIVE_ADD, "INSERT OR IGNORE INTO to_derive(kind, content) VALUES(?1, ?2)")            \
    S(TO_DERIVE_NEXT, "SELECT content FROM to_derive WHERE kind = ?1 ORDER BY content LIMIT 1")  \
    S(TO_DERIVE_HAS, "SELECT 1 FROM to_derive WHERE kind = ?1 AND content = ?2")                 \
    S(TO_DERIVE_REMOVE, "DELETE FROM to_derive WHERE kind = ?1 AND content = ?2")                \
    S(TO_DERIVE_FORGET, "DELETE FROM to_derive WHERE kind IN (0, 1, 2, 3) AND content = ?1")     \
    S(DERIVED_ADD, "INSERT INTO derived(content, kind, result, width, height) "                  \
                   "VALUES(?1, ?2, ?3, ?4, ?5)")                                                 \
    S(DERIVED_GET, "SELECT result, width, height FROM derived WHERE content = ?1 AND kind = ?2") \
    S(DERIVED_THUMBNAIL, "SELECT derived.result, width, height, size FROM derived JOIN content " \
                         "ON content.key = derived.result WHERE derived.content = ?1 AND "       \
                         "kind IN (2, 3)")                                                       \
    S(DERIVED_FORGET, "DELETE FROM derived WHERE content = ?1 RETURNING result")                 \
    S(AWAITING_ADD, "INSERT OR IGNORE INTO awaiting(content, node) VALUES(?1, ?2)")              \
    S(AWAITING_NEXT, "SELECT node FROM awaiting WHERE content = ?1 LIMIT 1")                     \
    S(AWAITING_REMOVE, "DELETE FROM awaiting WHERE content = ?1 AND node = ?2")                  \
    S(AWAITING_FORGET, "DELETE FROM awaiting WHERE content = ?1")

/* What can be made of a content that begins with `head`: a bit (1 << kind) for each kind. */
#define DERIVED_HEAD_SIZE 1024
unsigned derived_kinds(struct slice head);

/* The next content of which one of `kinds` (bits) is to be made. -ENOENT: there is none. */
must_check int derived_next(struct store *store, unsigned kinds, int64_t *ret_content,
                            enum derived_kind *ret_kind);
/* Looks at up to `limit` contents that were there before this part of the store was, as a step of its own.
 * 1: there are more; 0. */
must_check int derived_look(struct store *store, int limit);
/* It is made: `result`, or nothing if that is empty; a step of its own. Does nothing where the content is
 * gone by now. A text goes into the index of every document that waits for it. */
must_check int derived_set(struct store *store, int64_t content, enum derived_kind kind,
                           struct slice result, int width, int height);

struct thumbnail {
    int64_t content; /* its own */
    int64_t size;
    int width, height;
};
/* -ENOENT: there is none (yet). */
must_check int derived_thumbnail(struct store *store, int64_t content, struct thumbnail *ret);

#endif
