/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/totp.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define MODULUS 1000000u

int totp_code(const uint8_t secret[TOTP_SECRET_SIZE], uint64_t step, char ret_code[TOTP_DIGITS + 1])
{
    uint8_t message[8], mac[20];
    unsigned size = sizeof mac;
    for (int i = 0; i < 8; i++)
        message[i] = (uint8_t)(step >> (56 - 8 * i));
    if (!HMAC(EVP_sha1(), secret, TOTP_SECRET_SIZE, message, sizeof message, mac, &size) ||
        size != sizeof mac)
        return -EIO;
    unsigned at = mac[19] & 15;
    uint32_t n = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
                 (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    snprintf(ret_code, TOTP_DIGITS + 1, "%06u", n % MODULUS);
    return 0;
}

int totp_check(const uint8_t secret[TOTP_SECRET_SIZE], const char *code, int64_t now_s,
               uint64_t last_step, uint64_t *ret_step)
{
    uint64_t now = now_s > 0 ? (uint64_t)now_s / TOTP_STEP_S : 0;
    char expected[TOTP_DIGITS + 1];
    if (strlen(code) != TOTP_DIGITS)
        return -EACCES;
    for (uint64_t step = now ? now - 1 : 0; step <= now + 1; step++) {
        int r = totp_code(secret, step, expected);
        if (r < 0)
            return r;
        if (step <= last_step || ct_verify(expected, code, TOTP_DIGITS) < 0)
            continue;
        *ret_step = step;
        return 0;
    }
    return -EACCES;
}

/* RFC 4648, section 6; 20 bytes need no padding. */
static void base32_append(struct buf *out, const uint8_t *bytes, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 5; count -= 5)
            buf_append_byte(out, (uint8_t)letters[bits >> (count - 5) & 31]);
    }
}

static void escaped_append(struct buf *out, const char *text)
{
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.')
            buf_append_byte(out, c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

int totp_uri(const uint8_t secret[TOTP_SECRET_SIZE], const char *issuer, const char *account,
             struct buf *out)
{
    buf_append_text(out, "otpauth://totp/");
    escaped_append(out, issuer);
    buf_append_byte(out, ':');
    escaped_append(out, account);
    buf_append_text(out, "?secret=");
    base32_append(out, secret, TOTP_SECRET_SIZE);
    buf_append_text(out, "&issuer=");
    escaped_append(out, issuer);
    return out->failed ? -ENOMEM : 0;
}
