/* SPDX-License-Identifier: Apache-2.0 */
/* dms/export.h: all that a store has, as one archive in an open layout (docs/export.md): a tar file
 * with contents as files and everything else as JSON. Written bit by bit: each document is whole as
 * it is when its turn comes, by key. Secrets (password hashes, tokens, second factors) are not in it.
 * Knows nothing of HTTP. One thread, the store's. */
#ifndef COFFER_DMS_EXPORT_H
#define COFFER_DMS_EXPORT_H

#include "dms/store.h"

#define EXPORT_FORMAT 1

struct export;
/* `rescue`: whatever cannot be read any more is named in the member damage.json, and everything else is
 * written; without, it ends the archive. */
must_check int export_new(struct store *store, int64_t now_ms, bool rescue,
                          struct export **ret_export);
/* How much was found that is not as it was stored. */
uint64_t export_damage_count(const struct export *export);
void export_free(struct export *export);
/* Appends what comes next, some 100 KiB; *ret_ended with the last. Only while no transaction is open.
 * -errno: the archive cannot be finished. A content that cannot be opened is left out, and its
 * version says so. */
must_check int export_write(struct export *export, struct buf *out, bool *ret_ended);

#define EXPORT_STATEMENTS(S)                                                                      \
    S(EXPORT_NODE, "SELECT " NODE_COLUMNS " FROM node WHERE key > ?1 ORDER BY key LIMIT 1")       \
    S(EXPORT_LAST, "SELECT max(key) FROM node")                                                   \
    S(EXPORT_VERSIONS, "SELECT version.number, version.content, version.size, version.type, "     \
                       "version.created_ms, version.created_by, version.major, version.minor, "   \
                       "version.comment, version.pwc, version.name, content.digest FROM version " \
                       "LEFT JOIN content ON content.key = version.content "                      \
                       "WHERE version.node = ?1 ORDER BY version.number")                         \
    S(EXPORT_THERE, "SELECT 1 FROM version WHERE node = ?1 AND number = ?2")                      \
    S(EXPORT_TYPES, "SELECT id, definition FROM cmis_type ORDER BY id")                           \
    S(EXPORT_FILED, "SELECT parent FROM filing WHERE node = ?1 ORDER BY parent")                  \
    S(EXPORT_RELATION, "SELECT source_id, target_id FROM relationship WHERE node = ?1")

#endif
