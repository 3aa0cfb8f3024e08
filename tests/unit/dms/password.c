/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/password.h"
#include "base/hex.h"
#include "dms/digest.h"
#include "tap.h"

#include <errno.h>

static struct loop *loop;
static struct worker *worker;
static struct passwords *passwords;
static int results, last;
static char hash[PASSWORD_HASH_SIZE];

static void start(void)
{
    REQUIRE(loop_new(&loop) == 0);
    REQUIRE(worker_new(loop, &worker) == 0);
    REQUIRE(passwords_new(worker, &passwords) == 0);
    results = 0;
}

static void stop(void)
{
    worker_free(worker);
    passwords_free(passwords);
    loop_free(loop);
}

static void on_result(void *arg, int result, const char *new_hash)
{
    (void)arg;
    results++;
    last = result;
    if (new_hash)
        snprintf(hash, sizeof hash, "%s", new_hash);
}

static int check(const char *user, const char *password, const char *against, uint64_t now_ns)
{
    struct password_work *work;
    int before = results;
    int r = password_check(passwords, user, 7, slice_of_text(password), against, now_ns, on_result,
                           NULL, &work);
    if (r < 0)
        return r;
    while (results == before)
        REQUIRE(loop_turn(loop, true) == 0);
    return last;
}

TEST(a_right_password_is_remembered_for_minutes_and_forgotten_on_change)
{
    struct password_work *work;
    start();
    REQUIRE(password_hash(passwords, slice_of_text("right one"), on_result, NULL, &work) == 0);
    while (results == 0)
        REQUIRE(loop_turn(loop, true) == 0);
    CHECK_EQ(last, 0);
    CHECK_EQ(check("ada", "right one", hash, 1000), 0);
    CHECK_EQ(passwords_remembered(passwords, "ada", slice_of_text("right one"), 2000), 7);
    CHECK_EQ(passwords_remembered(passwords, "ad", slice_of_text("aright one"), 2000), 0);
    CHECK_EQ(passwords_remembered(passwords, "ada", slice_of_text("right on"), 2000), 0);
    CHECK_EQ(passwords_remembered(passwords, "ada", slice_of_text("right one"),
                                  (uint64_t)301 * 1000000000),
             0);
    passwords_forget(passwords);
    CHECK_EQ(passwords_remembered(passwords, "ada", slice_of_text("right one"), 2000), 0);
    CHECK_EQ(check("ada", "wrong one", hash, 3000), -EKEYREJECTED);
    CHECK_EQ(check("ada", "right one", NULL, 3000), -EKEYREJECTED);
    CHECK_EQ(check("ada", "right one", "argon2id1$00", 3000), -EKEYREJECTED);
    stop();
}

TEST(failures_are_limited_per_name_and_a_success_clears_them)
{
    const uint64_t s = 1000000000;
    char right[PASSWORD_HASH_SIZE];
    start();
    REQUIRE(password_hash_now(slice_of_text("right one"), right) == 0);
    uint64_t now_ns = 1000 * s;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(passwords_wait_s(passwords, "ada", now_ns), 0);
        struct password_work *work; /* cancelled: only what it costs counts */
        REQUIRE(password_check(passwords, "ada", 7, slice_of_text("wrong"), right, now_ns,
                               on_result, NULL, &work) == 0);
        password_cancel(work);
    }
    CHECK_EQ(passwords_wait_s(passwords, "ada", now_ns), 6);
    CHECK_EQ(passwords_wait_s(passwords, "grace", now_ns), 0);
    CHECK_EQ(passwords_wait_s(passwords, "ada", now_ns + 6 * s), 0);
    CHECK_EQ(check("ada", "right one", right, now_ns + 6 * s), 0);
    CHECK_EQ(results, 1);
    CHECK_EQ(passwords_wait_s(passwords, "ada", now_ns + 6 * s), 0);
    stop();
}

TEST(a_fingerprint_tells_another_password)
{
    char text[FINGERPRINT_SIZE];
    CHECK_EQ(password_fingerprint(slice_of_text("one password"), text), 0);
    CHECK_EQ(password_fingerprint_check(slice_of_text("one password"), text), 0);
    CHECK_EQ(password_fingerprint_check(slice_of_text("another one"), text), -EKEYREJECTED);
    CHECK_EQ(password_fingerprint_check(slice_of_text("one password"), ""), -EKEYREJECTED);
}

TEST(sha_256_is_what_it_should_be)
{
    uint8_t digest[DIGEST_SIZE];
    char text[2 * DIGEST_SIZE + 1];
    digest_sha256(slice_of_text("abc"), digest);
    hex_encode(slice_of(digest, sizeof digest), text);
    CHECK_TEXT(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TAP_MAIN()
