/* SPDX-License-Identifier: Apache-2.0 */
/* attest/ratls.h: X.509 certificates that carry evidence (RA-TLS), bound to the certificate's key
 * and to a fresh nonce. Makes and judges certificates; no I/O, no clock, no TLS of its own.
 *
 * The certificate is self-signed and has the extension 2.23.133.5.4.9 (TCG DICE tagged evidence):
 *
 *     tag [ evidence: bytes, claims: bytes ]                                      (CBOR)
 *     claims = { "pubkey-hash": << [1, SHA-256 of SubjectPublicKeyInfo] >>, "nonce": 32 bytes }
 *     report data of the evidence = SHA-256 of claims, then 32 zeros
 *
 * The nonce costs no round trip: it is the other side's random of this very TLS handshake. The
 * server's certificate answers ClientHello.random, the client's answers ServerHello.random, and
 * each end makes its certificate when it has seen the other's. docs/evidence-format.md says why
 * that is fresh and bound. */
#ifndef COFFER_ATTEST_RATLS_H
#define COFFER_ATTEST_RATLS_H

#include "attest/evidence.h"
#include "attest/refusal.h"
#include "base/buf.h"
#include "crypto/crypto.h"

#include <openssl/types.h>

#define RATLS_NONCE_SIZE 32
#define RATLS_OID "2.23.133.5.4.9"
#define RATLS_EXTENSION_SIZE_MAX (64u << 10)
/* What the evidence is says the tag, and the evidence itself once more. */
#define RATLS_CBOR_TAG_SIM 0x43464556u    /* "CFEV", from the range that needs no review */
#define RATLS_CBOR_TAG_VENDOR 0x43465645u /* "CFVE": attest/bundle.h */
#define RATLS_CBOR_TAG_QUOTE 60000u       /* IANA: a bare SGX or TDX quote */

/* Gets evidence over `report_data`: platform()->evidence, or a file of the runtime's. */
typedef int ratls_evidence_fn(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                              struct buf *ret_evidence, struct error *e);

/* A self-signed certificate for `key`, with evidence that answers `nonce`, or without any if
 * `evidence` is NULL (for a key that is known already). *certificate is NULL or what an earlier call
 * made for the same key: that one is then changed in place, since encoding the key costs more than
 * all the rest. The caller frees it. 0, -EIO, or what `evidence` returned. */
must_check int ratls_certificate(const struct p256_key *key, const uint8_t nonce[RATLS_NONCE_SIZE],
                                 ratls_evidence_fn *evidence, void *ctx, X509 **certificate,
                                 struct error *e);

/* For who holds the certificate but not its key: puts the evidence extension `value` in the place of
 * the one that is there, if any, and signs again with `signer`, for the same key. 0 or -EIO. */
must_check int ratls_certificate_set(X509 *certificate, struct slice value, EVP_PKEY *signer);
/* The value of the evidence extension; borrows. 0; -ENODATA there is none; -EBADMSG more than one; -EIO. */
must_check int ratls_extension(X509 *certificate, struct slice *ret_value);

/* Extracts the evidence of `certificate`, checks its signature, that it is bound to the
 * certificate's key, and that it answers `nonce`. The TLS handshake proves possession of the key.
 * Evidence other than the simulation's is `verifier`'s to verify; NULL: not known here. 0; -ENODATA no
 * such extension (an ordinary certificate); -EACCES with *ret_refusal (may be NULL) filled; -EIO. */
must_check int ratls_verify(X509 *certificate, const uint8_t nonce[RATLS_NONCE_SIZE],
                            const struct evidence_verifier *verifier, struct evidence *ret_evidence,
                            struct refusal *ret_refusal);

/* The parts, for ratls.c and the tests. Parsing: 0, -EBADMSG, or -EOPNOTSUPP for a tag of another
 * kind of evidence; the slices borrow from `extension`. */
must_check int ratls_extension_parse(struct slice extension, struct slice *ret_evidence,
                                     struct slice *ret_claims);
must_check int ratls_extension_write(struct slice evidence, struct slice claims, struct buf *out);

struct ratls_claims {
    uint8_t key_hash[SHA256_SIZE];
    uint8_t nonce[RATLS_NONCE_SIZE];
};
must_check int ratls_claims_parse(struct slice claims, struct ratls_claims *ret_claims);
must_check int ratls_claims_write(const struct ratls_claims *claims, struct buf *out);

/* SHA-256 over the SubjectPublicKeyInfo (DER) of a certificate: how keys are named everywhere. 0 or
 * -EIO. */
must_check int ratls_key_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE]);
/* SHA-256 over the whole certificate (DER). 0 or -EIO. */
must_check int ratls_certificate_hash(X509 *certificate, uint8_t ret_hash[SHA256_SIZE]);

#endif
