/* SPDX-License-Identifier: Apache-2.0 */
/* attest/bundle.h: a vendor's evidence and what belongs to it as one record, as it travels in a
 * certificate. Reads and writes bytes; believes nothing. docs/evidence-format.md explains the tiers.
 *
 *   offset size
 *        0    4  magic "CFVE"
 *        4    2  version, 1
 *        6    2  kind: 2 TDX, 3 SEV-SNP, 4 SGX
 *        8    4  size of the quote or report
 *       12    4  size of the auxiliary bytes (SEV-SNP: the certificates of configfs-tsm's auxblob)
 *       16    4  size of the process record: 404, or 0 where the report itself names the key
 *       20       these three, and nothing after. Little-endian */
#ifndef COFFER_ATTEST_BUNDLE_H
#define COFFER_ATTEST_BUNDLE_H

#include "attest/evidence.h"
#include "base/buf.h"
#include "crypto/crypto.h"

#define BUNDLE_MAGIC "CFVE"
#define BUNDLE_VERSION 1
#define BUNDLE_PART_SIZE_MAX (32u << 10)

/* Borrows from the bytes. */
struct bundle {
    enum tee tee;
    struct slice report;    /* quote or report */
    struct slice auxiliary; /* may be empty */
    struct slice process;   /* may be empty */
};

bool bundle_is(struct slice bytes);
must_check int bundle_parse(struct slice bytes, struct bundle *ret_bundle); /* -EBADMSG */
must_check int bundle_write(const struct bundle *bundle, struct buf *out);  /* -ENOMEM, -EINVAL */

/* What a virtual machine's report says of the launcher's key: SHA-256 of a context and the key's
 * point, then 32 zeros. */
must_check int bundle_launcher_data(const uint8_t point[EVIDENCE_POINT_SIZE],
                                    uint8_t ret_data[EVIDENCE_REPORT_DATA_SIZE]);

/* Evidence of one process, signed by the launcher: the layout of base/evidence_record.h with that
 * kind, `identity` and `report_data`. Appends. 0 or -EIO. */
must_check int bundle_process_sign(const struct p256_key *launcher, const struct evidence *identity,
                                   struct buf *out);

#endif
