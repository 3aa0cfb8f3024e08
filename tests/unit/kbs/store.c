/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/store.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char g_dir[64];
static const struct key256 g_key = {{1, 2, 3}};

static void dir_fresh(void)
{
    char command[128];
    if (g_dir[0]) {
        snprintf(command, sizeof command, "rm -rf %s", g_dir);
        REQUIRE(system(command) == 0);
    }
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-store-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
}

static struct store *open_store(const struct key256 *key)
{
    struct store *store = NULL;
    struct error e = {0};
    REQUIRE(store_open(g_dir, key, &store, &e) == 0);
    return store;
}

static struct store_tenant tenant_of(const char *name)
{
    struct store_tenant tenant = {.created_s = 5};
    snprintf(tenant.name, sizeof tenant.name, "%s", name);
    return tenant;
}

static void secret_put(struct store *store, const char *name, const char *value)
{
    REQUIRE(store_secret_put(store, "t", "p", name, slice_of_text(value)) == 0);
}

static int secret_is(struct store *store, const char *name, const char *value)
{
    SCOPED(buf_done) struct buf got = {0};
    bool revealed;
    int r = store_secret_get(store, "t", "p", name, &got, &revealed);
    return r < 0 ? r : slice_is_text(buf_slice(&got), value);
}

/* Whether `text` stands anywhere in the files of the store. */
static bool disk_has(const char *text)
{
    char command[256];
    snprintf(command, sizeof command, "grep -raqF -- '%s' %s", text, g_dir);
    return system(command) == 0;
}

/* Field by field: the padding between them is nobody's. */
static bool lease_equals(const struct lease *a, const struct lease *b)
{
    return a->head.epoch == b->head.epoch && a->head.sequence == b->head.sequence &&
           memcmp(a->head.tag, b->head.tag, sizeof a->head.tag) == 0 && a->held == b->held &&
           a->deadline_ms == b->deadline_ms &&
           memcmp(a->session, b->session, sizeof a->session) == 0 &&
           memcmp(a->instance, b->instance, sizeof a->instance) == 0 &&
           memcmp(a->opening, b->opening, sizeof a->opening) == 0;
}

TEST(what_was_committed_is_there_after_reopening)
{
    dir_fresh();
    struct store *store = open_store(&g_key);
    struct store_tenant tenant = tenant_of("t"), got;
    REQUIRE(store_request_begin(store) == 0);
    CHECK_EQ(store_tenant_add(store, &tenant), 0);
    CHECK_EQ(store_tenant_add(store, &tenant), -EEXIST);
    secret_put(store, "s", "very secret");
    CHECK_EQ(store_request_end(store, true), 0);
    CHECK_EQ(store_commit(store), 0);
    store_free(store);
    store = open_store(&g_key);
    CHECK_EQ(store_tenant_get(store, "t", &got), 0);
    CHECK_EQ(got.created_s, 5);
    CHECK_EQ(store_tenant_get(store, "u", &got), -ENOENT);
    CHECK_EQ(secret_is(store, "s", "very secret"), 1);
    CHECK_EQ(secret_is(store, "none", ""), -ENOENT);
    store_free(store);
}

TEST(a_request_that_is_undone_leaves_the_others_of_its_turn)
{
    dir_fresh();
    struct store *store = open_store(&g_key);
    REQUIRE(store_request_begin(store) == 0);
    secret_put(store, "one", "1");
    REQUIRE(store_request_end(store, true) == 0);
    REQUIRE(store_request_begin(store) == 0);
    secret_put(store, "two", "2");
    REQUIRE(store_request_end(store, false) == 0);
    REQUIRE(store_request_begin(store) == 0);
    secret_put(store, "three", "3");
    REQUIRE(store_request_end(store, true) == 0);
    REQUIRE(store_commit(store) == 0);
    CHECK_EQ(secret_is(store, "one", "1"), 1);
    CHECK_EQ(secret_is(store, "two", "2"), -ENOENT);
    CHECK_EQ(secret_is(store, "three", "3"), 1);
    store_free(store);
}

TEST(secrets_are_sealed_on_the_disk)
{
    dir_fresh();
    struct store *store = open_store(&g_key);
    struct store_tenant tenant = tenant_of("plaintenantname");
    REQUIRE(store_request_begin(store) == 0);
    REQUIRE(store_tenant_add(store, &tenant) == 0);
    secret_put(store, "s", "plainsecretvalue");
    REQUIRE(store_setting_put(store, "x", slice_of_text("plainsettingvalue")) == 0);
    REQUIRE(store_request_end(store, true) == 0 && store_commit(store) == 0);
    store_free(store);
    CHECK(disk_has("plaintenantname"));
    CHECK(!disk_has("plainsecretvalue"));
    CHECK(!disk_has("plainsettingvalue"));
}

TEST(another_key_opens_nothing)
{
    struct key256 other = g_key;
    SCOPED(buf_done) struct buf value = {0};
    dir_fresh();
    struct store *store = open_store(&g_key);
    REQUIRE(store_request_begin(store) == 0);
    secret_put(store, "s", "x");
    REQUIRE(store_setting_put(store, "x", slice_of_text("y")) == 0);
    REQUIRE(store_request_end(store, true) == 0 && store_commit(store) == 0);
    store_free(store);
    other.bytes[31] ^= 1;
    store = NULL;
    CHECK_EQ(store_open(g_dir, &other, &store, NULL), -EBADMSG);
    CHECK(store == NULL);
    /* Not even with a root key of its own. */
    REQUIRE(store_root_write(g_dir, &other, &other) == 0);
    store = open_store(&other);
    CHECK_EQ(secret_is(store, "s", "x"), -EBADMSG);
    CHECK_EQ(store_setting_get(store, "x", &value), -EBADMSG);
    store_free(store);
}

TEST(a_sealed_value_moved_to_another_row_does_not_open)
{
    char command[256];
    dir_fresh();
    struct store *store = open_store(&g_key);
    REQUIRE(store_request_begin(store) == 0);
    secret_put(store, "one", "1");
    secret_put(store, "two", "2");
    REQUIRE(store_request_end(store, true) == 0 && store_commit(store) == 0);
    store_free(store);
    snprintf(command, sizeof command,
             "sqlite3 %s/kbs.db \"UPDATE secret SET value = (SELECT value FROM secret WHERE "
             "name = 'one') WHERE name = 'two'\"",
             g_dir);
    REQUIRE(system(command) == 0);
    store = open_store(&g_key);
    CHECK_EQ(secret_is(store, "one", "1"), 1);
    CHECK_EQ(secret_is(store, "two", "1"), -EBADMSG);
    store_free(store);
}

TEST(volumes_get_an_id_and_a_key_once_and_keep_them)
{
    struct store_volume a = {0}, b = {0}, c = {0};
    struct lease lease;
    char name[64];
    dir_fresh();
    struct store *store = open_store(&g_key);
    REQUIRE(store_request_begin(store) == 0);
    CHECK_EQ(store_volume_get(store, "t", "p", "data", &a), 0);
    CHECK_EQ(store_volume_get(store, "t", "p", "data", &b), 0);
    CHECK_EQ(store_volume_get(store, "t", "q", "data", &c), 0);
    CHECK(memcmp(a.id, b.id, sizeof a.id) == 0);
    CHECK(memcmp(&a.key, &b.key, sizeof a.key) == 0);
    CHECK(memcmp(a.id, c.id, sizeof a.id) != 0);
    CHECK(memcmp(&a.key, &c.key, sizeof a.key) != 0);
    a.lease.head.epoch = 3;
    a.lease.head.sequence = 9;
    a.lease.head.tag[31] = 1;
    a.lease.held = true;
    a.lease.deadline_ms = 77;
    CHECK_EQ(store_volume_put(store, a.id, &a.lease), 0);
    CHECK_EQ(store_volume_find(store, "t", "p", a.id, name, &lease), 0);
    CHECK(lease_equals(&lease, &a.lease));
    CHECK_TEXT(name, "data");
    CHECK_EQ(store_volume_find(store, "t", "q", a.id, name, &lease), -ENOENT);
    CHECK_EQ(store_volumes_revoke(store, "t", "p"), 0);
    CHECK_EQ(store_volume_find(store, "t", "p", a.id, name, &lease), 0);
    CHECK_EQ(lease.head.epoch, 4);
    CHECK_EQ(lease.held, false);
    REQUIRE(store_request_end(store, true) == 0 && store_commit(store) == 0);
    store_free(store);
}

TEST(sessions_expire_and_are_dropped_with_their_policy)
{
    static const uint8_t key_a[SHA256_SIZE] = {1}, key_b[SHA256_SIZE] = {2};
    struct store_session session = {.tenant = "t", .policy = "p", .expires_s = 100}, got;
    dir_fresh();
    struct store *store = open_store(&g_key);
    REQUIRE(store_request_begin(store) == 0);
    CHECK_EQ(store_session_put(store, key_a, &session, 50), 0);
    CHECK_EQ(store_session_get(store, key_a, &got), 0);
    CHECK_TEXT(got.policy, "p");
    session.expires_s = 300;
    CHECK_EQ(store_session_put(store, key_b, &session, 200), 0);
    CHECK_EQ(store_session_get(store, key_a, &got), -ENOENT);
    CHECK_EQ(store_session_get(store, key_b, &got), 0);
    CHECK_EQ(store_sessions_drop(store, "t", "p"), 0);
    CHECK_EQ(store_session_get(store, key_b, &got), -ENOENT);
    REQUIRE(store_request_end(store, true) == 0 && store_commit(store) == 0);
    store_free(store);
}

TEST(a_damaged_database_is_an_error_and_not_an_empty_one)
{
    struct store *store = NULL;
    struct error e = {0};
    char path[96];
    dir_fresh();
    snprintf(path, sizeof path, "%s/kbs.db", g_dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    REQUIRE(write(fd, "this is not a database, but long enough to be one ..............", 64) ==
            64);
    close(fd);
    CHECK_EQ(store_open(g_dir, &g_key, &store, &e), -EIO);
    CHECK(store == NULL && strstr(e.text, "kbs.db"));
    snprintf(path, sizeof path, "rm -rf %s", g_dir);
    REQUIRE(system(path) == 0);
}

TAP_MAIN()
