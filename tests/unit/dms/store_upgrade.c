/* SPDX-License-Identifier: Apache-2.0 */
/* A store that an earlier release wrote is opened and goes on. */
#include "dms/store.h"
#include "dms/store_quota.h"
#include "tap.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* What version 1 wrote: a folder, a document of two versions with a property, one in the trash. */
static const char version_1[] =
    "CREATE TABLE content(key INTEGER PRIMARY KEY, size INTEGER NOT NULL, "
    "refs INTEGER NOT NULL, file TEXT, data BLOB);"
    "CREATE TABLE doomed(file TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE node(key INTEGER PRIMARY KEY, parent INTEGER NOT NULL, "
    "kind INTEGER NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL, created_by TEXT NOT NULL, "
    "modified_by TEXT NOT NULL, has_properties INTEGER NOT NULL, trash INTEGER NOT NULL, "
    "trashed_ms INTEGER NOT NULL, version INTEGER NOT NULL, content INTEGER NOT NULL, "
    "size INTEGER NOT NULL, type TEXT);"
    "CREATE UNIQUE INDEX node_name ON node(parent, name) WHERE trash = 0;"
    "CREATE INDEX node_trash ON node(parent, trash) WHERE trash <> 0;"
    "CREATE TABLE version(node INTEGER, number INTEGER, content INTEGER NOT NULL, "
    "size INTEGER NOT NULL, type TEXT, created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, "
    "PRIMARY KEY(node, number)) WITHOUT ROWID;"
    "CREATE TABLE property(node INTEGER, name TEXT, value TEXT NOT NULL, PRIMARY KEY(node, name)) "
    "WITHOUT ROWID;"
    "CREATE INDEX property_value ON property(name, value, node);"
    "CREATE VIRTUAL TABLE search USING fts5(name, properties, content='', columnsize=0, "
    "tokenize='unicode61 remove_diacritics 2');"
    "CREATE TABLE user(key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
    "role INTEGER NOT NULL, hash TEXT NOT NULL, must_change INTEGER NOT NULL, "
    "created_ms INTEGER NOT NULL);"
    "CREATE TABLE session(hash BLOB PRIMARY KEY, user INTEGER NOT NULL, "
    "expires_s INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "INSERT INTO node VALUES(1, 0, 1, '', 1, 0, 0, '', '', 0, 0, 0, 0, 0, 0, NULL);"
    "INSERT INTO content VALUES(1, 3, 1, NULL, x'6f6e65'), (2, 3, 1, NULL, x'74776f');"
    "INSERT INTO node VALUES(2, 1, 1, 'letters', 1, 5, 5, 'ada', 'ada', 0, 0, 0, 0, 0, 0, NULL),"
    "(3, 2, 2, 'walrus.txt', 3, 6, 8, 'ada', 'bob', 1, 0, 0, 2, 2, 3, 'text/plain'),"
    "(4, 1, 2, 'old', 2, 6, 6, 'ada', 'ada', 0, 4, 7, 1, 2, 3, NULL);"
    "INSERT INTO version VALUES(3, 1, 1, 3, 'text/plain', 6, 'ada'),"
    "(3, 2, 2, 3, 'text/plain', 8, 'bob'), (4, 1, 2, 3, NULL, 6, 'ada');"
    "INSERT INTO property VALUES(3, 'color', 'blue');"
    "INSERT INTO search(rowid, name, properties) VALUES(2, 'letters', ''),"
    "(3, 'walrus.txt', 'blue\n'), (4, 'old', '');"
    "INSERT INTO setting VALUES('indexed', '4');"
    "INSERT INTO user VALUES(1, 'ada', 1, 'hash', 0, 1);"
    "PRAGMA user_version = 1;";

static char directory[64], file[128];
static struct arena arena;

static void database_make(const char *sql)
{
    sqlite3 *db;
    snprintf(directory, sizeof directory, "/tmp/coffer-upgrade-XXXXXX");
    REQUIRE(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/coffer.db", directory);
    REQUIRE(sqlite3_open(file, &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    REQUIRE(sqlite3_close(db) == SQLITE_OK);
}

static void database_remove(void)
{
    char path[160];
    arena_done(&arena);
    unlink(file);
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"coffer.db-wal", "coffer.db-shm", "content",
                                            "incoming"};
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        if (unlink(path) < 0)
            rmdir(path);
    }
    rmdir(directory);
}

static int note(void *arg, const struct node *node)
{
    *(int64_t *)arg = *(int64_t *)arg * 10 + node->key;
    return 0;
}

static int64_t found(struct store *store, const char *words)
{
    int64_t keys = 0;
    bool more;
    int r = node_search(store, words, NULL, NULL, INT64_MAX, 10, note, &keys, &more);
    return r < 0 ? r : keys;
}

TEST(a_store_of_version_1_keeps_all_it_has)
{
    struct store *store;
    struct error e = {0};
    struct node node;
    struct version version;
    struct property *properties;
    size_t count;
    database_make(version_1);
    REQUIRE(store_open(directory, &store, &e) == 0);
    CHECK_EQ(node_child(store, &arena, 2, "walrus.txt", &node), 0);
    CHECK(node.key == 3 && node.version == 2 && node.checked_out == 0);
    CHECK_EQ(version_get(store, &arena, 3, 1, &version), 0);
    CHECK(version.content == 1 && strcmp(version.created_by, "ada") == 0);
    CHECK_EQ(properties_get(store, &arena, 3, &properties, &count), 0);
    CHECK(count == 1 && strcmp(properties[0].value, "blue") == 0);
    CHECK_EQ(found(store, "walrus blue"), 3);
    CHECK_EQ(found(store, "two"), 3); /* the words of its content are new */
    CHECK_EQ(found(store, "one"), 0);
    struct usage usage;
    CHECK_EQ(usage_get(store, 1, &usage), 0); /* counted: what ada made */
    CHECK(usage.bytes == 6 && usage.documents == 2 && usage.bytes_max == -1);
    const struct actor actor = {"ada", 20, NULL};
    CHECK_EQ(version_restore(store, &actor, 3, 1), 0);
    CHECK_EQ(found(store, "one"), 3);
    CHECK_EQ(found(store, "two"), 0);
    CHECK_EQ(node_restore(store, &actor, 4, 0), 0);
    CHECK_EQ(store_commit(store), 0);
    store_close(store);
    REQUIRE(store_open(directory, &store, &e) == 0); /* and is of the new version now */
    CHECK_EQ(node_get(store, &arena, 3, &node), 0);
    CHECK_EQ(node.version, 3);
    CHECK_EQ(found(store, "one"), 3);
    store_close(store);
    database_remove();
}

/* More than one step takes in. */
TEST(all_of_a_store_of_version_1_is_indexed_anew)
{
    static const char more[] =
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 509) "
        "INSERT INTO node SELECT i, 2, 1, 'heron ' || (1000 + i), 1, 5, 5, 'ada', 'ada', 0, 0, 0, "
        "0, 0, 0, "
        "NULL FROM n;";
    struct store *store;
    struct error e = {0};
    sqlite3 *db;
    database_make(version_1);
    REQUIRE(sqlite3_open(file, &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, more, NULL, NULL, NULL) == SQLITE_OK);
    REQUIRE(sqlite3_close(db) == SQLITE_OK);
    REQUIRE(store_open(directory, &store, &e) == 0);
    for (int64_t key = 10; key < 510; key++) {
        char name[32];
        snprintf(name, sizeof name, "heron %d", 1000 + (int)key);
        CHECK_EQ(found(store, name), key);
    }
    CHECK_EQ(found(store, "walrus blue"), 3);
    CHECK_EQ(store_commit(store), 0);
    store_close(store);
    database_remove();
}

TEST(a_store_of_a_later_version_is_refused_and_left_alone)
{
    struct store *store;
    struct error e = {0};
    database_make("CREATE TABLE later(x); PRAGMA user_version = 99;");
    CHECK(store_open(directory, &store, &e) < 0);
    CHECK(strstr(e.text, "version 99"));
    database_remove();
}

TAP_MAIN()
