/* SPDX-License-Identifier: Apache-2.0 */
/* The second factor: codes of an authenticator program, and recovery codes for who has lost it. */
#include "dms/digest.h"
#include "dms/dms.h"
#include "dms/store_token.h"

#include <errno.h>
#include <sys/random.h>

static void factor_problem(struct call *call)
{
    call_problem(call, 403, "second-factor-wrong",
                 "The code is wrong, used already, or the clocks differ by more than half a "
                 "minute.");
}

static unsigned code_wait_s(struct call *call, char **ret_name)
{
    *ret_name = arena_printf(&call->req->arena, "code:%lld", (long long)call->user.key);
    return *ret_name
               ? passwords_wait_s(call->dms->passwords, *ret_name, loop_now_ns(call->dms->loop))
               : 1;
}

static int recovery_check(struct call *call, struct slice code)
{
    uint8_t hash[TOKEN_HASH_SIZE];
    digest_sha256(code, hash);
    int r = recovery_use(call->dms->store, call->user.key, hash);
    if (r == 0)
        call_audit(call, "recovery-code", 0, call->user.name, NULL);
    return r;
}

/* 0, -EKEYREJECTED, -EBUSY (too many wrong ones: the call has been ended), -errno. */
static int code_check(struct call *call, struct factor *factor, const char *code)
{
    struct slice text = slice_of_text(code);
    char *name;
    unsigned wait_s = code_wait_s(call, &name);
    if (wait_s > 0) {
        http_response_headerf(call->req, "Retry-After", "%u", wait_s);
        call_problem(call, 429, "too-many-failures", "Too many wrong codes; try again in %u s.",
                     wait_s);
        return -EBUSY;
    }
    int r = totp_check(factor->secret, text, call->actor.now_ms / 1000, factor->last_step,
                       &factor->last_step);
    if (r == 0)
        r = factor_set(call->dms->store, call->user.key, factor);
    else if (factor->confirmed && text.size > 6)
        r = recovery_check(call, text);
    if (r == -EKEYREJECTED)
        passwords_charge(call->dms->passwords, name, loop_now_ns(call->dms->loop));
    return r;
}

int second_factor_pass(struct call *call, const char *code)
{
    struct factor factor;
    if (!factor_any(call->dms->store))
        return 0;
    int r = factor_get(call->dms->store, call->user.key, &factor);
    if (r == -ENOENT || (r == 0 && !factor.confirmed)) {
        secret_wipe(&factor, sizeof factor);
        return 0;
    }
    if (r == 0 && !code) {
        secret_wipe(&factor, sizeof factor);
        call_problem(call, 401, "second-factor-required",
                     "This user has a second factor: add \"code\". Programs use an API token.");
        return -EKEYREJECTED;
    }
    if (r == 0)
        r = code_check(call, &factor, code);
    secret_wipe(&factor, sizeof factor);
    if (r == -EKEYREJECTED) {
        call->actor.from = call_from(call);
        call_audit(call, "sign-in-refused", 0, call->user.name, "second factor");
        call_problem(call, 401, "second-factor-wrong",
                     "The code is wrong, used already, or the clocks differ by more than half a "
                     "minute.");
    } else if (r < 0 && r != -EBUSY) {
        call_problem_errno(call, r);
    }
    return r;
}

void factor_post(struct call *call)
{
    struct factor factor = {0}, before;
    char text[TOTP_BASE32_SIZE];
    if (person_check(call) < 0)
        return;
    int r = factor_get(call->dms->store, call->user.key, &before);
    if (r == 0 && before.confirmed) {
        call_problem(call, 409, "second-factor-exists", "There is one: remove it first.");
        return;
    }
    if (r == 0 || r == -ENOENT)
        r = getrandom(factor.secret, sizeof factor.secret, 0) == sizeof factor.secret ? 0 : -EIO;
    if (r == 0)
        r = factor_set(call->dms->store, call->user.key, &factor);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    totp_base32(factor.secret, text);
    SCOPED(buf_done) struct buf uri = {0};
    (void)buf_append_text(&uri, "otpauth://totp/Coffer:");
    http_encode(&uri, call->user.name);
    (void)buf_printf(&uri, "?secret=%s&issuer=Coffer", text);
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "secret", text);
    json_put_text(&json, "uri", buf_text(&uri));
    json_close(&json);
    secret_wipe(&factor, sizeof factor);
    secret_wipe(text, sizeof text);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 201, "application/json", &body);
}

/* Ten letters in two groups, 49 random bits, without letters that are taken for others. */
static int recovery_make(char text[12])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
    const unsigned count = sizeof letters - 1;
    for (size_t at = 0; at < 11;) {
        uint8_t random;
        if (at == 5) {
            text[at++] = '-';
            continue;
        }
        if (getrandom(&random, 1, 0) != 1)
            return -EIO;
        if (random < 256 / count * count)
            text[at++] = letters[random % count];
    }
    text[11] = 0;
    return 0;
}

static int recovery_write(struct call *call, struct json *json)
{
    uint8_t hashes[RECOVERY_COUNT][TOKEN_HASH_SIZE];
    json_open_object(json, NULL);
    json_open_array(json, "recovery_codes");
    for (int i = 0; i < RECOVERY_COUNT; i++) {
        char text[12];
        int r = recovery_make(text);
        if (r < 0)
            return r;
        digest_sha256(slice_of_text(text), hashes[i]);
        json_put_text(json, NULL, text);
        secret_wipe(text, sizeof text);
    }
    json_close(json);
    json_close(json);
    return recovery_set(call->dms->store, call->user.key, hashes);
}

static const char *code_of(struct call *call)
{
    static const char *const members[] = {"code", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return NULL;
    const char *code = call_json_text(call, "code", &ok);
    if (!ok || !code)
        call_problem(call, 422, "bad-body", "code is needed, as text.");
    return ok ? code : NULL;
}

static void factor_put_json(struct call *call)
{
    struct factor factor;
    const char *code = code_of(call);
    if (!code || person_check(call) < 0)
        return;
    int r = factor_get(call->dms->store, call->user.key, &factor);
    if (r == 0 && factor.confirmed) {
        call_problem(call, 409, "second-factor-exists", "It is in use already.");
        return;
    }
    if (r == 0)
        r = code_check(call, &factor, code);
    factor.confirmed = true;
    if (r == 0)
        r = factor_set(call->dms->store, call->user.key, &factor);
    secret_wipe(&factor, sizeof factor);
    if (r == -EKEYREJECTED) {
        factor_problem(call);
        return;
    }
    if (r < 0) {
        if (r != -EBUSY)
            call_problem_errno(call, r);
        return;
    }
    struct buf body = {0};
    struct json json = json_into(&body);
    r = recovery_write(call, &json);
    if (r < 0) {
        buf_done(&body);
        store_spoil(call->dms->store);
        call_problem_errno(call, r);
        return;
    }
    call_audit(call, "second-factor-add", 0, call->user.name, NULL);
    passwords_forget(call->dms->passwords);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 200, "application/json", &body);
}

void factor_put(struct call *call)
{
    call_json(call, factor_put_json);
}

static void factor_delete_json(struct call *call)
{
    struct factor factor;
    const char *code = code_of(call);
    if (!code || person_check(call) < 0)
        return;
    int r = factor_get(call->dms->store, call->user.key, &factor);
    if (r == 0)
        r = code_check(call, &factor, code);
    secret_wipe(&factor, sizeof factor);
    if (r == 0)
        r = factor_remove(call->dms->store, call->user.key);
    if (r == -EKEYREJECTED) {
        factor_problem(call);
    } else if (r < 0) {
        if (r != -EBUSY)
            call_problem_errno(call, r);
    } else {
        call_audit(call, "second-factor-remove", 0, call->user.name, NULL);
        call_reply_empty(call, 204);
    }
}

void factor_delete(struct call *call)
{
    call_json(call, factor_delete_json);
}

/* An administrator helps who has lost device and recovery codes. */
void user_factor_delete(struct call *call)
{
    struct user user;
    char *name;
    int r = http_decode(&call->req->arena, call->params[0], false, &name);
    if (person_check(call) < 0)
        return;
    if (r == 0)
        r = user_find(call->dms->store, &call->req->arena, name, &user);
    if (r == 0)
        r = factor_remove(call->dms->store, user.key);
    if (r < 0) {
        call_problem_errno(call, r == -EINVAL ? -ENOENT : r);
        return;
    }
    call_audit(call, "second-factor-remove", 0, user.name, NULL);
    call_reply_empty(call, 204);
}
