/* SPDX-License-Identifier: Apache-2.0 */
/* dms/trust_statements.h: the statements of the audit trail, links, tokens, second factors, times to
 * keep and holds; part of the store's list (dms/store_statements.h). */
#ifndef COFFER_DMS_TRUST_STATEMENTS_H
#define COFFER_DMS_TRUST_STATEMENTS_H

#define TOKEN_SELECT "SELECT key, user, name, scopes, created_ms, expires_ms, used_ms FROM token "

#define HOLD_SELECT                                                                           \
    "SELECT hold.key AS key, name, reason, created_by, created_ms, release_by, released_ms, " \
    "(SELECT count(*) FROM held WHERE held.hold = hold.key) FROM hold "

#define SHARE_SELECT                                                                           \
    "SELECT key, node, user, created_ms, expires_ms, password, downloads, downloads_max FROM " \
    "share "

#define AUDIT_SELECT                                                                             \
    "SELECT sequence, time_ms, action, user, node, origin, name, detail, hash, salt, mark FROM " \
    "audit "

#define TRUST_STATEMENTS(S)                                                                        \
    S(AUDIT_HEAD, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")               \
    S(AUDIT_ADD, "INSERT INTO audit(sequence, time_ms, action, user, node, origin, name, detail, " \
                 "hash, salt, mark) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")         \
    S(AUDIT_FORGET, "UPDATE audit SET name = '', salt = ?2 WHERE node = ?1 AND node <> 0")         \
    S(AUDIT_LIST, AUDIT_SELECT "WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2")              \
    S(AUDIT_OF_NODE,                                                                               \
      AUDIT_SELECT "WHERE node = ?3 AND node <> 0 AND sequence < ?1 ORDER BY sequence DESC "       \
                   "LIMIT ?2")                                                                     \
    S(AUDIT_OF_USER, AUDIT_SELECT "WHERE user = ?3 AND sequence < ?1 ORDER BY sequence DESC "      \
                                  "LIMIT ?2")                                                      \
    S(AUDIT_AFTER, AUDIT_SELECT "WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")                  \
    S(SHARE_ADD, "INSERT INTO share(hash, node, user, created_ms, expires_ms, password, "          \
                 "downloads_max) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                              \
    S(SHARE_FIND, SHARE_SELECT "WHERE hash = ?1")                                                  \
    S(SHARE_GET, SHARE_SELECT "WHERE key = ?1")                                                    \
    S(SHARE_LIST, SHARE_SELECT "WHERE key > ?1 AND (?3 = 0 OR node = ?3) AND "                     \
                               "(?4 IS NULL OR user = ?4) ORDER BY key LIMIT ?2")                  \
    S(SHARE_COUNT, "SELECT count(*) FROM share WHERE node = ?1")                                   \
    S(SHARE_USED, "UPDATE share SET downloads = downloads + 1 WHERE key = ?1")                     \
    S(SHARE_EXPIRE, "DELETE FROM share WHERE expires_ms <= ?1")                                    \
    S(SHARE_REMOVE, "DELETE FROM share WHERE key = ?1")                                            \
    S(SHARE_CLEAR, "DELETE FROM share WHERE node = ?1")                                            \
    S(TOKEN_ADD, "INSERT INTO token(hash, user, name, scopes, created_ms, expires_ms) "            \
                 "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                                 \
    S(TOKEN_FIND, TOKEN_SELECT "WHERE hash = ?1 AND (expires_ms = 0 OR expires_ms > ?2)")          \
    S(TOKEN_LIST, TOKEN_SELECT "WHERE user = ?1 ORDER BY key")                                     \
    S(TOKEN_COUNT, "SELECT count(*) FROM token WHERE user = ?1")                                   \
    S(TOKEN_USED, "UPDATE token SET used_ms = ?2 WHERE key = ?1")                                  \
    S(TOKEN_REMOVE, "DELETE FROM token WHERE user = ?1 AND key = ?2")                              \
    S(TOKEN_REMOVE_ALL, "DELETE FROM token WHERE user = ?1")                                       \
    S(FACTOR_GET, "SELECT secret, confirmed, last_step FROM factor WHERE user = ?1")               \
    S(FACTOR_SET, "INSERT OR REPLACE INTO factor(user, secret, confirmed, last_step) "             \
                  "VALUES(?1, ?2, ?3, ?4)")                                                        \
    S(FACTOR_COUNT, "SELECT count(*) FROM factor")                                                 \
    S(FACTOR_REMOVE, "DELETE FROM factor WHERE user = ?1")                                         \
    S(RECOVERY_ADD, "INSERT INTO recovery(user, hash) VALUES(?1, ?2)")                             \
    S(RECOVERY_USE, "DELETE FROM recovery WHERE user = ?1 AND hash = ?2")                          \
    S(RECOVERY_CLEAR, "DELETE FROM recovery WHERE user = ?1")                                      \
    S(RETENTION_GET, "SELECT until_ms, user FROM retention WHERE node = ?1")                       \
    S(RETENTION_SET, "INSERT OR REPLACE INTO retention(node, until_ms, user) VALUES(?1, ?2, ?3)")  \
    S(RETENTION_CLEAR, "DELETE FROM retention WHERE node = ?1")                                    \
    S(HOLD_ADD, "INSERT INTO hold(name, reason, created_by, created_ms) VALUES(?1, ?2, ?3, ?4)")   \
    S(HOLD_GET, HOLD_SELECT "WHERE key = ?1")                                                      \
    S(HOLD_LIST, HOLD_SELECT "WHERE key > ?1 ORDER BY key LIMIT ?2")                               \
    S(HOLD_OF_NODE, HOLD_SELECT "JOIN held ON held.hold = hold.key WHERE held.node = ?3 AND "      \
                                "released_ms = 0 AND key > ?1 ORDER BY key LIMIT ?2")              \
    S(HOLD_ASK, "UPDATE hold SET release_by = ?2 WHERE key = ?1")                                  \
    S(HOLD_END, "UPDATE hold SET released_ms = ?2 WHERE key = ?1")                                 \
    S(HELD_ADD, "INSERT OR IGNORE INTO held(hold, node) VALUES(?1, ?2)")                           \
    S(HELD_LIST, "SELECT node FROM held WHERE hold = ?1 AND node > ?2 ORDER BY node LIMIT ?3")     \
    S(HELD_CLEAR, "DELETE FROM held WHERE node = ?1")                                              \
    S(KEPT, "WITH RECURSIVE below(key) AS (SELECT ?2 UNION ALL SELECT node.key FROM below JOIN "   \
            "node ON node.parent = below.key WHERE node.trash = 0 UNION ALL SELECT node.key FROM " \
            "below JOIN node ON node.parent = below.key WHERE node.trash <> 0) "                   \
            "SELECT key FROM below WHERE EXISTS(SELECT 1 FROM retention WHERE node = below.key "   \
            "AND until_ms > ?1) OR EXISTS(SELECT 1 FROM held JOIN hold ON hold.key = held.hold "   \
            "WHERE held.node = below.key AND released_ms = 0) LIMIT 1")

#endif
