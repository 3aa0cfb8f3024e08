/* SPDX-License-Identifier: Apache-2.0 */
/* API tokens, for programs that act for a user: "cft_" and 32 random bytes in base64url. Where only
 * names and passwords fit (WebDAV, CMIS), a token serves as the password. A token can do what its
 * scopes allow, and nothing about passwords, tokens and second factors. */
#include "dms/digest.h"
#include "dms/dms.h"
#include "dms/store_token.h"
#include "server/base64.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

enum { TOKEN_RANDOM_SIZE = 32, TOKEN_NAME_MAX = 100 };

static const struct {
    const char *name;
    unsigned scope;
} scopes[] = {{"read", SCOPE_READ}, {"write", SCOPE_WRITE}, {"admin", SCOPE_ADMIN}};

bool is_api_token(struct slice text)
{
    static const char prefix[] = API_TOKEN_PREFIX;
    return text.size > sizeof prefix - 1 && memcmp(text.bytes, prefix, sizeof prefix - 1) == 0;
}

int api_token_user(struct call *call, struct slice text)
{
    struct store *store = call->dms->store;
    uint8_t hash[TOKEN_HASH_SIZE];
    struct token token;
    digest_sha256(text, hash);
    int r = token_find(store, &call->req->arena, hash, call->actor.now_ms, &token);
    if (r == 0)
        r = user_by_key(store, &call->req->arena, token.user, &call->user);
    if (r == 0)
        r = token_used(store, &token, call->actor.now_ms);
    call->token_scopes = r == 0 ? token.scopes : 0;
    return r;
}

bool api_token_allows(const struct call *call)
{
    enum http_method method = call->req->method;
    bool reads = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD ||
                 method == HTTP_METHOD_PROPFIND || method == HTTP_METHOD_OPTIONS;
    unsigned needed = reads ? SCOPE_READ : SCOPE_WRITE;
    if (call->access == ACCESS_ADMIN)
        needed |= SCOPE_ADMIN;
    return (call->token_scopes & needed) == needed;
}

int person_check(struct call *call)
{
    if (call->token_scopes == 0)
        return 0;
    call_problem(call, 403, "not-by-token", "This needs the user, not an API token.");
    return -EPERM;
}

static void token_json(struct json *json, const struct token *token, const char *text)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)token->key);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_text(json, "name", token->name);
    json_open_array(json, "scopes");
    for (size_t i = 0; i < ARRAY_COUNT(scopes); i++)
        if (token->scopes & scopes[i].scope)
            json_put_text(json, NULL, scopes[i].name);
    json_close(json);
    json_put_int(json, "created_ms", token->created_ms);
    if (token->expires_ms)
        json_put_int(json, "expires_ms", token->expires_ms);
    else
        json_put_null(json, "expires_ms");
    if (token->used_ms)
        json_put_int(json, "used_ms", token->used_ms);
    else
        json_put_null(json, "used_ms");
    if (text)
        json_put_text(json, "token", text);
    json_close(json);
}

static void token_make(struct call *call, struct token *token)
{
    uint8_t random[TOKEN_RANDOM_SIZE], hash[TOKEN_HASH_SIZE];
    SCOPED(buf_done) struct buf text = {0};
    (void)buf_append_text(&text, API_TOKEN_PREFIX);
    int r = getrandom(random, sizeof random, 0) == sizeof random ? 0 : -EIO;
    if (r == 0)
        r = base64_encode(slice_of(random, sizeof random), true, &text);
    secret_wipe(random, sizeof random);
    const char *shown = buf_text(&text);
    if (r == 0 && !shown)
        r = -ENOMEM;
    digest_sha256(buf_slice(&text), hash);
    if (r == 0)
        r = token_add(call->dms->store, token, hash);
    if (r == -EDQUOT) {
        call_problem(call, 409, "too-many", "A user has at most %d tokens.", TOKENS_MAX);
        return;
    }
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    call_audit(call, "token-add", 0, token->name, NULL);
    struct buf body = {0};
    struct json json = json_into(&body);
    token_json(&json, token, shown);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 201, "application/json", &body);
}

/* The union of the scopes named; 0 if one is unknown or there is none. */
static unsigned scopes_read(json_t *list)
{
    unsigned all = 0;
    size_t at;
    json_t *value;
    json_array_foreach(list, at, value)
    {
        const char *name = json_string_value(value);
        unsigned scope = 0;
        for (size_t i = 0; name && i < ARRAY_COUNT(scopes); i++)
            if (strcmp(name, scopes[i].name) == 0)
                scope = scopes[i].scope;
        if (!scope)
            return 0;
        all |= scope;
    }
    return all;
}

static void token_post_json(struct call *call)
{
    static const char *const members[] = {"name", "scopes", "expires_ms", NULL};
    json_t *expires = json_object_get(call->json, "expires_ms");
    bool ok = true;
    if (call_json_only(call, members) < 0 || person_check(call) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    struct token token = {
        .user = call->user.key,
        .name = (char *)(uintptr_t)name,
        .scopes = scopes_read(json_object_get(call->json, "scopes")),
        .created_ms = call->actor.now_ms,
        .expires_ms = json_integer_value(expires),
    };
    bool ends_well = !expires || json_is_null(expires) ||
                     (json_is_integer(expires) && token.expires_ms > call->actor.now_ms);
    if (!ok || !name || !*name || strlen(name) > TOKEN_NAME_MAX || !token.scopes || !ends_well)
        call_problem(call, 422, "bad-token",
                     "name (1 to %d bytes) and scopes (of read, write, admin) are needed; "
                     "expires_ms lies ahead.",
                     TOKEN_NAME_MAX);
    else if ((token.scopes & SCOPE_ADMIN) && call->user.role != ROLE_ADMIN)
        call_problem(call, 403, "admins-only", "Only an administrator's token has this scope.");
    else
        token_make(call, &token);
}

void token_post(struct call *call)
{
    call_json(call, token_post_json);
}

static int list_token(void *arg, const struct token *token)
{
    struct json *json = arg;
    token_json(json, token, NULL);
    return json->out->failed ? -ENOMEM : 0;
}

void tokens_get(struct call *call)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    if (person_check(call) < 0)
        return;
    json_open_object(&json, NULL);
    json_open_array(&json, "items");
    int r = token_list(call->dms->store, call->user.key, list_token, &json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    json_close(&json);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

void token_delete(struct call *call)
{
    int64_t key = 0;
    if (person_check(call) < 0)
        return;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = token_remove(call->dms->store, call->user.key, key);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)key);
    call_audit(call, "token-remove", 0, id, NULL);
    call_reply_empty(call, 204);
}
