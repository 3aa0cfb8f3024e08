/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transcript.h"

#include "base/reader.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    ENCRYPTED_EXTENSIONS = 8,
    CERTIFICATE = 11,
    CERTIFICATE_REQUEST = 13,
    CERTIFICATE_VERIFY = 15,
    FINISHED = 20,
    MESSAGE_HASH = 254,
    HEADER_SIZE = 4,
    CONTENT_PADDING = 64,
};

/* ServerHello.random of a HelloRetryRequest (section 4.1.3). */
static const uint8_t retry_random[TRANSCRIPT_RANDOM_SIZE] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static void md_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

/* One message; `whole` with its header. Type 0: there is none. */
static uint8_t message_take(struct reader *rd, struct slice *ret_body, struct slice *ret_whole)
{
    const uint8_t *start = rd->at;
    uint8_t type = reader_u8(rd);
    size_t size = reader_u24_be(rd);
    *ret_body = reader_slice(rd, size);
    *ret_whole = slice_of(start, HEADER_SIZE + size);
    return reader_ok(rd) ? type : 0;
}

static bool hello_parse(struct slice body, uint8_t ret_random[TRANSCRIPT_RANDOM_SIZE])
{
    struct reader rd = reader_over(body);
    (void)reader_u16_be(&rd); /* legacy_version */
    reader_copy(&rd, ret_random, TRANSCRIPT_RANDOM_SIZE);
    return reader_ok(&rd);
}

static const EVP_MD *md_of(size_t hash_size)
{
    return hash_size == SHA256_SIZE ? EVP_sha256() : hash_size == SHA384_SIZE ? EVP_sha384() : NULL;
}

/* A first ClientHello that was answered by a HelloRetryRequest counts as its hash only. Returns where
 * the rest begins. */
static int retry_hash(struct slice messages, const EVP_MD *md, EVP_MD_CTX *ctx, size_t *ret_rest)
{
    struct reader rd = reader_over(messages);
    struct slice body, hello, answer;
    uint8_t random[TRANSCRIPT_RANDOM_SIZE], hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    *ret_rest = 0;
    if (message_take(&rd, &body, &hello) != CLIENT_HELLO ||
        message_take(&rd, &body, &answer) != SERVER_HELLO || !hello_parse(body, random) ||
        memcmp(random, retry_random, sizeof random) != 0)
        return 0;
    if (EVP_Digest(hello.bytes, hello.size, hash, &size, md, NULL) != 1)
        return -EIO;
    const uint8_t header[HEADER_SIZE] = {MESSAGE_HASH, 0, 0, (uint8_t)size};
    if (EVP_DigestUpdate(ctx, header, sizeof header) != 1 || EVP_DigestUpdate(ctx, hash, size) != 1)
        return -EIO;
    *ret_rest = hello.size;
    return 0;
}

int transcript_hash(struct slice messages, size_t hash_size, uint8_t *ret_hash)
{
    SCOPED(md_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = md_of(hash_size);
    struct reader rd = reader_over(messages);
    struct slice body, whole;
    size_t rest = 0;
    if (!md)
        return -EINVAL;
    while (reader_left(&rd) > 0)
        (void)message_take(&rd, &body, &whole);
    if (!reader_finished(&rd))
        return -EBADMSG;
    if (!ctx || EVP_DigestInit_ex(ctx, md, NULL) != 1)
        return -EIO;
    int r = retry_hash(messages, md, ctx, &rest);
    if (r == 0 && (EVP_DigestUpdate(ctx, messages.bytes + rest, messages.size - rest) != 1 ||
                   EVP_DigestFinal_ex(ctx, ret_hash, NULL) != 1))
        r = -EIO;
    return r;
}

/* What both sides sign (section 4.4.3). Returns its size. */
#define CONTENT_SIZE_MAX (CONTENT_PADDING + 34 + TRANSCRIPT_HASH_SIZE_MAX)
static size_t content_write(const char *context, struct slice hash,
                            uint8_t ret_content[CONTENT_SIZE_MAX])
{
    size_t text = strlen(context) + 1; /* the separator is a zero byte */
    if (hash.size > TRANSCRIPT_HASH_SIZE_MAX ||
        CONTENT_PADDING + text + hash.size > CONTENT_SIZE_MAX)
        return 0;
    memset(ret_content, ' ', CONTENT_PADDING);
    memcpy(ret_content + CONTENT_PADDING, context, text);
    memcpy(ret_content + CONTENT_PADDING + text, hash.bytes, hash.size);
    return CONTENT_PADDING + text + hash.size;
}

int transcript_server_digest(struct slice hash, uint8_t ret_digest[SHA256_SIZE])
{
    uint8_t content[CONTENT_SIZE_MAX];
    if (!md_of(hash.size))
        return -EINVAL;
    size_t size = content_write("TLS 1.3, server CertificateVerify", hash, content);
    return size > 0 ? sha256(slice_of(content, size), ret_digest) : -EINVAL;
}

/* The schemes of TRANSCRIPT_SIGNATURES (section 4.2.3). */
static const struct scheme {
    uint16_t code;
    int key;   /* EVP_PKEY_... */
    int curve; /* bits of its order; 0: any */
    const EVP_MD *(*md)(void);
} schemes[] = {{0x0403, EVP_PKEY_EC, 256, EVP_sha256}, {0x0503, EVP_PKEY_EC, 384, EVP_sha384},
               {0x0603, EVP_PKEY_EC, 521, EVP_sha512}, {0x0807, EVP_PKEY_ED25519, 0, NULL},
               {0x0804, EVP_PKEY_RSA, 0, EVP_sha256},  {0x0805, EVP_PKEY_RSA, 0, EVP_sha384},
               {0x0806, EVP_PKEY_RSA, 0, EVP_sha512}};

static const struct scheme *scheme_of(uint16_t code, EVP_PKEY *key)
{
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
        if (schemes[i].code == code && EVP_PKEY_get_base_id(key) == schemes[i].key &&
            (schemes[i].curve == 0 || EVP_PKEY_get_bits(key) == schemes[i].curve))
            return &schemes[i];
    return NULL;
}

static int signature_verify(X509 *certificate, uint16_t code, struct slice signature,
                            struct slice hash)
{
    SCOPED(md_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t content[CONTENT_SIZE_MAX];
    EVP_PKEY_CTX *key_ctx = NULL;
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    const struct scheme *scheme = key ? scheme_of(code, key) : NULL;
    size_t size = content_write("TLS 1.3, client CertificateVerify", hash, content);
    if (!ctx)
        return -ENOMEM;
    int ok = scheme && size > 0 &&
             EVP_DigestVerifyInit(ctx, &key_ctx, scheme->md ? scheme->md() : NULL, NULL, key) == 1;
    if (ok && scheme->key == EVP_PKEY_RSA)
        ok = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, signature.bytes, signature.size, content, size) == 1;
    ERR_clear_error();
    return ok ? 0 : -EKEYREJECTED;
}

/* Certificate (section 4.4.2): the first of the list is the client's own; all must be well-formed. */
static int certificate_parse(struct slice body, X509 **ret_certificate)
{
    struct reader rd = reader_over(body);
    (void)reader_slice(&rd, reader_u8(&rd)); /* the context of the request */
    struct slice list = reader_slice(&rd, reader_u24_be(&rd));
    struct slice first = {0};
    if (!reader_finished(&rd))
        return -EBADMSG;
    rd = reader_over(list);
    while (reader_left(&rd) > 0) {
        struct slice der = reader_slice(&rd, reader_u24_be(&rd));
        (void)reader_slice(&rd, reader_u16_be(&rd)); /* extensions */
        if (!reader_ok(&rd) || der.size == 0 || der.size > LONG_MAX)
            return -EBADMSG;
        if (!first.bytes)
            first = der;
    }
    *ret_certificate = NULL;
    if (!first.bytes)
        return 0;
    const uint8_t *at = first.bytes;
    X509 *certificate = d2i_X509(NULL, &at, (long)first.size);
    if (certificate && at != first.bytes + first.size) {
        X509_free(certificate);
        certificate = NULL;
    }
    ERR_clear_error();
    *ret_certificate = certificate;
    return certificate ? 0 : -EBADMSG;
}

static bool verify_parse(struct slice body, uint16_t *ret_code, struct slice *ret_signature)
{
    struct reader rd = reader_over(body);
    *ret_code = reader_u16_be(&rd);
    *ret_signature = reader_slice(&rd, reader_u16_be(&rd));
    return reader_finished(&rd);
}

/* Up to the server's Certificate, which ends what the key's holder has signed. */
static bool server_parse(struct reader *rd, uint8_t ret_random[TRANSCRIPT_RANDOM_SIZE])
{
    static const uint8_t rest[] = {ENCRYPTED_EXTENSIONS, CERTIFICATE_REQUEST, CERTIFICATE};
    struct slice body, whole;
    if (message_take(rd, &body, &whole) != CLIENT_HELLO ||
        message_take(rd, &body, &whole) != SERVER_HELLO || !hello_parse(body, ret_random))
        return false;
    if (memcmp(ret_random, retry_random, sizeof retry_random) == 0 &&
        (message_take(rd, &body, &whole) != CLIENT_HELLO ||
         message_take(rd, &body, &whole) != SERVER_HELLO || !hello_parse(body, ret_random) ||
         memcmp(ret_random, retry_random, sizeof retry_random) == 0))
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(rest); i++)
        if (message_take(rd, &body, &whole) != rest[i])
            return false;
    return true;
}

int transcript_verify(struct slice messages, struct slice signed_hash, struct slice signature,
                      struct transcript_peer *ret_peer)
{
    SCOPED(x509_freep) X509 *certificate = NULL;
    struct transcript_peer peer = {0};
    struct reader rd = reader_over(messages);
    struct slice body, whole, shown;
    uint8_t hash[TRANSCRIPT_HASH_SIZE_MAX];
    uint16_t code;
    if (messages.size > TRANSCRIPT_SIZE_MAX || !server_parse(&rd, peer.server_random))
        return -EBADMSG;
    struct slice before = slice_of(messages.bytes, (size_t)(rd.at - messages.bytes));
    int r = transcript_hash(before, signed_hash.size, hash);
    if (r < 0)
        return r == -EINVAL ? -EBADMSG : r;
    if (!slice_equals(slice_of(hash, signed_hash.size), signed_hash) ||
        message_take(&rd, &body, &whole) != CERTIFICATE_VERIFY ||
        !verify_parse(body, &code, &shown) || !slice_equals(shown, signature) ||
        message_take(&rd, &body, &whole) != FINISHED ||
        message_take(&rd, &body, &whole) != CERTIFICATE)
        return -EBADMSG;
    r = certificate_parse(body, &certificate);
    if (r == 0 && certificate) {
        before.size = (size_t)(rd.at - messages.bytes);
        r = transcript_hash(before, signed_hash.size, hash);
        if (r == 0 && (message_take(&rd, &body, &whole) != CERTIFICATE_VERIFY ||
                       !verify_parse(body, &code, &shown)))
            r = -EBADMSG;
        if (r == 0)
            r = signature_verify(certificate, code, shown, slice_of(hash, signed_hash.size));
    }
    if (r == 0 && !reader_finished(&rd))
        r = -EBADMSG;
    if (r < 0)
        return r;
    peer.certificate = TAKE(certificate);
    *ret_peer = peer;
    return 0;
}
