/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/ca.h"

#include "tap.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define NOW_S 1800000000

static const char *const g_name[] = {"demo.localhost", "www.demo.localhost"};
static const struct ca_names g_names = {g_name, 2, NULL, false};

static struct ca *ca_sample(void)
{
    struct ca *ca = NULL;
    REQUIRE(ca_new("localhost", NOW_S, &ca) == 0);
    return ca;
}

static X509 *pem_read(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.size);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    REQUIRE(certificate != NULL);
    return certificate;
}

static void csr_make(EVP_PKEY *key, struct buf *ret_pem)
{
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    REQUIRE(X509_REQ_set_pubkey(request, key) == 1);
    REQUIRE(X509_REQ_sign(request, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
    REQUIRE(PEM_write_bio_X509_REQ(bio, request) == 1);
    long size = BIO_get_mem_data(bio, &text);
    REQUIRE(buf_append(ret_pem, text, (size_t)size) == 0);
    BIO_free(bio);
    X509_REQ_free(request);
}

TEST(a_certificate_is_for_the_names_and_the_key_of_its_request)
{
    SCOPED(ca_freep) struct ca *ca = ca_sample();
    SCOPED(buf_done) struct buf csr = {0}, pem = {0}, ca_text = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    csr_make(key, &csr);
    CHECK_EQ(ca_issue_csr(ca, buf_slice(&csr), &g_names, NOW_S, 30, &pem), 0);
    REQUIRE(ca_pem(ca, &ca_text) == 0);
    X509 *certificate = pem_read(buf_slice(&pem)), *root = pem_read(buf_slice(&ca_text));
    CHECK_EQ(X509_verify(certificate, X509_get0_pubkey(root)), 1);
    CHECK_EQ(X509_check_issued(root, certificate), X509_V_OK);
    CHECK_EQ(X509_check_host(certificate, g_name[0], 0, 0, NULL), 1);
    CHECK_EQ(X509_check_host(certificate, g_name[1], 0, 0, NULL), 1);
    CHECK_EQ(X509_check_host(certificate, "other.localhost", 0, 0, NULL), 0);
    CHECK_EQ(EVP_PKEY_eq(X509_get0_pubkey(certificate), key), 1);
    CHECK_EQ(X509_check_ca(certificate), 0);
    CHECK(X509_check_ca(root) != 0);
    time_t now = NOW_S, later = NOW_S + 31 * 86400;
    CHECK(X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(certificate), &later) < 0);
    X509_free(certificate);
    X509_free(root);
    EVP_PKEY_free(key);
}

/* The key is copied from the request as it stands there. */
TEST(a_certificate_has_its_requests_key_of_whatever_kind)
{
    SCOPED(ca_freep) struct ca *ca = ca_sample();
    EVP_PKEY *all[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048),
                       EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_EC_gen("P-256")};
    REQUIRE(EVP_PKEY_set_utf8_string_param(all[4], "encoding", "explicit") == 1);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        SCOPED(buf_done) struct buf csr = {0}, pem = {0};
        uint8_t *theirs = NULL, *ours = NULL;
        csr_make(all[i], &csr);
        CHECK_EQ(ca_issue_csr(ca, buf_slice(&csr), &g_names, NOW_S, 30, &pem), 0);
        X509 *certificate = pem_read(buf_slice(&pem));
        int size = i2d_PUBKEY(all[i], &theirs);
        CHECK(size > 0 && i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &ours) == size &&
              memcmp(theirs, ours, (size_t)size) == 0);
        OPENSSL_free(theirs);
        OPENSSL_free(ours);
        X509_free(certificate);
        EVP_PKEY_free(all[i]);
    }
}

TEST(a_request_that_does_not_verify_is_refused)
{
    SCOPED(ca_freep) struct ca *ca = ca_sample();
    SCOPED(buf_done) struct buf csr = {0}, pem = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    csr_make(key, &csr);
    csr.bytes[csr.size / 2] ^= 1;
    CHECK_EQ(ca_issue_csr(ca, buf_slice(&csr), &g_names, NOW_S, 30, &pem), -EBADMSG);
    CHECK_EQ(ca_issue_csr(ca, slice_of_text("no request"), &g_names, NOW_S, 30, &pem), -EBADMSG);
    CHECK_EQ(pem.size, 0);
    EVP_PKEY_free(key);
}

TEST(weak_keys_and_names_that_are_none_are_refused)
{
    static const char *const bad[] = {"", "a,DNS:b.localhost", "a b", "A.localhost", "a\nb"};
    SCOPED(ca_freep) struct ca *ca = ca_sample();
    SCOPED(buf_done) struct buf pem = {0};
    EVP_PKEY *weak = EVP_RSA_gen(1024), *key = EVP_EC_gen("P-256");
    CHECK_EQ(ca_issue_key(ca, weak, &g_names, NOW_S, 30, &pem), -EOPNOTSUPP);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct ca_names names = {&bad[i], 1, NULL, false};
        CHECK_EQ(ca_issue_key(ca, key, &names, NOW_S, 30, &pem), -EINVAL);
    }
    struct ca_names none = {0};
    CHECK_EQ(ca_issue_key(ca, key, &none, NOW_S, 30, &pem), -EINVAL);
    CHECK_EQ(pem.size, 0);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(key);
}

TEST(a_ca_is_the_same_after_saving_and_loading)
{
    SCOPED(ca_freep) struct ca *ca = ca_sample(), *again = NULL;
    SCOPED(buf_done) struct buf der = {0}, a = {0}, b = {0};
    SCOPED(key256_wipe) struct key256 scalar = {0};
    REQUIRE(ca_save(ca, &scalar, &der) == 0);
    CHECK_EQ(ca_load(&scalar, buf_slice(&der), &again), 0);
    REQUIRE(ca_pem(ca, &a) == 0 && ca_pem(again, &b) == 0);
    CHECK(slice_equals(buf_slice(&a), buf_slice(&b)));
    scalar.bytes[5] ^= 1;
    ca_free(TAKE(again));
    CHECK_EQ(ca_load(&scalar, buf_slice(&der), &again), -EBADMSG);
    CHECK(again == NULL);
}

TAP_MAIN()
