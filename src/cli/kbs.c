/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer kbs`: calls of operators and confirmers to a key broker, and its audit log; `coffer audit`
 * judges such a log without any key broker. */
#include "cli/audit.h"
#include "cli/command.h"
#include "cli/kbs_client.h"
#include "kbs/recovery.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KBS_USAGE                                                                         \
    "info | tenants | tenant NAME --owner CERT | head --out FILE | unlock --head FILE | " \
    "unlock --accept HASH | promote | release | backup --out FILE | shares --dir DIR "    \
    "--holders CERT,... | share FILE --out FILE | audit --out FILE, each with --keys DIR"
#define AUDIT_USAGE "verify FILE [--key HEX] [--head FILE]"
#define TEXT_SIZE_MAX ((size_t)65536)

struct kbs_options {
    const char *keys, *owner, *out, *head, *accept, *dir, *holders, *state, *kbs, *kbs_pin, *key;
};

#define ROW(name, member, value, help)                                                   \
    {                                                                                    \
        name, OPTION_TEXT, offsetof(struct kbs_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("keys", keys, "DIR", "The key and certificate of whoever asks (`coffer owner new DIR`)"),
    ROW("owner", owner, "CERT", "tenant: the owner's certificate"),
    ROW("out", out, "FILE", "head, audit, backup: where it goes"),
    ROW("head", head, "FILE", "unlock: the newest head that is known"),
    ROW("accept", accept, "HASH", "unlock: go on from this older state, knowing what is lost"),
    ROW("dir", dir, "DIR", "shares: a file for each holder goes there"),
    ROW("holders", holders, "CERT,CERT,...", "shares: certificates of the manifest's `holders`"),
    ROW("state", state, "DIR", "State directory of the running system, to find the key broker"),
    ROW("kbs", kbs, "ADDRESS", "The key broker, if it runs elsewhere"),
    ROW("kbs-pin", kbs_pin, "FILE", "Whom to believe to be the key broker, if it runs elsewhere"),
};

struct call {
    const struct kbs_options *o;
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

static int call_open(struct call *call, struct error *e)
{
    const struct kbs_options *o = call->o;
    char state[PATH_MAX];
    int r = o->keys ? owner_keys_load(o->keys, &call->keys, e) : 0;
    if (r == 0)
        r = command_state(o->state, state, sizeof state, e);
    if (r == 0)
        r = o->kbs ? buf_append_text(&call->address, o->kbs)
                   : kbs_client_file(NULL, state, "kbs-address", &call->address, e);
    if (r == 0)
        r = kbs_client_file(o->kbs_pin, state, "kbs-pin", &call->pin, e);
    if (r < 0)
        return r;
    call->client = (struct kbs_client){buf_text(&call->address), buf_text(&call->pin),
                                       o->keys ? &call->keys : NULL};
    return call->client.address && call->client.pin ? 0 : -ENOMEM;
}

static int json_print(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    return 0;
}

static int json_write(const char *path, const json_t *json, struct error *e)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int r = text ? owner_file_write(path, slice_of_text(text), 0600, e) : -ENOMEM;
    free(text);
    return r;
}

static int need(const char *value, const char *flag, struct error *e)
{
    return value ? 0 : error_set(e, -EINVAL, "needs --%s", flag);
}

static int verb_info(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = kbs_client_call(&call->client, "/v1/info", NULL, &out, NULL, e);
    if (r == 0)
        json_print(out);
    json_decref(out);
    return r;
}

static int verb_tenant(struct call *call, const char *name, struct error *e)
{
    SCOPED(buf_done) struct buf certificate = {0};
    int r = need(call->o->owner, "owner CERT", e);
    if (r == 0)
        r = owner_file_read(call->o->owner, TEXT_SIZE_MAX, &certificate, e);
    if (r == 0)
        r = kbs_client_tenant_add(&call->client, name, buf_slice(&certificate), false, e);
    if (r == 0)
        printf("%s is reserved for the owner of that key\n", name);
    return r;
}

/* What a confirmer keeps: the key broker's own signed word of how new its state is. */
static int verb_head(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = need(call->o->out, "out FILE", e);
    if (r == 0)
        r = kbs_client_call(&call->client, "/v1/info", NULL, &out, NULL, e);
    if (r == 0)
        r = json_write(call->o->out, json_object_get(out, "state"), e);
    if (r == 0)
        printf("%s: state %lld\n", call->o->out,
               (long long)json_integer_value(
                   json_object_get(json_object_get(out, "state"), "commits")));
    json_decref(out);
    return r;
}

static int verb_unlock(struct call *call, struct error *e)
{
    json_t *head = NULL, *out = NULL;
    json_error_t why;
    if (!call->o->head == !call->o->accept)
        return error_set(e, -EINVAL, "unlock needs --head FILE or --accept HASH");
    if (call->o->head) {
        head = json_load_file(call->o->head, JSON_REJECT_DUPLICATES, &why);
        if (!head)
            return error_set(e, -EBADMSG, "'%s' is no head: %s", call->o->head, why.text);
    }
    json_t *in =
        head ? json_pack("{s:o}", "head", head) : json_pack("{s:s}", "accept", call->o->accept);
    int r = kbs_client_call(&call->client, "/v1/unlock", in, &out, NULL, e);
    if (r == 0 && call->o->head)
        r = json_write(call->o->head, json_object_get(out, "state"), e);
    if (r == 0)
        puts("The key broker is unlocked.");
    json_decref(out);
    return r;
}

static int verb_tenants(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = kbs_client_call(&call->client, "/v1/tenant/list", NULL, &out, NULL, e);
    const json_t *tenants = json_object_get(out, "tenants");
    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(tenants, i), "tenant"));
        puts(name ? name : "");
    }
    json_decref(out);
    return r;
}

static int verb_release(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = kbs_client_call(&call->client, "/v1/peer/release", NULL, &out, NULL, e);
    if (r == 0)
        printf("It goes on alone, in epoch %lld. The other must not be promoted any more.\n",
               (long long)json_integer_value(json_object_get(out, "epoch")));
    json_decref(out);
    return r;
}

static int verb_promote(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = kbs_client_call(&call->client, "/v1/peer/promote", NULL, &out, NULL, e);
    if (r == 0)
        printf("It is the active one now, in epoch %lld; whatever was active before is fenced.\n",
               (long long)json_integer_value(json_object_get(out, "epoch")));
    json_decref(out);
    return r;
}

static int verb_backup(struct call *call, struct error *e)
{
    json_t *out = NULL;
    int r = need(call->o->out, "out FILE", e);
    if (r == 0)
        r = kbs_client_backup(&call->client, call->o->out, e);
    json_decref(out);
    return r;
}

/* "a.pem,b.pem": certificates, in the order of the manifest. */
static int holders_read(const char *names, json_t *list, struct error *e)
{
    char copy[PATH_MAX], *save = NULL;
    int r = snprintf(copy, sizeof copy, "%s", names) < (int)sizeof copy ? 0 : -ENAMETOOLONG;
    for (char *name = r == 0 ? strtok_r(copy, ",", &save) : NULL; name && r == 0;
         name = strtok_r(NULL, ",", &save)) {
        SCOPED(buf_done) struct buf pem = {0};
        r = owner_file_read(name, TEXT_SIZE_MAX, &pem, e);
        if (r == 0 &&
            json_array_append_new(list, json_stringn((const char *)pem.bytes, pem.size)) < 0)
            r = error_set(e, -EBADMSG, "'%s' is no certificate in PEM", name);
    }
    return r;
}

/* Each share is sealed to its holder: it may lie anywhere until then. */
static int verb_shares(struct call *call, struct error *e)
{
    json_t *out = NULL, *share, *holders = json_array();
    size_t i;
    const struct kbs_options *o = call->o;
    int r = need(o->dir, "dir DIR", e);
    if (r == 0)
        r = need(o->holders, "holders CERT,CERT,...", e);
    if (r == 0)
        r = holders_read(o->holders, holders, e);
    if (r < 0) {
        json_decref(holders);
        return r;
    }
    r = kbs_client_call(&call->client, "/v1/shares", json_pack("{s:o}", "holders", holders), &out,
                        NULL, e);
    json_array_foreach(json_object_get(out, "shares"), i, share)
    {
        char path[PATH_MAX], text[2048];
        snprintf(path, sizeof path, "%.4000s/share-%zu", o->dir, i + 1);
        snprintf(text, sizeof text, "%.2000s\n", json_string_value(share));
        if (r == 0)
            r = owner_file_write(path, slice_of_text(text), 0600, e);
        if (r == 0)
            printf("%s, for holder %zu\n", path, i + 1);
    }
    json_decref(out);
    return r;
}

/* By its holder, with no key broker: what comes out is for `coffer-kbs --shares`. */
static int verb_share(const struct kbs_options *o, const char *path, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    SCOPED(buf_done) struct buf sealed = {0}, share = {0};
    int r = need(o->keys, "keys DIR", e);
    if (r == 0)
        r = need(o->out, "out FILE", e);
    if (r == 0)
        r = owner_keys_load(o->keys, &keys, e);
    if (r == 0)
        r = owner_file_read(path, 4096, &sealed, e);
    if (r < 0)
        return r;
    r = recovery_share_open(buf_slice(&sealed), keys.key, &share);
    if (r < 0)
        return error_set(e, r, "'%s' is no share for this key", path);
    r = owner_file_write(o->out, buf_slice(&share), 0600, e);
    if (r == 0)
        printf("%s: opened; it is a part of the root key, so keep it as one\n", o->out);
    return r;
}

static int kbs_verb(struct call *call, int count, char **argv, struct error *e)
{
    const char *verb = argv[0];
    if (count == 2 && strcmp(verb, "share") == 0)
        return verb_share(call->o, argv[1], e);
    int r = call_open(call, e);
    if (r < 0)
        return r;
    if (count == 2 && strcmp(verb, "tenant") == 0)
        return verb_tenant(call, argv[1], e);
    static const struct {
        const char *name;
        int (*run)(struct call *call, struct error *e);
    } verbs[] = {{"info", verb_info},       {"head", verb_head},       {"unlock", verb_unlock},
                 {"promote", verb_promote}, {"release", verb_release}, {"tenants", verb_tenants},
                 {"backup", verb_backup},   {"shares", verb_shares}};
    for (size_t i = 0; count == 1 && i < ARRAY_COUNT(verbs); i++)
        if (strcmp(verb, verbs[i].name) == 0)
            return verbs[i].run(call, e);
    if (count == 1 && strcmp(verb, "audit") == 0)
        return call->o->out ? audit_fetch(&call->client, call->o->out, e)
                            : error_set(e, -EINVAL, "needs --out FILE");
    return error_set(e, -EINVAL, "usage: coffer kbs " KBS_USAGE);
}

int kbs_command(int argc, char **argv)
{
    struct kbs_options o = {0};
    SCOPED(call_done) struct call call = {.o = &o};
    struct error e = {0};
    int count = 0;
    int code =
        command_options("kbs", KBS_USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o, &count);
    if (code >= 0)
        return code;
    int r = count > 0 ? kbs_verb(&call, count, argv, &e)
                      : error_set(&e, -EINVAL, "usage: coffer kbs " KBS_USAGE);
    return r < 0 ? command_fail("kbs", &e, r) : r;
}

static const struct option_row g_audit_rows[] = {
    ROW("key", key, "HEX", "Whose log it must be: `audit_key` of `coffer kbs info`"),
    ROW("head", head, "FILE", "A head that was seen before: what it knows must be in the log"),
};

int audit_command(int argc, char **argv)
{
    struct kbs_options o = {0};
    struct error e = {0};
    int count = 0;
    int code = command_options("audit", AUDIT_USAGE, g_audit_rows, ARRAY_COUNT(g_audit_rows), argc,
                               argv, &o, &count);
    if (code >= 0)
        return code;
    int r = count == 2 && strcmp(argv[0], "verify") == 0
                ? audit_verify(argv[1], o.key, o.head, &e)
                : error_set(&e, -EINVAL, "usage: coffer audit " AUDIT_USAGE);
    return r < 0 ? command_fail("audit", &e, r) : r;
}
