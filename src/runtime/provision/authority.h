/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/authority.h: the key broker as a struct volume_authority: opening, reports and
 * closing of volumes, over the link. */
#ifndef COFFER_RUNTIME_PROVISION_AUTHORITY_H
#define COFFER_RUNTIME_PROVISION_AUTHORITY_H

#include "volume/volume.h"

#include <jansson.h>

/* How long open() waits for another owner's lease, and for a key broker that is away or says
 * "not now" (429, 500 and above). */
void authority_set_patience(int64_t patience_ms);

/* Until so many openings have come the connection stays: at start one call follows the other. */
void authority_expect_openings(unsigned count);

/* The key broker has opened the volume `id` already, with its answer: the first open() gives `head`
 * without a call. At most RUNTIME_VOLUMES_MAX; more are ignored, and cost a call. */
void authority_opened(const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head,
                      const struct volume_lease *lease);
/* How long what an answer with a head grants lasts; to be asked for at the time `asked_ns`. */
struct volume_lease authority_lease_read(const json_t *answer, int64_t asked_ns);

/* An erase key that came with such an answer: the first erase_key() for it costs no call. */
enum { AUTHORITY_ERASE_KEYS_MAX = 4 };
void authority_erase_key_given(const uint8_t id[VOLUME_ID_SIZE], uint32_t number,
                               const struct key256 *key);

/* Tells the key broker that an order of the owner's for a volume that is open has been carried out. 0,
 * -EAGAIN, -ESTALE: somebody else has it open, -EACCES: refused. */
must_check int authority_order_done(const uint8_t id[VOLUME_ID_SIZE], uint64_t serial);

/* Members epoch, sequence and tag of an answer. 0 or -EBADMSG. */
must_check int authority_head_read(const json_t *answer, struct volume_head *ret_head);

extern const struct volume_authority authority_kbs;

#endif
