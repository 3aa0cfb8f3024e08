/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_audit.h"
#include "tap.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/coffer-audit-XXXXXX";
static struct store *store;

static void open_store(void)
{
    struct error e = {0};
    REQUIRE(store_open(directory, &store, &e) == 0);
}

static void reopen(void)
{
    store_close(store);
    open_store();
}

static const struct actor ada = {"ada", 1000, "192.0.2.1"};

static void add(const char *action, int64_t node)
{
    CHECK_EQ(audit_add(store, &ada, action, node, "name", "detail"), 0);
    CHECK_EQ(store_commit(store), 0);
}

struct seen {
    int count;
    int64_t last;
    char actions[256];
};

static int see(void *arg, const struct audit_entry *entry)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = entry->sequence;
    size_t used = strlen(seen->actions);
    (void)snprintf(seen->actions + used, sizeof seen->actions - used, "%s ", entry->action);
    return 0;
}

static struct seen listed(int64_t node, const char *user)
{
    struct seen seen = {0};
    bool more;
    CHECK_EQ(audit_list(store, node, user, INT64_MAX, 100, see, &seen, &more), 0);
    CHECK(!more);
    return seen;
}

static int checked(int64_t *ret_bad)
{
    struct audit_check check = {0};
    bool more = true;
    int r = 0;
    while (r == 0 && more)
        r = audit_check(store, &check, 2, &more);
    *ret_bad = check.bad;
    return r;
}

TEST(entries_are_numbered_and_chained)
{
    struct audit_head head;
    int64_t bad;
    open_store();
    audit_head_get(store, &head);
    CHECK_EQ(head.sequence, 0);
    add("create", 7);
    add("change", 7);
    add("create", 8);
    audit_head_get(store, &head);
    CHECK_EQ(head.sequence, 3);
    CHECK_EQ(checked(&bad), 0);
    CHECK_TEXT(listed(7, NULL).actions, "change create ");
    CHECK_EQ(listed(0, "ada").count, 3);
    CHECK_EQ(listed(0, "bob").count, 0);
}

TEST(the_hash_is_the_documented_one)
{
    /* python3: mark = sha256(bytes(range(16)) + b"name"); hash = sha256(bytes(32) + numbers 1, 1000, 7
     * of 8 bytes + b"".join(size of 4 bytes + text for create, ada, 192.0.2.1, detail) + mark) */
    static const uint8_t wanted_hash[4] = {0xe2, 0x4c, 0xd4, 0x88},
                         wanted_mark[4] = {0xca, 0x44, 0x09, 0x9e};
    uint8_t before[DIGEST_SIZE] = {0}, hash[DIGEST_SIZE];
    struct audit_entry entry = {.sequence = 1,
                                .time_ms = 1000,
                                .action = (char *)(uintptr_t) "create",
                                .user = (char *)(uintptr_t) "ada",
                                .from = (char *)(uintptr_t) "192.0.2.1",
                                .node = 7,
                                .name = (char *)(uintptr_t) "name",
                                .detail = (char *)(uintptr_t) "detail"};
    for (uint8_t i = 0; i < AUDIT_SALT_SIZE; i++)
        entry.salt[i] = i;
    digest_sha256_parts(
        (struct slice[]){slice_of(entry.salt, AUDIT_SALT_SIZE), slice_of("name", 4)}, 2,
        entry.mark);
    CHECK(audit_name_holds(&entry) && memcmp(entry.mark, wanted_mark, 4) == 0);
    audit_hash(&entry, before, hash);
    CHECK(memcmp(hash, wanted_hash, sizeof wanted_hash) == 0);
    entry.name = (char *)(uintptr_t) "another";
    CHECK(!audit_name_holds(&entry));
}

TEST(a_purged_name_is_gone_and_the_chain_holds)
{
    int64_t bad;
    add("create", 77);
    CHECK_EQ(store_step_begin(store), 0);
    CHECK_EQ(store_step_end(store, audit_forget(store, 77)), 0);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(checked(&bad), 0);
}

TEST(the_chain_goes_on_after_a_restart)
{
    struct audit_head before, after;
    int64_t bad;
    audit_head_get(store, &before);
    reopen();
    audit_head_get(store, &after);
    CHECK(before.sequence == after.sequence && memcmp(before.hash, after.hash, DIGEST_SIZE) == 0);
    add("delete", 7);
    CHECK_EQ(checked(&bad), 0);
}

TEST(what_is_undone_leaves_no_entry)
{
    struct audit_head before, after;
    audit_head_get(store, &before);
    CHECK_EQ(store_step_begin(store), 0);
    CHECK_EQ(audit_add(store, &ada, "create", 9, NULL, NULL), 0);
    CHECK_EQ(store_step_end(store, -EEXIST), -EEXIST);
    CHECK_EQ(store_commit(store), 0);
    audit_head_get(store, &after);
    CHECK_EQ(after.sequence, before.sequence);
    CHECK_EQ(audit_add(store, &ada, "create", 9, NULL, NULL), 0);
    store_spoil(store);
    CHECK_EQ(store_commit(store), -EIO);
    audit_head_get(store, &after);
    CHECK_EQ(after.sequence, before.sequence);
    CHECK(memcmp(after.hash, before.hash, DIGEST_SIZE) == 0);
}

TEST(reads_are_noted_first_and_once_in_a_while)
{
    struct actor reader = {"bob", 100000, "192.0.2.2"};
    int64_t before = listed(0, NULL).count;
    CHECK_EQ(audit_read_note(store, &reader, 7, 1, "n", "c1"), 0);
    CHECK_EQ(audit_read_note(store, &reader, 7, 1, "n", "c1"), 0); /* at once again */
    reader.from = "192.0.2.3";
    CHECK_EQ(audit_read_note(store, &reader, 7, 1, "n", "c1"), 0); /* from elsewhere */
    reader.now_ms += AUDIT_READ_PAUSE_MS;
    CHECK_EQ(audit_read_note(store, &reader, 7, 1, "n", "c1"), 0); /* later */
    CHECK_EQ(audit_read_note(store, &reader, 7, 2, "n", "c2"), 0); /* another content */
    CHECK(!store_in_transaction(store) && audit_has_notes(store));
    CHECK_EQ(listed(0, NULL).count, before);
    add("create", 10); /* takes them along */
    CHECK(!audit_has_notes(store));
    CHECK(strncmp(listed(0, NULL).actions, "create read read", 16) == 0); /* newest first */
    CHECK_EQ(listed(0, NULL).count, before + 5);
    CHECK_TEXT(listed(0, "bob").actions, "read read read read ");
}

TEST(reads_are_written_at_the_end_and_when_there_are_many)
{
    struct actor reader = {"eve", 500000, ""};
    for (int i = 0; i < AUDIT_NOTES_MAX; i++)
        CHECK_EQ(audit_read_note(store, &reader, 1000 + i, 1, "n", "c"), 0);
    CHECK(store_in_transaction(store));
    store_spoil(store); /* nothing of it is lost with a transaction that fails */
    CHECK_EQ(store_commit(store), -EIO);
    CHECK(audit_has_notes(store));
    reopen();
    int64_t bad;
    struct seen seen = {0};
    bool more;
    CHECK_EQ(audit_list(store, 0, "eve", INT64_MAX, 1000, see, &seen, &more), 0);
    CHECK_EQ(seen.count, AUDIT_NOTES_MAX);
    CHECK_EQ(checked(&bad), 0);
}

static void edit(const char *sql)
{
    char path[64];
    sqlite3 *db;
    store_close(store);
    (void)snprintf(path, sizeof path, "%s/coffer.db", directory);
    REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    open_store();
}

TEST(every_edit_shows)
{
    static const char *const columns[] = {
        "time_ms = time_ms + 1", "action = 'x'",       "user = 'x'",   "node = node + 1",
        "origin = 'x'",          "name = 'x'",         "detail = 'x'", "hash = zeroblob(32)",
        "salt = randomblob(16)", "mark = zeroblob(32)"};
    int64_t bad;
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        char sql[160];
        edit("CREATE TABLE saved AS SELECT * FROM audit WHERE sequence = 3");
        (void)snprintf(sql, sizeof sql, "UPDATE audit SET %s WHERE sequence = 3", columns[i]);
        edit(sql);
        CHECK_EQ(checked(&bad), -EBADMSG);
        CHECK_EQ(bad, 3);
        edit("DELETE FROM audit WHERE sequence = 3; INSERT INTO audit SELECT * FROM saved; "
             "DROP TABLE saved");
        CHECK_EQ(checked(&bad), 0);
    }
    edit("DELETE FROM audit WHERE sequence = 2");
    CHECK_EQ(checked(&bad), -EBADMSG);
    CHECK_EQ(bad, 2);
    store_close(store);
}

int main(void)
{
    if (!mkdtemp(directory))
        return 1;
    int r = tap_main();
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? r : 1;
}
