/* SPDX-License-Identifier: Apache-2.0 */
/* dms/totp.h: time-based one-time codes (RFC 6238 over RFC 4226: HMAC-SHA-1, 30 s, 6 digits, which
 * is what every authenticator program knows). No I/O, no clock. */
#ifndef COFFER_DMS_TOTP_H
#define COFFER_DMS_TOTP_H

#include "base/macros.h"
#include "base/slice.h"

#define TOTP_SECRET_SIZE 20
#define TOTP_STEP_S 30
#define TOTP_BASE32_SIZE 33 /* of a secret, with its NUL */

/* The six digits of a step (Unix time / TOTP_STEP_S). */
unsigned totp_code(const uint8_t secret[TOTP_SECRET_SIZE], int64_t step);

/* The step whose code this is: now, one before or one after, but later than `last_step`, so that a
 * code works once. -EKEYREJECTED otherwise. */
must_check int totp_check(const uint8_t secret[TOTP_SECRET_SIZE], struct slice code, int64_t now_s,
                          int64_t last_step, int64_t *ret_step);

void totp_base32(const uint8_t secret[TOTP_SECRET_SIZE], char text[TOTP_BASE32_SIZE]);

#endif
