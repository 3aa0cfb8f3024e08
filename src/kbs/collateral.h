/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/collateral.h: the vendors' statements that the key broker judges evidence by, from a directory
 * that anybody may fill: every statement is signed, so who fetched it need not be trusted. Looked at
 * again when it changes. The key broker itself fetches nothing and needs no network.
 *
 *   DIR/NAME/   one set of Intel's for a kind of platform: tcb_info.json, qe_identity.json,
 *               tcb_signing_chain.pem, pck_crl.der, pck_crl_issuer_chain.pem, root_ca_crl.der
 *   DIR/NAME/   or any other folder: certificates and revocation lists of AMD's, DER or PEM
 *
 * One thread. */
#ifndef COFFER_KBS_COLLATERAL_H
#define COFFER_KBS_COLLATERAL_H

#include "attest/vendor.h"

#define COLLATERAL_SETS_MAX 256
#define COLLATERAL_CERTIFICATES_MAX 4096
#define COLLATERAL_FILE_SIZE_MAX ((size_t)1 << 20)

struct collateral;

/* Roots other than the vendors' are for tests. NULL `dir`: an empty collection. What cannot be used
 * is logged and left out. 0, or -errno if the directory cannot be read. */
must_check int collateral_open(const char *dir, const uint8_t *intel_root,
                               const struct snp_roots *amd_roots, int64_t (*now_s)(void),
                               struct collateral **ret_collateral, struct error *e);
void collateral_free(struct collateral *collateral);
void collateral_freep(struct collateral **collateral);

/* The verifier over this collection; lives as long as it. */
const struct evidence_verifier *collateral_verifier(struct collateral *collateral);

struct collateral_counts {
    unsigned sets, certificates, lists, refused;
};
struct collateral_counts collateral_counts(const struct collateral *collateral);

/* Looks at the directory again now, if it has changed. For tests, and before a lookup that failed. */
void collateral_refresh(struct collateral *collateral);

#endif
