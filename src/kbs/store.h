/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/store.h: everything the key broker remembers, in one SQLite database in its state directory
 * (on its own volume when it runs under the runtime). What is secret is sealed row by row as well,
 * under a key from the platform, bound to its row: so a native key broker leaves no secret on the
 * disk either. One transaction may span the requests of a loop's turn; nothing is acknowledged
 * before store_commit() has returned. One thread at a time.
 *
 * Errors: -ENOENT no such row, -EEXIST, -EBADMSG a sealed value that does not open, -EIO. */
#ifndef COFFER_KBS_STORE_H
#define COFFER_KBS_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/crypto.h"
#include "kbs/lease.h"

#define STORE_VOLUME_ID_SIZE 16
#define POLICY_NAME_ROOM 128

struct store;

must_check int store_open(const char *dir, const struct key256 *seal_key, struct store **ret_store,
                          struct error *e);
void store_free(struct store *store);
void store_freep(struct store **store);

/* Is a transaction open? */
bool store_busy(const struct store *store);
/* Has the open transaction changed anything? */
bool store_changed(const struct store *store);
/* Begins a transaction if there is none; each request is a savepoint inside it. */
must_check int store_request_begin(struct store *store);
must_check int store_request_end(struct store *store, bool keep);
/* Makes all finished requests durable. On failure all are undone. */
must_check int store_commit(struct store *store);

/* The root key, under which all rows are sealed. On the disk it is sealed by the platform; holders of
 * shares, a standby and backups know it by other ways (kbs/recovery.h, kbs/peer.h). */
void store_root(const struct store *store, struct key256 *ret_root);
/* What tells one root key from another, and nothing else. 0 or -EIO. */
must_check int store_root_id(const struct store *store, struct key256 *ret_id);
/* Writes it for a state directory of this platform's. 0 or -errno. */
must_check int store_root_write(const char *dir, const struct key256 *platform_key,
                                const struct key256 *root);

/* The whole committed state as the bytes of a database; and the other way, all or nothing, with the root
 * key it is sealed under. -EBADMSG: no database. Not inside a transaction. */
must_check int store_serialize(struct store *store, struct buf *ret);
must_check int store_replace(struct store *store, struct slice database, const struct key256 *root);

/* The same bytes as the database of a state that is not open and has none yet. 0 or -errno. */
must_check int store_file_write(const char *dir, struct slice database);

/* Called with what a commit changes, before it is durable here: 0 lets it be, anything else undoes it
 * and is what store_commit() returns. NULL: nobody. */
typedef int store_ship_fn(void *ctx, uint64_t commits_before, struct slice record);
void store_ship_to(struct store *store, store_ship_fn *ship, void *ctx);
/* Repeats what another has shipped, durably. -EBADMSG; nothing has changed then. */
must_check int store_apply(struct store *store, struct slice record);

/* Every lease that is held runs to `deadline_ms`: for a clock that is not the one they were given by. */
must_check int store_leases_restart(struct store *store, uint64_t deadline_ms);

/* A word beside the state that no copy of it carries: which of two key brokers this one is. -ENOENT. */
#define STORE_ROLE_SIZE 64
must_check int store_role_read(const char *dir, char ret_role[STORE_ROLE_SIZE]);
must_check int store_role_write(const char *dir, const char *role);

/* How new the state is: each commit that changes anything counts one. */
must_check int store_commits(struct store *store, uint64_t *ret_commits);

/* Small values of the key broker's own, sealed. */
must_check int store_setting_get(struct store *store, const char *name, struct buf *ret_value);
must_check int store_setting_put(struct store *store, const char *name, struct slice value);

struct store_tenant {
    char name[64];
    uint8_t owner[SHA256_SIZE];
    int64_t created_s;
};
typedef int store_tenant_fn(void *ctx, const struct store_tenant *tenant);
must_check int store_tenant_add(struct store *store, const struct store_tenant *tenant);
must_check int store_tenant_get(struct store *store, const char *name, struct store_tenant *ret);
must_check int store_tenant_list(struct store *store, store_tenant_fn *fn, void *ctx);
must_check int store_tenant_count(struct store *store, uint64_t *ret_count);

struct store_policy {
    struct buf yaml;
    uint8_t hash[SHA256_SIZE];
    bool revoked;
};
/* `ret` starts as {0}; its yaml is the caller's to release. */
must_check int store_policy_get(struct store *store, const char *tenant, const char *name,
                                struct store_policy *ret);
must_check int store_policy_put(struct store *store, const char *tenant, const char *name,
                                struct slice yaml, const uint8_t hash[SHA256_SIZE],
                                struct slice signature);
must_check int store_policy_revoke(struct store *store, const char *tenant, const char *name);

must_check int store_secret_get(struct store *store, const char *tenant, const char *policy,
                                const char *name, struct buf *ret_value, bool *ret_revealed);
/* Replaces, and forgets that it was revealed. */
must_check int store_secret_put(struct store *store, const char *tenant, const char *policy,
                                const char *name, struct slice value);
must_check int store_secret_revealed(struct store *store, const char *tenant, const char *policy,
                                     const char *name);

struct store_volume {
    uint8_t id[STORE_VOLUME_ID_SIZE];
    struct key256 key;
    struct lease lease;
};
/* Made with a random id and key at the first call. */
must_check int store_volume_get(struct store *store, const char *tenant, const char *policy,
                                const char *name, struct store_volume *ret);
/* The one with this id, if it belongs to that policy; without its key. */
must_check int store_volume_find(struct store *store, const char *tenant, const char *policy,
                                 const uint8_t id[STORE_VOLUME_ID_SIZE], char ret_name[64],
                                 struct lease *ret_lease);
must_check int store_volume_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                const struct lease *lease);
/* Fences every owner of the policy's volumes. */
must_check int store_volumes_revoke(struct store *store, const char *tenant, const char *policy);

/* Erase keys of a volume, numbered from 1; at most STORE_ERASE_KEYS_MAX at a time. store_volume_keys.c */
#define STORE_ERASE_KEYS_MAX 4
struct store_erase_keys {
    unsigned count; /* ascending */
    uint32_t numbers[STORE_ERASE_KEYS_MAX];
    struct key256 keys[STORE_ERASE_KEYS_MAX];
};
void store_erase_keys_wipe(struct store_erase_keys *keys);
must_check int store_erase_keys_get(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                    struct store_erase_keys *ret);
/* A random one under the next number. -ENOSPC: too many are kept. */
must_check int store_erase_key_add(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                   struct store_erase_keys *keys);
/* Destroys all below `before`. */
must_check int store_erase_keys_drop(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                     uint32_t before);

/* What the owner wants done to a volume at its next opening (kbs/call_volume_keys.c says what the body
 * is); sealed. `serial` tells one order from the next. -ENOENT: none. */
must_check int store_order_get(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                               uint64_t *ret_serial, struct buf *ret_body);
must_check int store_order_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                               uint64_t serial, struct slice body);
must_check int store_order_drop(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE]);
/* The volume's key is another from now on. */
must_check int store_volume_key_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                                    const struct key256 *key);

/* A runtime that has attested, by its key. */
struct store_session {
    char tenant[64];
    char policy[POLICY_NAME_ROOM];
    uint8_t instance[EVIDENCE_INSTANCE_SIZE];
    int64_t expires_s;
};
must_check int store_session_get(struct store *store, const uint8_t key[SHA256_SIZE],
                                 struct store_session *ret);
must_check int store_session_put(struct store *store, const uint8_t key[SHA256_SIZE],
                                 const struct store_session *session, int64_t now_s);
must_check int store_sessions_drop(struct store *store, const char *tenant, const char *policy);

struct store_audit {
    uint64_t sequence;
    int64_t time_s;
    const char *event; /* JSON */
    uint8_t hash[SHA256_SIZE];
    uint8_t signature[P256_SIGNATURE_SIZE];
};
typedef int store_audit_fn(void *ctx, const struct store_audit *entry);
must_check int store_audit_last(struct store *store, uint64_t *ret_sequence,
                                uint8_t ret_hash[SHA256_SIZE]);
must_check int store_audit_add(struct store *store, const struct store_audit *entry);
/* -ENOENT: there is no entry of that number. */
must_check int store_audit_hash(struct store *store, uint64_t sequence,
                                uint8_t ret_hash[SHA256_SIZE]);
/* The entry with that hash. -ENOENT. */
must_check int store_audit_find(struct store *store, const uint8_t hash[SHA256_SIZE],
                                uint64_t *ret_sequence);
must_check int store_audit_list(struct store *store, uint64_t after, unsigned count_max,
                                store_audit_fn *fn, void *ctx);

#endif
