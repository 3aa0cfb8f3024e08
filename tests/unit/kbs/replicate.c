/* SPDX-License-Identifier: Apache-2.0 */
/* Two stores with one state: what one ships, the other repeats; a refusal undoes it; a root key moves
 * with the whole. */
#include "kbs/store.h"

#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char g_a[64], g_b[64];
static struct store *g_active, *g_standby;
static const struct key256 g_platform_a = {{1}}, g_platform_b = {{2}};
static int g_answer;
static struct buf g_shipped;

static int ship(void *ctx, uint64_t before, struct slice record)
{
    uint64_t commits = 0;
    (void)ctx;
    buf_clear(&g_shipped);
    buf_append_slice(&g_shipped, record);
    if (g_answer < 0)
        return g_answer;
    REQUIRE(store_commits(g_standby, &commits) == 0);
    CHECK_EQ(commits, before);
    return store_apply(g_standby, record);
}

static void dirs_remove(void)
{
    char command[200];
    store_free(g_active);
    store_free(g_standby);
    buf_done(&g_shipped);
    snprintf(command, sizeof command, "rm -rf %s %s", g_a, g_b);
    REQUIRE(system(command) == 0);
}

static void setup(void)
{
    SCOPED(buf_done) struct buf whole = {0};
    SCOPED(key256_wipe) struct key256 root = {0};
    snprintf(g_a, sizeof g_a, "/tmp/coffer-active-XXXXXX");
    snprintf(g_b, sizeof g_b, "/tmp/coffer-standby-XXXXXX");
    REQUIRE(mkdtemp(g_a) && mkdtemp(g_b));
    atexit(dirs_remove);
    REQUIRE(store_open(g_a, &g_platform_a, &g_active, NULL) == 0);
    REQUIRE(store_open(g_b, &g_platform_b, &g_standby, NULL) == 0);
    REQUIRE(store_request_begin(g_active) == 0);
    REQUIRE(store_setting_put(g_active, "first", slice_of_text("one")) == 0);
    REQUIRE(store_request_end(g_active, true) == 0 && store_commit(g_active) == 0);
    REQUIRE(store_serialize(g_active, &whole) == 0);
    store_root(g_active, &root);
    REQUIRE(store_replace(g_standby, buf_slice(&whole), &root) == 0);
    REQUIRE(store_root_write(g_b, &g_platform_b, &root) == 0);
    store_ship_to(g_active, ship, NULL);
}

static void check_setting(struct store *store, const char *name, const char *value)
{
    SCOPED(buf_done) struct buf got = {0};
    int r = store_setting_get(store, name, &got);
    CHECK_EQ(r, value ? 0 : -ENOENT);
    if (value)
        CHECK(slice_is_text(buf_slice(&got), value));
}

static uint64_t commits_of(struct store *store)
{
    uint64_t n = 0;
    REQUIRE(store_commits(store, &n) == 0);
    return n;
}

TEST(the_whole_moves_with_its_root_key)
{
    setup();
    check_setting(g_standby, "first", "one");
    CHECK_EQ(commits_of(g_standby), commits_of(g_active));
}

TEST(a_commit_is_there_before_it_is_here)
{
    struct store_tenant tenant = {.name = "demo", .created_s = 5}, again;
    REQUIRE(store_request_begin(g_active) == 0);
    REQUIRE(store_tenant_add(g_active, &tenant) == 0);
    REQUIRE(store_setting_put(g_active, "second", slice_of_text("two")) == 0);
    REQUIRE(store_request_end(g_active, true) == 0);
    /* A request that is taken back ships nothing. */
    REQUIRE(store_request_begin(g_active) == 0);
    REQUIRE(store_setting_put(g_active, "third", slice_of_text("three")) == 0);
    REQUIRE(store_request_end(g_active, false) == 0);
    CHECK_EQ(store_commit(g_active), 0);
    check_setting(g_standby, "second", "two");
    check_setting(g_standby, "third", NULL);
    CHECK_EQ(store_tenant_get(g_standby, "demo", &again), 0);
    CHECK_EQ(commits_of(g_standby), commits_of(g_active));
}

TEST(without_agreement_nothing_is_committed)
{
    uint64_t before = commits_of(g_active);
    g_answer = -EHOSTDOWN;
    REQUIRE(store_request_begin(g_active) == 0);
    REQUIRE(store_setting_put(g_active, "fourth", slice_of_text("four")) == 0);
    REQUIRE(store_request_end(g_active, true) == 0);
    CHECK_EQ(store_commit(g_active), -EHOSTDOWN);
    g_answer = 0;
    check_setting(g_active, "fourth", NULL);
    CHECK_EQ(commits_of(g_active), before);
    /* Looking changes nothing and asks nobody. */
    g_answer = -EHOSTDOWN;
    REQUIRE(store_request_begin(g_active) == 0);
    check_setting(g_active, "first", "one");
    REQUIRE(store_request_end(g_active, true) == 0);
    CHECK_EQ(store_commit(g_active), 0);
    g_answer = 0;
}

TEST(a_record_that_was_tampered_with_changes_nothing)
{
    uint64_t before;
    REQUIRE(store_request_begin(g_active) == 0);
    REQUIRE(store_setting_put(g_active, "fifth", slice_of_text("five")) == 0);
    REQUIRE(store_request_end(g_active, true) == 0 && store_commit(g_active) == 0);
    before = commits_of(g_standby);
    for (size_t size = 1; size < g_shipped.size; size += 3)
        if (store_apply(g_standby, slice_of(g_shipped.bytes, size)) == 0)
            before = commits_of(g_standby); /* cut between two statements */
    CHECK_EQ(commits_of(g_standby), before);
    uint8_t unknown[] = {0xff, 0xff, 0}, reader[] = {0, 0, 0};
    CHECK_EQ(store_apply(g_standby, slice_of(unknown, sizeof unknown)), -EBADMSG);
    CHECK_EQ(store_apply(g_standby, slice_of(reader, sizeof reader)), -EBADMSG);
}

TEST(the_standby_opens_again_with_its_own_platform)
{
    struct store *wrong = NULL;
    struct error e = {0};
    store_free(TAKE(g_standby));
    CHECK_EQ(store_open(g_b, &g_platform_a, &wrong, &e), -EBADMSG);
    CHECK(strstr(e.text, "another device") != NULL);
    REQUIRE(store_open(g_b, &g_platform_b, &g_standby, NULL) == 0);
    check_setting(g_standby, "second", "two");
    SCOPED(buf_done) struct buf junk = {0};
    buf_append_text(&junk, "no database");
    CHECK(store_replace(g_standby, buf_slice(&junk), &g_platform_a) < 0);
    check_setting(g_standby, "second", "two");
}

TAP_MAIN()
