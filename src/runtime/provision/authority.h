/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/authority.h: the key broker as a struct volume_authority: opening, reports and
 * closing of volumes, over the link. */
#ifndef COFFER_RUNTIME_PROVISION_AUTHORITY_H
#define COFFER_RUNTIME_PROVISION_AUTHORITY_H

#include "volume/volume.h"

#include <jansson.h>

/* How long open() waits for another owner's lease, and for a key broker that is away. */
void authority_set_patience(int64_t patience_ms);

/* Until so many openings have come the connection stays: at start one call follows the other. */
void authority_expect_openings(unsigned count);

/* The key broker has opened the volume `id` already, with its answer: the first open() gives `head`
 * without a call. At most RUNTIME_VOLUMES_MAX; more are ignored, and cost a call. */
void authority_opened(const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head);

/* Members epoch, sequence and tag of an answer. 0 or -EBADMSG. */
must_check int authority_head_read(const json_t *answer, struct volume_head *ret_head);

extern const struct volume_authority authority_kbs;

#endif
