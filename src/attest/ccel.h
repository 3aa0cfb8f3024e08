/* SPDX-License-Identifier: Apache-2.0 */
/* attest/ccel.h: replays a boot's event log to the registers that a TDX quote holds. Equal registers
 * prove that the digests in the log are those that were measured, and in that order; the text of an
 * event is only a label until somebody recomputes its digest. No I/O.
 *
 * Format: TCG PC Client Platform Firmware Profile, section 10 (crypto agile log); UEFI 2.10, section
 * 38 (log index 1 to 4 is RTMR 0 to 3). */
#ifndef COFFER_ATTEST_CCEL_H
#define COFFER_ATTEST_CCEL_H

#include "crypto/crypto.h"

#define CCEL_RTMRS 4
#define CCEL_SIZE_MAX (4u << 20)

struct ccel {
    uint8_t rtmr[CCEL_RTMRS][SHA384_SIZE];
    unsigned events; /* that were measured */
};

/* Reads `log` up to its end mark or padding (zeros or ones). 0; -EBADMSG: malformed, without a SHA-384
 * digest, or a register that does not exist; -EIO. On failure *ret_ccel is untouched. */
must_check int ccel_replay(struct slice log, struct ccel *ret_ccel);

#endif
