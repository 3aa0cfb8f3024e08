/* SPDX-License-Identifier: Apache-2.0 */
/* volume/recovery_key.h: what opens a volume without its key broker, for reading: the volume's key, its
 * erase keys and the newest state of one moment. As text, one thing a line, in this order:
 *
 *   coffer-volume-key 1
 *   volume ID                     32 hexadecimal digits
 *   name TENANT/POLICY/VOLUME
 *   made SECONDS                  Unix time
 *   key KEY                       64 hexadecimal digits
 *   head EPOCH SEQUENCE TAG       decimal, decimal, 64 hexadecimal digits; sequence 0: nothing known
 *   erase NUMBER KEY              for each erase key, numbers ascending; at most 16
 *
 * The key broker writes it (kbs/call_recovery.c), sealed to the owner's key (kbs/recovery.h). Something erased for good afterwards, or a
 * change of the volume's key, makes it useless for what the volume is from then on. */
#ifndef COFFER_VOLUME_RECOVERY_KEY_H
#define COFFER_VOLUME_RECOVERY_KEY_H

#include "volume/volume.h"

#define RECOVERY_KEY_ERASE_MAX 16
#define RECOVERY_KEY_SIZE_MAX 4096
#define RECOVERY_KEY_NAME_MAX 255

struct recovery_key {
    uint8_t id[VOLUME_ID_SIZE];
    char name[RECOVERY_KEY_NAME_MAX + 1];
    int64_t made_s;
    struct key256 key;
    struct volume_head head;
    unsigned erase_count;
    uint32_t erase_numbers[RECOVERY_KEY_ERASE_MAX];
    struct key256 erase_keys[RECOVERY_KEY_ERASE_MAX];
};

/* 0 or -EBADMSG. */
must_check int recovery_key_parse(struct slice text, struct recovery_key *ret_key);
void recovery_key_wipe(struct recovery_key *key);

/* A volume opened with one: the directory is only read, what an opening must change is kept in memory
 * and forgotten. The volume must be at least as new as `key->head`, unless `accept_older`. */
struct recovery_volume;
must_check int recovery_volume_new(const char *dir, const struct recovery_key *key,
                                   bool accept_older, struct recovery_volume **ret,
                                   struct error *e);
/* Backend, key, id and authority for volume_open(); they borrow. */
struct volume_options recovery_volume_options(struct recovery_volume *r);
/* After volume_open() has said `r`: the same, with a reason in *e that names what the recovery key is not
 * good for, where that is why. */
must_check int recovery_volume_judge(const struct recovery_volume *recovery, int r,
                                     struct error *e);
/* After the volume is closed. */
void recovery_volume_free(struct recovery_volume *recovery);

#endif
