/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a stranger sends to a TLS port: no plaintext ever comes of it, since without a handshake
 * nothing is authenticated; the connection ends or waits; and its state never contradicts itself.
 * Input: a first byte that says how the stream is cut, then the stream. */
#include "tls_peer.h"

#include "runtime/net/tls_conn.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice pem_take(BIO *bio)
{
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    return slice_of(bytes, (size_t)size);
}

static struct tls_context *context_make(void)
{
    struct tls_context *context = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    static BIO *key_bio, *certificate_bio; /* the context borrows their bytes */
    key_bio = BIO_new(BIO_s_mem());
    certificate_bio = BIO_new(BIO_s_mem());
    HOLDS(key && certificate && key_bio && certificate_bio);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    HOLDS(X509_sign(certificate, key, EVP_sha256()) > 0);
    HOLDS(PEM_write_bio_X509(certificate_bio, certificate) == 1);
    HOLDS(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    const struct runtime_tls tls = {.certificate_chain = pem_take(certificate_bio),
                                    .private_key = pem_take(key_bio)};
    HOLDS(tls_context_new_server(&tls, &context, NULL) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_context *context;
    struct tls_conn *conn;
    char bytes[64];
    struct iovec iov = {bytes, sizeof bytes};
    platform_set(&fuzz_platform);
    if (!context)
        context = context_make();
    if (size == 0)
        return 0;
    g_step = data[0] + 1u;
    g_left = slice_of(data + 1, size - 1);
    HOLDS(tls_conn_new(context, -1, NULL, &conn) == 0);
    unsigned bits = tls_conn_advance(conn);
    HOLDS(!tls_conn_is_established(conn));
    HOLDS(bits & TLS_ENDED); /* the stream has an end, and so have we */
    HOLDS(!(bits & TLS_FAILED) == (tls_conn_failure(conn)[0] == '\0'));
    int64_t r = tls_conn_read(conn, &iov, 1);
    HOLDS(r == 0 || (r == -ECONNRESET && (bits & TLS_FAILED)));
    HOLDS(tls_conn_read(conn, &iov, 1) == 0);
    HOLDS(tls_conn_write(conn, &iov, 1, false) == -EPIPE);
    HOLDS(tls_conn_pending(conn) == 0);
    tls_conn_free(conn);
    return 0;
}
