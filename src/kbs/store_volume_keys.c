/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of volumes that come and go: erase keys, and the next volume key of one that is to change it. */
#include "kbs/store_internal.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

static void key_where(char where[STORE_WHERE_SIZE], const char *table,
                      const uint8_t id[STORE_VOLUME_ID_SIZE], uint64_t number)
{
    char hex[2 * STORE_VOLUME_ID_SIZE + 1], text[24];
    hex_encode(slice_of(id, STORE_VOLUME_ID_SIZE), hex);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    store_where(where, table, hex, text, "");
}

static int key_unseal(struct store *store, const char *where, struct slice sealed,
                      struct key256 *ret_key)
{
    SCOPED(buf_done) struct buf plain = {0};
    int r = store_unseal(store, where, sealed, &plain);
    if (r < 0 || plain.size != sizeof ret_key->bytes)
        return r < 0 ? r : -EBADMSG;
    memcpy(ret_key->bytes, plain.bytes, sizeof ret_key->bytes);
    return 0;
}

void store_erase_keys_wipe(struct store_erase_keys *keys)
{
    secret_wipe(keys, sizeof *keys);
}

int store_erase_keys_get(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                         struct store_erase_keys *ret)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys keys = {0};
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE);
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_ERASE_KEY_LIST, "b", &volume);
    for (;;) {
        char where[STORE_WHERE_SIZE];
        int r = store_step_row(s);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        int64_t number = sqlite3_column_int64(s, 0);
        if (keys.count == STORE_ERASE_KEYS_MAX || number < 1 || number > UINT32_MAX)
            return -EBADMSG;
        key_where(where, "erase", id, (uint64_t)number);
        r = key_unseal(store, where, store_column_slice(s, 1), &keys.keys[keys.count]);
        if (r < 0)
            return r;
        keys.numbers[keys.count++] = (uint32_t)number;
    }
    *ret = keys;
    return 0;
}

int store_erase_key_add(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                        struct store_erase_keys *keys)
{
    SCOPED(buf_done) struct buf sealed = {0};
    char where[STORE_WHERE_SIZE];
    uint32_t last = keys->count ? keys->numbers[keys->count - 1] : 0;
    if (keys->count == STORE_ERASE_KEYS_MAX || last == UINT32_MAX)
        return -ENOSPC;
    struct key256 *key = &keys->keys[keys->count];
    int r = crypto_random(key->bytes, sizeof key->bytes);
    key_where(where, "erase", id, last + 1);
    if (r == 0)
        r = store_seal(store, where, slice_of(key->bytes, sizeof key->bytes), &sealed);
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE), bytes = buf_slice(&sealed);
    if (r == 0)
        r = store_run(store, STORE_ERASE_KEY_ADD, "bib", &volume, (int64_t)last + 1, &bytes);
    if (r == 0)
        keys->numbers[keys->count++] = last + 1;
    return r;
}

int store_erase_keys_drop(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                          uint32_t before)
{
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE);
    return store_run(store, STORE_ERASE_KEY_DROP, "bi", &volume, (int64_t)before);
}

int store_order_get(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                    uint64_t *ret_serial, struct buf *ret_body)
{
    char where[STORE_WHERE_SIZE];
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE);
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_ORDER_GET, "b", &volume);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    uint64_t serial = (uint64_t)sqlite3_column_int64(s, 0);
    key_where(where, "order", id, serial);
    r = store_unseal(store, where, store_column_slice(s, 1), ret_body);
    if (r == 0)
        *ret_serial = serial;
    return r;
}

int store_order_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE], uint64_t serial,
                    struct slice body)
{
    SCOPED(buf_done) struct buf sealed = {0};
    char where[STORE_WHERE_SIZE];
    key_where(where, "order", id, serial);
    int r = store_seal(store, where, body, &sealed);
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE), bytes = buf_slice(&sealed);
    return r < 0 ? r : store_run(store, STORE_ORDER_PUT, "bib", &volume, (int64_t)serial, &bytes);
}

int store_order_drop(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE])
{
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE);
    return store_run(store, STORE_ORDER_DROP, "b", &volume);
}

/* Sealed to the place where volume_read() looks for it. */
static int volume_where(struct store *store, const struct slice *id, char where[STORE_WHERE_SIZE])
{
    char tenant[64], policy[POLICY_NAME_ROOM], name[64];
    SCOPED(store_reset) sqlite3_stmt *s = store_bind(store, STORE_VOLUME_WHERE, "b", id);
    int r = store_step_row(s);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = store_column_text(s, 0, tenant, sizeof tenant);
    if (r == 0)
        r = store_column_text(s, 1, policy, sizeof policy);
    if (r == 0)
        r = store_column_text(s, 2, name, sizeof name);
    if (r == 0)
        store_where(where, "volume", tenant, policy, name);
    return r;
}

int store_volume_key_put(struct store *store, const uint8_t id[STORE_VOLUME_ID_SIZE],
                         const struct key256 *key)
{
    SCOPED(buf_done) struct buf sealed = {0};
    char where[STORE_WHERE_SIZE];
    struct slice volume = slice_of(id, STORE_VOLUME_ID_SIZE);
    int r = volume_where(store, &volume, where);
    if (r == 0)
        r = store_seal(store, where, slice_of(key->bytes, sizeof key->bytes), &sealed);
    struct slice bytes = buf_slice(&sealed);
    return r < 0 ? r : store_run(store, STORE_VOLUME_KEY_PUT, "bb", &bytes, &volume);
}
