/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_quota.h: how much a user may store, and how much that is now. Counted are the bytes of
 * all versions that the user added, as if each stood alone, and the documents that the user made;
 * both also in the trash, until they are purged. Triggers count, in the transaction of the change,
 * so that no way to the tables can forget it; they refuse what would be over the quota, too. As
 * store.h: one thread, -errno. */
#ifndef COFFER_DMS_STORE_QUOTA_H
#define COFFER_DMS_STORE_QUOTA_H

#include "dms/store.h"

struct usage {
    int64_t bytes, documents;
    int64_t bytes_unfinished;         /* that uploads in parts are still to become */
    int64_t bytes_max, documents_max; /* -1: no limit */
};
must_check int usage_get(struct store *store, int64_t user, struct usage *ret);
/* Sets both limits; what is there already stays, even if it is more. */
must_check int quota_set(struct store *store, int64_t user, int64_t bytes_max,
                         int64_t documents_max);
/* Before `size` bytes are received: 0, or -EQUOTA_BYTES if they cannot be kept beside what is there and
 * what unfinished uploads are to become. */
must_check int quota_check(struct store *store, int64_t user, int64_t size);

#define OWNER_OF(name) "coalesce((SELECT key FROM user WHERE name = " name "), 0)"

#define STORE_QUOTA_STATEMENTS(S)                                                                  \
    S(USAGE_GET, "SELECT bytes, documents, coalesce(bytes_max, -1), coalesce(documents_max, -1), " \
                 "(SELECT coalesce(sum(length), 0) FROM partial WHERE user = ?1 AND made = 0 AND " \
                 "expires_s > unixepoch()) FROM usage WHERE user = ?1")                            \
    S(QUOTA_SET, "UPDATE usage SET bytes_max = iif(?2 < 0, NULL, ?2), "                            \
                 "documents_max = iif(?3 < 0, NULL, ?3) WHERE user = ?1")

/* `owner` is the key of who is counted for it, since names may be given again; 0: nobody. */
#define STORE_QUOTA_SCHEMA                                                                         \
    "ALTER TABLE node ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;"                                \
    "ALTER TABLE version ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;"                             \
    "UPDATE node SET owner = " OWNER_OF(                                                           \
        "node.created_by") ";"                                                                     \
                           "UPDATE version SET owner = " OWNER_OF(                                 \
                               "version.created_by") ";"                                           \
                                                     "CREATE TABLE usage(user INTEGER PRIMARY "    \
                                                     "KEY, bytes INTEGER NOT NULL DEFAULT 0, "     \
                                                     "documents INTEGER NOT NULL DEFAULT 0, "      \
                                                     "bytes_max INTEGER, documents_max INTEGER);"  \
                                                     "INSERT INTO usage(user, bytes, documents) "  \
                                                     "SELECT user.key, coalesce((SELECT "          \
                                                     "sum(size) FROM "                             \
                                                     "version WHERE owner = user.key), 0), "       \
                                                     "(SELECT count(*) FROM node WHERE kind = 2 "  \
                                                     "AND "                                        \
                                                     "owner = user.key) FROM user;"                \
                                                     "CREATE TRIGGER user_added AFTER INSERT ON "  \
                                                     "user BEGIN "                                 \
                                                     "INSERT INTO usage(user) VALUES(NEW.key); "   \
                                                     "END;"                                        \
                                                     "CREATE TRIGGER user_removed AFTER DELETE "   \
                                                     "ON user BEGIN "                              \
                                                     "DELETE FROM usage WHERE user = OLD.key; "    \
                                                     "END;"                                        \
                                                     "CREATE TRIGGER version_added AFTER INSERT "  \
                                                     "ON version BEGIN "                           \
                                                     "UPDATE usage SET bytes = bytes + NEW.size "  \
                                                     "WHERE user = NEW.owner; "                    \
                                                     "SELECT RAISE(ABORT, 'quota-bytes') FROM "    \
                                                     "usage WHERE user = NEW.owner AND NEW.size "  \
                                                     "> 0 AND "                                    \
                                                     "bytes > bytes_max; END;"                     \
                                                     "CREATE TRIGGER version_changed AFTER "       \
                                                     "UPDATE OF size, owner ON version BEGIN "     \
                                                     "UPDATE usage SET bytes = bytes - OLD.size "  \
                                                     "WHERE user = OLD.owner; "                    \
                                                     "UPDATE usage SET bytes = bytes + NEW.size "  \
                                                     "WHERE user = NEW.owner; "                    \
                                                     "SELECT RAISE(ABORT, 'quota-bytes') FROM "    \
                                                     "usage WHERE user = NEW.owner AND "           \
                                                     "NEW.size > OLD.size AND bytes > bytes_max; " \
                                                     "END;"                                        \
                                                     "CREATE TRIGGER version_removed AFTER "       \
                                                     "DELETE ON version BEGIN "                    \
                                                     "UPDATE usage SET bytes = bytes - OLD.size "  \
                                                     "WHERE user = OLD.owner; END;"                \
                                                     "CREATE TRIGGER document_added AFTER INSERT " \
                                                     "ON node WHEN NEW.kind = 2 BEGIN "            \
                                                     "UPDATE usage SET documents = documents + 1 " \
                                                     "WHERE user = NEW.owner; "                    \
                                                     "SELECT RAISE(ABORT, 'quota-documents') "     \
                                                     "FROM usage WHERE user = NEW.owner AND "      \
                                                     "documents > documents_max; END;"             \
                                                     "CREATE TRIGGER document_removed AFTER "      \
                                                     "DELETE ON node WHEN OLD.kind = 2 BEGIN "     \
                                                     "UPDATE usage SET documents = documents - 1 " \
                                                     "WHERE user = OLD.owner; END;"

#endif
