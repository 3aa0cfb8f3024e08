/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling: a session token, a remembered password, or Argon2 on the helper thread. Also the
 * handlers for sessions and one's own password. */
#include "dms/digest.h"
#include "dms/dms.h"
#include "dms/header_parse.h"
#include "dms/store_identity.h"
#include "dms/store_token.h"
#include "server/base64.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

enum { TOKEN_SIZE = 32 };

/* The cookie of the web interface: only this server's pages send it, never over plain HTTP from
 * afar, and no script can read it. */
#define COOKIE "__Host-coffer"

/* Browsers ask with a window of their own when they see a challenge; our pages have a better one. */
bool call_is_from_our_page(const struct call *call)
{
    return slice_is_text(http_request_header(call->req, "X-Requested-With"), "coffer");
}

void unauthorized(struct call *call, const char *detail)
{
    if (!call_is_from_our_page(call))
        http_response_header(call->req, "WWW-Authenticate",
                             "Basic realm=\"coffer\", charset=\"UTF-8\"");
    call_problem(call, 401, "not-signed-in", "%s", detail);
}

static void authenticated(struct call *call, call_fn *then)
{
    enum access access = call->access;
    call->actor.user = call->user.name;
    call->actor.from = call_from(call);
    call->signed_in = true;
    if (call->user.must_change && (access == ACCESS_USER || access == ACCESS_ADMIN))
        call_problem(call, 403, "password-change-required",
                     "This is a one-time password. Set your own first: PUT /api/me/password with "
                     "{\"old\": ..., \"new\": ...}.");
    else if (call->token_scopes && !api_token_allows(call))
        call_problem(call, 403, "token-scope", "The API token's scopes do not allow this.");
    else if (access == ACCESS_ADMIN && call->user.role != ROLE_ADMIN)
        call_problem(call, 403, "admins-only", "Only an administrator may do this.");
    else
        then(call);
}

/* The password was right. Who has a second factor needs it too, but not again within a session. */
static void password_right(struct call *call, call_fn *then)
{
    if (call->signed_in || second_factor_pass(call, call->code) == 0)
        authenticated(call, then);
}

static void checked(void *arg, int result, const char *hash)
{
    (void)hash;
    struct call *call = arg;
    call->password_work = NULL;
    if (result == 0 && call->user.key != 0) {
        password_right(call, call->then);
        return;
    }
    call->user = (struct user){0};
    if (result != -EKEYREJECTED && result != 0) {
        call_problem_errno(call, result);
        return;
    }
    metric_add(&call->dms->metrics[DMS_SIGN_INS_REFUSED], 1);
    call->actor.from = call_from(call);
    call_audit(call, "sign-in-refused", 0, call->sign_in_name, NULL);
    unauthorized(call, "The user name or the password is wrong.");
}

static void limited(struct call *call, unsigned wait_s)
{
    metric_add(&call->dms->metrics[DMS_SIGN_INS_LIMITED], 1);
    http_response_headerf(call->req, "Retry-After", "%u", wait_s);
    call_problem(call, 429, "too-many-failures",
                 "Too many wrong passwords; try again in %u s. Sessions are not affected.", wait_s);
}

void call_sign_in(struct call *call, const char *user, struct slice password, call_fn *then)
{
    struct dms *dms = call->dms;
    uint64_t now_ns = loop_now_ns(dms->loop);
    if (!is_user_name(user)) { /* "code:1" and its like are what other failures are counted under */
        metric_add(&dms->metrics[DMS_SIGN_INS_REFUSED], 1);
        unauthorized(call, "The user name or the password is wrong.");
        return;
    }
    int64_t key = passwords_remembered(dms->passwords, user, password, now_ns);
    if (key && user_by_key(dms->store, &call->req->arena, key, &call->user) == 0) {
        password_right(call, then);
        return;
    }
    unsigned wait_s = passwords_wait_s(dms->passwords, user, now_ns);
    if (wait_s > 0) {
        limited(call, wait_s);
        return;
    }
    call->then = then;
    call->user = (struct user){0};
    call->sign_in_name = arena_text(&call->req->arena, slice_of_text(user));
    int r = user_find(dms->store, &call->req->arena, user, &call->user);
    if (r == 0 || r == -ENOENT)
        r = password_check(dms->passwords, user, call->user.key, password, call->user.hash, now_ns,
                           checked, call, &call->password_work);
    if (r == -EINVAL)
        unauthorized(call, "The user name or the password is wrong.");
    else if (r < 0)
        call_problem_errno(call, r);
}

static call_fn *signed_in_fn(const struct call *call)
{
    return call->then_signed_in ? call->then_signed_in : call->route->run;
}

static void by_api_token(struct call *call, struct slice token, const char *name)
{
    int r = api_token_user(call, token);
    if (r == 0 && name && strcmp(name, call->user.name) != 0)
        r = -ENOENT;
    if (r == -ENOENT)
        unauthorized(call, "The API token is unknown, has ended, or is another user's.");
    else if (r < 0)
        call_problem_errno(call, r);
    else
        authenticated(call, signed_in_fn(call));
}

static void basic(struct call *call, struct slice credentials)
{
    struct buf text = {0};
    const char *user = NULL;
    if (base64_decode(credentials, &text) == 0 && http_is_utf8(buf_slice(&text)))
        user = buf_text(&text);
    char *colon = user ? strchr(user, ':') : NULL;
    if (!colon) {
        unauthorized(call, "The Authorization header is malformed.");
    } else {
        *colon = 0;
        if (is_api_token(slice_of_text(colon + 1)))
            by_api_token(call, slice_of_text(colon + 1), user);
        else
            call_sign_in(call, user, slice_of_text(colon + 1), signed_in_fn(call));
    }
    buf_done(&text); /* wipes it */
}

static void bearer(struct call *call, struct slice token)
{
    struct dms *dms = call->dms;
    if (is_api_token(token)) {
        by_api_token(call, token, NULL);
        return;
    }
    int64_t key = 0;
    digest_sha256(token, call->token_hash);
    bool elsewhere = false;
    int r = session_find(dms->store, call->token_hash, call->actor.now_ms / 1000, &key);
    if (r == 0)
        r = user_by_key(dms->store, &call->req->arena, key, &call->user);
    if (r == 0 && call->user.must_change) /* who did not use the one-time password may keep it */
        r = identity_of_session(dms->store, call->token_hash, NULL, &elsewhere);
    call->user.must_change = call->user.must_change && !elsewhere;
    if (r == -ENOENT) {
        unauthorized(call, "The session has ended. Sign in again.");
    } else if (r < 0) {
        call_problem_errno(call, r);
    } else {
        call->by_token = true;
        authenticated(call, signed_in_fn(call));
    }
}

/* The rest of the header after a scheme's name and blanks; bytes == NULL if it is another scheme. */
static struct slice scheme_cut(struct slice header, const char *scheme)
{
    size_t size = strlen(scheme);
    if (header.size <= size || !http_text_equals(slice_of(header.bytes, size), scheme) ||
        header.bytes[size] != ' ')
        return (struct slice){0};
    while (size < header.size && header.bytes[size] == ' ')
        size++;
    return slice_of(header.bytes + size, header.size - size);
}

/* A browser sends the cookie by itself, so a change must also prove that our own page asked for it:
 * browsers name the page in Origin (is_foreign() compares it), and no form can send our header. */
static void by_cookie(struct call *call, struct slice token)
{
    enum http_method method = call->req->method;
    bool changes = method != HTTP_METHOD_GET && method != HTTP_METHOD_HEAD;
    if (changes && !call_is_from_our_page(call))
        call_problem(call, 403, "foreign-origin",
                     "A change with a session cookie needs the header X-Requested-With: coffer.");
    else
        bearer(call, token);
}

void call_authenticate(struct call *call)
{
    struct slice header = http_request_header(call->req, "Authorization");
    struct slice cookie = header.bytes
                              ? (struct slice){0}
                              : cookie_find(http_request_header(call->req, "Cookie"), COOKIE);
    struct slice rest = scheme_cut(header, "Bearer");
    if (cookie.bytes) {
        by_cookie(call, cookie);
        return;
    }
    if (rest.bytes) {
        bearer(call, rest);
        return;
    }
    rest = scheme_cut(header, "Basic");
    int r = header.bytes ? -ENOENT : certificate_authenticate(call);
    if (rest.bytes)
        basic(call, rest);
    else if (r == 0)
        authenticated(call, signed_in_fn(call));
    else if (r != -ENOENT)
        call_problem_errno(call, r);
    else
        unauthorized(call, header.bytes ? "The Authorization header is not understood."
                                        : "Sign in with Basic or a session token.");
}

/* Sessions */

/* NULL: the browser forgets it. */
void session_cookie_set(struct call *call, const char *token, uint64_t seconds)
{
    http_response_headerf(call->req, "Set-Cookie",
                          COOKIE "=%s; Path=/; Max-Age=%llu; Secure; HttpOnly; SameSite=Strict",
                          token ? token : "", (unsigned long long)(token ? seconds : 0));
}

int session_begin(struct call *call, const char *how, struct buf *token,
                  uint8_t hash[TOKEN_HASH_SIZE], int64_t *ret_expires_s)
{
    struct dms *dms = call->dms;
    uint8_t random[TOKEN_SIZE];
    int64_t now_s = call->actor.now_ms / 1000;
    int64_t expires_s = now_s + (int64_t)dms->settings.session_s;
    int r = getrandom(random, sizeof random, 0) == sizeof random ? 0 : -EIO;
    if (r == 0)
        r = base64_encode(slice_of(random, sizeof random), true, token);
    secret_wipe(random, sizeof random);
    digest_sha256(buf_slice(token), hash);
    if (r == 0)
        r = session_add(dms->store, hash, call->user.key, expires_s, now_s);
    if (r == 0)
        r = session_describe(call, hash);
    if (r < 0)
        return r;
    call->actor.from = call_from(call);
    call_audit(call, "sign-in", 0, call->user.name, how);
    *ret_expires_s = expires_s;
    return 0;
}

void session_reply(struct call *call, const char *how, int64_t identity)
{
    uint8_t hash[TOKEN_HASH_SIZE];
    SCOPED(buf_done) struct buf token = {0};
    int64_t expires_s;
    int r = session_begin(call, how, &token, hash, &expires_s);
    if (r == 0 && identity)
        r = identity_began(call->dms->store, identity, hash);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    if (json_is_true(json_object_get(call->json, "cookie")))
        session_cookie_set(call, buf_text(&token), call->dms->settings.session_s);
    else
        json_put_slice(&json, "token", buf_slice(&token));
    json_put_int(&json, "expires_at_s", expires_s);
    json_put_text(&json, "user", call->user.name);
    json_put_text(&json, "role", call->user.role == ROLE_ADMIN ? "admin" : "user");
    json_put_bool(&json, "password_change_required", call->user.must_change);
    json_close(&json);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 201, "application/json", &body);
}

static void session_start(struct call *call)
{
    session_reply(call, NULL, 0);
}

static void session_create_json(struct call *call)
{
    static const char *const members[] = {"user", "password", "code", "cookie", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return;
    call->code = call_json_text(call, "code", &ok);
    const char *user = call_json_text(call, "user", &ok);
    const char *password = call_json_text(call, "password", &ok);
    const json_t *cookie = json_object_get(call->json, "cookie");
    if (!ok || !user || !password || (cookie && !json_is_boolean(cookie)))
        call_problem(call, 422, "bad-body",
                     "user and password are needed, code if there is a second factor, as text.");
    else
        call_sign_in(call, user, slice_of_text(password), session_start);
}

void session_create(struct call *call)
{
    call_json(call, session_create_json);
}

void session_delete(struct call *call)
{
    if (!call->by_token) {
        call_problem(call, 409, "no-session", "This request did not use a session token.");
        return;
    }
    SCOPED(buf_done) struct buf elsewhere = {0};
    int also = openid_sign_out(call, &elsewhere);
    int r = session_remove(call->dms->store, call->token_hash);
    session_cookie_set(call, NULL, 0);
    if (r == 0)
        call_audit(call, "sign-out", 0, call->user.name, NULL);
    if (r < 0) {
        call_problem_errno(call, r);
    } else if (also < 0) {
        call_reply_empty(call, 204);
    } else {
        struct buf body = {0};
        struct json json = json_into(&body);
        json_open_object(&json, NULL);
        json_put_slice(&json, "location", buf_slice(&elsewhere));
        json_close(&json);
        call_reply_buf(call, 200, "application/json", &body);
    }
}

void me_get(struct call *call)
{
    struct factor factor;
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "name", call->user.name);
    json_put_text(&json, "role", role_text(call->user.role));
    groups_json(call, &json, &call->user);
    quota_json(call, &json, &call->user);
    json_put_bool(&json, "password_change_required", call->user.must_change);
    json_put_int(&json, "created_ms", call->user.created_ms);
    json_put_bool(&json, "second_factor",
                  factor_get(call->dms->store, call->user.key, &factor) == 0 && factor.confirmed);
    secret_wipe(&factor, sizeof factor);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

/* One's own password: the old one is checked even in a session, then all other sessions end. */

static void my_password_hashed(void *arg, int result, const char *hash)
{
    struct call *call = arg;
    struct dms *dms = call->dms;
    call->password_work = NULL;
    int r = result;
    if (r == 0)
        r = user_change(dms->store, call->user.key, call->user.own_role, hash, false);
    if (r == 0)
        r = session_remove_all(dms->store, call->user.key,
                               call->by_token ? call->token_hash : NULL);
    passwords_forget(dms->passwords);
    if (r == 0)
        call_audit(call, "password", 0, call->user.name, NULL);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

static void my_password_checked(struct call *call)
{
    const char *password = call->state;
    int r = password_hash(call->dms->passwords, slice_of_text(password), my_password_hashed, call,
                          &call->password_work);
    if (r < 0)
        call_problem_errno(call, r);
}

static void my_password_json(struct call *call)
{
    static const char *const members[] = {"old", "new", NULL};
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return;
    const char *old = call_json_text(call, "old", &ok);
    const char *new = call_json_text(call, "new", &ok);
    if (!ok || !old || !new || strlen(new) < PASSWORD_SIZE_MIN || strlen(new) > PASSWORD_SIZE_MAX) {
        call_problem(call, 422, "bad-password", "old and new are needed; new has %d to %d bytes.",
                     PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
        return;
    }
    if (strcmp(old, new) == 0) {
        call_problem(call, 422, "bad-password", "The new password is the old one.");
        return;
    }
    call->state = (void *)(uintptr_t) new; /* lives in call->json */
    call_sign_in(call, call->user.name, slice_of_text(old), my_password_checked);
}

void my_password_set(struct call *call)
{
    if (person_check(call) == 0)
        call_json(call, my_password_json);
}
