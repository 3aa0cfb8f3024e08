/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/tls_context.h"

#include "crypto/crypto.h"
#include "crypto/provider.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICKET_KEYS_SIZE = 80, CHAIN_COUNT_MAX = 16, ALPN_SIZE_MAX = 256, TRUST_COUNT_MAX = 256 };

struct kept_session;

/* An SSL_CTX under a type of its own, so that nobody else reaches into it. */
struct tls_context {
    SSL_CTX *ssl_ctx;
    bool is_client;
    _Atomic unsigned references;
    _Atomic(struct kept_session *) session; /* a client's, for one connection more; NULL: none */
    uint8_t alpn[ALPN_SIZE_MAX];            /* as on the wire: lengths and names */
    unsigned alpn_size;
};

static int library_init(struct error *e)
{
    if (crypto_start() < 0 ||
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
                             OPENSSL_INIT_NO_ATEXIT,
                         NULL) != 1)
        return error_set(e, -ENOMEM, "the TLS library does not start");
    return 0;
}

/* A passphrase is never asked for: there is nobody to answer. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)ctx;
    return 0;
}

static BIO *bio_over(struct slice pem)
{
    return pem.size > 0 && pem.size <= INT32_MAX ? BIO_new_mem_buf(pem.bytes, (int)pem.size) : NULL;
}

static void biop_free(BIO **bio)
{
    BIO_free(*bio);
}

static void x509p_free(X509 **certificate)
{
    X509_free(*certificate);
}

static void pkeyp_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static int use_chain(SSL_CTX *ctx, struct slice pem, struct error *e)
{
    SCOPED(biop_free) BIO *bio = bio_over(pem);
    SCOPED(x509p_free) X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1)
        return error_set(e, -EINVAL, "the TLS certificate cannot be read as PEM");
    for (int i = 0; i < CHAIN_COUNT_MAX; i++) {
        X509 *issuer = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (!issuer)
            return 0;
        if (SSL_CTX_add0_chain_cert(ctx, issuer) != 1) {
            X509_free(issuer);
            return error_set(e, -ENOMEM, "the TLS certificate chain cannot be used");
        }
    }
    return error_set(e, -EINVAL, "the TLS certificate chain is longer than %d", CHAIN_COUNT_MAX);
}

static int use_identity(SSL_CTX *ctx, const struct runtime_tls *tls, struct error *e)
{
    int r = use_chain(ctx, tls->certificate_chain, e);
    if (r < 0)
        return r;
    SCOPED(biop_free) BIO *bio = bio_over(tls->private_key);
    SCOPED(pkeyp_free)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1)
        return error_set(e, -EINVAL,
                         "the TLS private key cannot be read as PEM without passphrase");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return error_set(e, -EINVAL, "the TLS private key is not the certificate's");
    return 0;
}

/* Whoever is in `pem` may sign the peer's certificate. */
static int use_trust(SSL_CTX *ctx, struct slice pem, bool name_them, struct error *e)
{
    SCOPED(biop_free) BIO *bio = bio_over(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int count = 0;
    for (; bio && count < TRUST_COUNT_MAX; count++) {
        SCOPED(x509p_free) X509 *root = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (!root)
            break;
        if (X509_STORE_add_cert(store, root) != 1 ||
            (name_them && SSL_CTX_add_client_CA(ctx, root) != 1))
            return error_set(e, -ENOMEM, "a trusted certificate cannot be used");
    }
    ERR_clear_error(); /* the end of a PEM file is an error to OpenSSL */
    if (count == 0 || count == TRUST_COUNT_MAX)
        return error_set(e, -EINVAL, "%d certificates to trust, not 1 to %d", count,
                         TRUST_COUNT_MAX - 1);
    return 0;
}

/* Tickets outlive the process and never cross clients: their keys come from the client's secret. */
static int use_ticket_key(SSL_CTX *ctx, const struct key256 *secret)
{
    uint8_t keys[TICKET_KEYS_SIZE]; /* as OpenSSL lays them out: name 16, HMAC 32, AES 32 */
    static const char *const LABELS[] = {"coffer tls ticket name", "coffer tls ticket mac",
                                         "coffer tls ticket key"};
    static const uint8_t SIZES[] = {16, 32, 32};
    size_t at = 0;
    int r = 0;
    for (size_t i = 0; i < ARRAY_COUNT(LABELS) && r == 0; i++) {
        struct key256 key;
        r = hkdf_sha256(slice_of(secret->bytes, sizeof secret->bytes), (struct slice){0},
                        slice_of_text(LABELS[i]), &key);
        memcpy(keys + at, key.bytes, SIZES[i]);
        at += SIZES[i];
        key256_wipe(&key);
    }
    if (r == 0 && SSL_CTX_set_tlsext_ticket_keys(ctx, keys, TICKET_KEYS_SIZE) != 1)
        r = -ENOMEM;
    secret_wipe(keys, sizeof keys);
    return r;
}

/* "h2,http/1.1" as it goes over the wire. */
static int use_alpn(struct tls_context *context, const char *names, struct error *e)
{
    while (*names) {
        size_t size = strcspn(names, ",");
        if (size == 0 || size > UINT8_MAX || size >= sizeof context->alpn - context->alpn_size)
            return error_set(e, -EINVAL, "'%s' is no list of ALPN protocols", names);
        context->alpn[context->alpn_size] = (uint8_t)size;
        memcpy(context->alpn + context->alpn_size + 1, names, size);
        context->alpn_size += 1 + (unsigned)size;
        names += size + (names[size] == ',');
    }
    return 0;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *in, unsigned in_size, void *ctx)
{
    const struct tls_context *context = ctx;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_size, context->alpn, context->alpn_size, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- a client's sessions --- */

struct kept_session {
    SSL_SESSION *session;
    char with[]; /* the server's name */
};

static void kept_free(struct kept_session *kept)
{
    if (!kept)
        return;
    SSL_SESSION_free(kept->session);
    free(kept);
}

/* The server has given a ticket. The newest is kept, and used once: who sees two connections with one
 * ticket knows them to be the same client's. A copy, for the original is spoilt when its connection ends
 * without a goodbye. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *name = SSL_get_app_data(ssl);
    size_t size = name ? strlen(name) + 1 : 0;
    struct kept_session *kept =
        name && SSL_SESSION_is_resumable(session) ? malloc(sizeof *kept + size) : NULL;
    if (!kept)
        return 0;
    kept->session = SSL_SESSION_dup(session);
    memcpy(kept->with, name, size);
    kept_free(kept->session ? atomic_exchange(&context->session, kept) : kept);
    return 0;
}

static void use_session(struct tls_context *context, SSL *ssl, const char *name)
{
    struct kept_session *kept = atomic_exchange(&context->session, NULL);
    if (kept && strcmp(kept->with, name) == 0 && SSL_set_session(ssl, kept->session) != 1)
        ERR_clear_error(); /* then without */
    kept_free(kept);
}

static int context_new(const SSL_METHOD *method, uint16_t version_min,
                       struct tls_context **ret_context, struct error *e)
{
    int r = library_init(e);
    if (r < 0)
        return r;
    SCOPED(tls_context_freep) struct tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ctx = context ? SSL_CTX_new(method) : NULL;
    if (!ctx)
        return error_set(e, -ENOMEM, "no memory for a TLS context");
    context->ssl_ctx = ctx;
    atomic_init(&context->references, 1);
    int version = version_min == TLS1_2_VERSION ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
        return error_set(e, -EINVAL, "the TLS library lacks an algorithm");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY); /* the caller counts what is no data */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* one host read per record, not two */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    *ret_context = TAKE(context);
    return 0;
}

int tls_context_new_server(const struct runtime_tls *tls, struct tls_context **ret_context,
                           struct error *e)
{
    static const uint8_t SESSION_ID_CONTEXT[] = "coffer";
    SCOPED(tls_context_freep) struct tls_context *context = NULL;
    int r = context_new(TLS_server_method(), tls->version_min, &context, e);
    if (r < 0)
        return r;
    assert(context);
    SSL_CTX *ctx = context->ssl_ctx;
    r = use_identity(ctx, tls, e);
    if (r == 0 && tls->client_ca.size > 0) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        r = use_trust(ctx, tls->client_ca, true, e);
    }
    if (r == 0 && tls->has_ticket_key) {
        r = use_ticket_key(ctx, &tls->ticket_key);
        if (r < 0)
            return error_set(e, r, "the TLS ticket key cannot be used");
    }
    if (r < 0)
        return r;
    if (SSL_CTX_set_session_id_context(ctx, SESSION_ID_CONTEXT, sizeof SESSION_ID_CONTEXT - 1) !=
            1 ||
        SSL_CTX_set_num_tickets(ctx, 1) != 1)
        return error_set(e, -ENOMEM, "no memory for a TLS context");
    r = use_alpn(context, tls->alpn ? tls->alpn : "http/1.1", e);
    if (r < 0)
        return r;
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, context);
    *ret_context = TAKE(context);
    return 0;
}

int tls_context_new_client(struct slice trust_pem, const struct runtime_tls *identity,
                           struct tls_context **ret_context, struct error *e)
{
    SCOPED(tls_context_freep) struct tls_context *context = NULL;
    int r = context_new(TLS_client_method(), identity ? identity->version_min : 0, &context, e);
    if (r < 0)
        return r;
    assert(context);
    context->is_client = true;
    SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER, NULL);
    r = use_trust(context->ssl_ctx, trust_pem, false, e);
    if (r == 0 && identity && identity->certificate_chain.size > 0)
        r = use_identity(context->ssl_ctx, identity, e);
    if (r == 0 && identity && identity->alpn)
        r = use_alpn(context, identity->alpn, e);
    if (r < 0)
        return r;
    SSL_CTX_set_app_data(context->ssl_ctx, context);
    SSL_CTX_set_session_cache_mode(context->ssl_ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl_ctx, keep_session);
    if (context->alpn_size > 0 &&
        SSL_CTX_set_alpn_protos(context->ssl_ctx, context->alpn, context->alpn_size) != 0)
        return error_set(e, -ENOMEM, "no memory for a TLS context");
    *ret_context = TAKE(context);
    return 0;
}

/* By ourselves: libc would read the host's time zone first. A year is counted from March on. */
static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
        return -1;
    int64_t month = (tm.tm_mon + 10) % 12, year = tm.tm_year + 1900 - month / 10;
    int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
                   tm.tm_mday - 1 - 719468;
    return ((days * 24 + tm.tm_hour) * 60 + tm.tm_min) * 60 + tm.tm_sec;
}

int64_t tls_certificate_renewal(struct slice pem)
{
    SCOPED(biop_free) BIO *bio = bio_over(pem);
    SCOPED(x509p_free) X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    int64_t from = leaf ? seconds_of(X509_get0_notBefore(leaf)) : -1;
    int64_t until = leaf ? seconds_of(X509_get0_notAfter(leaf)) : -1;
    ERR_clear_error();
    return from >= 0 && until > from ? from + (until - from) / 3 * 2 : INT64_MAX;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->references, 1) > 1)
        return;
    SSL_CTX_free(context->ssl_ctx);
    kept_free(atomic_load(&context->session));
    free(context);
}

void tls_context_freep(struct tls_context **context)
{
    tls_context_free(*context);
}

static int expect_name(SSL *ssl, const char *name)
{
    uint8_t address[16];
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct ssl_st *tls_context_ssl(struct tls_context *context, const char *server_name)
{
    SSL *ssl = SSL_new(context->ssl_ctx);
    if (!ssl)
        return NULL;
    if (!context->is_client) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    /* A client without a name to check would accept any of the authority's customers. */
    if (!server_name || !*server_name || expect_name(ssl, server_name) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_app_data(ssl, (void *)(uintptr_t)server_name); /* its connection's, which outlives it */
    use_session(context, ssl, server_name);
    return ssl;
}
