/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever answers instead of the server that a rule names: nothing of what the program wrote was sent to
 * it in a way it could read, no plaintext comes of what it says, and the connection fails with a reason.
 * Input: a first byte that says how the stream is cut, then the stream. */
#include "tls_peer.h"

#include "runtime/net/tls_conn.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context_make(void)
{
    struct tls_context *context = NULL;
    char *bytes;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *pem = BIO_new(BIO_s_mem());
    HOLDS(key && certificate && pem);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    HOLDS(X509_sign(certificate, key, EVP_sha256()) > 0);
    HOLDS(PEM_write_bio_X509(pem, certificate) == 1);
    long size = BIO_get_mem_data(pem, &bytes);
    const struct runtime_tls tls = {.version_min = 0x0303, .alpn = "h2,http/1.1"};
    HOLDS(tls_context_new_client(slice_of(bytes, (size_t)size), &tls, &context, NULL) == 0);
    BIO_free(pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_context *context;
    struct tls_conn *conn;
    char bytes[64] = "a question";
    struct iovec iov = {bytes, sizeof bytes};
    platform_set(&fuzz_platform);
    if (!context)
        context = context_make();
    if (size == 0)
        return 0;
    g_step = data[0] + 1u;
    g_left = slice_of(data + 1, size - 1);
    HOLDS(tls_conn_new(context, -1, "server.example", &conn) == 0);
    HOLDS(tls_conn_write(conn, &iov, 1, false) == -EPIPE);
    HOLDS(!tls_conn_is_established(conn));
    unsigned bits = tls_conn_advance(conn);
    HOLDS((bits & TLS_ENDED) && (bits & TLS_FAILED)); /* whoever is there proved nothing */
    HOLDS(tls_conn_failure(conn)[0] != '\0');
    HOLDS(tls_conn_peek(conn, &iov, 1) == -ECONNRESET);
    HOLDS(tls_conn_read(conn, &iov, 1) == 0);
    HOLDS(tls_conn_write(conn, &iov, 1, true) == -EPIPE);
    HOLDS(tls_conn_pending(conn) == 0);
    tls_conn_free(conn);
    return 0;
}
