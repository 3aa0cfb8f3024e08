/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/shamir.h: a secret split so that any M of N parts restore it and fewer say nothing (A. Shamir,
 * "How to Share a Secret", 1979), byte by byte over GF(2^8) with x^8+x^4+x^3+x+1. Time depends on
 * sizes alone, never on values. Pure. */
#ifndef COFFER_KBS_SHAMIR_H
#define COFFER_KBS_SHAMIR_H

#include "base/macros.h"

#include <stdint.h>

#define SHAMIR_SECRET_SIZE 32
#define SHAMIR_SHARES_MAX 255

struct shamir_share {
    uint8_t x; /* 1 to 255; no two alike */
    uint8_t y[SHAMIR_SECRET_SIZE];
};

/* `random` has need - 1 bytes for each byte of the secret: the coefficients, in order. Fills
 * shares[0..of) with x = 1, 2, ... -EINVAL unless 2 <= need <= of <= 255. */
must_check int shamir_split(const uint8_t secret[SHAMIR_SECRET_SIZE], unsigned need, unsigned of,
                            const uint8_t *random, struct shamir_share *shares);

/* From exactly as many shares as were needed. Fewer, or wrong ones, give another secret: whoever calls
 * must be able to tell. -EINVAL: no shares, an x of 0, or one twice. */
must_check int shamir_combine(const struct shamir_share *shares, unsigned count,
                              uint8_t ret_secret[SHAMIR_SECRET_SIZE]);

/* The field, for the tests. */
uint8_t gf256_multiply(uint8_t a, uint8_t b);
uint8_t gf256_invert(uint8_t a); /* of 0: 0 */

#endif
