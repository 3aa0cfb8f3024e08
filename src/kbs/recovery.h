/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/recovery.h: what brings a key broker's state back: shares of its root key, each for one holder
 * alone, and backups that only the root key opens. Bytes in, bytes out; no I/O.
 *
 * A share as text: "coffer-share 1 NEED X SET Y" with X decimal, SET 16 hexadecimal digits (the same
 * for all shares of one splitting) and Y 64. For a holder it is sealed to the holder's key (P-256):
 * "coffer-sealed-share 1 BASE64" of an ephemeral point, nonce, ciphertext and tag.
 *
 * A backup: "CFKB0001", 12 bytes nonce, the database encrypted with AES-256-GCM under a key from the
 * root key (the magic is authenticated too), 16 bytes tag. */
#ifndef COFFER_KBS_RECOVERY_H
#define COFFER_KBS_RECOVERY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"

#include <openssl/types.h>

#define RECOVERY_SHARE_SIZE_MAX 512
#define RECOVERY_SEALED_SIZE_MAX 4096 /* of a text that is sealed */
#define BACKUP_SIZE_MAX ((size_t)1 << 30)

/* The i-th of the texts goes to the i-th holder, sealed to its key. `ret_sealed` are the caller's, all
 * {0}. 0, -EINVAL, -EOPNOTSUPP (a holder's key is not P-256), -EIO. */
must_check int recovery_split(const struct key256 *root, unsigned need, EVP_PKEY *const *holders,
                              unsigned of, struct buf *ret_sealed);

/* A holder opens its share. 0, -EBADMSG (not a share, or not for this key), -EOPNOTSUPP. */
must_check int recovery_share_open(struct slice sealed, EVP_PKEY *holder, struct buf *ret_share);

/* The same for what opens a volume without its key broker (volume/recovery_key.h), under another tag:
 * "coffer-sealed-volume-key 1 BASE64". Errors as above; -EINVAL: too long. */
must_check int recovery_volume_key_seal(struct slice text, EVP_PKEY *owner, struct buf *ret_sealed);
must_check int recovery_volume_key_open(struct slice sealed, EVP_PKEY *owner, struct buf *ret_text);

/* From opened shares. 0; -EBADMSG one of them is none, or of another splitting; -ENODATA too few. */
must_check int recovery_combine(const struct slice *shares, unsigned count, struct key256 *ret_root,
                                struct error *e);

must_check int backup_seal(const struct key256 *root, struct slice database, struct buf *ret);
/* -EBADMSG: no backup; -EKEYREJECTED: of another root key, or changed. */
must_check int backup_open(const struct key256 *root, struct slice backup,
                           struct buf *ret_database);

#endif
