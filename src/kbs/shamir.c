/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/shamir.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x1b /* without x^8 */

uint8_t gf256_multiply(uint8_t a, uint8_t b)
{
    uint8_t product = 0;
    for (int i = 0; i < 8; i++) {
        product ^= (uint8_t)(-(b & 1) & a);
        a = (uint8_t)((a << 1) ^ (-(a >> 7) & POLYNOMIAL));
        b >>= 1;
    }
    return product;
}

/* a^254: the multiplicative group has 255 elements. */
uint8_t gf256_invert(uint8_t a)
{
    uint8_t result = 1;
    for (int bit = 7; bit >= 0; bit--) {
        result = gf256_multiply(result, result);
        if (254 >> bit & 1)
            result = gf256_multiply(result, a);
    }
    return result;
}

int shamir_split(const uint8_t secret[SHAMIR_SECRET_SIZE], unsigned need, unsigned of,
                 const uint8_t *random, struct shamir_share *shares)
{
    if (need < 2 || need > of || of > SHAMIR_SHARES_MAX)
        return -EINVAL;
    for (unsigned s = 0; s < of; s++) {
        uint8_t x = (uint8_t)(s + 1);
        shares[s].x = x;
        for (unsigned i = 0; i < SHAMIR_SECRET_SIZE; i++) {
            const uint8_t *coefficients = random + (size_t)i * (need - 1);
            uint8_t y = 0; /* Horner, from the highest power down to the secret */
            for (unsigned k = need - 1; k-- > 0;)
                y = gf256_multiply((uint8_t)(y ^ coefficients[k]), x);
            shares[s].y[i] = y ^ secret[i];
        }
    }
    return 0;
}

static bool points_are_distinct(const struct shamir_share *shares, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (shares[i].x == 0)
            return false;
        for (unsigned k = 0; k < i; k++)
            if (shares[k].x == shares[i].x)
                return false;
    }
    return true;
}

/* Lagrange's interpolation at zero; subtraction is addition here. */
int shamir_combine(const struct shamir_share *shares, unsigned count,
                   uint8_t ret_secret[SHAMIR_SECRET_SIZE])
{
    if (count == 0 || count > SHAMIR_SHARES_MAX || !points_are_distinct(shares, count))
        return -EINVAL;
    memset(ret_secret, 0, SHAMIR_SECRET_SIZE);
    for (unsigned i = 0; i < count; i++) {
        uint8_t above = 1, below = 1;
        for (unsigned k = 0; k < count; k++) {
            if (k == i)
                continue;
            above = gf256_multiply(above, shares[k].x);
            below = gf256_multiply(below, shares[k].x ^ shares[i].x);
        }
        uint8_t weight = gf256_multiply(above, gf256_invert(below));
        for (unsigned b = 0; b < SHAMIR_SECRET_SIZE; b++)
            ret_secret[b] ^= gf256_multiply(weight, shares[i].y[b]);
    }
    return 0;
}
