/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/ca.h: the key broker's certificate authority. It certifies keys that were made elsewhere, for
 * names that a policy allows; it never sees their private halves. */
#ifndef COFFER_KBS_CA_H
#define COFFER_KBS_CA_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/crypto.h"

#include <openssl/types.h>

struct ca;

/* From its private scalar and certificate (DER); or a new one. 0, -EBADMSG, -EIO. */
must_check int ca_load(const struct key256 *scalar, struct slice der, struct ca **ret_ca);
must_check int ca_new(const char *domain, int64_t now_s, struct ca **ret_ca);
must_check int ca_save(const struct ca *ca, struct key256 *ret_scalar, struct buf *ret_der);
void ca_free(struct ca *ca);
void ca_freep(struct ca **ca);

/* Its certificate as PEM. */
must_check int ca_pem(const struct ca *ca, struct buf *out);

struct ca_names {
    const char *const *names; /* DNS names; the first is also the subject */
    unsigned count;
    const char *uri; /* an identity beside them, as spiffe://DOMAIN/...; NULL: none */
    bool client;     /* good for clients too, not for servers only */
};

/* A server certificate for `names` as PEM, valid from an hour before `now_s` for `days`. The
 * request's own subject and extensions are ignored; its signature proves that whoever asks holds
 * the key. 0, -EBADMSG (no request, or it does not verify), -EOPNOTSUPP (a key too weak), -EIO. */
must_check int ca_issue_csr(const struct ca *ca, struct slice csr_pem, const struct ca_names *names,
                            int64_t now_s, unsigned days, struct buf *ret_pem);
must_check int ca_issue_key(const struct ca *ca, EVP_PKEY *key, const struct ca_names *names,
                            int64_t now_s, unsigned days, struct buf *ret_pem);

/* A secret authority: the same for keys of any kind, as PEM. ca_pem_new() makes a self-signed
 * certificate for `key`; ca_pem_issue() signs one for `key` with `issuer_key`, whose certificate is
 * `issuer`. */
must_check int ca_pem_new(EVP_PKEY *key, const char *subject, int64_t now_s, unsigned days,
                          struct buf *ret_pem);
must_check int ca_pem_issue(EVP_PKEY *issuer_key, X509 *issuer, EVP_PKEY *key,
                            const struct ca_names *names, int64_t now_s, unsigned days,
                            struct buf *ret_pem);

#endif
