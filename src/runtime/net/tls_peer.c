/* SPDX-License-Identifier: Apache-2.0 */
/* Who the client of a connection has proved to be. */
#include "base/hex.h"
#include "runtime/net/tls_engine.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

enum { KEY_HASH_SIZE = 32, SUBJECT_MAX = 255 };

/* SHA-256 of SubjectPublicKeyInfo, as keys are pinned. */
static int key_hash(X509 *certificate, uint8_t hash[KEY_HASH_SIZE])
{
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int r =
        size > 0 && EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
    OPENSSL_free(der);
    return r;
}

/* By RFC 2253, in plain ASCII: what is not is escaped. Empty if it is longer than anybody wants to read. */
static void subject_text(X509 *certificate, char text[SUBJECT_MAX + 1])
{
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    text[0] = 0;
    if (out &&
        X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        long size = BIO_get_mem_data(out, &bytes);
        if (size > 0 && size <= SUBJECT_MAX && !memchr(bytes, 0, (size_t)size)) {
            memcpy(text, bytes, (size_t)size);
            text[size] = 0;
        }
    }
    BIO_free(out);
}

int tls_conn_peer(const struct tls_conn *conn, char text[TLS_PEER_SIZE])
{
    uint8_t hash[KEY_HASH_SIZE];
    char hex[2 * KEY_HASH_SIZE + 1], subject[SUBJECT_MAX + 1];
    SSL *ssl = conn->established && !conn->server_name ? conn->ssl : NULL;
    X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    /* A context that demands none has verified none; a resumed session, or a long one, may have outlived it. */
    bool good = certificate && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) &&
                SSL_get_verify_result(ssl) == X509_V_OK &&
                X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
    if (!good || key_hash(certificate, hash) < 0) {
        ERR_clear_error();
        return -ENOPROTOOPT;
    }
    hex_encode(slice_of(hash, sizeof hash), hex);
    subject_text(certificate, subject);
    ERR_clear_error();
    (void)snprintf(text, TLS_PEER_SIZE, "coffer-client sha256:%s %s", hex, subject);
    return 0;
}
