/* SPDX-License-Identifier: Apache-2.0 */
/* Who users are elsewhere: one's own, and for administrators everybody's (docs/sign-in.md). */
#include "base/hex.h"
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

static void my_link_json(struct call *call)
{
    static const char *const members[] = {"kind", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return;
    const char *kind = call_json_text(call, "kind", &ok);
    if (!ok || !kind || strcmp(kind, IDENTITY_OPENID) != 0)
        call_problem(call, 422, "bad-body", "kind is \"" IDENTITY_OPENID "\".");
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

static void user_link_json(struct call *call)
{
    static const char *const members[] = {"kind", "issuer", "subject", NULL};
    const struct sign_in *sign_in = call->dms->sign_in;
    struct user user;
    bool ok = true;
    if (call_json_only(call, members) < 0 || call_user(call, &user) < 0)
        return;
    const char *kind = call_json_text(call, "kind", &ok);
    const char *issuer = call_json_text(call, "issuer", &ok);
    const char *subject = call_json_text(call, "subject", &ok);
    if (ok && !issuer && sign_in->has_openid)
        issuer = sign_in->openid.issuer;
    if (!ok || !kind || strcmp(kind, IDENTITY_OPENID) != 0 || !issuer || !subject || !*issuer ||
        !*subject || strlen(issuer) > IDENTITY_ISSUER_MAX ||
        strlen(subject) > IDENTITY_SUBJECT_MAX || !is_printable(issuer) || !is_printable(subject)) {
        call_problem(call, 422, "bad-identity",
                     "kind is \"" IDENTITY_OPENID "\"; subject is what the provider calls the "
                     "person, issuer (if another than the configured one) the provider.");
        return;
    }
    struct identity identity = {.user = user.key,
                                .kind = kind,
                                .issuer = issuer,
                                .subject = subject,
                                .label = "",
                                .created_ms = call->actor.now_ms};
    int r = identity_add(call->dms->store, &identity);
    if (r == -EDQUOT) {
        call_problem(call, 409, "too-many", "A user has at most %d identities.", IDENTITIES_MAX);
        return;
    }
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    call_audit(call, "identity-add", 0, user.name, subject);
    struct buf body = {0};
    struct json json = json_into(&body);
    identity_json(&json, &identity);
    call_reply_buf(call, 201, "application/json", &body);
}

void user_identity_post(struct call *call)
{
    if (person_check(call) == 0)
        call_json(call, user_link_json);
}
