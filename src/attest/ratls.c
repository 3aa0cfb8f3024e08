/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/ratls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* Freshness is the nonce's business and there is no clock to trust, so the dates say nothing. */
#define VALID_FROM "20200101000000Z"
#define VALID_UNTIL "99991231235959Z"

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void asn1_object_freep(ASN1_OBJECT **object)
{
    ASN1_OBJECT_free(*object);
}

static void openssl_freep(uint8_t **bytes)
{
    OPENSSL_free(*bytes);
}

/* As the certificate has it: nothing is encoded again. */
int ratls_key_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE])
{
    SCOPED(openssl_freep) uint8_t *der = NULL;
    X509_PUBKEY *key = X509_get_X509_PUBKEY(certificate);
    int size = key ? i2d_X509_PUBKEY(key, &der) : -1;
    return size > 0 ? sha256(slice_of(der, (size_t)size), ret_hash) : -EIO;
}

int ratls_certificate_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE])
{
    SCOPED(openssl_freep) uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    return size > 0 ? sha256(slice_of(der, (size_t)size), ret_hash) : -EIO;
}

static int report_data_of(struct slice claims, uint8_t ret_data[EVIDENCE_REPORT_DATA_SIZE])
{
    memset(ret_data, 0, EVIDENCE_REPORT_DATA_SIZE);
    return sha256(claims, ret_data);
}

static int extension_make(X509 *certificate, const uint8_t nonce[RATLS_NONCE_SIZE],
                          ratls_evidence_fn *evidence, void *ctx, struct buf *ret_extension,
                          struct error *e)
{
    SCOPED(buf_done) struct buf claims_bytes = {0}, record = {0};
    uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE];
    struct ratls_claims claims;
    memcpy(claims.nonce, nonce, RATLS_NONCE_SIZE);
    int r = ratls_key_hash(certificate, claims.key_hash);
    if (r == 0)
        r = ratls_claims_write(&claims, &claims_bytes);
    if (r == 0)
        r = report_data_of(buf_slice(&claims_bytes), report_data);
    if (r < 0)
        return error_set(e, r, "cannot bind evidence to a key");
    r = evidence(ctx, report_data, &record, e);
    if (r < 0)
        return r;
    r = ratls_extension_write(buf_slice(&record), buf_slice(&claims_bytes), ret_extension);
    return r < 0 ? error_set(e, r, "cannot write the evidence extension") : 0;
}

static int extension_add(X509 *certificate, struct slice value)
{
    SCOPED(asn1_object_freep) ASN1_OBJECT *oid = OBJ_txt2obj(RATLS_OID, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    int ok = oid && octets && ASN1_OCTET_STRING_set(octets, value.bytes, (int)value.size) == 1;
    if (ok)
        extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
    ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    return ok ? 0 : -EIO;
}

static int certificate_fill(X509 *certificate, EVP_PKEY *pkey)
{
    static const uint8_t name[] = "coffer";
    X509_NAME *subject = X509_get_subject_name(certificate);
    int ok = X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
             ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), VALID_FROM) == 1 &&
             ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), VALID_UNTIL) == 1 &&
             X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
             X509_set_issuer_name(certificate, subject) == 1 &&
             X509_set_pubkey(certificate, pkey) == 1;
    return ok ? 0 : -EIO;
}

static int certificate_new(EVP_PKEY *pkey, X509 **ret_certificate)
{
    SCOPED(x509_freep) X509 *certificate = X509_new();
    int r = certificate ? certificate_fill(certificate, pkey) : -ENOMEM;
    if (r == 0)
        *ret_certificate = TAKE(certificate);
    return r;
}

int ratls_certificate_set(X509 *certificate, struct slice value, EVP_PKEY *signer)
{
    if (X509_get_ext_count(certificate) > 0)
        X509_EXTENSION_free(X509_delete_ext(certificate, 0));
    int r = value.size > 0 ? extension_add(certificate, value) : 0;
    return r == 0 && X509_sign(certificate, signer, EVP_sha256()) <= 0 ? -EIO : r;
}

int ratls_certificate(const struct p256_key *key, const uint8_t nonce[RATLS_NONCE_SIZE],
                      ratls_evidence_fn *evidence, void *ctx, X509 **certificate, struct error *e)
{
    SCOPED(buf_done) struct buf extension = {0};
    EVP_PKEY *pkey = p256_pkey(key);
    int r = *certificate ? 0 : certificate_new(pkey, certificate);
    if (r < 0)
        return error_set(e, r, "cannot make a certificate");
    if (evidence)
        r = extension_make(*certificate, nonce, evidence, ctx, &extension, e);
    if (r < 0)
        return r;
    r = ratls_certificate_set(*certificate, buf_slice(&extension), pkey);
    return r < 0 ? error_set(e, r, "cannot sign a certificate") : 0;
}

/* Two of them would be two opinions about one key: -EBADMSG. */
int ratls_extension(X509 *certificate, struct slice *ret_value)
{
    SCOPED(asn1_object_freep) ASN1_OBJECT *oid = OBJ_txt2obj(RATLS_OID, 1);
    if (!oid)
        return -EIO;
    int at = X509_get_ext_by_OBJ(certificate, oid, -1);
    if (at < 0)
        return -ENODATA;
    if (X509_get_ext_by_OBJ(certificate, oid, at) >= 0)
        return -EBADMSG;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    *ret_value = slice_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return 0;
}

/* What an error of a parser means to the one who is refused. */
static int refuse_code(int r, struct refusal *ret)
{
    switch (r) {
    case -EOPNOTSUPP:
        return refusal_set(ret, REFUSAL_EVIDENCE_KIND, NULL, 0, NULL, NULL);
    case -EKEYREJECTED:
        return refusal_set(ret, REFUSAL_EVIDENCE_SIGNATURE, NULL, 0, NULL, NULL);
    case -EBADMSG:
        return refusal_set(ret, REFUSAL_EVIDENCE_MALFORMED, NULL, 0, NULL, NULL);
    default:
        return r;
    }
}

static int binding_verify(X509 *certificate, const uint8_t nonce[RATLS_NONCE_SIZE],
                          struct slice claims_bytes, const struct evidence *ev, struct refusal *ret)
{
    uint8_t key_hash[SHA256_SIZE], report_data[EVIDENCE_REPORT_DATA_SIZE];
    struct ratls_claims claims;
    int r = ratls_claims_parse(claims_bytes, &claims);
    if (r == 0)
        r = ratls_key_hash(certificate, key_hash);
    if (r == 0)
        r = report_data_of(claims_bytes, report_data);
    if (r < 0)
        return refuse_code(r, ret);
    if (ct_verify(report_data, ev->report_data, sizeof report_data) < 0 ||
        ct_verify(key_hash, claims.key_hash, sizeof key_hash) < 0)
        return refusal_set(ret, REFUSAL_EVIDENCE_BINDING, NULL, 0, NULL, NULL);
    if (ct_verify(nonce, claims.nonce, RATLS_NONCE_SIZE) < 0)
        return refusal_set(ret, REFUSAL_EVIDENCE_STALE, NULL, 0, NULL, NULL);
    return 0;
}

/* The simulation's record says so itself; all else is for who has the vendors' statements. */
static int record_verify(struct slice record, const struct evidence_verifier *verifier,
                         struct evidence *ret_evidence, struct refusal *ret_refusal)
{
    int r = evidence_verify(record, ret_evidence);
    if (r == -EOPNOTSUPP && verifier)
        return verifier->verify(verifier->ctx, record, ret_evidence, ret_refusal);
    return refuse_code(r, ret_refusal);
}

int ratls_verify(X509 *certificate, const uint8_t nonce[RATLS_NONCE_SIZE],
                 const struct evidence_verifier *verifier, struct evidence *ret_evidence,
                 struct refusal *ret_refusal)
{
    struct slice extension, record, claims;
    struct evidence ev;
    int r = ratls_extension(certificate, &extension);
    if (r == 0)
        r = ratls_extension_parse(extension, &record, &claims);
    r = refuse_code(r, ret_refusal);
    if (r == 0)
        r = record_verify(record, verifier, &ev, ret_refusal);
    if (r == 0)
        r = binding_verify(certificate, nonce, claims, &ev, ret_refusal);
    if (r == 0)
        *ret_evidence = ev;
    return r;
}
