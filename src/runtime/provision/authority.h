/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/authority.h: the key broker as a struct volume_authority: opening, reports and
 * closing of volumes, over the link. */
#ifndef COFFER_RUNTIME_PROVISION_AUTHORITY_H
#define COFFER_RUNTIME_PROVISION_AUTHORITY_H

#include "volume/volume.h"

/* How long open() waits for another owner's lease, and for a key broker that is away. */
void authority_set_patience(int64_t patience_ms);

/* Until so many openings have come the connection stays: at start one call follows the other. */
void authority_expect_openings(unsigned count);

extern const struct volume_authority authority_kbs;

#endif
