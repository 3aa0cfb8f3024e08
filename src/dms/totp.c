/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/totp.h"
#include "base/secret.h"
#include "dms/digest.h"

#include <errno.h>

enum { DIGITS = 6, MODULUS = 1000000 };

unsigned totp_code(const uint8_t secret[TOTP_SECRET_SIZE], int64_t step)
{
    uint8_t counter[8], mac[HMAC_SHA1_SIZE];
    for (int i = 0; i < 8; i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    hmac_sha1(slice_of(secret, TOTP_SECRET_SIZE), slice_of(counter, sizeof counter), mac);
    const uint8_t *at = mac + (mac[HMAC_SHA1_SIZE - 1] & 0x0f);
    unsigned number =
        (unsigned)(at[0] & 0x7f) << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3];
    secret_wipe(mac, sizeof mac);
    return number % MODULUS;
}

int totp_check(const uint8_t secret[TOTP_SECRET_SIZE], struct slice code, int64_t now_s,
               int64_t last_step, int64_t *ret_step)
{
    unsigned number = 0;
    int64_t now = now_s / TOTP_STEP_S, found = 0;
    if (code.size != DIGITS)
        return -EKEYREJECTED;
    for (size_t i = 0; i < DIGITS; i++) {
        if (code.bytes[i] < '0' || code.bytes[i] > '9')
            return -EKEYREJECTED;
        number = number * 10 + (code.bytes[i] - '0');
    }
    for (int64_t step = now - 1; step <= now + 1; step++)
        if (totp_code(secret, step) == number && step > last_step)
            found = step;
    if (found == 0)
        return -EKEYREJECTED;
    *ret_step = found;
    return 0;
}

/* RFC 4648: 20 bytes are 32 characters without padding. */
void totp_base32(const uint8_t secret[TOTP_SECRET_SIZE], char text[TOTP_BASE32_SIZE])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (size_t i = 0; i < TOTP_BASE32_SIZE - 1; i++) {
        size_t bit = 5 * i, byte = bit / 8;
        unsigned two =
            (unsigned)secret[byte] << 8 | (byte + 1 < TOTP_SECRET_SIZE ? secret[byte + 1] : 0u);
        text[i] = alphabet[two >> (11 - bit % 8) & 31];
    }
    text[TOTP_BASE32_SIZE - 1] = 0;
}
