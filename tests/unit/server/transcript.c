/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes as RFC 8446 builds them, made here message by message: what proves a client, and that
 * nothing else does. */
#include "server/transcript.h"

#include "base/buf.h"
#include "tap.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
    HELLO = 1,
    SERVER = 2,
    EXTENSIONS = 8,
    CERTIFICATE = 11,
    REQUEST = 13,
    VERIFY = 15,
    END = 20
};

struct shape {
    EVP_PKEY *client; /* NULL: none */
    EVP_PKEY *signer; /* NULL: client */
    uint16_t scheme;
    const EVP_MD *md; /* of the signature */
    size_t hash_size;
    bool retry;
};

struct handshake {
    struct buf bytes;
    uint8_t hash[64];
    size_t hash_size;
    uint8_t signature[70];
};

static void message(struct buf *out, int type, const void *body, size_t size)
{
    const uint8_t head[4] = {(uint8_t)type, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                             (uint8_t)size};
    buf_append(out, head, sizeof head);
    buf_append(out, body, size);
}

static void server_hello(struct buf *out, const uint8_t random[32])
{
    uint8_t body[2 + 32 + 4] = {3, 3};
    memcpy(body + 2, random, 32);
    message(out, SERVER, body, sizeof body);
}

/* The retry's random: SHA-256 of these words, as the RFC says. */
static void retry_begin(struct buf *out)
{
    uint8_t random[32];
    REQUIRE(sha256(slice_of_text("HelloRetryRequest"), random) == 0);
    message(out, HELLO, "first", 5);
    server_hello(out, random);
}

/* By the rule, and without the code under test: a first hello that was refused is its hash. */
static void hash_of(const struct handshake *h, bool retry, uint8_t *ret)
{
    const EVP_MD *md = h->hash_size == 48 ? EVP_sha384() : EVP_sha256();
    struct buf all = {0};
    size_t skip = retry ? 4 + 5 : 0;
    if (retry) {
        uint8_t first[64];
        REQUIRE(EVP_Digest(h->bytes.bytes, skip, first, NULL, md, NULL) == 1);
        message(&all, 254, first, h->hash_size);
    }
    buf_append(&all, h->bytes.bytes + skip, h->bytes.size - skip);
    REQUIRE(EVP_Digest(all.bytes, all.size, ret, NULL, md, NULL) == 1);
    buf_done(&all);
}

static X509 *certificate_of(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    REQUIRE(X509_set_version(certificate, 2) && X509_set_pubkey(certificate, key) == 1);
    int ed = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    REQUIRE(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
            X509_gmtime_adj(X509_getm_notAfter(certificate), 60) &&
            ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    REQUIRE(X509_sign(certificate, key, ed ? NULL : EVP_sha256()) > 0);
    return certificate;
}

static void certificate_message(struct buf *out, EVP_PKEY *key)
{
    struct buf body = {0};
    uint8_t *der = NULL;
    X509 *certificate = key ? certificate_of(key) : NULL;
    int size = certificate ? i2d_X509(certificate, &der) : 0;
    size_t list = certificate ? (size_t)size + 5 : 0;
    const uint8_t head[] = {0, (uint8_t)(list >> 16), (uint8_t)(list >> 8), (uint8_t)list};
    buf_append(&body, head, sizeof head);
    if (certificate) {
        const uint8_t entry[] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
        buf_append(&body, entry, sizeof entry);
        buf_append(&body, der, (size_t)size);
        buf_append(&body, "\0", 2);
    }
    message(out, CERTIFICATE, body.bytes, body.size);
    buf_done(&body);
    OPENSSL_free(der);
    X509_free(certificate);
}

static void verify_message(struct buf *out, uint16_t scheme, const void *signature, size_t size)
{
    uint8_t body[1024] = {(uint8_t)(scheme >> 8), (uint8_t)scheme, (uint8_t)(size >> 8),
                          (uint8_t)size};
    memcpy(body + 4, signature, size);
    message(out, VERIFY, body, size + 4);
}

static void client_sign(struct handshake *h, const struct shape *shape)
{
    uint8_t content[64 + 34 + 64], signature[512];
    size_t size = sizeof signature;
    EVP_PKEY_CTX *key_ctx = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *key = shape->signer ? shape->signer : shape->client;
    memset(content, 0x20, 64);
    memcpy(content + 64, "TLS 1.3, client CertificateVerify", 34);
    hash_of(h, shape->retry, content + 98);
    REQUIRE(EVP_DigestSignInit(ctx, &key_ctx, shape->md, NULL, key) == 1);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        REQUIRE(EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    REQUIRE(EVP_DigestSign(ctx, signature, &size, content, 98 + h->hash_size) == 1);
    EVP_MD_CTX_free(ctx);
    verify_message(&h->bytes, shape->scheme, signature, size);
}

static struct handshake handshake_of(const struct shape *shape)
{
    struct handshake h = {.hash_size = shape->hash_size};
    uint8_t random[32];
    memset(random, 0x5a, sizeof random);
    memset(h.signature, 0x77, sizeof h.signature);
    if (shape->retry)
        retry_begin(&h.bytes);
    message(&h.bytes, HELLO, "hello", 5);
    server_hello(&h.bytes, random);
    message(&h.bytes, EXTENSIONS, "", 0);
    message(&h.bytes, REQUEST, "request", 7);
    message(&h.bytes, CERTIFICATE, "the server's", 12);
    hash_of(&h, shape->retry, h.hash);
    verify_message(&h.bytes, 0x0403, h.signature, sizeof h.signature);
    message(&h.bytes, END, "finished", 8);
    certificate_message(&h.bytes, shape->client);
    if (shape->client)
        client_sign(&h, shape);
    return h;
}

static int verify(const struct handshake *h, struct transcript_peer *ret)
{
    return transcript_verify(buf_slice(&h->bytes), slice_of(h->hash, h->hash_size),
                             slice_of(h->signature, sizeof h->signature), ret);
}

static EVP_PKEY *p256(void)
{
    static EVP_PKEY *key;
    if (!key)
        key = EVP_EC_gen("P-256");
    return key;
}

static struct shape usual(void)
{
    return (struct shape){.client = p256(), .scheme = 0x0403, .md = EVP_sha256(), .hash_size = 48};
}

TEST(a_handshake_that_the_client_signed_proves_its_certificate)
{
    struct shape shape = usual();
    for (int i = 0; i < 4; i++) {
        struct transcript_peer peer = {0};
        shape.hash_size = i & 1 ? 32 : 48;
        shape.retry = i & 2;
        struct handshake h = handshake_of(&shape);
        CHECK_EQ(verify(&h, &peer), 0);
        REQUIRE(peer.certificate != NULL);
        CHECK_EQ(EVP_PKEY_eq(X509_get0_pubkey(peer.certificate), p256()), 1);
        CHECK_EQ(peer.server_random[31], 0x5a);
        X509_free(peer.certificate);
        buf_done(&h.bytes);
    }
}

TEST(a_client_without_a_certificate_is_nobody)
{
    struct shape shape = {.hash_size = 48};
    struct handshake h = handshake_of(&shape);
    struct transcript_peer peer = {.certificate = (X509 *)&h};
    CHECK_EQ(verify(&h, &peer), 0);
    CHECK(peer.certificate == NULL);
    buf_done(&h.bytes);
}

TEST(every_kind_of_key_that_is_offered_is_taken)
{
    struct {
        EVP_PKEY *key;
        uint16_t scheme;
        const EVP_MD *md;
    } kinds[] = {{EVP_EC_gen("P-384"), 0x0503, EVP_sha384()},
                 {EVP_EC_gen("P-521"), 0x0603, EVP_sha512()},
                 {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), 0x0807, NULL},
                 {EVP_RSA_gen(2048), 0x0804, EVP_sha256()},
                 {NULL, 0x0805, EVP_sha384()},
                 {NULL, 0x0806, EVP_sha512()}};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct transcript_peer peer = {0};
        struct shape shape = usual();
        shape.client = kinds[i].key ? kinds[i].key : kinds[3].key;
        shape.scheme = kinds[i].scheme;
        shape.md = kinds[i].md;
        struct handshake h = handshake_of(&shape);
        CHECK_EQ(verify(&h, &peer), 0);
        X509_free(peer.certificate);
        buf_done(&h.bytes);
    }
    for (size_t i = 0; i < 4; i++)
        EVP_PKEY_free(kinds[i].key);
}

TEST(another_key_another_scheme_and_another_digest_prove_nothing)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct shape shapes[4] = {usual(), usual(), usual(), usual()};
    shapes[0].signer = other;
    shapes[1].scheme = 0x0503; /* a P-384 key's */
    shapes[2].scheme = 0x0203; /* SHA-1: not offered */
    shapes[3].md = EVP_sha384();
    for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
        struct transcript_peer peer = {0};
        struct handshake h = handshake_of(&shapes[i]);
        CHECK_EQ(verify(&h, &peer), -EKEYREJECTED);
        CHECK(peer.certificate == NULL);
        buf_done(&h.bytes);
    }
    EVP_PKEY_free(other);
}

TEST(a_handshake_of_another_signature_of_the_servers_is_refused)
{
    struct shape shape = usual();
    struct handshake h = handshake_of(&shape);
    struct transcript_peer peer = {0};
    h.signature[3] ^= 1; /* this is what was signed now; the messages hold an older one */
    CHECK_EQ(verify(&h, &peer), -EBADMSG);
    h.signature[3] ^= 1;
    h.hash[0] ^= 1;
    CHECK_EQ(verify(&h, &peer), -EBADMSG);
    h.hash[0] ^= 1;
    h.hash_size = 32;
    CHECK_EQ(verify(&h, &peer), -EBADMSG);
    h.hash_size = 0;
    CHECK_EQ(verify(&h, &peer), -EBADMSG);
    buf_done(&h.bytes);
}

TEST(no_changed_byte_and_no_cut_proves_anything)
{
    struct shape shape = usual();
    struct handshake h = handshake_of(&shape);
    struct slice whole = buf_slice(&h.bytes);
    for (size_t i = 0; i < whole.size; i++) {
        struct transcript_peer peer = {0};
        h.bytes.bytes[i] ^= 1;
        CHECK(verify(&h, &peer) < 0);
        h.bytes.bytes[i] ^= 1;
        h.bytes.size = i;
        CHECK(verify(&h, &peer) < 0);
        h.bytes.size = whole.size;
    }
    struct transcript_peer peer = {0};
    buf_append_byte(&h.bytes, 0);
    CHECK_EQ(verify(&h, &peer), -EBADMSG);
    buf_done(&h.bytes);
}

TEST(what_the_server_signs_is_a_handshake_and_nothing_else)
{
    uint8_t hash[48] = {1}, digest[SHA256_SIZE], expected[SHA256_SIZE];
    uint8_t content[64 + 34 + 48];
    memset(content, 0x20, 64);
    memcpy(content + 64, "TLS 1.3, server CertificateVerify", 34);
    memcpy(content + 98, hash, sizeof hash);
    REQUIRE(sha256(slice_of(content, sizeof content), expected) == 0);
    CHECK_EQ(transcript_server_digest(slice_of(hash, 48), digest), 0);
    CHECK(memcmp(digest, expected, sizeof digest) == 0);
    CHECK_EQ(transcript_server_digest(slice_of(hash, 47), digest), -EINVAL);
    CHECK_EQ(transcript_server_digest(slice_of(hash, 0), digest), -EINVAL);
}

TAP_MAIN()
