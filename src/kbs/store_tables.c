/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/store_internal.h"

#include <errno.h>
#include <stdio.h>

void store_where(char where[STORE_WHERE_SIZE], const char *table, const char *a, const char *b,
                 const char *c)
{
    snprintf(where, STORE_WHERE_SIZE, "%s/%s/%s/%s", table, a, b, c);
}

int store_setting_get(struct store *store, const char *name, struct buf *ret_value)
{
    char where[STORE_WHERE_SIZE];
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_SETTING_GET, "t", name);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    store_where(where, "setting", name, "", "");
    return store_unseal(store, where, store_column_slice(s, 0), ret_value);
}

int store_setting_put(struct store *store, const char *name, struct slice value)
{
    SCOPED(buf_done) struct buf sealed = {0};
    char where[STORE_WHERE_SIZE];
    store_where(where, "setting", name, "", "");
    int r = store_seal(store, where, value, &sealed);
    struct slice bytes = buf_slice(&sealed);
    return r < 0 ? r : store_run(store, STORE_SETTING_PUT, "tb", name, &bytes);
}

static int tenant_read(sqlite3_stmt *s, struct store_tenant *ret)
{
    int r = store_column_text(s, 0, ret->name, sizeof ret->name);
    if (r == 0)
        r = store_column_fixed(s, 1, ret->owner, sizeof ret->owner);
    ret->created_s = sqlite3_column_int64(s, 2);
    return r;
}

int store_tenant_add(struct store *store, const struct store_tenant *tenant)
{
    struct slice owner = slice_of(tenant->owner, sizeof tenant->owner);
    return store_run(store, STORE_TENANT_ADD, "tbi", tenant->name, &owner, tenant->created_s);
}

int store_tenant_get(struct store *store, const char *name, struct store_tenant *ret)
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_TENANT_GET, "t", name);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return tenant_read(s, ret);
}

int store_tenant_list(struct store *store, store_tenant_fn *fn, void *ctx)
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_TENANT_LIST, "");
    for (;;) {
        struct store_tenant tenant;
        int r = store_step_row(s);
        if (r <= 0)
            return r;
        r = tenant_read(s, &tenant);
        if (r == 0)
            r = fn(ctx, &tenant);
        if (r < 0)
            return r;
    }
}

int store_tenant_count(struct store *store, uint64_t *ret_count)
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_TENANT_COUNT, "");
    int r = store_step_row(s);
    if (r <= 0)
        return -EIO;
    *ret_count = (uint64_t)sqlite3_column_int64(s, 0);
    return 0;
}

int store_policy_get(struct store *store, const char *tenant, const char *name,
                     struct store_policy *ret)
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_POLICY_GET, "tt", tenant, name);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = store_column_fixed(s, 1, ret->hash, sizeof ret->hash);
    ret->revoked = sqlite3_column_int(s, 2) != 0;
    return r < 0 ? r : buf_append_slice(&ret->yaml, store_column_slice(s, 0));
}

int store_policy_put(struct store *store, const char *tenant, const char *name, struct slice yaml,
                     const uint8_t hash[SHA256_SIZE], struct slice signature)
{
    struct slice digest = slice_of(hash, SHA256_SIZE);
    return store_run(store, STORE_POLICY_PUT, "ttbbb", tenant, name, &yaml, &digest, &signature);
}

int store_policy_revoke(struct store *store, const char *tenant, const char *name)
{
    return store_run(store, STORE_POLICY_REVOKE, "tt", tenant, name);
}

int store_secret_get(struct store *store, const char *tenant, const char *policy, const char *name,
                     struct buf *ret_value, bool *ret_revealed)
{
    char where[STORE_WHERE_SIZE];
    SCOPED(store_reset)
    sqlite3_stmt *s = store_bind(store, STORE_SECRET_GET, "ttt", tenant, policy, name);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret_revealed = sqlite3_column_int(s, 1) != 0;
    store_where(where, "secret", tenant, policy, name);
    return store_unseal(store, where, store_column_slice(s, 0), ret_value);
}

int store_secret_put(struct store *store, const char *tenant, const char *policy, const char *name,
                     struct slice value)
{
    SCOPED(buf_done) struct buf sealed = {0};
    char where[STORE_WHERE_SIZE];
    store_where(where, "secret", tenant, policy, name);
    int r = store_seal(store, where, value, &sealed);
    struct slice bytes = buf_slice(&sealed);
    return r < 0 ? r : store_run(store, STORE_SECRET_PUT, "tttb", tenant, policy, name, &bytes);
}

int store_secret_revealed(struct store *store, const char *tenant, const char *policy,
                          const char *name)
{
    return store_run(store, STORE_SECRET_REVEALED, "ttt", tenant, policy, name);
}

/* The columns epoch .. opening, from `at` on. */
static int lease_read(sqlite3_stmt *s, int at, struct lease *ret)
{
    ret->head.epoch = (uint64_t)sqlite3_column_int64(s, at);
    ret->head.sequence = (uint64_t)sqlite3_column_int64(s, at + 1);
    int r = store_column_fixed(s, at + 2, ret->head.tag, sizeof ret->head.tag);
    ret->held = sqlite3_column_int(s, at + 3) != 0;
    ret->deadline_ms = (uint64_t)sqlite3_column_int64(s, at + 4);
    if (r == 0)
        r = store_column_fixed(s, at + 5, ret->session, sizeof ret->session);
    if (r == 0)
        r = store_column_fixed(s, at + 6, ret->instance, sizeof ret->instance);
    if (r == 0)
        r = store_column_fixed(s, at + 7, ret->opening, sizeof ret->opening);
    return r;
}

static int volume_add(struct store *store, const char *tenant, const char *policy, const char *name)
{
    SCOPED(buf_done) struct buf sealed = {0};
    SCOPED(key256_wipe) struct key256 key = {0};
    uint8_t id[STORE_VOLUME_ID_SIZE];
    char where[STORE_WHERE_SIZE];
    store_where(where, "volume", tenant, policy, name);
    int r = crypto_random(id, sizeof id);
    if (r == 0)
        r = crypto_random(key.bytes, sizeof key.bytes);
    if (r == 0)
        r = store_seal(store, where, slice_of(key.bytes, sizeof key.bytes), &sealed);
    struct slice id_bytes = slice_of(id, sizeof id), key_bytes = buf_slice(&sealed);
    return r < 0 ? r
                 : store_run(store, STORE_VOLUME_ADD, "btttb", &id_bytes, tenant, policy, name,
                             &key_bytes);
}

static int volume_read(struct store *store, const char *tenant, const char *policy,
                       const char *name, struct store_volume *ret)
{
    SCOPED(buf_done) struct buf key = {0};
    char where[STORE_WHERE_SIZE];
    SCOPED(store_reset)
    sqlite3_stmt *s = store_bind(store, STORE_VOLUME_GET, "ttt", tenant, policy, name);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    store_where(where, "volume", tenant, policy, name);
    r = store_column_fixed(s, 0, ret->id, sizeof ret->id);
    if (r == 0)
        r = store_unseal(store, where, store_column_slice(s, 1), &key);
    if (r == 0 && key.size != sizeof ret->key.bytes)
        r = -EBADMSG;
    if (r == 0)
        memcpy(ret->key.bytes, key.bytes, sizeof ret->key.bytes);
    return r < 0 ? r : lease_read(s, 2, &ret->lease);
}

int store_volume_get(struct store *store, const char *tenant, const char *policy, const char *name,
                     struct store_volume *ret)
{
    int r = volume_read(store, tenant, policy, name, ret);
    if (r != -ENOENT)
        return r;
    r = volume_add(store, tenant, policy, name);
    return r < 0 ? r : volume_read(store, tenant, policy, name, ret);
}

int store_volume_find(struct store *store, const char *tenant, const char *policy,
                      const uint8_t id[STORE_VOLUME_ID_SIZE], char ret_name[64],
                      struct lease *ret_lease)
{
    struct slice id_bytes = slice_of(id, STORE_VOLUME_ID_SIZE);
    SCOPED(store_reset)
    sqlite3_stmt *s = store_bind(store, STORE_VOLUME_FIND, "ttb", tenant, policy, &id_bytes);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = store_column_text(s, 0, ret_name, 64);
    return r < 0 ? r : lease_read(s, 1, ret_lease);
}

int store_volume_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                     const struct lease *lease)
{
    struct slice tag = slice_of(lease->head.tag, sizeof lease->head.tag);
    struct slice session = slice_of(lease->session, sizeof lease->session);
    struct slice instance = slice_of(lease->instance, sizeof lease->instance);
    struct slice opening = slice_of(lease->opening, sizeof lease->opening);
    struct slice id_bytes = slice_of(id, STORE_VOLUME_ID_SIZE);
    return store_run(store, STORE_VOLUME_PUT, "iibiibbbb", (int64_t)lease->head.epoch,
                     (int64_t)lease->head.sequence, &tag, (int64_t)lease->held,
                     (int64_t)lease->deadline_ms, &session, &instance, &opening, &id_bytes);
}

int store_volumes_revoke(struct store *store, const char *tenant, const char *policy)
{
    return store_run(store, STORE_VOLUMES_REVOKE, "tt", tenant, policy);
}

int store_session_get(struct store *store, const uint8_t key[SHA256_SIZE],
                      struct store_session *ret)
{
    struct slice key_bytes = slice_of(key, SHA256_SIZE);
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_SESSION_GET, "b", &key_bytes);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = store_column_text(s, 0, ret->tenant, sizeof ret->tenant);
    if (r == 0)
        r = store_column_text(s, 1, ret->policy, sizeof ret->policy);
    if (r == 0)
        r = store_column_fixed(s, 2, ret->instance, sizeof ret->instance);
    ret->expires_s = sqlite3_column_int64(s, 3);
    return r;
}

int store_session_put(struct store *store, const uint8_t key[SHA256_SIZE],
                      const struct store_session *session, int64_t now_s)
{
    struct slice key_bytes = slice_of(key, SHA256_SIZE);
    struct slice instance = slice_of(session->instance, sizeof session->instance);
    int r = store_run(store, STORE_SESSION_EXPIRE, "i", now_s);
    return r < 0 ? r
                 : store_run(store, STORE_SESSION_PUT, "bttbi", &key_bytes, session->tenant,
                             session->policy, &instance, session->expires_s);
}

int store_sessions_drop(struct store *store, const char *tenant, const char *policy)
{
    return store_run(store, STORE_SESSIONS_DROP, "tt", tenant, policy);
}

int store_audit_last(struct store *store, uint64_t *ret_sequence, uint8_t ret_hash[SHA256_SIZE])
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_AUDIT_LAST, "");
    int r = store_step_row(s);
    if (r < 0)
        return r;
    *ret_sequence = 0;
    memset(ret_hash, 0, SHA256_SIZE);
    if (r == 0)
        return 0;
    *ret_sequence = (uint64_t)sqlite3_column_int64(s, 0);
    return store_column_fixed(s, 1, ret_hash, SHA256_SIZE);
}

int store_audit_hash(struct store *store, uint64_t sequence, uint8_t ret_hash[SHA256_SIZE])
{
    SCOPED(store_reset)
    sqlite3_stmt *s = store_bind(store, STORE_AUDIT_HASH, "i", (int64_t)sequence);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return store_column_fixed(s, 0, ret_hash, SHA256_SIZE);
}

int store_audit_find(struct store *store, const uint8_t hash[SHA256_SIZE], uint64_t *ret_sequence)
{
    struct slice bytes = slice_of(hash, SHA256_SIZE);
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_AUDIT_FIND, "b", &bytes);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret_sequence = (uint64_t)sqlite3_column_int64(s, 0);
    return 0;
}

int store_commits(struct store *store, uint64_t *ret_commits)
{
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_COMMITS_GET, "");
    int r = store_step_row(s);
    if (r <= 0)
        return -EIO;
    *ret_commits = (uint64_t)sqlite3_column_int64(s, 0);
    return 0;
}

int store_audit_add(struct store *store, const struct store_audit *entry)
{
    struct slice hash = slice_of(entry->hash, sizeof entry->hash);
    struct slice signature = slice_of(entry->signature, sizeof entry->signature);
    return store_run(store, STORE_AUDIT_ADD, "iitbb", (int64_t)entry->sequence, entry->time_s,
                     entry->event, &hash, &signature);
}

int store_audit_list(struct store *store, uint64_t after, unsigned count_max, store_audit_fn *fn,
                     void *ctx)
{
    SCOPED(store_reset)
    sqlite3_stmt *s = store_bind(store, STORE_AUDIT_LIST, "ii", (int64_t)after, (int64_t)count_max);
    for (;;) {
        struct store_audit entry = {0};
        int r = store_step_row(s);
        if (r <= 0)
            return r;
        entry.sequence = (uint64_t)sqlite3_column_int64(s, 0);
        entry.time_s = sqlite3_column_int64(s, 1);
        entry.event = (const char *)sqlite3_column_text(s, 2);
        r = store_column_fixed(s, 3, entry.hash, sizeof entry.hash);
        if (r == 0)
            r = store_column_fixed(s, 4, entry.signature, sizeof entry.signature);
        if (r == 0)
            r = fn(ctx, &entry);
        if (r < 0)
            return r;
    }
}
