/* SPDX-License-Identifier: Apache-2.0 */
/* Erase keys of volumes, and orders of their owners: another key, contents erased for good. An order is
 * given to whoever opens the volume next, and stays until that one says that it has been done; until
 * then the old volume key stays too, so nothing that interrupts it loses anything. */
#include "kbs/call.h"

#include "attest/json_memory.h"
#include "crypto/base64.h"

#include <errno.h>
#include <stdio.h>

enum { ERASE_PATHS_MAX = 256, ERASE_PATH_SIZE_MAX = 4096, DETAIL_SIZE = 200 };

/* The peer's volume, and nobody has opened it since the peer did. */
static int owned_load(struct kbs_call *call, struct volume_call *ret)
{
    uint64_t epoch = 0;
    int r = volume_call_load(call, ret);
    if (r == 0)
        r = call_uint(call, "epoch", &epoch);
    if (r < 0)
        return r;
    if (epoch == ret->lease.head.epoch &&
        memcmp(ret->lease.session, call->peer->key_hash, sizeof ret->lease.session) == 0)
        return 0;
    metric_add(&call->kbs->metrics[KBS_METRIC_VOLUME_FENCED], 1);
    return call_refuse(call, REFUSAL_VOLUME_FENCED, "epoch", NULL, NULL);
}

/* With the clause that gives this policy the volume. */
static int keys_audit(struct kbs_call *call, const struct volume_call *v, const char *event,
                      const char *what, uint64_t number)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    char detail[DETAIL_SIZE];
    int r = call_policy_load(call, v->session.tenant, v->session.policy, NULL, &policy);
    if (r < 0)
        return r;
    const struct policy_volume *volume = policy_volume_find(policy, v->name);
    snprintf(detail, sizeof detail, "%s, %s %llu, by volumes (line %u)", v->name, what,
             (unsigned long long)number, volume ? volume->line : 0);
    return kbs_audit(call->kbs, event, v->session.tenant, v->session.policy, detail);
}

static json_t *key_json(const struct key256 *key)
{
    return call_json_base64(slice_of(key->bytes, sizeof key->bytes));
}

int call_volume_erase_key(struct kbs_call *call)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys keys = {0};
    struct store *store = call->kbs->store;
    struct volume_call v;
    uint64_t number = 0;
    int r = owned_load(call, &v);
    if (r == 0)
        r = call_uint(call, "number", &number);
    if (r == 0)
        r = store_erase_keys_get(store, v.id, &keys);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < keys.count; i++)
        if (keys.numbers[i] == number)
            return call_put(call->out, "key", key_json(&keys.keys[i]));
    if (number != (keys.count ? keys.numbers[keys.count - 1] + 1ull : 1))
        return call_refuse(call, REFUSAL_ERASE_KEY_GONE, "number", NULL, NULL);
    r = store_erase_key_add(store, v.id, &keys);
    if (r == -ENOSPC)
        return call_refuse(call, REFUSAL_LIMIT, "number", NULL, NULL);
    if (r == 0)
        r = call_put(call->out, "key", key_json(&keys.keys[keys.count - 1]));
    return r < 0 ? r : keys_audit(call, &v, "erase key made", "number", number);
}

/* The newest always stays: what lies under it is what there is. */
int call_volume_erase_drop(struct kbs_call *call)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys keys = {0};
    struct volume_call v;
    uint64_t before = 0;
    int r = owned_load(call, &v);
    if (r == 0)
        r = call_uint(call, "before", &before);
    if (r == 0)
        r = store_erase_keys_get(call->kbs->store, v.id, &keys);
    if (r < 0)
        return r;
    if (keys.count == 0 || before > keys.numbers[keys.count - 1])
        return call_bad_request(call, "before", "the number of a key that stays");
    if (keys.numbers[0] >= before)
        return 0;
    r = store_erase_keys_drop(call->kbs->store, v.id, (uint32_t)before);
    return r < 0 ? r : keys_audit(call, &v, "erase keys destroyed", "before number", before);
}

int volume_keys_put(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE], json_t *entry)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys keys = {0};
    json_t *list = json_array();
    int put = call_put(entry, "erase_keys", list);
    int r = store_erase_keys_get(call->kbs->store, id, &keys);
    if (r == 0 && keys.count == 0)
        r = store_erase_key_add(call->kbs->store, id, &keys);
    for (unsigned i = 0; r == 0 && put == 0 && i < keys.count; i++) {
        json_t *one = json_object();
        r = call_put(one, "number", json_integer(keys.numbers[i]));
        if (r == 0)
            r = call_put(one, "key", key_json(&keys.keys[i]));
        if (json_array_append_new(list, one) != 0)
            r = -ENOMEM;
    }
    return r < 0 ? r : put;
}

/* ---- orders: an object with any of key (base64), rewrite, erase (paths) ---- */

static int order_load(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE],
                      uint64_t *ret_serial, json_t **ret)
{
    SCOPED(buf_done) struct buf body = {0};
    int r = store_order_get(call->kbs->store, id, ret_serial, &body);
    if (r < 0)
        return r;
    *ret = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret) ? 0 : -EBADMSG;
}

int volume_order_put(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE], json_t *entry)
{
    json_t *order = NULL;
    uint64_t serial = 0;
    int r = order_load(call, id, &serial, &order);
    if (r == 0)
        r = call_put(order, "serial", json_integer((json_int_t)serial));
    if (r == 0)
        return call_put(entry, "order", order);
    json_decref(order);
    return r == -ENOENT ? 0 : r;
}

/* Absolute, without "." and "..": a path inside the volume. */
static bool path_is_valid(const char *path)
{
    if (path[0] != '/' || strlen(path) > ERASE_PATH_SIZE_MAX)
        return false;
    while (*path) {
        size_t slashes = strspn(path, "/"), len = strcspn(path + slashes, "/");
        const char *name = path + slashes;
        if (len > 255 || (len == 1 && name[0] == '.') ||
            (len == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        path = name + len;
    }
    return true;
}

static int paths_add(struct kbs_call *call, json_t *order)
{
    json_t *more = json_object_get(call->in, "erase"), *paths = json_object_get(order, "erase");
    size_t i;
    json_t *path;
    if (!more)
        return 0;
    if (!json_is_array(more) || json_array_size(more) + json_array_size(paths) > ERASE_PATHS_MAX)
        return call_bad_request(call, "erase", "a list of paths");
    json_array_foreach(more, i, path)
    {
        const char *text = json_string_value(path);
        if (!text || strlen(text) != json_string_length(path) || !path_is_valid(text))
            return call_bad_request(call, "erase", "paths inside the volume, from its root");
    }
    if (!paths)
        return json_object_set(order, "erase", more) < 0 ? -ENOMEM : 0;
    return json_array_extend(paths, more) < 0 ? -ENOMEM : 0;
}

static int key_add(struct kbs_call *call, json_t *order)
{
    SCOPED(key256_wipe) struct key256 key = {0};
    bool rewrite = json_is_true(json_object_get(call->in, "rewrite"));
    if (!rewrite && !json_is_true(json_object_get(call->in, "rekey")))
        return 0;
    int r = rewrite ? call_put(order, "rewrite", json_true()) : 0;
    /* One that has been given out may be in use already. */
    if (r < 0 || json_object_get(order, "key"))
        return r;
    r = crypto_random(key.bytes, sizeof key.bytes);
    return r < 0 ? r : call_put(order, "key", key_json(&key));
}

static int order_store(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE],
                       uint64_t serial, json_t *order)
{
    char *text = json_dumps(order, JSON_COMPACT);
    int r = text ? store_order_put(call->kbs->store, id, serial, slice_of_text(text)) : -ENOMEM;
    if (text)
        secret_wipe(text, strlen(text));
    json_memory_free(text);
    return r;
}

static int order_extend(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE])
{
    json_t *order = NULL;
    uint64_t serial = 0;
    int r = order_load(call, id, &serial, &order);
    if (r == -ENOENT) {
        order = json_object();
        r = order ? crypto_random(&serial, sizeof serial) : -ENOMEM;
        serial &= INT32_MAX; /* not that of an order that was done before */
    }
    if (r == 0)
        r = paths_add(call, order);
    if (r == 0)
        r = key_add(call, order);
    if (r == 0 && json_object_size(order) == 0)
        r = call_bad_request(call, "erase", "something to do: rekey, rewrite or erase");
    if (r == 0)
        r = order_store(call, id, serial + 1, order);
    json_decref(order);
    return r < 0 ? r : call_put(call->out, "order", json_integer((json_int_t)serial + 1));
}

/* A volume of the owner's own that is meant: its policy's, and there already. */
struct owners_volume {
    const char *tenant, *policy, *name;
    unsigned line; /* of the clause */
    uint8_t id[STORE_VOLUME_ID_SIZE];
};

static int owners_volume_load(struct kbs_call *call, struct owners_volume *ret)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct store_tenant tenant = {0};
    struct store_volume volume = {0};
    struct owners_volume v = {.tenant = "", .policy = "", .name = ""};
    int r = call_name(call, "tenant", &v.tenant);
    if (r == 0)
        r = call_owner(call, v.tenant, &tenant);
    if (r == 0)
        r = call_policy_name(call, "policy", &v.policy);
    if (r == 0)
        r = call_name(call, "volume", &v.name);
    if (r == 0)
        r = call_policy_load(call, v.tenant, v.policy, NULL, &policy);
    const struct policy_volume *found = r == 0 ? policy_volume_find(policy, v.name) : NULL;
    if (r == 0 && (!found || found->import.policy))
        r = call_refuse(call, REFUSAL_VOLUME, "volumes", NULL, v.name);
    if (r == 0)
        r = store_volume_get(call->kbs->store, v.tenant, v.policy, v.name, &volume);
    key256_wipe(&volume.key);
    if (r < 0)
        return r;
    if (!found)
        return -EACCES;
    v.line = found->line;
    memcpy(v.id, volume.id, sizeof v.id);
    *ret = v;
    return 0;
}

int call_volume_order(struct kbs_call *call)
{
    struct owners_volume v;
    char detail[DETAIL_SIZE];
    int r = owners_volume_load(call, &v);
    if (r == 0)
        r = order_extend(call, v.id);
    if (r < 0)
        return r;
    snprintf(detail, sizeof detail, "%s%s%s%s, by volumes (line %u)", v.name,
             json_object_get(call->in, "rewrite") ? ", rewrite" : "",
             json_object_get(call->in, "rekey") ? ", rekey" : "",
             json_object_get(call->in, "erase") ? ", erase" : "", v.line);
    return kbs_audit(call->kbs, "volume ordered", v.tenant, v.policy, detail);
}

/* What has been ordered and not been done; the next key is for the runtime alone. */
static int order_show(struct kbs_call *call, uint64_t serial, json_t *order)
{
    json_t *erase = json_object_get(order, "erase");
    int r = call_put(call->out, "order", json_integer((json_int_t)serial));
    if (r == 0)
        r = call_put(call->out, "rekey", json_boolean(json_object_get(order, "key") != NULL));
    if (r == 0)
        r = call_put(call->out, "rewrite", json_boolean(json_object_get(order, "rewrite") != NULL));
    return r < 0 ? r : call_put(call->out, "erase", erase ? json_incref(erase) : json_array());
}

int call_volume_ordered(struct kbs_call *call)
{
    SCOPED(store_erase_keys_wipe) struct store_erase_keys keys = {0};
    struct owners_volume v;
    json_t *order = NULL, *numbers = json_array();
    uint64_t serial = 0;
    int r = owners_volume_load(call, &v);
    if (r == 0)
        r = store_erase_keys_get(call->kbs->store, v.id, &keys);
    for (unsigned i = 0; r == 0 && i < keys.count; i++)
        r = json_array_append_new(numbers, json_integer(keys.numbers[i])) < 0 ? -ENOMEM : 0;
    if (r == 0)
        r = call_put(call->out, "erase_keys", json_incref(numbers));
    json_decref(numbers);
    if (r == 0)
        r = order_load(call, v.id, &serial, &order);
    if (r == 0)
        r = order_show(call, serial, order);
    json_decref(order);
    return r == -ENOENT ? 0 : r;
}

static int key_take(struct kbs_call *call, const uint8_t id[STORE_VOLUME_ID_SIZE],
                    const json_t *order)
{
    SCOPED(buf_done) struct buf bytes = {0};
    SCOPED(key256_wipe) struct key256 key = {0};
    const char *text = json_string_value(json_object_get(order, "key"));
    if (!text)
        return 0;
    int r = crypto_base64_decode(slice_of_text(text), &bytes);
    if (r < 0 || bytes.size != sizeof key.bytes)
        return -EBADMSG;
    memcpy(key.bytes, bytes.bytes, sizeof key.bytes);
    return store_volume_key_put(call->kbs->store, id, &key);
}

/* One that has grown since it was given out stays whole: to do it again harms nothing. */
int call_volume_done(struct kbs_call *call)
{
    struct volume_call v;
    json_t *order = NULL;
    uint64_t serial = 0, known = 0;
    int r = owned_load(call, &v);
    if (r == 0)
        r = call_uint(call, "order", &serial);
    if (r < 0)
        return r;
    r = order_load(call, v.id, &known, &order);
    if (r == 0 && known == serial) {
        r = key_take(call, v.id, order);
        if (r == 0)
            r = store_order_drop(call->kbs->store, v.id);
        if (r == 0)
            r = keys_audit(call, &v, "volume order done", "order", serial);
    }
    json_decref(order);
    return r == -ENOENT ? 0 : r;
}
