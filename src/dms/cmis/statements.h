/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/statements.h: the statements that only the CMIS model runs; part of the store's list
 * (dms/store_statements.h). What a client can shape (order, queries) is compiled elsewhere. */
#ifndef COFFER_DMS_CMIS_STATEMENTS_H
#define COFFER_DMS_CMIS_STATEMENTS_H

#define VERSION_COLUMNS                                                                 \
    "version.number, version.content, version.size, version.type, version.created_ms, " \
    "version.created_by, version.pwc, version.major, version.minor, version.comment, "  \
    "version.file_name, version.name, version.modified_ms, version.modified_by, "       \
    "version.revision"
#define OBJECT_COLUMNS NODE_COLUMNS ", " VERSION_COLUMNS
#define OBJECT_TABLES \
    " FROM node LEFT JOIN version ON version.node = node.key AND version.number = node.version "

#define BELOW                                                                                 \
    "WITH RECURSIVE below(key) AS (SELECT ?1 UNION ALL SELECT node.key FROM node JOIN below " \
    "ON node.parent = below.key WHERE node.trash = 0) "

#define CMIS_STATEMENTS(S)                                                                         \
    S(OBJECT_GET, "SELECT " OBJECT_COLUMNS " FROM node LEFT JOIN version ON version.node = "       \
                  "node.key AND version.number = ?2 WHERE node.key = ?1")                          \
    S(OBJECT_LATEST, "SELECT " OBJECT_COLUMNS OBJECT_TABLES "WHERE node.key = ?1")                 \
    S(OBJECT_CHILD, "SELECT " OBJECT_COLUMNS OBJECT_TABLES "WHERE node.key = (SELECT node.key "    \
                    "FROM filing JOIN node ON node.key = filing.node WHERE filing.parent = ?1 "    \
                    "AND node.name = ?2 AND node.trash = 0)")                                      \
    S(OBJECT_VERSIONS, "SELECT " OBJECT_COLUMNS " FROM node JOIN version ON version.node = "       \
                       "node.key WHERE node.key = ?1 ORDER BY version.number DESC")                \
    S(OBJECT_MAJOR, "SELECT number FROM version WHERE node = ?1 AND pwc = 0 AND minor = 0 "        \
                    "ORDER BY number DESC LIMIT 1")                                                \
    S(OBJECT_NUMBER, "SELECT number FROM version WHERE node = ?1 AND pwc = 0 "                     \
                     "ORDER BY number DESC LIMIT 1")                                               \
    S(VERSION_OTHER, "SELECT 1 FROM version WHERE node = ?1 AND number <> ?2 LIMIT 1")             \
    S(VERSION_LABEL, "SELECT major, minor FROM version WHERE node = ?1 AND pwc = 0 "               \
                     "ORDER BY major DESC, minor DESC LIMIT 1")                                    \
    S(VERSION_INSERT, "INSERT INTO version(node, number, content, size, type, created_ms, "        \
                      "created_by, pwc, major, minor, comment, file_name, name, modified_ms, "     \
                      "modified_by, revision, owner) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "  \
                      "?10, ?11, ?12, ?13, ?6, ?7, 1, " OWNER_OF("?7") ")")                        \
    S(VERSION_CONTENT, "UPDATE version SET content = ?3, size = ?4, type = ?5, file_name = ?6 "    \
                       "WHERE node = ?1 AND number = ?2")                                          \
    S(VERSION_TOUCH, "UPDATE version SET name = ?3, modified_ms = ?4, modified_by = ?5, "          \
                     "revision = revision + 1 WHERE node = ?1 AND number = ?2")                    \
    S(VERSION_IN, "UPDATE version SET pwc = 0, major = ?3, minor = ?4, comment = ?5, "             \
                  "created_ms = ?6, created_by = ?7 WHERE node = ?1 AND number = ?2")              \
    S(NODE_TOUCH, "UPDATE node SET name = ?2, modified_ms = ?3, modified_by = ?4, "                \
                  "revision = revision + 1 WHERE key = ?1")                                        \
    S(NODE_LATEST, "UPDATE node SET version = ?2, name = ?3, modified_ms = ?4, modified_by = ?5, " \
                   "content = ?6, size = ?7, type = ?8, revision = revision + 1 WHERE key = ?1")   \
    S(NODE_BYTES, "UPDATE node SET content = ?2, size = ?3, type = ?4 WHERE key = ?1")             \
    S(NODE_OUT, "UPDATE node SET checked_out = ?2, checked_out_by = ?3 WHERE key = ?1")            \
    S(NODE_ACL, "UPDATE node SET acl = ?2 WHERE key = ?1")                                         \
    S(NODE_PARENT, "UPDATE node SET parent = ?2 WHERE key = ?1")                                   \
    S(NODE_TYPE, "UPDATE node SET cmis_type = ?2 WHERE key = ?1")                                  \
    S(NODE_KEYS, "SELECT key FROM node WHERE parent = ?1 AND trash = 0 UNION SELECT "              \
                 "filing.node FROM filing JOIN node ON node.key = filing.node WHERE "              \
                 "filing.parent = ?1 AND node.trash = 0")                                          \
    S(NODE_ANY, "SELECT 1 FROM node WHERE parent = ?1 AND trash = 0 UNION ALL SELECT 1 FROM "      \
                "filing JOIN node ON node.key = filing.node WHERE filing.parent = ?1 AND "         \
                "node.trash = 0 LIMIT 1")                                                          \
    S(TREE_ODD, BELOW "SELECT 1 FROM filing WHERE parent IN below OR node IN below UNION ALL "     \
                      "SELECT 1 FROM node WHERE checked_out <> 0 AND key IN below LIMIT 1")        \
    S(FILING_OF, "DELETE FROM filing WHERE node = ?1")                                             \
    S(NODE_RESTRICTED, "SELECT 1 FROM node WHERE acl = 2 LIMIT 1")                                 \
    S(VALUE_LIST, "SELECT property, value FROM value WHERE node = ?1 AND number = ?2 "             \
                  "ORDER BY property, place")                                                      \
    S(VALUE_ADD, "INSERT INTO value(node, number, property, place, value) "                        \
                 "VALUES(?1, ?2, ?3, ?4, ?5)")                                                     \
    S(VALUE_REMOVE, "DELETE FROM value WHERE node = ?1 AND number = ?2 AND property = ?3")         \
    S(VALUE_COPY, "INSERT INTO value(node, number, property, place, value) SELECT node, ?3, "      \
                  "property, place, value FROM value WHERE node = ?1 AND number = ?2")             \
    S(VALUE_VERSION_CLEAR, "DELETE FROM value WHERE node = ?1 AND number = ?2")                    \
    S(ACE_LIST, "SELECT principal, permission FROM ace WHERE node = ?1")                           \
    S(ACE_OF_USER, "SELECT permission FROM ace WHERE node = ?1 AND (principal IN ('anyone', ?2) "  \
                   "OR principal IN (SELECT 'group:' || user_group.name FROM user JOIN member ON " \
                   "member.user = user.key JOIN user_group ON user_group.key = "                   \
                   "member.user_group WHERE user.name = ?2))")                                     \
    S(ACE_ADD, "INSERT OR IGNORE INTO ace(node, principal, permission) VALUES(?1, ?2, ?3)")        \
    S(ACE_REMOVE, "DELETE FROM ace WHERE node = ?1 AND principal = ?2 AND permission = ?3")        \
    S(FILING_ADD, "INSERT INTO filing(parent, node) VALUES(?1, ?2)")                               \
    S(FILING_REMOVE, "DELETE FROM filing WHERE parent = ?1 AND node = ?2")                         \
    S(FILING_LIST, "SELECT parent FROM filing WHERE node = ?1 ORDER BY parent")                    \
    S(FILING_EMPTY, BELOW "DELETE FROM filing WHERE parent IN below")                              \
    S(CHANGE_BELOW, BELOW "INSERT INTO change(node, number, kind, at_ms) SELECT key, "             \
                          "coalesce(version, 0), ?2, ?3 FROM node WHERE key IN below")             \
    S(CHANGE_LIST, "SELECT key, node, number, kind, at_ms FROM change WHERE key >= ?1 "            \
                   "ORDER BY key")                                                                 \
    S(CHANGE_ENDS, "SELECT coalesce(min(key), 0), coalesce(max(key), 0) FROM change")              \
    S(APPLIED_ADD, "INSERT OR IGNORE INTO applied(node, policy) VALUES(?1, ?2)")                   \
    S(APPLIED_REMOVE, "DELETE FROM applied WHERE node = ?1 AND policy = ?2 RETURNING 1")           \
    S(APPLIED_LIST, "SELECT policy FROM applied WHERE node = ?1 ORDER BY policy")                  \
    S(APPLIED_BY, "SELECT 1 FROM applied JOIN node ON node.key = applied.node WHERE policy = ?1 "  \
                  "AND node.trash = 0 LIMIT 1")                                                    \
    S(RELATIONSHIP_ADD, "INSERT INTO relationship(node, source, source_id, target, target_id) "    \
                        "VALUES(?1, ?2, ?3, ?4, ?5)")                                              \
    S(RELATIONSHIP_GET, "SELECT source_id, target_id FROM relationship WHERE node = ?1")           \
    S(RELATIONSHIP_LIST, "SELECT relationship.node FROM relationship JOIN node AS s ON s.key = "   \
                         "relationship.source JOIN node AS t ON t.key = relationship.target "      \
                         "WHERE ((?2 & 1) AND source = ?1 OR (?2 & 2) AND target = ?1) AND "       \
                         "s.trash = 0 AND t.trash = 0 ORDER BY relationship.node")                 \
    S(RELATIONSHIP_NODES_CLEAR, "DELETE FROM node WHERE key IN (SELECT node FROM relationship "    \
                                "WHERE source = ?1 OR target = ?1)")                               \
    S(TYPE_LIST, "SELECT definition FROM cmis_type ORDER BY rowid")                                \
    S(TYPE_SET, "INSERT INTO cmis_type(id, definition) VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE "  \
                "SET definition = ?2")                                                             \
    S(TYPE_REMOVE, "DELETE FROM cmis_type WHERE id = ?1")                                          \
    S(TYPE_USED, "SELECT 1 FROM node WHERE cmis_type = ?1 AND trash = 0 LIMIT 1")                  \
    S(TYPE_SECONDARY_USED, "SELECT 1 FROM value JOIN node ON node.key = value.node WHERE "         \
                           "property = 'cmis:secondaryObjectTypeIds' AND value = ?1 AND "          \
                           "node.trash = 0 LIMIT 1")

#endif
