/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/totp.h: time-based one-time codes (RFC 6238: HMAC-SHA-1, six digits, 30 seconds), as every
 * authenticator application knows them. Pure. */
#ifndef COFFER_KBS_TOTP_H
#define COFFER_KBS_TOTP_H

#include "base/buf.h"
#include "base/macros.h"
#include "base/slice.h"

#define TOTP_SECRET_SIZE 20
#define TOTP_STEP_S 30
#define TOTP_DIGITS 6

/* The code of one time step. 0 or -EIO. */
must_check int totp_code(const uint8_t secret[TOTP_SECRET_SIZE], uint64_t step,
                         char ret_code[TOTP_DIGITS + 1]);

/* Is `code` good at `now_s`, one step to either side for clocks that differ, and newer than
 * `last_step`? 0 and its step, which the caller keeps so that no code is good twice; -EACCES; -EIO.
 */
must_check int totp_check(const uint8_t secret[TOTP_SECRET_SIZE], const char *code, int64_t now_s,
                          uint64_t last_step, uint64_t *ret_step);

/* otpauth://totp/ISSUER:ACCOUNT?secret=BASE32&issuer=ISSUER: what a QR code for a telephone holds.
 */
must_check int totp_uri(const uint8_t secret[TOTP_SECRET_SIZE], const char *issuer,
                        const char *account, struct buf *out);

#endif
