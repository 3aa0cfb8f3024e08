/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `coffer policy` that speak to the key broker. */
#include "base/hex.h"
#include "cli/kbs_client.h"
#include "cli/policy.h"
#include "cli/volume_cli.h"
#include "crypto/base64.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE_MAX ((size_t)4096)
#define APPROVALS_SIZE_MAX ((size_t)256 << 10)

struct call {
    const struct policy_options *o;
    struct owner_keys keys;
    struct buf address, pin;
    struct kbs_client client;
};

static void call_done(struct call *call)
{
    owner_keys_done(&call->keys);
    buf_done(&call->address);
    buf_done(&call->pin);
}

static int keys_open(struct call *call, struct error *e)
{
    if (!call->o->keys)
        return error_set(e, -EINVAL, "needs --keys DIR, from `coffer owner new DIR`");
    return owner_keys_load(call->o->keys, &call->keys, e);
}

static int call_open(struct call *call, struct error *e)
{
    char state[PATH_MAX];
    int r = keys_open(call, e);
    if (r == 0)
        r = command_state(call->o->state, state, sizeof state, e);
    if (r == 0)
        r = call->o->kbs ? buf_append_text(&call->address, call->o->kbs)
                         : kbs_client_file(NULL, state, "kbs-address", &call->address, e);
    if (r == 0)
        r = kbs_client_file(call->o->kbs_pin, state, "kbs-pin", &call->pin, e);
    if (r < 0)
        return r;
    call->client = (struct kbs_client){buf_text(&call->address), buf_text(&call->pin), &call->keys};
    return call->client.address && call->client.pin ? 0 : -ENOMEM;
}

/* "TENANT/NAME"; the name may have namespaces of its own. */
static int name_split(const char *word, char tenant[64], const char **ret_name, struct error *e)
{
    const char *slash = strchr(word, '/');
    if (!slash || slash == word || slash - word >= 64 || !slash[1])
        return error_set(e, -EINVAL, "'%s' is not TENANT/POLICY", word);
    snprintf(tenant, 64, "%.*s", (int)(slash - word), word);
    *ret_name = slash + 1;
    return 0;
}

/* One JSON object a line, as `approve` writes them. */
static int approvals_add(json_t *in, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    json_t *list = json_array();
    int r = owner_file_read(path, APPROVALS_SIZE_MAX, &bytes, e);
    const char *text = r == 0 ? buf_text(&bytes) : NULL;
    while (text && *text && r == 0) {
        size_t len = strcspn(text, "\n");
        json_t *one = len ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
        if (len && (!one || json_array_append_new(list, one) < 0))
            r = error_set(e, -EBADMSG, "'%s' is not a file of approvals", path);
        text += len + (text[len] == '\n');
    }
    if (json_object_set_new(in, "approvals", list) < 0)
        r = -ENOMEM;
    return r;
}

static int totp_add(json_t *in, const char *word, struct error *e)
{
    const char *equals = strchr(word, '=');
    char name[64];
    if (!equals || equals == word || equals - word >= 64)
        return error_set(e, -EINVAL, "--totp takes NAME=CODE");
    snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
    json_t *codes = json_pack("{s:s}", name, equals + 1);
    return json_object_set_new(in, "totp", codes) < 0 ? -ENOMEM : 0;
}

/* What others have agreed with, and a second factor. */
static int agreements_add(const struct policy_options *o, json_t *in, struct error *e)
{
    int r = in ? 0 : -ENOMEM;
    if (r == 0 && o->approvals)
        r = approvals_add(in, o->approvals, e);
    if (r == 0 && o->totp)
        r = totp_add(in, o->totp, e);
    return r;
}

/* Takes `in`. */
static int ask(struct call *call, const char *path, json_t *in, json_t **ret, struct error *e)
{
    int r = agreements_add(call->o, in, e);
    if (r < 0) {
        json_decref(in);
        return r;
    }
    return kbs_client_call(&call->client, path, in, ret, NULL, e);
}

static int present_hash(struct call *call, const char *tenant, const char *name, char hash[80],
                        struct error *e)
{
    json_t *old = NULL;
    char code[64] = "";
    struct error why = {0};
    if (call->o->replaces) {
        snprintf(hash, 80, "%.70s", call->o->replaces);
        return 0;
    }
    /* Approvals and codes are for what is to be done, not for looking first. */
    int r = kbs_client_call(&call->client, "/v1/policy/get",
                            json_pack("{s:s, s:s}", "tenant", tenant, "policy", name), &old, code,
                            &why);
    snprintf(hash, 80, "nothing");
    if (r == -EACCES && strcmp(code, "POLICY_UNKNOWN") == 0)
        return 0;
    if (r < 0)
        return error_set(e, r, "%s", error_text(&why, r));
    snprintf(hash, 80, "%.70s", json_string_value(json_object_get(old, "hash")));
    json_decref(old);
    return 0;
}

static int policy_load(const char *path, struct buf *ret_text, struct policy **ret, struct error *e)
{
    int r = policy_file_read(path, ret_text, e);
    if (r == 0)
        r = policy_parse(buf_slice(ret_text), ret, e);
    return r == -EINVAL ? error_prefix(e, -EBADMSG, "'%s'", path) : r;
}

static int verb_put(struct call *call, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0}, signature = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    json_t *out = NULL;
    char hash[80];
    int r = policy_load(path, &text, &policy, e);
    if (r == 0)
        r = call_open(call, e);
    if (r == 0)
        r = present_hash(call, policy->tenant, policy->name, hash, e);
    if (r == 0)
        r = owner_keys_sign(&call->keys, buf_slice(&text), &signature);
    if (r != 0)
        return r;
    json_t *in = json_pack("{s:s, s:s, s:s%, s:s%, s:s}", "tenant", policy->tenant, "policy",
                           policy->name, "yaml", (const char *)text.bytes, text.size, "signature",
                           (const char *)signature.bytes, signature.size, "replaces",
                           strcmp(hash, "nothing") == 0 ? "" : hash);
    r = ask(call, "/v1/policy/put", in, &out, e);
    if (r < 0)
        return r;
    printf("%s/%s is in place: sha256:%s\n", policy->tenant, policy->name,
           json_string_value(json_object_get(out, "hash")));
    json_decref(out);
    return 0;
}

static int verb_get(struct call *call, const char *word, struct error *e)
{
    char tenant[64];
    const char *name = NULL;
    json_t *out = NULL;
    int r = name_split(word, tenant, &name, e);
    if (r == 0)
        r = call_open(call, e);
    if (r == 0)
        r = ask(call, "/v1/policy/get", json_pack("{s:s, s:s}", "tenant", tenant, "policy", name),
                &out, e);
    if (r < 0)
        return r;
    const char *yaml = json_string_value(json_object_get(out, "yaml"));
    if (call->o->out)
        r = owner_file_write(call->o->out, slice_of_text(yaml ? yaml : ""), 0644, e);
    else
        fputs(yaml ? yaml : "", stdout);
    fprintf(stderr, "sha256:%s%s\n", json_string_value(json_object_get(out, "hash")),
            json_is_true(json_object_get(out, "revoked")) ? " (revoked)" : "");
    json_decref(out);
    return r;
}

static int verb_revoke(struct call *call, const char *word, struct error *e)
{
    char tenant[64];
    const char *name = NULL;
    int r = name_split(word, tenant, &name, e);
    if (r == 0)
        r = call_open(call, e);
    if (r == 0)
        r = ask(call, "/v1/policy/revoke",
                json_pack("{s:s, s:s}", "tenant", tenant, "policy", name), NULL, e);
    if (r == 0)
        printf("%s is revoked: none of its processes gets anything any more\n", word);
    return r;
}

static int certificate_pem(const struct owner_keys *keys, struct buf *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size =
        bio && PEM_write_bio_X509(bio, keys->certificate) == 1 ? BIO_get_mem_data(bio, &text) : 0;
    int r = size > 0 ? buf_append(ret, text, (size_t)size) : -EIO;
    BIO_free(bio);
    return r;
}

/* Signs the statement of docs/policy.md; needs no key broker where --replaces says what is there. */
static int verb_approve(struct call *call, const char *path, struct error *e)
{
    SCOPED(buf_done)
    struct buf text = {0}, statement = {0}, signature = {0}, pem = {0}, line = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    uint8_t digest[SHA256_SIZE];
    char hash[2 * SHA256_SIZE + 1], present[80];
    if (!call->o->out)
        return error_set(e, -EINVAL, "approve needs --out FILE, for the approval");
    int r = policy_load(path, &text, &policy, e);
    if (r == 0)
        r = call->o->replaces ? keys_open(call, e) : call_open(call, e);
    if (r == 0)
        r = present_hash(call, policy->tenant, policy->name, present, e);
    if (r == 0)
        r = sha256(buf_slice(&text), digest);
    if (r != 0)
        return r;
    hex_encode(slice_of(digest, sizeof digest), hash);
    r = buf_printf(
        &statement,
        "coffer approval 1\naction: %s\ntenant: %s\npolicy: %s\nreplaces: %s\nhash: %s\n",
        call->o->action, policy->tenant, policy->name,
        strcmp(call->o->action, "revoke") == 0 || strcmp(call->o->action, "recovery-key") == 0
            ? "nothing"
            : present,
        hash);
    if (r == 0)
        r = owner_keys_sign(&call->keys, buf_slice(&statement), &signature);
    if (r == 0)
        r = certificate_pem(&call->keys, &pem);
    if (r < 0)
        return r;
    json_t *one = json_pack("{s:s%, s:s%}", "certificate", (const char *)pem.bytes, pem.size,
                            "signature", (const char *)signature.bytes, signature.size);
    char *json = one ? json_dumps(one, JSON_COMPACT) : NULL;
    json_decref(one);
    r = json ? buf_printf(&line, "%s\n", json) : -ENOMEM;
    free(json);
    if (r == 0)
        r = owner_file_write(call->o->out, buf_slice(&line), 0644, e);
    if (r == 0)
        printf("Signed, and good for this alone:\n%.*s", (int)statement.size,
               (const char *)statement.bytes);
    return r;
}

static int secret_give(struct call *call, const char *tenant, const char *name, const char *secret,
                       struct error *e)
{
    SCOPED(buf_done) struct buf value = {0}, base64 = {0};
    int r = owner_file_read(call->o->value, 65536, &value, e);
    if (r == 0)
        r = crypto_base64_encode(buf_slice(&value), &base64);
    if (r < 0)
        return r;
    return kbs_client_call(&call->client, "/v1/secret/give",
                           json_pack("{s:s, s:s, s:s, s:s%}", "tenant", tenant, "policy", name,
                                     "secret", secret, "base64", (const char *)base64.bytes,
                                     base64.size),
                           NULL, NULL, e);
}

static int verb_secret(struct call *call, const char *word, const char *secret, struct error *e)
{
    char tenant[64];
    const char *name = NULL;
    json_t *out = NULL;
    int r = name_split(word, tenant, &name, e);
    if (r == 0)
        r = call_open(call, e);
    if (r < 0)
        return r;
    if (call->o->value) {
        r = secret_give(call, tenant, name, secret, e);
        if (r == 0)
            printf("%s of %s has its value\n", secret, word);
        return r;
    }
    r = kbs_client_call(
        &call->client, "/v1/secret/reveal",
        json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", name, "secret", secret), &out,
        NULL, e);
    if (r < 0)
        return r;
    const char *value = json_string_value(json_object_get(out, "value"));
    const char *base64 = json_string_value(json_object_get(out, "base64"));
    puts(value ? value : base64 ? base64 : "");
    json_decref(out);
    return 0;
}

static int verb_totp(struct call *call, const char *word, const char *totp, struct error *e)
{
    char tenant[64];
    const char *name = NULL;
    json_t *out = NULL;
    int r = name_split(word, tenant, &name, e);
    if (r == 0)
        r = call_open(call, e);
    if (r == 0)
        r = kbs_client_call(
            &call->client, "/v1/totp/enroll",
            json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", name, "totp", totp), &out,
            NULL, e);
    if (r < 0)
        return r;
    printf("%s\n(for the telephone; it is not shown again)\n",
           json_string_value(json_object_get(out, "uri")));
    json_decref(out);
    return 0;
}

/* --- what is to be done to a volume at its next opening --- */

static json_t *order_pack(json_t *in, int count, char **words, struct error *e)
{
    if (in && count == 1 && (strcmp(words[0], "rekey") == 0 || strcmp(words[0], "rewrite") == 0))
        return json_object_set_new(in, words[0], json_true()) < 0 ? NULL : in;
    if (in && count >= 2 && strcmp(words[0], "erase") == 0) {
        json_t *paths = json_array();
        int r = paths ? 0 : -1;
        for (int i = 1; r == 0 && i < count; i++)
            r = json_array_append_new(paths, json_string(words[i]));
        if (json_object_set_new(in, "erase", paths) == 0 && r == 0)
            return in;
        error_set(e, -EINVAL, "a path is no UTF-8");
        return NULL;
    }
    error_set(e, -EINVAL, "for a volume: rekey, rewrite or erase PATH..., or nothing to look");
    return NULL;
}

static void ordered_print(const json_t *out)
{
    const json_t *keys = json_object_get(out, "erase_keys"), *path;
    size_t i, count = json_array_size(keys);
    json_int_t newest = count ? json_integer_value(json_array_get(keys, count - 1)) : 0;
    if (newest > 0)
        printf("erase key %lld\n", (long long)newest);
    if (!json_object_get(out, "order")) {
        puts("nothing waits");
        return;
    }
    printf("order %lld waits for the next opening\n",
           (long long)json_integer_value(json_object_get(out, "order")));
    if (json_is_true(json_object_get(out, "rewrite")))
        puts("  rewrite");
    else if (json_is_true(json_object_get(out, "rekey")))
        puts("  rekey");
    /* Paths are the owner's own, or somebody's with the owner's key. */
    json_array_foreach(json_object_get(out, "erase"), i, path)
    {
        const char *text = json_string_value(path);
        fputs("  erase ", stdout);
        volume_name_print(stdout, text ? text : "");
        putchar('\n');
    }
}

static int verb_volume(struct call *call, const char *word, const char *volume, int count,
                       char **words, struct error *e)
{
    char tenant[64];
    const char *name = NULL;
    json_t *out = NULL;
    int r = name_split(word, tenant, &name, e);
    if (r < 0)
        return r;
    json_t *in = json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", name, "volume", volume);
    if (count > 0 && !order_pack(in, count, words, e))
        r = e->code != 0 ? e->code : -ENOMEM;
    if (r == 0)
        r = call_open(call, e);
    if (r < 0) {
        json_decref(in);
        return r;
    }
    r = kbs_client_call(&call->client, count > 0 ? "/v1/volume/order" : "/v1/volume/ordered", in,
                        &out, NULL, e);
    if (r == 0 && count > 0)
        printf("order %lld: done when %s is opened next\n",
               (long long)json_integer_value(json_object_get(out, "order")), volume);
    else if (r == 0)
        ordered_print(out);
    json_decref(out);
    return r;
}

/* What opens the volume when no key broker is left: sealed, so that the file alone opens nothing. */
static int verb_recovery_key(struct call *call, const char *word, const char *volume,
                             struct error *e)
{
    SCOPED(buf_done) struct buf pem = {0}, text = {0};
    char tenant[64];
    const char *name = NULL;
    json_t *out = NULL;
    if (!call->o->out)
        return error_set(e, -EINVAL, "recovery-key needs --out FILE");
    int r = name_split(word, tenant, &name, e);
    if (r == 0)
        r = call_open(call, e);
    if (r == 0)
        r = certificate_pem(&call->keys, &pem);
    if (r < 0)
        return r;
    json_t *in = json_pack("{s:s, s:s, s:s, s:s%}", "tenant", tenant, "policy", name, "volume",
                           volume, "certificate", (const char *)pem.bytes, pem.size);
    r = in ? agreements_add(call->o, in, e) : -ENOMEM;
    if (r < 0) {
        json_decref(in);
        return r;
    }
    r = kbs_client_call(&call->client, "/v1/volume/recovery", in, &out, NULL, e);
    const char *sealed = json_string_value(json_object_get(out, "sealed"));
    if (r == 0)
        r = sealed ? buf_printf(&text, "%s\n", sealed) : -EPROTO;
    if (r == 0)
        r = owner_file_write(call->o->out, buf_slice(&text), 0600, e);
    if (r == 0)
        printf("%s: with the owner's keys it opens the volume as it is now; make another after "
               "something was erased or the volume's key was changed\n",
               call->o->out);
    json_decref(out);
    return r;
}

int policy_calls(const struct policy_options *o, const char *verb, int count, char **argv,
                 struct error *e)
{
    SCOPED(call_done) struct call call = {.o = o};
    if (count == 2 && strcmp(verb, "put") == 0)
        return verb_put(&call, argv[1], e);
    if (count == 2 && strcmp(verb, "get") == 0)
        return verb_get(&call, argv[1], e);
    if (count == 2 && strcmp(verb, "revoke") == 0)
        return verb_revoke(&call, argv[1], e);
    if (count == 2 && strcmp(verb, "approve") == 0)
        return verb_approve(&call, argv[1], e);
    if (count == 3 && strcmp(verb, "secret") == 0)
        return verb_secret(&call, argv[1], argv[2], e);
    if (count == 3 && strcmp(verb, "totp") == 0)
        return verb_totp(&call, argv[1], argv[2], e);
    if (count == 3 && strcmp(verb, "recovery-key") == 0)
        return verb_recovery_key(&call, argv[1], argv[2], e);
    if (count >= 3 && strcmp(verb, "volume") == 0)
        return verb_volume(&call, argv[1], argv[2], count - 3, argv + 3, e);
    return POLICY_NO_VERB;
}
