/* SPDX-License-Identifier: Apache-2.0 */
/* attest/evidence.h: what a piece of evidence says, once its signature has been checked. Whether
 * that is good enough is attest/appraise.h's question. Does no I/O and reads no clock.
 *
 * One kind is read today: the record of the simulated device (base/evidence_record.h). A kind that
 * is not known is refused as such, never skipped. */
#ifndef COFFER_ATTEST_EVIDENCE_H
#define COFFER_ATTEST_EVIDENCE_H

#include "base/evidence_record.h"
#include "base/macros.h"
#include "base/slice.h"

enum tee { TEE_SIM, TEE_TDX, TEE_SNP, TEE_SGX, TEE_COUNT };

/* Plain values; zeros where the kind of evidence has no such claim. */
struct evidence {
    enum tee tee;
    uint32_t svn;
    bool debug;
    uint8_t runtime[EVIDENCE_DIGEST_SIZE];
    uint8_t program[EVIDENCE_DIGEST_SIZE];
    uint8_t signer[EVIDENCE_DIGEST_SIZE];
    uint8_t config[EVIDENCE_DIGEST_SIZE];
    uint8_t device[EVIDENCE_DIGEST_SIZE]; /* SHA-256 of the device's public point */
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE];
};

/* Parses and checks the signature. 0; -EBADMSG malformed; -EKEYREJECTED well-formed, but its
 * signature is not the device's; -EOPNOTSUPP a kind or version that is not known; -EIO. On failure
 * *ret_evidence is untouched. Safe on any thread. */
must_check int evidence_verify(struct slice record, struct evidence *ret_evidence);

/* "sim", "tdx", "snp", "sgx". */
const char *tee_name(enum tee tee);
must_check int tee_parse(struct slice name, enum tee *ret_tee); /* -EINVAL */

#endif
