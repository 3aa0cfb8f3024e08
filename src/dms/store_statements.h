/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_statements.h: every statement the store runs. Prepared at first use and kept until it
 * rests. */
#ifndef COFFER_DMS_STORE_STATEMENTS_H
#define COFFER_DMS_STORE_STATEMENTS_H

#include "dms/cmis/statements.h"
#include "dms/export.h"
#include "dms/store_derived.h"
#include "dms/store_fixity.h"
#include "dms/store_group.h"
#include "dms/store_hook.h"
#include "dms/store_identity.h"
#include "dms/store_marks.h"
#include "dms/store_partial.h"
#include "dms/store_quota.h"
#include "dms/store_session.h"
#include "dms/trust_statements.h"

#define NODE_COLUMNS                                                                         \
    "node.key, node.parent, node.kind, node.name, node.revision, node.created_ms, "          \
    "node.modified_ms, node.created_by, node.modified_by, node.has_properties, node.trash, " \
    "node.trashed_ms, node.version, node.content, node.size, node.type, node.cmis_type, "    \
    "node.checked_out, node.checked_out_by, node.numbers_used, node.acl"

/* Those of each part, in its own header. */
#define STORE_MORE_STATEMENTS(S) \
    STORE_DERIVED_STATEMENTS(S)  \
    STORE_MARKS_STATEMENTS(S)    \
    EXPORT_STATEMENTS(S)         \
    STORE_GROUP_STATEMENTS(S)    \
    STORE_HOOK_STATEMENTS(S)     \
    STORE_IDENTITY_STATEMENTS(S) \
    STORE_QUOTA_STATEMENTS(S)    \
    STORE_FIXITY_STATEMENTS(S)   \
    STORE_SESSION_STATEMENTS(S)  \
    STORE_PARTIAL_STATEMENTS(S)  \
    TRUST_STATEMENTS(S)          \
    CMIS_STATEMENTS(S)

#define STORE_STATEMENTS(S)                                                                        \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    S(COMMIT, "COMMIT")                                                                            \
    S(ROLLBACK, "ROLLBACK")                                                                        \
    S(SAVE, "SAVEPOINT step")                                                                      \
    S(RELEASE, "RELEASE step")                                                                     \
    S(UNDO, "ROLLBACK TO step")                                                                    \
    S(CONTENT_ADD, "INSERT INTO content(key, size, refs, file, data, digest) "                     \
                   "VALUES(?4, ?1, 0, ?2, ?3, ?5)")                                                \
    S(CONTENT_SAME, "SELECT file FROM content WHERE digest = ?1 AND size = ?2 AND file IS NOT "    \
                    "NULL AND NOT EXISTS (SELECT 1 FROM damage WHERE damage.content = "            \
                    "content.key) LIMIT 1")                                                        \
    S(CONTENT_GET, "SELECT size, file, data FROM content WHERE key = ?1")                          \
    S(CONTENT_REF, "UPDATE content SET refs = refs + ?2 WHERE key = ?1 RETURNING refs, file")      \
    S(CONTENT_FACTS, "SELECT size, refs, file FROM content WHERE key = ?1")                        \
    S(CONTENT_GROW, "UPDATE content SET key = ?2, size = ?3, digest = NULL WHERE key = ?1")        \
    S(CONTENT_REMOVE, "DELETE FROM content WHERE key = ?1")                                        \
    S(CONTENT_BY_FILE, "SELECT 1 FROM content WHERE file = ?1 AND key <> ?2 LIMIT 1")              \
    S(DOOMED_ADD, "INSERT OR IGNORE INTO doomed(file) VALUES(?1)")                                 \
    S(DOOMED_LIST, "SELECT file FROM doomed WHERE file > ?1 ORDER BY file")                        \
    S(DOOMED_REMOVE, "DELETE FROM doomed WHERE file = ?1")                                         \
    S(NODE_GET, "SELECT " NODE_COLUMNS " FROM node WHERE key = ?1")                                \
    S(NODE_CHILD,                                                                                  \
      "SELECT " NODE_COLUMNS " FROM node WHERE parent = ?1 AND name = ?2 AND trash = 0")           \
    S(NODE_ADD, "INSERT INTO node(key, parent, kind, name, revision, created_ms, modified_ms, "    \
                "created_by, modified_by, has_properties, trash, trashed_ms, version, content, "   \
                "size, type, owner) VALUES(?10, ?1, ?2, ?3, 1, ?4, ?4, ?5, ?5, 0, 0, 0, ?6, ?7, "  \
                "?8, ?9, " OWNER_OF("?5") ")")                                                     \
    S(NODE_CONTENT, "UPDATE node SET revision = revision + 1, modified_ms = ?2, "                  \
                    "modified_by = ?3, version = ?4, content = ?5, size = ?6, type = ?7 "          \
                    "WHERE key = ?1")                                                              \
    S(NODE_MOVE, "UPDATE node SET revision = revision + 1, modified_ms = ?2, modified_by = ?3, "   \
                 "parent = ?4, name = ?5 WHERE key = ?1")                                          \
    S(NODE_PROPERTIES, "UPDATE node SET revision = revision + 1, modified_ms = ?2, "               \
                       "modified_by = ?3, has_properties = ?4 WHERE key = ?1")                     \
    S(NODE_TRASH, "WITH RECURSIVE below(key) AS (SELECT ?1 UNION ALL SELECT node.key FROM node "   \
                  "JOIN below ON node.parent = below.key WHERE node.trash = 0) "                   \
                  "UPDATE node SET trash = ?1, trashed_ms = ?2, revision = revision + 1 "          \
                  "WHERE key IN below")                                                            \
    S(NODE_UNTRASH, "UPDATE node SET trash = 0, trashed_ms = 0, revision = revision + 1 "          \
                    "WHERE trash = ?1 AND trash <> 0")                                             \
    S(NODE_BELOW, "WITH RECURSIVE below(key) AS (SELECT ?1 UNION ALL SELECT node.key FROM node "   \
                  "JOIN below ON node.parent = below.key WHERE node.trash <> 0) "                  \
                  "SELECT key FROM below")                                                         \
    S(NODE_REMOVE, "DELETE FROM node WHERE key = ?1")                                              \
    S(NODE_CHILDREN, "SELECT " NODE_COLUMNS " FROM node WHERE parent = ?1 AND trash = 0 "          \
                     "AND name > ?2 AND kind < 3 ORDER BY name LIMIT ?3")                          \
    S(NODE_WORDS, "SELECT " NODE_COLUMNS " FROM search JOIN node ON node.key = search.rowid "      \
                  "WHERE search MATCH ?1 AND search.rowid < ?2 AND trash = 0 "                     \
                  "ORDER BY search.rowid DESC LIMIT ?3")                                           \
    S(NODE_BY_PROPERTY, "SELECT " NODE_COLUMNS " FROM property JOIN node ON node.key = "           \
                        "property.node WHERE property.name = ?4 AND property.value = ?5 "          \
                        "AND property.node < ?2 AND trash = 0 ORDER BY property.node DESC "        \
                        "LIMIT ?3")                                                                \
    S(NODE_BOTH, "SELECT " NODE_COLUMNS " FROM search JOIN node ON node.key = search.rowid "       \
                 "WHERE search MATCH ?1 AND search.rowid < ?2 AND trash = 0 AND EXISTS (SELECT "   \
                 "1 FROM property AS p WHERE p.node = node.key AND p.name = ?4 AND p.value = ?5) " \
                 "ORDER BY search.rowid DESC LIMIT ?3")                                            \
    S(NODE_TRASHED, "SELECT " NODE_COLUMNS " FROM node WHERE trash = key AND trash <> 0 "          \
                    "AND key < ?1 ORDER BY key DESC LIMIT ?2")                                     \
    S(PROPERTY_LIST, "SELECT name, value FROM property WHERE node = ?1 ORDER BY name")             \
    S(PROPERTY_CLEAR, "DELETE FROM property WHERE node = ?1")                                      \
    S(PROPERTY_ADD, "INSERT INTO property(node, name, value) VALUES(?1, ?2, ?3)")                  \
    S(SEARCH_PENDING, "SELECT " NODE_COLUMNS " FROM node WHERE key > ?1 ORDER BY key LIMIT ?2")    \
    S(SEARCH_ADD, "INSERT INTO search(rowid, name, properties, content) "                          \
                  "VALUES(?1, ?2, ?3, ?4)")                                                        \
    S(SEARCH_REMOVE, "INSERT INTO search(search, rowid, name, properties, content) "               \
                     "VALUES('delete', ?1, ?2, ?3, ?4)")                                           \
    S(VERSION_ADD,                                                                                 \
      "INSERT INTO version(node, number, content, size, type, created_ms, "                        \
      "created_by, major, owner) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, " OWNER_OF("?7") ")")      \
    S(VERSION_GET, "SELECT number, content, size, type, created_ms, created_by FROM version "      \
                   "WHERE node = ?1 AND number = ?2 AND pwc = 0")                                  \
    S(VERSION_LIST, "SELECT number, content, size, type, created_ms, created_by FROM version "     \
                    "WHERE node = ?1 AND number < ?2 AND pwc = 0 ORDER BY number DESC LIMIT ?3")   \
    S(VERSION_ANY, "SELECT number, content FROM version WHERE node = ?1 LIMIT 1")                  \
    S(VERSION_REMOVE, "DELETE FROM version WHERE node = ?1 AND number = ?2")                       \
    S(USER_FIND, "SELECT " USER_COLUMNS " FROM user WHERE name = ?1")                              \
    S(USER_GET, "SELECT " USER_COLUMNS " FROM user WHERE key = ?1")                                \
    S(USER_LIST, "SELECT " USER_COLUMNS " FROM user WHERE name > ?1 ORDER BY name LIMIT ?2")       \
    S(USER_ADD, "INSERT INTO user(name, role, hash, must_change, created_ms) "                     \
                "VALUES(?1, ?2, ?3, ?4, ?5)")                                                      \
    S(USER_CHANGE, "UPDATE user SET role = ?2, hash = ?3, must_change = ?4 WHERE key = ?1")        \
    S(USER_REMOVE, "DELETE FROM user WHERE key = ?1")                                              \
    S(USER_COUNT,                                                                                  \
      "SELECT count(*), coalesce(sum(user.role = 1 OR " IN_ADMIN_GROUP "), 0) FROM user")          \
    S(SESSION_ADD, "INSERT INTO session(hash, user, expires_s) VALUES(?1, ?2, ?3)")                \
    S(SESSION_FIND, "SELECT user FROM session WHERE hash = ?1 AND expires_s > ?2")                 \
    S(SESSION_REMOVE, "DELETE FROM session WHERE hash = ?1")                                       \
    S(SESSION_REMOVE_ALL, "DELETE FROM session WHERE user = ?1 AND hash IS NOT ?2")                \
    S(SESSION_EXPIRE, "DELETE FROM session WHERE expires_s <= ?1")                                 \
    S(KEYS_MAX, "SELECT coalesce((SELECT max(key) FROM node), 0), "                                \
                "coalesce((SELECT max(key) FROM content), 0)")                                     \
    S(DAV_LOCK_ADD, "INSERT INTO dav_lock(token, node, shared, deep, owner, user, expires_s) "     \
                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                          \
    S(DAV_LOCK_GET, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock "                                   \
                    "WHERE token = ?1 AND expires_s > ?2")                                         \
    S(DAV_LOCK_ON, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock "                                    \
                   "WHERE node = ?1 AND expires_s > ?2")                                           \
    S(DAV_LOCK_ALL, "SELECT " DAV_LOCK_COLUMNS " FROM dav_lock WHERE expires_s > ?1")              \
    S(DAV_LOCK_EXTEND, "UPDATE dav_lock SET expires_s = ?2 WHERE token = ?1")                      \
    S(DAV_LOCK_REMOVE, "DELETE FROM dav_lock WHERE token = ?1")                                    \
    S(DAV_LOCK_END, "DELETE FROM dav_lock WHERE node = ?1")                                        \
    S(DAV_LOCK_EXPIRE, "DELETE FROM dav_lock WHERE expires_s <= ?1")                               \
    S(DAV_LOCK_COUNT, "SELECT count(*) FROM dav_lock")                                             \
    S(DAV_PROPERTIES, "SELECT ns, name, value FROM dav_property WHERE node = ?1")                  \
    S(DAV_PROPERTY_SET, "INSERT OR REPLACE INTO dav_property(node, ns, name, value) "              \
                        "VALUES(?1, ?2, ?3, ?4)")                                                  \
    S(DAV_PROPERTY_REMOVE, "DELETE FROM dav_property WHERE node = ?1 AND ns = ?2 AND name = ?3")   \
    S(DAV_PROPERTY_COUNT, "SELECT count(*) FROM dav_property WHERE node = ?1")                     \
    S(DAV_PROPERTY_CLEAR, "DELETE FROM dav_property WHERE node = ?1")                              \
    S(DAV_PROPERTY_COPY, "INSERT INTO dav_property(node, ns, name, value) "                        \
                         "SELECT ?2, ns, name, value FROM dav_property WHERE node = ?1")           \
    S(SETTING_GET, "SELECT value FROM setting WHERE name = ?1")                                    \
    S(SETTING_SET, "INSERT OR REPLACE INTO setting(name, value) VALUES(?1, ?2)")                   \
    S(NODE_KIND_ADD, "INSERT INTO node(key, parent, kind, name, revision, created_ms, "            \
                     "modified_ms, created_by, modified_by, has_properties, trash, trashed_ms, "   \
                     "version, content, size, cmis_type) VALUES(?1, ?2, ?3, ?4, 1, ?5, ?5, ?6, "   \
                     "?6, 0, 0, 0, 0, 0, 0, ?7)")                                                  \
    S(NODE_FILED, "SELECT 1 FROM filing JOIN node ON node.key = filing.node WHERE "                \
                  "filing.parent = ?1 AND node.name = ?2 AND node.trash = 0 AND node.key <> ?3")   \
    S(NODE_NUMBERS, "UPDATE node SET numbers_used = max(numbers_used, ?2) WHERE key = ?1")         \
    S(VERSION_FREEZE, "UPDATE version SET name = node.name, modified_ms = node.modified_ms, "      \
                      "modified_by = node.modified_by, revision = node.revision FROM node "        \
                      "WHERE node.key = ?1 AND version.node = ?1 AND version.number = "            \
                      "node.version")                                                              \
    S(VERSION_LAST, "SELECT max(number), max(major) FROM version WHERE node = ?1")                 \
    S(CHANGE_ADD, "INSERT INTO change(node, number, kind, at_ms) VALUES(?1, ?2, ?3, ?4)")          \
    S(CHANGE_PRUNE, "DELETE FROM change WHERE key <= (SELECT max(key) FROM change) - ?1")          \
    S(VALUE_CLEAR, "DELETE FROM value WHERE node = ?1")                                            \
    S(ACE_CLEAR, "DELETE FROM ace WHERE node = ?1")                                                \
    S(ACE_FORGET, "DELETE FROM ace WHERE principal = ?1 AND principal <> 'anyone'")                \
    S(COMMENT_UNNAME, "UPDATE comment SET user = user || ' (removed)' WHERE user = ?1")            \
    S(CHECKED_OUT_UNNAME, "UPDATE node SET checked_out_by = checked_out_by || ' (removed)' "       \
                          "WHERE checked_out <> 0 AND checked_out_by = ?1")                        \
    S(PARTIAL_FORGET_USER, "UPDATE partial SET expires_s = 0 WHERE user = ?1")                     \
    S(DAV_LOCK_FORGET_USER, "DELETE FROM dav_lock WHERE user = ?1")                                \
    S(FILING_CLEAR, "DELETE FROM filing WHERE node = ?1 OR parent = ?1")                           \
    S(APPLIED_CLEAR, "DELETE FROM applied WHERE node = ?1 OR policy = ?1")                         \
    S(RELATIONSHIP_CLEAR, "DELETE FROM relationship WHERE node = ?1 OR source = ?1 OR "            \
                          "target = ?1")                                                           \
    S(EXTRACT_GET, "SELECT text FROM extract WHERE node = ?1")                                     \
    S(EXTRACT_SIZE, "SELECT length(CAST(text AS BLOB)) FROM extract WHERE node = ?1")              \
    S(EXTRACT_SET, "INSERT OR REPLACE INTO extract(node, text) VALUES(?1, ?2)")                    \
    S(EXTRACT_CLEAR, "DELETE FROM extract WHERE node = ?1")                                        \
    S(COUNT_NODES,                                                                                 \
      "SELECT coalesce(sum(kind = 2 AND trash = 0), 0), "                                          \
      "coalesce(sum(kind = 1 AND trash = 0), 0), coalesce(sum(trash <> 0), 0) FROM node")          \
    STORE_MORE_STATEMENTS(S)

#endif
