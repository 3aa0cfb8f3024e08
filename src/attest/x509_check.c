/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509_check.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

void x509_chain_done(struct x509_chain *chain)
{
    for (int i = 0; i < chain->count; i++)
        X509_free(chain->certificate[i]);
    *chain = (struct x509_chain){0};
}

static bool is_pem(struct slice bytes)
{
    static const char start[] = "-----BEGIN";
    return bytes.size >= sizeof start && memcmp(bytes.bytes, start, sizeof start - 1) == 0;
}

static struct slice trimmed(struct slice text)
{
    while (text.size > 0 && strchr(" \r\n\t", text.bytes[text.size - 1])) /* a NUL too */
        text.size--;
    return text;
}

/* `left` is 0 once everything has been read: nothing unread is taken for part of the chain. */
static int chain_add(struct x509_chain *chain, BIO *bio)
{
    if (chain->count == X509_CHAIN_MAX)
        return -E2BIG;
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!certificate)
        return -EBADMSG;
    chain->certificate[chain->count++] = certificate;
    return 0;
}

static int pem_read(struct slice bytes, struct x509_chain *chain)
{
    struct slice text = trimmed(bytes);
    BIO *bio = text.size <= INT_MAX ? BIO_new_mem_buf(text.bytes, (int)text.size) : NULL;
    int r = bio ? 0 : -EBADMSG;
    while (r == 0 && BIO_pending(bio) > 0)
        r = chain_add(chain, bio);
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

static int der_read(struct slice bytes, struct x509_chain *chain)
{
    const unsigned char *at = bytes.bytes;
    if (bytes.size == 0 || bytes.size > LONG_MAX)
        return -EBADMSG;
    X509 *certificate = d2i_X509(NULL, &at, (long)bytes.size);
    ERR_clear_error();
    if (!certificate)
        return -EBADMSG;
    chain->certificate[chain->count++] = certificate;
    return at == bytes.bytes + bytes.size ? 0 : -EBADMSG;
}

int x509_chain_read(struct slice bytes, struct x509_chain *ret_chain)
{
    SCOPED(x509_chain_done) struct x509_chain chain = {0};
    int r = is_pem(bytes) ? pem_read(bytes, &chain) : der_read(bytes, &chain);
    if (r < 0)
        return r;
    *ret_chain = chain;
    chain.count = 0;
    return 0;
}

int x509_crl_read(struct slice bytes, X509_CRL **ret_crl)
{
    X509_CRL *crl = NULL;
    if (bytes.size == 0 || bytes.size > INT_MAX)
        return -EBADMSG;
    if (is_pem(bytes)) {
        BIO *bio = BIO_new_mem_buf(bytes.bytes, (int)bytes.size);
        crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    } else {
        const unsigned char *at = bytes.bytes;
        crl = d2i_X509_CRL(NULL, &at, (long)bytes.size);
        if (crl && at != bytes.bytes + bytes.size) {
            X509_CRL_free(crl);
            crl = NULL;
        }
    }
    ERR_clear_error();
    if (!crl)
        return -EBADMSG;
    *ret_crl = crl;
    return 0;
}

/* May `issuer` sign what lies `below` certificates deep under it? */
static bool is_authority(X509 *issuer, uint32_t usage)
{
    uint32_t flags = X509_get_extension_flags(issuer);
    return !(flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) && (flags & EXFLAG_CA) &&
           (flags & EXFLAG_KUSAGE) && (X509_get_key_usage(issuer) & usage);
}

/* The depth that `issuer` allows below it holds for a certificate that is an authority itself. */
static bool depth_allowed(X509 *certificate, X509 *issuer)
{
    long most = X509_get_pathlen(issuer);
    bool authority = X509_get_extension_flags(certificate) & EXFLAG_CA;
    return most != 0 || !authority || certificate == issuer;
}

int x509_issued(X509 *certificate, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool good =
        key && is_authority(issuer, KU_KEY_CERT_SIGN) &&
        !(X509_get_extension_flags(certificate) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) &&
        depth_allowed(certificate, issuer) &&
        X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 &&
        X509_verify(certificate, key) == 1;
    ERR_clear_error();
    return good ? 0 : -EKEYREJECTED;
}

int x509_crl_issued(X509_CRL *crl, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool good = key && is_authority(issuer, KU_CRL_SIGN) &&
                X509_CRL_get_ext_by_critical(crl, 1, -1) < 0 &&
                X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0 &&
                X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 &&
                X509_CRL_verify(crl, key) == 1;
    ERR_clear_error();
    return good ? 0 : -EKEYREJECTED;
}

/* X509_cmp_time() never says equal: what begins or ends at this very second is valid. */
static int valid_between(const ASN1_TIME *begin, const ASN1_TIME *end, int64_t at_s)
{
    if (at_s == X509_ANY_TIME)
        return 0;
    time_t at = (time_t)at_s;
    int from = begin ? X509_cmp_time(begin, &at) : 0;
    int to = end ? X509_cmp_time(end, &at) : -1;
    if (from == 0 || to == 0)
        return -EBADMSG;
    if (from > 0)
        return -EAGAIN;
    time_t before = at - 1;
    return to > 0 || X509_cmp_time(end ? end : begin, &before) > 0 ? 0 : -ETIME;
}

int x509_valid_at(const X509 *certificate, int64_t at_s)
{
    return valid_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate), at_s);
}

int x509_crl_valid_at(const X509_CRL *crl, int64_t at_s)
{
    const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);
    if (!end)
        return -ETIME;
    return valid_between(X509_CRL_get0_lastUpdate(crl), end, at_s);
}

int x509_not_revoked(X509 *certificate, X509_CRL *crl)
{
    X509_REVOKED *entry = NULL;
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(certificate)) != 0)
        return -EINVAL;
    return X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(certificate)) == 0
               ? 0
               : -EKEYREVOKED;
}

int x509_key_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int r = size > 0 ? sha256(slice_of(der, (size_t)size), ret_hash) : -EIO;
    OPENSSL_free(der);
    return r;
}

int x509_named(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return -EKEYREJECTED;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return slice_is_text(slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)),
                         name)
               ? 0
               : -EKEYREJECTED;
}

int x509_extension(X509 *certificate, const char *oid, struct slice *ret_value)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = object ? X509_get_ext_by_OBJ(certificate, object, -1) : -1;
    bool twice = at >= 0 && X509_get_ext_by_OBJ(certificate, object, at) >= 0;
    ASN1_OBJECT_free(object);
    if (at < 0)
        return -ENOENT;
    if (twice)
        return -EEXIST;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    *ret_value = slice_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return 0;
}
