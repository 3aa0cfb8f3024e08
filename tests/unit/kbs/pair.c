/* SPDX-License-Identifier: Apache-2.0 */
/* Two keepers with processes between them that may be anybody's. */
#include "kbs/pair.h"

#include "attest/ratls.h"
#include "tap.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define PATH "/v1/peer/commit"

struct end {
    struct p256_key *key;
    X509 *certificate;
};

static struct end end_new(void)
{
    static const uint8_t nonce[RATLS_NONCE_SIZE];
    struct end end = {0};
    REQUIRE(p256_generate(&end.key) == 0);
    REQUIRE(ratls_certificate(end.key, nonce, NULL, NULL, &end.certificate, NULL) == 0);
    return end;
}

static struct end g_client, g_server, g_stranger;
static struct pair g_asks, g_answers;
static const uint8_t g_connection[SHA256_SIZE] = {1}, g_next_connection[SHA256_SIZE] = {2};

static void begin(void)
{
    if (!g_client.key) {
        g_client = end_new();
        g_server = end_new();
        g_stranger = end_new();
    }
    g_asks = g_answers = (struct pair){0};
    REQUIRE(pair_begin(&g_asks, g_client.key, g_server.certificate, g_connection, true) == 0);
    REQUIRE(pair_begin(&g_answers, g_server.key, g_client.certificate, g_connection, false) == 0);
}

static json_t *request(void)
{
    json_t *json = json_pack("{s:i, s:s}", "epoch", 3, "base64", "AAAA");
    REQUIRE(json && pair_request_seal(&g_asks, PATH, json) == 0);
    return json;
}

TEST(what_one_keeper_says_the_other_takes_once)
{
    begin();
    json_t *first = request(), *second = request();
    json_t *answer = json_pack("{s:s}", "role", "standby");
    CHECK_EQ(pair_request_open(&g_answers, PATH, first), 0);
    CHECK_EQ(pair_answer_seal(&g_answers, PATH, first, answer), 0);
    CHECK_EQ(pair_answer_open(&g_asks, PATH, first, answer), 0);
    CHECK_EQ(pair_request_open(&g_answers, PATH, first), -EKEYREJECTED);
    CHECK_EQ(pair_request_open(&g_answers, PATH, second), 0);
    CHECK_EQ(pair_request_open(&g_answers, PATH, first), -EKEYREJECTED);
    /* An answer to another question is none to this one. */
    CHECK_EQ(pair_answer_open(&g_asks, PATH, second, answer), -EKEYREJECTED);
    json_decref(first);
    json_decref(second);
    json_decref(answer);
}

TEST(the_order_of_members_and_a_new_connection_change_nothing)
{
    begin();
    json_t *said = request(), *heard = json_object();
    json_object_set(heard, "mac", json_object_get(said, "mac"));
    json_object_set(heard, "n", json_object_get(said, "n"));
    json_object_set(heard, "base64", json_object_get(said, "base64"));
    json_object_set(heard, "epoch", json_object_get(said, "epoch"));
    CHECK_EQ(pair_request_open(&g_answers, PATH, heard), 0);
    CHECK_EQ(pair_begin(&g_answers, g_server.key, g_client.certificate, g_connection, false), 0);
    CHECK_EQ(pair_request_open(&g_answers, PATH, heard), -EKEYREJECTED);
    json_decref(said);
    json_decref(heard);
}

static void check_changed(const char *member, json_t *value)
{
    begin();
    json_t *json = request();
    if (value)
        json_object_set_new(json, member, value);
    else
        json_object_del(json, member);
    CHECK_EQ(pair_request_open(&g_answers, PATH, json), -EKEYREJECTED);
    json_decref(json);
}

TEST(nothing_between_them_changes_adds_or_moves_anything)
{
    check_changed("epoch", json_integer(4));
    check_changed("base64", json_string("AAAB"));
    check_changed("base64", NULL);
    check_changed("more", json_true());
    check_changed("n", json_integer(2));
    check_changed("mac", json_string(""));
    check_changed("mac", json_integer(1));
    check_changed("mac", NULL);
    begin();
    CHECK_EQ(pair_request_open(&g_answers, PATH, NULL), -EKEYREJECTED);
    json_t *json = request(), *answer = json_object();
    CHECK_EQ(pair_request_open(&g_answers, "/v1/peer/state", json), -EKEYREJECTED);
    CHECK_EQ(pair_answer_open(&g_asks, PATH, json, json), -EKEYREJECTED);
    CHECK_EQ(pair_answer_open(&g_asks, PATH, json, answer), -EKEYREJECTED);
    json_decref(json);
    json_decref(answer);
}

TEST(a_stranger_is_no_end_of_it)
{
    struct pair third = {0};
    begin();
    REQUIRE(pair_begin(&third, g_stranger.key, g_server.certificate, g_connection, true) == 0);
    json_t *json = json_object();
    CHECK_EQ(pair_request_seal(&third, PATH, json), 0);
    CHECK_EQ(pair_request_open(&g_answers, PATH, json), -EKEYREJECTED);
    json_decref(json);
    /* Nor is either end the other: what was asked comes not back as a question. */
    json = request();
    struct pair back = {0};
    REQUIRE(pair_begin(&back, g_client.key, g_server.certificate, g_connection, false) == 0);
    CHECK_EQ(pair_request_open(&back, PATH, json), -EKEYREJECTED);
    json_decref(json);
    struct pair none = {0};
    json = json_object();
    CHECK_EQ(pair_request_seal(&none, PATH, json), -EINVAL);
    CHECK_EQ(pair_request_open(&none, PATH, json), -EKEYREJECTED);
    json_decref(json);
}

TEST(what_was_said_over_one_connection_is_nothing_over_the_next)
{
    const struct key256 key = {{7}};
    struct key256 got;
    struct pair asks = {0}, answers = {0};
    json_t *sealed = NULL;
    begin();
    json_t *said = request(), *unheard = request(), *answer = json_object();
    CHECK_EQ(pair_request_open(&g_answers, PATH, said), 0);
    REQUIRE(pair_answer_seal(&g_answers, PATH, said, answer) == 0);
    REQUIRE(pair_key_seal(&g_answers, &key, &sealed) == 0);
    REQUIRE(pair_begin(&asks, g_client.key, g_server.certificate, g_next_connection, true) == 0);
    REQUIRE(pair_begin(&answers, g_server.key, g_client.certificate, g_next_connection, false) ==
            0);
    CHECK_EQ(pair_request_open(&answers, PATH, said), -EKEYREJECTED);
    CHECK_EQ(pair_request_open(&answers, PATH, unheard), -EKEYREJECTED);
    CHECK_EQ(pair_answer_open(&asks, PATH, said, answer), -EKEYREJECTED);
    CHECK_EQ(pair_key_open(&asks, sealed, &got), -EKEYREJECTED);
    json_t *again = json_object();
    REQUIRE(pair_request_seal(&asks, PATH, again) == 0);
    CHECK_EQ(pair_request_open(&answers, PATH, again), 0);
    /* And the first goes on where it was. */
    CHECK_EQ(pair_request_open(&g_answers, PATH, said), -EKEYREJECTED);
    CHECK_EQ(pair_request_open(&g_answers, PATH, unheard), 0);
    json_decref(said);
    json_decref(unheard);
    json_decref(answer);
    json_decref(again);
    json_decref(sealed);
}

TEST(a_root_key_is_for_the_other_keeper_alone)
{
    const struct key256 key = {{7, 8, 9}};
    struct key256 got = {{0}};
    struct pair third = {0};
    json_t *text = NULL;
    begin();
    REQUIRE(pair_key_seal(&g_asks, &key, &text) == 0);
    CHECK_EQ(pair_key_open(&g_answers, text, &got), 0);
    CHECK(memcmp(&key, &got, sizeof key) == 0);
    REQUIRE(pair_begin(&third, g_stranger.key, g_client.certificate, g_connection, false) == 0);
    CHECK_EQ(pair_key_open(&third, text, &got), -EKEYREJECTED);
    char changed[200];
    snprintf(changed, sizeof changed, "%s", json_string_value(text));
    changed[40] = changed[40] == 'A' ? 'B' : 'A';
    json_t *other = json_string(changed);
    CHECK_EQ(pair_key_open(&g_answers, other, &got), -EKEYREJECTED);
    json_decref(other);
    other = json_string("AAAA");
    CHECK_EQ(pair_key_open(&g_answers, other, &got), -EBADMSG);
    CHECK_EQ(pair_key_open(&g_answers, NULL, &got), -EBADMSG);
    json_decref(other);
    json_decref(text);
}

TEST(another_kind_of_key_makes_no_pair)
{
    struct pair pair = {0};
    EVP_PKEY *key = EVP_EC_gen("P-384");
    X509 *certificate = X509_new();
    REQUIRE(X509_set_pubkey(certificate, key) == 1);
    begin();
    CHECK_EQ(pair_begin(&pair, g_server.key, certificate, g_connection, false), -EOPNOTSUPP);
    CHECK(!pair.known);
    X509_free(certificate);
    EVP_PKEY_free(key);
    struct end *ends[] = {&g_client, &g_server, &g_stranger};
    for (size_t i = 0; i < 3; i++) {
        p256_free(ends[i]->key);
        X509_free(ends[i]->certificate);
    }
}

TAP_MAIN()
