/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL looks up its algorithms at their first use and keeps what it found. A launcher does that
 * once, before it forks: a whole handshake with itself, under a key that is then thrown away.
 * Nothing of it is a secret of anybody's. */
#include "attest/channel.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { STEPS_MAX = 16 };

static int anybody(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static SSL *side_new(const SSL_METHOD *method, EVP_PKEY *key, X509 *certificate, BIO *bio)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    SSL *ssl = NULL;
    if (ctx) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, anybody, NULL);
        ssl = SSL_new(ctx);
    }
    if (ssl && SSL_use_certificate(ssl, certificate) == 1 && SSL_use_PrivateKey(ssl, key) == 1)
        SSL_set_bio(ssl, bio, bio);
    else
        BIO_free(bio);
    SSL_CTX_free(ctx); /* `ssl` holds it */
    return ssl;
}

static int handshake(SSL *client, SSL *server)
{
    char byte = 0;
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < STEPS_MAX; i++) {
        int c = SSL_do_handshake(client), s = SSL_do_handshake(server);
        if (c == 1 && s == 1)
            return SSL_write(client, &byte, 1) == 1 && SSL_read(server, &byte, 1) == 1 ? 0 : -EIO;
    }
    return -EIO;
}

static int certificates_try(const struct p256_key *key, X509 *certificate)
{
    uint8_t hash[SHA256_SIZE], point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE];
    int r = ratls_key_hash(certificate, hash);
    if (r == 0)
        r = p256_public(key, point);
    if (r == 0)
        r = p256_sign(key, slice_of(hash, sizeof hash), signature);
    return r < 0 ? r : p256_verify(point, slice_of(hash, sizeof hash), signature);
}

int channel_warm(void)
{
    static const uint8_t no_nonce[RATLS_NONCE_SIZE];
    SCOPED(p256_freep) struct p256_key *key = NULL;
    X509 *certificate = NULL;
    BIO *near = NULL, *far = NULL;
    SSL *client = NULL, *server = NULL;
    int r = OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
    if (r == 0)
        r = p256_generate(&key);
    if (r == 0)
        r = ratls_certificate(key, no_nonce, NULL, NULL, &certificate, NULL);
    if (r == 0)
        r = certificates_try(key, certificate);
    if (r == 0 && BIO_new_bio_pair(&near, 0, &far, 0) == 1) {
        client = side_new(TLS_client_method(), p256_pkey(key), certificate, near);
        server = side_new(TLS_server_method(), p256_pkey(key), certificate, far);
        r = client && server ? handshake(client, server) : -EIO;
    }
    SSL_free(client);
    SSL_free(server);
    X509_free(certificate);
    ERR_clear_error();
    return r;
}
