/* SPDX-License-Identifier: Apache-2.0 */
/* Who users are elsewhere: one's own, and for administrators everybody's (docs/sign-in.md). */
#include "dms/certificate.h"
#include "dms/dms.h"
#include "dms/sign_in.h"
#include "dms/store_identity.h"

#include <errno.h>
#include <stdio.h>

static void identity_json(struct json *json, const struct identity *identity)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)identity->key);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_text(json, "kind", identity->kind);
    json_put_text(json, "issuer", identity->issuer);
    json_put_text(json, "subject", identity->subject);
    json_put_text(json, "label", identity->label);
    json_put_int(json, "created_ms", identity->created_ms);
    if (identity->used_ms)
        json_put_int(json, "used_ms", identity->used_ms);
    else
        json_put_null(json, "used_ms");
    json_close(json);
}

static int list_identity(void *arg, const struct identity *identity)
{
    struct json *json = arg;
    identity_json(json, identity);
    return json->out->failed ? -ENOMEM : 0;
}

static void identities_reply(struct call *call, const struct user *user)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_open_array(&json, "items");
    int r = identity_list(call->dms->store, user->key, list_identity, &json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    json_close(&json);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

static void identity_end(struct call *call, const struct user *user, unsigned param)
{
    int64_t key = 0;
    int r = call_key(call, param, &key);
    if (r == 0)
        r = identity_remove(call->dms->store, user->key, key);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    call_audit(call, "identity-remove", 0, user->name, NULL);
    call_reply_empty(call, 204);
}

/* One's own */

void my_identities_get(struct call *call)
{
    identities_reply(call, &call->user);
}

static void identity_reply(struct call *call, struct identity *identity, const char *name)
{
    int r = identity_add(call->dms->store, identity);
    if (r == -EDQUOT) {
        call_problem(call, 409, "too-many", "A user has at most %d identities.", IDENTITIES_MAX);
        return;
    }
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    call_audit(call, "identity-add", 0, name, identity->subject);
    struct buf body = {0};
    struct json json = json_into(&body);
    identity_json(&json, identity);
    call_reply_buf(call, 201, "application/json", &body);
}

/* The certificate that this very connection shows. */
static void my_certificate_link(struct call *call)
{
    struct identity identity = {.user = call->user.key,
                                .kind = IDENTITY_CERTIFICATE,
                                .issuer = "",
                                .created_ms = call->actor.now_ms};
    int r = certificate_key(call, &identity.subject, &identity.label);
    if (r == -ENOENT)
        call_problem(call, 409, "no-certificate", "This connection shows no client certificate.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        identity_reply(call, &identity, call->user.name);
}

static void my_link_json(struct call *call)
{
    static const char *const members[] = {"kind", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return;
    const char *kind = call_json_text(call, "kind", &ok);
    if (ok && kind && strcmp(kind, IDENTITY_CERTIFICATE) == 0)
        my_certificate_link(call);
    else if (!ok || !kind || strcmp(kind, IDENTITY_OPENID) != 0)
        call_problem(call, 422, "bad-body",
                     "kind is \"" IDENTITY_OPENID "\" or \"" IDENTITY_CERTIFICATE "\".");
    else if (!call->by_token)
        call_problem(call, 409, "no-session",
                     "This needs a session, which a browser comes back to.");
    else
        openid_link(call);
}

void my_identity_post(struct call *call)
{
    if (person_check(call) == 0)
        call_json(call, my_link_json);
}

void my_identity_delete(struct call *call)
{
    if (person_check(call) == 0)
        identity_end(call, &call->user, 0);
}

/* Everybody's */

static int call_user(struct call *call, struct user *ret)
{
    char *name;
    int r = http_decode(&call->req->arena, call->params[0], false, &name);
    if (r == 0)
        r = user_find(call->dms->store, &call->req->arena, name, ret);
    if (r < 0)
        call_problem_errno(call, r == -EINVAL ? -ENOENT : r);
    return r;
}

void user_identities_get(struct call *call)
{
    struct user user;
    if (call_user(call, &user) == 0)
        identities_reply(call, &user);
}

void user_identity_delete(struct call *call)
{
    struct user user;
    if (person_check(call) == 0 && call_user(call, &user) == 0)
        identity_end(call, &user, 1);
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool is_text_up_to(const char *text, size_t size_max)
{
    return text && *text && strlen(text) <= size_max && is_printable(text);
}

static bool is_identity(const struct identity *identity)
{
    if (identity->kind && strcmp(identity->kind, IDENTITY_CERTIFICATE) == 0)
        return !*identity->issuer && identity->subject && is_certificate_key(identity->subject);
    return identity->kind && strcmp(identity->kind, IDENTITY_OPENID) == 0 &&
           is_text_up_to(identity->issuer, IDENTITY_ISSUER_MAX) &&
           is_text_up_to(identity->subject, IDENTITY_SUBJECT_MAX);
}

static void user_link_json(struct call *call)
{
    static const char *const members[] = {"kind", "issuer", "subject", NULL};
    const struct sign_in *sign_in = call->dms->sign_in;
    struct user user;
    bool ok = true;
    if (call_json_only(call, members) < 0 || call_user(call, &user) < 0)
        return;
    struct identity identity = {.user = user.key,
                                .kind = call_json_text(call, "kind", &ok),
                                .issuer = call_json_text(call, "issuer", &ok),
                                .subject = call_json_text(call, "subject", &ok),
                                .label = "",
                                .created_ms = call->actor.now_ms};
    bool of_provider = ok && identity.kind && strcmp(identity.kind, IDENTITY_OPENID) == 0;
    if (!identity.issuer)
        identity.issuer = of_provider && sign_in->has_openid ? sign_in->openid.issuer : "";
    if (!ok || !is_identity(&identity))
        call_problem(call, 422, "bad-identity",
                     "kind is \"" IDENTITY_OPENID
                     "\" (subject: what the provider calls the person; "
                     "issuer, if another than the configured one) or \"" IDENTITY_CERTIFICATE
                     "\" (subject: sha256: and the hash of the key, in hexadecimal).");
    else
        identity_reply(call, &identity, user.name);
}

void user_identity_post(struct call *call)
{
    if (person_check(call) == 0)
        call_json(call, user_link_json);
}
