/* SPDX-License-Identifier: Apache-2.0 */
/* attest/sgx/sigstruct.h: the signature structure of an SGX enclave: making one needs no SGX, only
 * an RSA key of 3072 bits with exponent 3. No I/O.
 *
 * Format: Intel SDM volume 3D, table 38-19 (SIGSTRUCT), 1808 bytes, little-endian; the signature is
 * RSASSA-PKCS1-v1_5 with SHA-256 over bytes 0..127 and 900..1027. */
#ifndef COFFER_ATTEST_SGX_SIGSTRUCT_H
#define COFFER_ATTEST_SGX_SIGSTRUCT_H

#include "base/error.h"
#include "crypto/crypto.h"

#include <openssl/types.h>

#define SIGSTRUCT_SIZE 1808
#define SIGSTRUCT_KEY_SIZE 384 /* of modulus, signature, q1 and q2 */

/* Plain values. */
struct sigstruct {
    uint32_t vendor; /* 0, or 8086h for Intel */
    uint32_t date;   /* 20260131h: BCD year, month, day */
    uint32_t software_defined;
    uint8_t modulus[SIGSTRUCT_KEY_SIZE]; /* little-endian, as in the structure */
    uint32_t misc_select, misc_mask;
    uint8_t cet_attributes, cet_attributes_mask;
    uint8_t family_id[16], extended_product_id[16];
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mr_enclave[SHA256_SIZE];
    uint16_t product_id, svn;
    uint8_t signature[SIGSTRUCT_KEY_SIZE], q1[SIGSTRUCT_KEY_SIZE], q2[SIGSTRUCT_KEY_SIZE];
};

/* 0; -EBADMSG: size, header, exponent or a reserved field is not as it must be. */
must_check int sigstruct_parse(struct slice bytes, struct sigstruct *ret_sigstruct);
void sigstruct_write(const struct sigstruct *sigstruct, uint8_t ret_bytes[SIGSTRUCT_SIZE]);

/* Fills modulus, signature, q1 and q2. -EINVAL: the key is not RSA of 3072 bits with exponent 3. */
must_check int sigstruct_sign(struct sigstruct *sigstruct, EVP_PKEY *key, struct error *e);

/* Checks the signature, and q1 and q2 as a processor relies on them. 0, -EKEYREJECTED, -EIO. */
must_check int sigstruct_verify(const struct sigstruct *sigstruct);

/* MRSIGNER: SHA-256 of the modulus as it stands in the structure. */
must_check int sigstruct_signer(const struct sigstruct *sigstruct, uint8_t ret[SHA256_SIZE]);

#endif
