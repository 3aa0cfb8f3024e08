/* SPDX-License-Identifier: Apache-2.0 */
/* attest/x509_check.h: the few judgements on vendors' certificates and revocation lists that every
 * kind of evidence needs. Parsing and signatures are OpenSSL's; what counts as good is decided here
 * (RFC 5280). Does no I/O, reads no clock, consults no trust store. Safe on any thread. */
#ifndef COFFER_ATTEST_X509_CHECK_H
#define COFFER_ATTEST_X509_CHECK_H

#include "base/macros.h"
#include "base/slice.h"
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/types.h>

#define X509_CHAIN_MAX 4
#define X509_ANY_TIME INT64_MIN /* instead of a time: dates are not judged */

/* Certificates in the order they were given. Starts as {0}. */
struct x509_chain {
    X509 *certificate[X509_CHAIN_MAX];
    int count;
};

/* PEM texts one after the other (white space or NULs may follow), or one DER certificate. 0,
 * -EBADMSG, or -E2BIG for more than X509_CHAIN_MAX. The caller releases it with x509_chain_done(). */
must_check int x509_chain_read(struct slice bytes, struct x509_chain *ret_chain);
void x509_chain_done(struct x509_chain *chain);

/* A revocation list in DER or PEM; the caller frees it. 0 or -EBADMSG. */
must_check int x509_crl_read(struct slice bytes, X509_CRL **ret_crl);

/* `issuer`'s key signed `certificate`, the names agree, `issuer` may sign certificates, and neither
 * has a critical extension that is not understood. 0 or -EKEYREJECTED. */
must_check int x509_issued(X509 *certificate, X509 *issuer);

/* The same for a revocation list; refuses partial lists. 0 or -EKEYREJECTED. */
must_check int x509_crl_issued(X509_CRL *crl, X509 *issuer);

/* 0, -ETIME after the end, -EAGAIN before the beginning, -EBADMSG for a date that cannot be read.
 * A list without a next update has ended. */
must_check int x509_valid_at(const X509 *certificate, int64_t at_s);
must_check int x509_crl_valid_at(const X509_CRL *crl, int64_t at_s);

/* 0; -EKEYREVOKED; -EINVAL where the list is not of the certificate's issuer and says nothing. */
must_check int x509_not_revoked(X509 *certificate, X509_CRL *crl);

/* SHA-256 of SubjectPublicKeyInfo, as keys are pinned. 0 or -EIO. */
must_check int x509_key_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE]);

/* 0 if the common name is exactly `name`; -EKEYREJECTED. */
must_check int x509_named(X509 *certificate, const char *name);

/* The bytes of the extension `oid` (dotted), borrowed from the certificate. 0; -ENOENT; -EEXIST if
 * it is there twice. */
must_check int x509_extension(X509 *certificate, const char *oid, struct slice *ret_value);

#endif
