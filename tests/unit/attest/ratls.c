/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/ratls.h"

#include "sample.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static const uint8_t g_nonce[RATLS_NONCE_SIZE] = {1, 2, 3, 4};

static X509 *certificate_sample(const struct p256_key *key)
{
    struct sim_identity id = sample_identity();
    X509 *certificate = NULL;
    sample_device_set(&id);
    REQUIRE(ratls_certificate(key, g_nonce, sample_evidence, NULL, &certificate, NULL) == 0);
    return certificate;
}

static struct p256_key *key_new(void)
{
    struct p256_key *key = NULL;
    REQUIRE(p256_generate(&key) == 0);
    return key;
}

static void check_refused(X509 *certificate, const uint8_t *nonce, enum refusal_reason reason)
{
    struct evidence ev;
    struct refusal refusal = {0};
    CHECK_EQ(ratls_verify(certificate, nonce, NULL, &ev, &refusal), -EACCES);
    CHECK_TEXT(refusal_code(refusal.reason), refusal_code(reason));
}

/* The DER of the extension's value inside the certificate's DER, to change it in place. */
static uint8_t *der_find(uint8_t *der, size_t size, struct slice what)
{
    for (size_t i = 0; i + what.size <= size; i++)
        if (memcmp(der + i, what.bytes, what.size) == 0)
            return der + i;
    REQUIRE(!"found");
    return NULL;
}

TEST(a_certificate_carries_its_evidence)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key);
    struct evidence ev = {0};
    CHECK_EQ(ratls_verify(certificate, g_nonce, NULL, &ev, NULL), 0);
    CHECK_EQ(ev.program[0], 0x22);
    CHECK_EQ(X509_verify(certificate, p256_pkey(key)), 1);
    X509_free(certificate);
}

TEST(a_certificate_made_again_answers_the_new_nonce_only)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key);
    static const uint8_t other[RATLS_NONCE_SIZE] = {9};
    struct evidence ev;
    REQUIRE(ratls_certificate(key, other, sample_evidence, NULL, &certificate, NULL) == 0);
    CHECK_EQ(ratls_verify(certificate, other, NULL, &ev, NULL), 0);
    CHECK_EQ(X509_verify(certificate, p256_pkey(key)), 1);
    check_refused(certificate, g_nonce, REFUSAL_EVIDENCE_STALE);
    REQUIRE(ratls_certificate(key, other, NULL, NULL, &certificate, NULL) == 0);
    CHECK_EQ(ratls_verify(certificate, other, NULL, &ev, NULL), -ENODATA);
    X509_free(certificate);
}

TEST(another_nonce_is_stale)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key);
    uint8_t other[RATLS_NONCE_SIZE] = {0};
    check_refused(certificate, other, REFUSAL_EVIDENCE_STALE);
    X509_free(certificate);
}

TEST(evidence_moved_to_another_key_is_not_bound)
{
    SCOPED(p256_freep) struct p256_key *key = key_new(), *thief = key_new();
    X509 *certificate = certificate_sample(key);
    REQUIRE(X509_set_pubkey(certificate, p256_pkey(thief)) == 1);
    REQUIRE(X509_sign(certificate, p256_pkey(thief), EVP_sha256()) > 0);
    check_refused(certificate, g_nonce, REFUSAL_EVIDENCE_BINDING);
    X509_free(certificate);
}

TEST(a_certificate_without_evidence_is_an_ordinary_one)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key);
    struct evidence ev;
    X509_EXTENSION_free(X509_delete_ext(certificate, 0));
    CHECK_EQ(ratls_verify(certificate, g_nonce, NULL, &ev, NULL), -ENODATA);
    X509_free(certificate);
}

TEST(two_extensions_are_two_opinions_and_refused)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key);
    REQUIRE(X509_add_ext(certificate, X509_get_ext(certificate, 0), -1) == 1);
    check_refused(certificate, g_nonce, REFUSAL_EVIDENCE_MALFORMED);
    X509_free(certificate);
}

TEST(evidence_that_its_device_did_not_sign_is_refused)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = certificate_sample(key), *changed;
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    REQUIRE(size > 0);
    der_find(der, (size_t)size, slice_of_text(EVIDENCE_MAGIC "\x01"))[60] ^= 1;
    const uint8_t *at = der;
    changed = d2i_X509(NULL, &at, size);
    REQUIRE(changed != NULL);
    check_refused(changed, g_nonce, REFUSAL_EVIDENCE_SIGNATURE);
    OPENSSL_free(der);
    X509_free(changed);
    X509_free(certificate);
}

TEST(a_failing_platform_is_an_error_of_its_own)
{
    SCOPED(p256_freep) struct p256_key *key = key_new();
    X509 *certificate = NULL;
    struct sim_identity id = sample_identity();
    REQUIRE(sim_device_set("/nowhere/device", &id, NULL) == 0);
    CHECK_EQ(ratls_certificate(key, g_nonce, sample_evidence, NULL, &certificate, NULL), -ENOENT);
    X509_free(certificate);
}

TEST(the_extension_refuses_every_truncation_trailing_bytes_and_other_tags)
{
    SCOPED(buf_done) struct buf out = {0};
    struct slice evidence, claims;
    REQUIRE(ratls_extension_write(slice_of_text("evidence"), slice_of_text("claims"), &out) == 0);
    CHECK_EQ(ratls_extension_parse(buf_slice(&out), &evidence, &claims), 0);
    CHECK(slice_is_text(evidence, "evidence") && slice_is_text(claims, "claims"));
    for (size_t size = 0; size < out.size; size++)
        CHECK_EQ(ratls_extension_parse(slice_of(out.bytes, size), &evidence, &claims), -EBADMSG);
    buf_append_byte(&out, 0);
    CHECK_EQ(ratls_extension_parse(buf_slice(&out), &evidence, &claims), -EBADMSG);
    out.size--;
    out.bytes[2] ^= 1; /* of the tag's number */
    CHECK_EQ(ratls_extension_parse(buf_slice(&out), &evidence, &claims), -EOPNOTSUPP);
}

/* One evidence under the tag of another kind would be judged as what it is not. */
TEST(a_tag_that_does_not_fit_its_evidence_is_malformed)
{
    static const uint8_t sim_as_quote[] = {0xd9, 0xea, 0x60, 0x82, 0x44, 'C', 'F', 'E', 'V', 0x40};
    static const uint8_t quote_as_sim[] = {0xda, 0x43, 0x46, 0x45, 0x56, 0x82, 0x41, 3, 0x40};
    struct slice evidence, claims;
    CHECK_EQ(ratls_extension_parse(slice_of(sim_as_quote, sizeof sim_as_quote), &evidence, &claims),
             -EBADMSG);
    CHECK_EQ(ratls_extension_parse(slice_of(quote_as_sim, sizeof quote_as_sim), &evidence, &claims),
             -EBADMSG);
}

TEST(numbers_that_are_longer_than_needed_are_malformed)
{
    static const uint8_t longer[] = {0xd9, 0xea, 0x60, 0x98, 0x02, 0x41, 3, 0x40};
    static const uint8_t shortest[] = {0xd9, 0xea, 0x60, 0x82, 0x41, 3, 0x40};
    struct slice evidence, claims;
    CHECK_EQ(ratls_extension_parse(slice_of(longer, sizeof longer), &evidence, &claims), -EBADMSG);
    CHECK_EQ(ratls_extension_parse(slice_of(shortest, sizeof shortest), &evidence, &claims), 0);
}

TEST(claims_refuse_every_changed_shape)
{
    struct ratls_claims claims = {{1}, {2}}, again;
    SCOPED(buf_done) struct buf out = {0};
    REQUIRE(ratls_claims_write(&claims, &out) == 0);
    CHECK_EQ(ratls_claims_parse(buf_slice(&out), &again), 0);
    CHECK(memcmp(&claims, &again, sizeof claims) == 0);
    for (size_t size = 0; size < out.size; size++)
        CHECK_EQ(ratls_claims_parse(slice_of(out.bytes, size), &again), -EBADMSG);
    for (size_t i = 0; i < 16; i++) {
        out.bytes[i] ^= 1;
        CHECK_EQ(ratls_claims_parse(buf_slice(&out), &again), -EBADMSG);
        out.bytes[i] ^= 1;
    }
}

TAP_MAIN()
