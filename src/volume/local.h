/* SPDX-License-Identifier: Apache-2.0 */
/* volume/local.h: volumes without a key broker, for development and single users. Their keys and
 * newest heads are kept as files in a state directory of the user's (0700), beside each other:
 *
 *   ID.key     the volume key, 32 bytes, then another secret, 32, for the next two
 *   ID.head    see volume/authority_file.h
 *   ID.erase   the erase keys; as above
 *   ID.key.new a volume key that is being changed to
 *   path-HASH  the id of the volume that was created at a path, so that an emptied directory is
 *              noticed
 *
 * Who can read the state directory can read the volumes; who can put back an older copy of it and
 * of the volume goes unnoticed. For anything that matters there is the key broker. */
#ifndef COFFER_VOLUME_LOCAL_H
#define COFFER_VOLUME_LOCAL_H

#include "volume/authority_file.h"
#include "volume/backend.h"
#include "volume/volume.h"

struct local_volume {
    struct volume_backend *backend;
    struct authority_file *authority;
    struct key256 key;
    struct key256 secret; /* authenticates head and erase keys; stays when the key changes */
    uint8_t id[VOLUME_ID_SIZE];
    bool is_empty; /* nothing there yet: to be created with volume_create() */
};

/* Finds the key and the head for the volume in `dir`. With `create`, an empty or missing directory
 * gets a new key and id. -ENOENT: no volume, or no key for it. */
must_check int local_volume_find(const char *dir, const char *state_dir, bool create,
                                 struct local_volume *ret_local, struct error *e);
void local_volume_done(struct local_volume *local);

/* Backend, key, id, authority and mode (periodic); borrows from `local`. */
struct volume_options local_volume_options(struct local_volume *local);

/* The key of the volume `id`, wherever that volume is. -ENOENT. */
must_check int local_volume_key(const uint8_t id[VOLUME_ID_SIZE], const char *state_dir,
                                struct key256 *ret_key);

/* Gives the open volume another key (random) in three steps, each of which may be the last: the new
 * key is kept, the volume takes it, it replaces the old one. */
must_check int local_volume_rekey(struct local_volume *local, const char *state_dir,
                                  struct volume *v, bool anew, struct error *e);

/* For programs without a platform of their own: this one is a plain Linux process. */
void local_volume_use_host(void);

/* Where the state is kept unless told otherwise: $COFFER_STATE, or .local/state/coffer/volumes
 * under $HOME. 0, or -ENOENT if neither is set, -ENAMETOOLONG. The arguments are the values. */
must_check int local_state_dir(const char *coffer_state, const char *home, char *path, size_t size);

/* The id that stands in the clear in a directory's superblock. */
must_check int volume_backend_id(struct volume_backend *backend, uint8_t id[VOLUME_ID_SIZE]);

#endif
