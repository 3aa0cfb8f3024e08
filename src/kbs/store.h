/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/store.h: everything the key broker remembers, in one SQLite database in its state directory
 * (on its own volume when it runs under the runtime). What is secret is sealed row by row as well,
 * under a key from the platform, bound to its row: so a native key broker leaves no secret on the
 * disk either. One transaction may span the requests of a loop's turn; nothing is acknowledged
 * before store_commit() has returned. One thread.
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

/* Begins a transaction if there is none; each request is a savepoint inside it. */
must_check int store_request_begin(struct store *store);
must_check int store_request_end(struct store *store, bool keep);
/* Makes all finished requests durable. On failure all are undone. */
must_check int store_commit(struct store *store);

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
must_check int store_audit_list(struct store *store, uint64_t after, unsigned count_max,
                                store_audit_fn *fn, void *ctx);

#endif
