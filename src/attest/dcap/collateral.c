/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/collateral.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

int dcap_signed_by(X509 *certificate, struct slice bytes, const uint8_t signature[64])
{
    uint8_t point[P256_PUBLIC_SIZE];
    size_t size = 0;
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    int good = key && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                      sizeof point, &size) == 1;
    ERR_clear_error();
    return good && size == sizeof point && p256_verify(point, bytes, signature) == 0
               ? 0
               : -EKEYREJECTED;
}

/* A signer under a root: two certificates, the second one self-signed and with the pinned key. */
static int pair_read(struct slice file, const uint8_t root[SHA256_SIZE], const char *what,
                     struct x509_chain *ret_chain, struct error *e)
{
    uint8_t hash[SHA256_SIZE];
    int r = x509_chain_read(file, ret_chain);
    if (r < 0 || ret_chain->count != 2)
        return error_set(e, -EBADMSG, "%s is not a chain of two certificates", what);
    X509 *const *c = ret_chain->certificate;
    if (x509_key_hash(c[1], hash) < 0 || memcmp(hash, root, sizeof hash) != 0 ||
        x509_issued(c[1], c[1]) < 0 || x509_issued(c[0], c[1]) < 0)
        return error_set(e, -EKEYREJECTED, "%s does not lead to the pinned root", what);
    return 0;
}

static int crl_read(struct slice file, X509 *issuer, const char *what, X509_CRL **ret_crl,
                    struct error *e)
{
    if (x509_crl_read(file, ret_crl) < 0)
        return error_set(e, -EBADMSG, "%s is no revocation list", what);
    if (x509_crl_issued(*ret_crl, issuer) < 0)
        return error_set(e, -EKEYREJECTED, "%s is not signed by its issuer", what);
    return 0;
}

/* Checks the signature before the contents are looked at. */
static int document_read(struct slice file, const char *name, X509 *signer,
                         struct slice *ret_object, struct error *e)
{
    struct dcap_signed document;
    if (dcap_signed_parse(file, name, &document) < 0)
        return error_set(e, -EBADMSG, "the file is no signed '%s'", name);
    if (dcap_signed_by(signer, document.object, document.signature) < 0)
        return error_set(e, -EKEYREJECTED, "the '%s' is not signed by its signing certificate",
                         name);
    *ret_object = document.object;
    return 0;
}

static int certificates_read(const struct dcap_files *files, const uint8_t root[SHA256_SIZE],
                             struct dcap_collateral *c, struct error *e)
{
    int r = pair_read(files->tcb_signing_chain, root, "the TCB signing chain", &c->tcb_signing, e);
    if (r == 0 && x509_named(c->tcb_signing.certificate[0], "Intel SGX TCB Signing") < 0)
        r = error_set(e, -EKEYREJECTED, "the TCB signing chain is of another certificate");
    if (r == 0)
        r = pair_read(files->pck_crl_issuer_chain, root, "the PCK CRL's issuer chain",
                      &c->pck_authority, e);
    if (r == 0)
        r = crl_read(files->root_ca_crl, c->tcb_signing.certificate[1], "the root CA's CRL",
                     &c->root_crl, e);
    if (r == 0)
        r = crl_read(files->pck_crl, c->pck_authority.certificate[0], "the PCK CRL", &c->pck_crl,
                     e);
    return r;
}

int dcap_collateral_open(const struct dcap_files *files, const uint8_t root[SHA256_SIZE],
                         struct dcap_collateral **ret_collateral, struct error *e)
{
    SCOPED(dcap_collateral_freep) struct dcap_collateral *c = calloc(1, sizeof *c);
    struct slice object = {0};
    if (!c)
        return error_set(e, -ENOMEM, "no memory");
    int r = certificates_read(files, root, c, e);
    if (r == 0)
        r = document_read(files->tcb_info, "tcbInfo", c->tcb_signing.certificate[0], &object, e);
    if (r == 0)
        r = dcap_tcb_info_parse(object, &c->tcb_info, e);
    if (r == 0)
        r = document_read(files->qe_identity, "enclaveIdentity", c->tcb_signing.certificate[0],
                          &object, e);
    if (r == 0)
        r = dcap_identity_parse(object, &c->identity, e);
    if (r < 0)
        return r;
    *ret_collateral = TAKE(c);
    return 0;
}

void dcap_collateral_free(struct dcap_collateral *c)
{
    if (!c)
        return;
    x509_chain_done(&c->tcb_signing);
    x509_chain_done(&c->pck_authority);
    X509_CRL_free(c->pck_crl);
    X509_CRL_free(c->root_crl);
    dcap_tcb_info_done(&c->tcb_info);
    dcap_identity_done(&c->identity);
    free(c);
}

void dcap_collateral_freep(struct dcap_collateral **collateral)
{
    dcap_collateral_free(*collateral);
}

static int between(int64_t begin_s, int64_t end_s, int64_t at_s)
{
    return at_s < begin_s ? -EAGAIN : at_s > end_s ? -ETIME : 0;
}

enum dcap_fault dcap_collateral_judge(const struct dcap_collateral *c, int64_t at_s)
{
    const int results[] = {
        between(c->tcb_info.issued_s, c->tcb_info.next_s, at_s),
        between(c->identity.issued_s, c->identity.next_s, at_s),
        x509_crl_valid_at(c->root_crl, at_s),
        x509_crl_valid_at(c->pck_crl, at_s),
        x509_valid_at(c->tcb_signing.certificate[0], at_s),
        x509_valid_at(c->tcb_signing.certificate[1], at_s),
        x509_valid_at(c->pck_authority.certificate[0], at_s),
        x509_valid_at(c->pck_authority.certificate[1], at_s),
    };
    for (size_t i = 0; i < ARRAY_COUNT(results); i++)
        if (results[i] != 0)
            return results[i] == -EAGAIN ? DCAP_FAULT_COLLATERAL_NOT_YET_VALID
                                         : DCAP_FAULT_COLLATERAL_EXPIRED;
    if (x509_not_revoked(c->tcb_signing.certificate[0], c->root_crl) < 0 ||
        x509_not_revoked(c->pck_authority.certificate[0], c->root_crl) < 0)
        return DCAP_FAULT_PCK_REVOKED;
    return DCAP_FAULT_NONE;
}

bool dcap_collateral_fits(const struct dcap_collateral *c, enum dcap_tee tee,
                          const uint8_t fmspc[DCAP_FMSPC_SIZE], bool processor_ca)
{
    bool is_processor =
        x509_named(c->pck_authority.certificate[0], "Intel SGX PCK Processor CA") == 0;
    return c->tcb_info.tee == tee && is_processor == processor_ca &&
           memcmp(c->tcb_info.fmspc, fmspc, DCAP_FMSPC_SIZE) == 0;
}

bool dcap_collateral_newer(const struct dcap_collateral *a, const struct dcap_collateral *b)
{
    const struct dcap_tcb_info *x = &a->tcb_info, *y = &b->tcb_info;
    if (x->evaluation_number != y->evaluation_number)
        return x->evaluation_number > y->evaluation_number;
    return x->issued_s > y->issued_s;
}
