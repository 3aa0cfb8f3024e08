/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/collateral.h: what dcap_collateral_open() leaves for dcap_verify(). Not for others. */
#ifndef COFFER_ATTEST_DCAP_COLLATERAL_H
#define COFFER_ATTEST_DCAP_COLLATERAL_H

#include "attest/dcap/verify.h"

struct dcap_collateral {
    struct dcap_tcb_info tcb_info;
    struct dcap_identity identity;
    struct x509_chain tcb_signing;   /* signer of both documents, root */
    struct x509_chain pck_authority; /* issuer of the platform's certificate, root */
    X509_CRL *pck_crl, *root_crl;
};

/* Is everything in it, certificates included, valid at `at_s`, and is none of its own certificates
 * revoked? DCAP_FAULT_NONE or what is wrong. */
enum dcap_fault dcap_collateral_judge(const struct dcap_collateral *collateral, int64_t at_s);

/* The ECDSA P-256 signature r || s over `bytes` by the certificate's key. 0 or -EKEYREJECTED. */
must_check int dcap_signed_by(X509 *certificate, struct slice bytes, const uint8_t signature[64]);

#endif
