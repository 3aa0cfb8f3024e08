/* SPDX-License-Identifier: Apache-2.0 */
/* Erase keys and orders for volumes: who gets them, in which order they come and go, and what stays of
 * them. */
#include "world.h"

#include "crypto/base64.h"
#include "kbs/recovery.h"
#include "volume/recovery_key.h"

#include <errno.h>
#include <sys/stat.h>

static char g_id[33];

static json_t *provisioned(void)
{
    json_t *in = provision_request("demo", "docs");
    REQUIRE(json_object_set_new(in, "open", json_true()) == 0);
    json_t *out = good(&w_runtime, "/v1/provision", in);
    json_t *volume = json_incref(json_array_get(json_object_get(out, "volumes"), 0));
    snprintf(g_id, sizeof g_id, "%s", json_string_value(json_object_get(volume, "id")));
    json_decref(out);
    return volume;
}

static json_t *opened(int *ret_epoch)
{
    json_t *volume = provisioned();
    *ret_epoch = (int)json_integer_value(json_object_get(json_object_get(volume, "head"), "epoch"));
    return volume;
}

static json_t *numbered(int epoch, const char *member, long long n)
{
    return json_pack("{s:s, s:i, s:I}", "id", g_id, "epoch", epoch, member, (json_int_t)n);
}

static json_t *order_of(const char *more)
{
    json_t *in = json_loads(more, JSON_ALLOW_NUL, NULL);
    REQUIRE(in);
    json_object_set_new(in, "tenant", json_string("demo"));
    json_object_set_new(in, "policy", json_string("docs"));
    json_object_set_new(in, "volume", json_string("data"));
    return in;
}

static char *key_of(json_t *out)
{
    char *text = strdup(json_string_value(json_object_get(out, "key")));
    json_decref(out);
    return text;
}

static void audit_has(const char *part)
{
    json_t *out = good(&w_operator.peer, "/v1/audit", json_pack("{s:i}", "after", 0));
    char *text = json_dumps(out, JSON_COMPACT);
    CHECK(strstr(text, part) != NULL);
    free(text);
    json_decref(out);
}

/* Of the database's write-ahead log. */
static long long log_size(void)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/kbs.db-wal", w_dir);
    return stat(path, &st) < 0 ? -1 : (long long)st.st_size;
}

TEST(the_first_erase_key_comes_with_the_volume_and_the_next_when_asked_for)
{
    char hash[65];
    int epoch;
    w_start(NULL);
    tenant_add("demo", &w_owner);
    policy_put(&w_owner, "demo", "docs",
               "volumes: [{name: data, mount: /data, mode: strict, purge: [/in/*, /x/**], "
               "compress: true}]\n",
               hash);
    json_t *volume = opened(&epoch);
    json_t *purge = json_object_get(volume, "purge");
    CHECK_EQ(json_array_size(purge), 2);
    CHECK_TEXT(json_string_value(json_array_get(purge, 1)), "/x/**");
    CHECK(json_is_true(json_object_get(volume, "compress")));
    json_t *keys = json_object_get(volume, "erase_keys");
    CHECK_EQ(json_array_size(keys), 1);
    CHECK_EQ(json_integer_value(json_object_get(json_array_get(keys, 0), "number")), 1);
    char *first = key_of(good(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 1)));
    CHECK_TEXT(json_string_value(json_object_get(json_array_get(keys, 0), "key")), first);
    check_refused(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 3),
                  "ERASE_KEY_GONE");
    char *second = key_of(good(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 2)));
    char *again = key_of(good(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 2)));
    CHECK_TEXT(second, again);
    CHECK(strcmp(first, second) != 0);
    audit_has("erase key made");
    audit_has("data, number 2, by volumes (line 7)");
    free(first);
    free(second);
    free(again);
    json_decref(volume);
}

TEST(a_destroyed_erase_key_never_comes_back_and_the_newest_stays)
{
    int epoch;
    json_t *volume = opened(&epoch);
    CHECK_EQ(json_array_size(json_object_get(volume, "erase_keys")), 2);
    json_decref(volume);
    check_refused(&w_runtime, "/v1/volume/erase/drop", numbered(epoch, "before", 3),
                  "REQUEST_INVALID");
    check_ok(&w_runtime, "/v1/volume/erase/drop", numbered(epoch, "before", 2));
    CHECK_EQ(log_size(), 0); /* where its row was written once */
    check_ok(&w_runtime, "/v1/volume/erase/drop",
             numbered(epoch, "before", 2)); /* again: nothing */
    check_refused(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 1),
                  "ERASE_KEY_GONE");
    audit_has("data, before number 2, by volumes (line 7)");
    kbs_free(w_kbs);
    w_start(NULL);
    volume = opened(&epoch);
    json_t *keys = json_object_get(volume, "erase_keys");
    CHECK_EQ(json_array_size(keys), 1);
    CHECK_EQ(json_integer_value(json_object_get(json_array_get(keys, 0), "number")), 2);
    json_decref(volume);
}

TEST(only_who_has_the_volume_open_gets_and_destroys_its_erase_keys)
{
    int epoch;
    json_decref(opened(&epoch));
    struct person other = person_new();
    other.peer.kind = TLS_PEER_ATTESTED;
    other.peer.evidence = evidence_of(0x22);
    check_refused(&w_runtime, "/v1/volume/erase/key", numbered(epoch - 1, "number", 2),
                  "VOLUME_FENCED");
    check_refused(&w_runtime, "/v1/volume/erase/drop", numbered(epoch + 1, "before", 1),
                  "VOLUME_FENCED");
    check_refused(&w_owner.peer, "/v1/volume/erase/key", numbered(epoch, "number", 2),
                  "SESSION_INVALID");
    /* Attested under the same policy, but not the one that opened it. */
    json_decref(good(&other.peer, "/v1/provision", provision_request("demo", "docs")));
    check_refused(&other.peer, "/v1/volume/erase/key", numbered(epoch, "number", 2),
                  "VOLUME_FENCED");
    check_refused(&other.peer, "/v1/volume/erase/drop", numbered(epoch, "before", 2),
                  "VOLUME_FENCED");
    check_refused(&other.peer, "/v1/volume/done", numbered(epoch, "order", 1), "VOLUME_FENCED");
    person_done(&other);
}

TEST(erase_keys_do_not_grow_without_end)
{
    int epoch;
    json_decref(opened(&epoch));
    for (int n = 3; n <= 5; n++)
        check_ok(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", n));
    check_refused(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 6),
                  "LIMIT_REACHED");
    check_ok(&w_runtime, "/v1/volume/erase/drop", numbered(epoch, "before", 5));
    check_ok(&w_runtime, "/v1/volume/erase/key", numbered(epoch, "number", 6));
    check_ok(&w_runtime, "/v1/volume/erase/drop", numbered(epoch, "before", 6));
}

TEST(another_volume_key_counts_when_the_runtime_says_that_it_is_in_use)
{
    int epoch;
    json_t *volume = opened(&epoch);
    char *old = strdup(json_string_value(json_object_get(volume, "key")));
    CHECK(json_object_get(volume, "order") == NULL);
    json_decref(volume);
    check_refused(&w_operator.peer, "/v1/volume/order", order_of("{\"rekey\": true}"), "NOT_OWNER");
    check_ok(&w_owner.peer, "/v1/volume/order", order_of("{\"rekey\": true}"));
    volume = opened(&epoch);
    json_t *order = json_object_get(volume, "order");
    long long serial = json_integer_value(json_object_get(order, "serial"));
    char *next = strdup(json_string_value(json_object_get(order, "key")));
    CHECK_TEXT(json_string_value(json_object_get(volume, "key")), old);
    CHECK(strcmp(old, next) != 0);
    json_decref(volume);
    /* Asked for again while it is under way: the key that may be in use stays the next one. */
    check_ok(&w_owner.peer, "/v1/volume/order", order_of("{\"rewrite\": true}"));
    check_ok(&w_runtime, "/v1/volume/done", numbered(epoch, "order", serial));
    volume = opened(&epoch);
    order = json_object_get(volume, "order");
    CHECK_TEXT(json_string_value(json_object_get(volume, "key")), old);
    CHECK_TEXT(json_string_value(json_object_get(order, "key")), next);
    CHECK(json_is_true(json_object_get(order, "rewrite")));
    serial = json_integer_value(json_object_get(order, "serial"));
    json_decref(volume);
    check_ok(&w_runtime, "/v1/volume/done", numbered(epoch, "order", serial));
    check_ok(&w_runtime, "/v1/volume/done", numbered(epoch, "order", serial)); /* nothing is left */
    volume = opened(&epoch);
    CHECK_TEXT(json_string_value(json_object_get(volume, "key")), next);
    CHECK(json_object_get(volume, "order") == NULL);
    json_decref(volume);
    audit_has("volume order done");
    free(old);
    free(next);
}

TEST(what_is_to_be_erased_is_handed_on_and_checked)
{
    static const char *const bad[] = {
        "{}",
        "{\"erase\": \"/a\"}",
        "{\"erase\": [1]}",
        "{\"erase\": [\"a\"]}",
        "{\"erase\": [\"/a/../b\"]}",
        "{\"erase\": [\"/./b\"]}",
        "{\"erase\": [\"/a\\u0000b\"]}",
    };
    int epoch;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        check_refused(&w_owner.peer, "/v1/volume/order", order_of(bad[i]), "REQUEST_INVALID");
    check_ok(&w_owner.peer, "/v1/volume/order", order_of("{\"erase\": [\"/a/b\"]}"));
    check_ok(&w_owner.peer, "/v1/volume/order", order_of("{\"erase\": [\"/c\"]}"));
    json_t *ordered = good(&w_owner.peer, "/v1/volume/ordered", order_of("{}"));
    CHECK_EQ(json_array_size(json_object_get(ordered, "erase")), 2);
    CHECK(json_is_false(json_object_get(ordered, "rekey")));
    CHECK(json_object_get(ordered, "key") == NULL);
    json_decref(ordered);
    json_t *volume = opened(&epoch);
    json_t *order = json_object_get(volume, "order");
    CHECK_EQ(json_array_size(json_object_get(order, "erase")), 2);
    CHECK(json_object_get(order, "key") == NULL);
    check_ok(&w_runtime, "/v1/volume/done",
             numbered(epoch, "order", json_integer_value(json_object_get(order, "serial"))));
    json_decref(volume);
}

TEST(the_owner_alone_sees_what_waits_and_never_a_key)
{
    int epoch;
    json_t *ordered = good(&w_owner.peer, "/v1/volume/ordered", order_of("{}"));
    CHECK_EQ(json_array_size(json_object_get(ordered, "erase_keys")), 1);
    CHECK(json_object_get(ordered, "order") == NULL);
    json_decref(ordered);
    check_ok(&w_owner.peer, "/v1/volume/order", order_of("{\"rewrite\": true}"));
    ordered = good(&w_owner.peer, "/v1/volume/ordered", order_of("{}"));
    char *text = json_dumps(ordered, 0);
    CHECK(json_is_true(json_object_get(ordered, "rekey")) &&
          json_is_true(json_object_get(ordered, "rewrite")));
    long long serial = json_integer_value(json_object_get(ordered, "order"));
    json_decref(ordered);
    json_t *volume = opened(&epoch);
    json_t *order = json_object_get(volume, "order");
    CHECK(strstr(text, json_string_value(json_object_get(order, "key"))) == NULL);
    CHECK(strstr(text, json_string_value(json_object_get(volume, "key"))) == NULL);
    CHECK_EQ(json_integer_value(json_object_get(order, "serial")), serial);
    free(text);
    json_decref(volume);
    check_refused(&w_operator.peer, "/v1/volume/ordered", order_of("{}"), "NOT_OWNER");
    check_refused(&w_runtime, "/v1/volume/ordered", order_of("{}"), "NOT_OWNER");
    check_ok(&w_runtime, "/v1/volume/done", numbered(epoch, "order", serial));
}

static json_t *recovery_of(const char *certificate)
{
    json_t *in = order_of("{}");
    json_object_set_new(in, "certificate", json_string(certificate));
    return in;
}

TEST(a_recovery_key_is_the_owners_and_for_the_owner_alone)
{
    struct buf text = {0}, other = {0};
    const char *owner = w_owner.pem, *operator= w_operator.pem;
    check_refused(&w_operator.peer, "/v1/volume/recovery", recovery_of(owner), "NOT_OWNER");
    check_refused(&w_runtime, "/v1/volume/recovery", recovery_of(owner), "NOT_OWNER");
    check_refused(&w_owner.peer, "/v1/volume/recovery", recovery_of(operator), "NOT_OWNER");
    check_refused(&w_owner.peer, "/v1/volume/recovery", recovery_of("x"), "REQUEST_INVALID");
    json_t *volume = provisioned();
    json_t *out = good(&w_owner.peer, "/v1/volume/recovery", recovery_of(owner));
    const char *sealed = json_string_value(json_object_get(out, "sealed"));
    CHECK_EQ(recovery_volume_key_open(slice_of_text(sealed), w_operator.key, &other), -EBADMSG);
    CHECK_EQ(recovery_share_open(slice_of_text(sealed), w_owner.key, &other), -EBADMSG);
    CHECK_EQ(recovery_volume_key_open(slice_of_text(sealed), w_owner.key, &text), 0);
    struct recovery_key key;
    REQUIRE(recovery_key_parse(buf_slice(&text), &key) == 0);
    struct buf bytes = {0};
    CHECK_EQ(crypto_base64_decode(slice_of_text(json_string_value(json_object_get(volume, "key"))),
                                  &bytes),
             0);
    CHECK(slice_equals(buf_slice(&bytes), slice_of(key.key.bytes, sizeof key.key.bytes)));
    CHECK_EQ(key.erase_count, 1);
    CHECK_TEXT(key.name, "demo/docs/data");
    audit_has("recovery key of a volume given");
    buf_done(&bytes);
    buf_done(&text);
    buf_done(&other);
    json_decref(out);
    json_decref(volume);
}

TAP_MAIN()
