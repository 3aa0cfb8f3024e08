/* SPDX-License-Identifier: Apache-2.0 */
/* attest/appraise.h: does this (already verified) evidence satisfy that who-may-run clause? Does no
 * I/O and reads no clock. Every path that is not a clear yes is a no. */
#ifndef COFFER_ATTEST_APPRAISE_H
#define COFFER_ATTEST_APPRAISE_H

#include "attest/appraise_platform.h"

#define WHO_DIGESTS_MAX 16

/* Digests of which one must match; none demands nothing. */
struct who_digests {
    uint8_t digest[WHO_DIGESTS_MAX][EVIDENCE_DIGEST_SIZE];
    unsigned count;
    unsigned line;
};

/* Plain; a zeroed one allows no TEE, hence nobody. Lines are those of the document it came from. */
struct who {
    unsigned tees; /* bits 1 << enum tee */
    unsigned tees_line;
    bool allow_debug;
    unsigned allow_debug_line;
    uint32_t svn_min;
    unsigned svn_min_line;
    int32_t product; /* ISVPRODID that an enclave must have, if `product_line` */
    unsigned product_line;
    struct who_digests runtime, program, signer, config;
    struct who_platform platform;
    struct who_digests device; /* simulated devices to believe; none for `sim`: refused */
};

/* 0, or -EACCES with the first clause that failed in *ret_refusal (may be NULL). */
must_check int appraise(const struct who *who, const struct evidence *evidence,
                        struct refusal *ret_refusal);

/* A pin is a who clause as one line of text, for command lines:
 *
 *     tee=sim program=HEX [runtime=HEX] [config=HEX] [device=HEX] [debug]
 *
 * A key may stand several times. -EINVAL with a text in `e`. Writing gives what parses to the same;
 * -ENOMEM. A pin names at least one TEE and one program. */
must_check int pin_parse(struct slice text, struct who *ret_who, struct error *e);
must_check int pin_write(const struct who *who, struct buf *out);

/* Makes a pin of what a piece of evidence says. */
void pin_from_evidence(const struct evidence *evidence, struct who *ret_who);

#endif
