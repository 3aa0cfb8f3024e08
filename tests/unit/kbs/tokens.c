/* SPDX-License-Identifier: Apache-2.0 */
/* One-time codes and signed tokens, against the numbers of their definitions. */
#include "kbs/jwt.h"
#include "kbs/totp.h"

#include "tap.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const uint8_t g_secret[TOTP_SECRET_SIZE] = "12345678901234567890";

/* RFC 6238, appendix B: eight digits there, of which these are the last six. */
TEST(codes_are_those_of_the_definition)
{
    static const struct {
        int64_t s;
        const char *code;
    } known[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                 {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        char code[TOTP_DIGITS + 1];
        uint64_t step = 0;
        CHECK_EQ(totp_code(g_secret, (uint64_t)known[i].s / TOTP_STEP_S, code), 0);
        CHECK_TEXT(code, known[i].code);
        CHECK_EQ(totp_check(g_secret, code, known[i].s, 0, &step), 0);
        CHECK_EQ(step, (uint64_t)known[i].s / TOTP_STEP_S);
    }
}

TEST(a_code_is_good_once_and_around_its_time)
{
    uint64_t step = 0;
    CHECK_EQ(totp_check(g_secret, "005924", 1234567890 + 30, 0, &step), 0);
    CHECK_EQ(totp_check(g_secret, "005924", 1234567890 - 30, 0, &step), 0);
    CHECK_EQ(totp_check(g_secret, "005924", 1234567890 + 60, 0, &step), -EACCES);
    CHECK_EQ(totp_check(g_secret, "005924", 1234567890 - 60, 0, &step), -EACCES);
    CHECK_EQ(totp_check(g_secret, "005924", 1234567890, step, &step), -EACCES);
    CHECK_EQ(totp_check(g_secret, "005925", 1234567890, 0, &step), -EACCES);
    CHECK_EQ(totp_check(g_secret, "05924", 1234567890, 0, &step), -EACCES);
    CHECK_EQ(totp_check(g_secret, "", 1234567890, 0, &step), -EACCES);
}

TEST(a_telephone_is_told_the_secret_in_base32)
{
    SCOPED(buf_done) struct buf uri = {0};
    CHECK_EQ(totp_uri(g_secret, "bank", "demo/p/phone", &uri), 0);
    CHECK_TEXT(buf_text(&uri), "otpauth://totp/bank:demo%2Fp%2Fphone?secret="
                               "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bank");
}

TEST(tokens_of_every_algorithm_verify_until_a_byte_changes)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_RSA_gen(2048)};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        SCOPED(buf_done) struct buf token = {0};
        json_t *claims = json_pack("{s:s, s:i}", "aud", "somebody", "exp", 5), *again = NULL;
        CHECK_EQ(jwt_sign(keys[i], "JWT", "key-1", claims, &token), 0);
        CHECK_EQ(jwt_verify(keys[i], buf_slice(&token), &again), 0);
        CHECK(json_equal(claims, again));
        json_decref(again);
        for (size_t at = 0; at < token.size; at += 7) {
            token.bytes[at] ^= 1;
            CHECK(jwt_verify(keys[i], buf_slice(&token), &again) < 0);
            token.bytes[at] ^= 1;
        }
        CHECK(jwt_verify(keys[(i + 1) % ARRAY_COUNT(keys)], buf_slice(&token), &again) < 0);
        json_decref(claims);
    }
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        EVP_PKEY_free(keys[i]);
}

/* {"alg":"none"} and friends. */
TEST(a_token_without_a_signature_is_none)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    json_t *claims = NULL;
    CHECK_EQ(jwt_verify(key, slice_of_text("eyJhbGciOiJub25lIn0.e30."), &claims), -EBADMSG);
    CHECK_EQ(jwt_verify(key, slice_of_text("eyJhbGciOiJFUzI1NiJ9.e30."), &claims), -EKEYREJECTED);
    CHECK_EQ(jwt_verify(key, slice_of_text("no token"), &claims), -EBADMSG);
    CHECK_EQ(jwt_verify(key, slice_of_text(""), &claims), -EBADMSG);
    CHECK_EQ(jwt_verify(key, slice_of_text("a.b"), &claims), -EBADMSG);
    EVP_PKEY_free(key);
}

TAP_MAIN()
