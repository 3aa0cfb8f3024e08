/* SPDX-License-Identifier: Apache-2.0 */
/* OpenID Connect, the half that speaks to the provider: Discovery 1.0 (section 4), JWK sets, the token
 * endpoint (Core 1.0, section 3.1.3; PKCE, RFC 7636) and, where asked for, UserInfo (section 5.3). Only the
 * origins that the configuration names are spoken to, whatever the provider says of itself. */
#include "dms/out/http_out.h"
#include "dms/out/id_token.h"
#include "dms/out/job.h"
#include "server/base64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define METADATA_SIZE_MAX ((size_t)128 << 10)
#define KEYS_SIZE_MAX ((size_t)256 << 10)
#define TOKEN_SIZE_MAX ((size_t)128 << 10)
enum { ORIGINS_MAX = 8, TIME_EACH_MS = 8000, ENDPOINT_MAX = 2048, CODE_MAX = 4096, ERROR_MAX = 40 };

struct provider {
    const char *issuer, *client, *secret, *redirect, *ca_file, *address;
    const char *origins[ORIGINS_MAX];
    size_t origin_count;
    unsigned algorithms;
    bool userinfo;
    int64_t max_age_s, now_s;
    const char *code, *verifier, *nonce; /* of an exchange */
    json_t *metadata, *jwks;             /* ours */
    bool keys_fresh;                     /* asked for in this job */
};

static void provider_done(struct provider *p)
{
    json_decref(p->metadata);
    json_decref(p->jwks);
}

static int list_take(const json_t *job, struct provider *p)
{
    const json_t *origins = json_object_get(job, "origins");
    const json_t *names = json_object_get(job, "algorithms");
    if (json_array_size(origins) == 0 || json_array_size(origins) > ORIGINS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(origins); i++) {
        p->origins[p->origin_count] = json_string_value(json_array_get(origins, i));
        if (!p->origins[p->origin_count++])
            return -EINVAL;
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        unsigned algorithm = name ? id_algorithm_of(name) : 0;
        if (!algorithm)
            return -EINVAL;
        p->algorithms |= algorithm;
    }
    return p->algorithms ? 0 : -EINVAL;
}

static int provider_take(const json_t *job, struct provider *p, struct error *e)
{
    bool ok = true;
    const json_t *exchange = json_object_get(job, "exchange");
    p->issuer = job_text(job, "issuer", NULL, &ok);
    p->client = job_text(job, "client_id", NULL, &ok);
    p->secret = job_text(job, "client_secret", NULL, &ok);
    p->redirect = job_text(job, "redirect_uri", NULL, &ok);
    p->ca_file = job_text(job, "ca_file", NULL, &ok);
    p->address = job_text(job, "address", NULL, &ok);
    p->userinfo = json_is_true(json_object_get(job, "userinfo"));
    p->max_age_s = job_int(job, "max_age_s", -1, &ok);
    p->now_s = job_int(job, "now_s", 0, &ok);
    p->code = job_text(exchange, "code", NULL, &ok);
    p->verifier = job_text(exchange, "verifier", NULL, &ok);
    p->nonce = job_text(exchange, "nonce", NULL, &ok);
    p->metadata = json_incref(json_object_get(job, "metadata"));
    p->jwks = json_incref(json_object_get(job, "jwks"));
    ok = ok && p->issuer && p->client && p->redirect && p->now_s > 0 && list_take(job, p) == 0 &&
         (!exchange || (p->code && p->verifier && p->nonce && strlen(p->code) <= CODE_MAX));
    return ok ? 0 : error_set(e, -EINVAL, "the job is malformed");
}

/* The origin that `url` is at, of those allowed. */
static const char *origin_of(const struct provider *p, const char *url, struct error *e)
{
    for (size_t i = 0; i < p->origin_count; i++)
        if (http_out_allowed(url, p->origins[i], false, i + 1 < p->origin_count ? NULL : e) == 0)
            return p->origins[i];
    return NULL;
}

static int ask(const struct provider *p, const char *method, const char *url,
               const char *const *headers, struct slice body, size_t size_max,
               struct http_out_answer *ret, struct error *e)
{
    const char *origin = origin_of(p, url, e);
    const struct http_out_order order = {
        .method = method,
        .url = url,
        .origin = origin,
        .address = p->address,
        .ca_file = p->ca_file,
        .headers = headers,
        .body = body,
        .size_max = size_max,
        .time_ms = TIME_EACH_MS,
    };
    return origin ? http_out(&order, ret, e) : -EACCES;
}

static int object_parse(const struct buf *body, json_t **ret)
{
    *ret = json_loadb((const char *)body->bytes, body->size, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret) ? 0 : -EBADMSG;
}

static int object_get(const struct provider *p, const char *url, const char *const *headers,
                      size_t size_max, json_t **ret, struct error *e)
{
    SCOPED(http_out_answer_done) struct http_out_answer answer = {0};
    int r = ask(p, "GET", url, headers, slice_of("", 0), size_max, &answer, e);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return error_set(e, -EIO, "%.200s answered %d", p->issuer, answer.status);
    r = object_parse(&answer.body, ret);
    return r < 0 ? error_set(e, r, "%.200s answered with no JSON object", p->issuer) : 0;
}

/* An endpoint that must be, or may be missing, at an origin that is allowed. */
static int endpoint_take(const struct provider *p, const json_t *from, const char *name,
                         bool needed, json_t *to, struct error *e)
{
    const json_t *value = json_object_get(from, name);
    bool ok = true;
    const char *url = job_text(from, name, NULL, &ok);
    if (!value && !needed)
        return 0;
    if (!ok || !url || strlen(url) > ENDPOINT_MAX || strchr(url, '#'))
        return error_set(e, -EBADMSG, "the provider's %s is missing or malformed", name);
    if (!origin_of(p, url, e))
        return error_prefix(e, -EACCES, "the provider's %s", name);
    return json_object_set_new(to, name, json_string(url)) < 0 ? -ENOMEM : 0;
}

static bool list_has(const json_t *list, const char *wanted)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (one && strcmp(one, wanted) == 0)
            return true;
    }
    return false;
}

/* What the provider says of itself, as far as it is used and may be. */
static int metadata_take(const struct provider *p, const json_t *said, json_t *to, struct error *e)
{
    static const struct {
        const char *name;
        bool needed;
    } endpoints[] = {{"authorization_endpoint", true},
                     {"token_endpoint", true},
                     {"jwks_uri", true},
                     {"userinfo_endpoint", false},
                     {"end_session_endpoint", false}};
    bool ok = true;
    const char *issuer = job_text(said, "issuer", NULL, &ok);
    const json_t *pkce = json_object_get(said, "code_challenge_methods_supported");
    const json_t *auth = json_object_get(said, "token_endpoint_auth_methods_supported");
    int r = 0;
    if (!ok || !issuer || strcmp(issuer, p->issuer) != 0)
        return error_set(e, -EKEYREJECTED, "%.200s says it is another issuer", p->issuer);
    if (pkce && !list_has(pkce, "S256"))
        return error_set(e, -EKEYREJECTED, "%.200s does not do PKCE with S256", p->issuer);
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(endpoints); i++)
        r = endpoint_take(p, said, endpoints[i].name, endpoints[i].needed, to, e);
    bool post =
        auth && !list_has(auth, "client_secret_basic") && list_has(auth, "client_secret_post");
    bool says_iss =
        json_is_true(json_object_get(said, "authorization_response_iss_parameter_supported"));
    if (r == 0 && (json_object_set_new(to, "post", json_boolean(post)) < 0 ||
                   json_object_set_new(to, "says_iss", json_boolean(says_iss)) < 0))
        r = -ENOMEM;
    return r;
}

static int discover(struct provider *p, struct error *e)
{
    char url[ENDPOINT_MAX];
    size_t size = strlen(p->issuer);
    bool slash = size > 0 && p->issuer[size - 1] == '/';
    SCOPED(json_donep) json_t *said = NULL;
    SCOPED(json_donep) json_t *taken = json_object();
    if (snprintf(url, sizeof url, "%s%s.well-known/openid-configuration", p->issuer,
                 slash ? "" : "/") >= (int)sizeof url)
        return error_set(e, -EINVAL, "the issuer is too long");
    int r = object_get(p, url, NULL, METADATA_SIZE_MAX, &said, e);
    if (r == 0)
        r = metadata_take(p, said, taken, e);
    if (r == 0)
        p->metadata = TAKE(taken);
    return r;
}

static int keys_get(struct provider *p, struct error *e)
{
    SCOPED(json_donep) json_t *said = NULL;
    json_t *taken = NULL;
    const char *url = json_string_value(json_object_get(p->metadata, "jwks_uri"));
    int r = url ? object_get(p, url, NULL, KEYS_SIZE_MAX, &said, e) : -EBADMSG;
    if (r < 0)
        return r;
    r = jwk_set_take(said, &taken);
    if (r < 0)
        return error_set(e, r, "%.200s has no keys that can be used", p->issuer);
    json_decref(p->jwks);
    p->jwks = taken;
    p->keys_fresh = true;
    return 0;
}

/* application/x-www-form-urlencoded; only what needs no thought stays as it is. */
static void form_encode(struct buf *to, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            (void)buf_append_byte(to, c);
        else
            (void)buf_printf(to, "%%%02X", c);
    }
}

static void form_put(struct buf *to, const char *name, const char *value)
{
    (void)buf_printf(to, "%s%s=", to->size ? "&" : "", name);
    form_encode(to, value);
}

/* RFC 6749, section 2.3.1: both are form-encoded before they are put together. */
static int basic_make(const struct provider *p, struct buf *to)
{
    SCOPED(buf_done) struct buf pair = {0};
    form_encode(&pair, p->client);
    (void)buf_append_byte(&pair, ':');
    form_encode(&pair, p->secret);
    (void)buf_append_text(to, "Authorization: Basic ");
    return pair.failed ? -ENOMEM : base64_encode(buf_slice(&pair), false, to);
}

/* The provider's own word for it, if it is one. */
static int refused(const struct provider *p, const struct http_out_answer *answer, struct error *e)
{
    SCOPED(json_donep) json_t *said = NULL;
    const char *word = NULL;
    if (object_parse(&answer->body, &said) == 0)
        word = json_string_value(json_object_get(said, "error"));
    if (!word || strlen(word) > ERROR_MAX ||
        strspn(word, "abcdefghijklmnopqrstuvwxyz_") != strlen(word))
        return error_set(e, answer->status >= 500 ? -EIO : -EPERM, "%.200s answered %d", p->issuer,
                         answer->status);
    return error_set(e, -EPERM, "%.200s refused: %s", p->issuer, word);
}

static int code_exchange(const struct provider *p, json_t **ret_tokens, struct error *e)
{
    SCOPED(http_out_answer_done) struct http_out_answer answer = {0};
    SCOPED(buf_done) struct buf form = {0};
    SCOPED(buf_done) struct buf basic = {0};
    const char *url = json_string_value(json_object_get(p->metadata, "token_endpoint"));
    bool post = json_is_true(json_object_get(p->metadata, "post"));
    const char *headers[] = {"Content-Type: application/x-www-form-urlencoded",
                             "Accept: application/json", NULL, NULL};
    int r = 0;
    form_put(&form, "grant_type", "authorization_code");
    form_put(&form, "code", p->code);
    form_put(&form, "redirect_uri", p->redirect);
    form_put(&form, "code_verifier", p->verifier);
    if (!p->secret || post)
        form_put(&form, "client_id", p->client);
    if (p->secret && post)
        form_put(&form, "client_secret", p->secret);
    if (p->secret && !post) {
        r = basic_make(p, &basic);
        headers[2] = r == 0 ? buf_text(&basic) : NULL;
        r = headers[2] ? 0 : -ENOMEM;
    }
    if (r < 0 || form.failed || !url)
        return error_set(e, -ENOMEM, "no memory for a request");
    r = ask(p, "POST", url, headers, buf_slice(&form), TOKEN_SIZE_MAX, &answer, e);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return refused(p, &answer, e);
    r = object_parse(&answer.body, ret_tokens);
    return r < 0 ? error_set(e, r, "%.200s answered with no JSON object", p->issuer) : 0;
}

/* Adds what the ID token does not say; both must be about the same person (Core 1.0, 5.3.2). */
static int userinfo_add(const struct provider *p, const json_t *tokens, json_t *claims,
                        struct error *e)
{
    SCOPED(json_donep) json_t *said = NULL;
    SCOPED(buf_done) struct buf bearer = {0};
    bool ok = true;
    const char *url = json_string_value(json_object_get(p->metadata, "userinfo_endpoint"));
    const char *token = job_text(tokens, "access_token", NULL, &ok);
    const char *kind = job_text(tokens, "token_type", NULL, &ok);
    if (!ok || !url || !token || !kind || strcasecmp(kind, "Bearer") != 0)
        return error_set(e, -EBADMSG, "the provider gives no further claims");
    (void)buf_printf(&bearer, "Authorization: Bearer %s", token);
    const char *headers[] = {"Accept: application/json", buf_text(&bearer), NULL};
    if (!headers[1])
        return -ENOMEM;
    int r = object_get(p, url, headers, TOKEN_SIZE_MAX, &said, e);
    const char *sub = json_string_value(json_object_get(said, "sub"));
    const char *wanted = json_string_value(json_object_get(claims, "sub"));
    if (r == 0 && (!sub || !wanted || strcmp(sub, wanted) != 0))
        r = error_set(e, -EKEYREJECTED, "the further claims are about somebody else (sub)");
    return r < 0 ? r : json_object_update_missing(claims, said) < 0 ? -ENOMEM : 0;
}

static int claims_get(struct provider *p, json_t **ret_claims, struct error *e)
{
    SCOPED(json_donep) json_t *tokens = NULL;
    SCOPED(json_donep) json_t *claims = NULL;
    const struct id_wanted wanted = {p->issuer,     p->client, p->nonce,
                                     p->algorithms, p->now_s,  p->max_age_s};
    int r = code_exchange(p, &tokens, e);
    if (r < 0)
        return r;
    const json_t *token = json_object_get(tokens, "id_token");
    struct slice text = slice_of(json_string_value(token), json_string_length(token));
    if (!json_is_string(token))
        return error_set(e, -EBADMSG, "%.200s gave no ID token", p->issuer);
    r = id_token_check(text, p->jwks, &wanted, &claims, e);
    if (r == -ENOKEY && !p->keys_fresh) { /* it may have new ones */
        *e = (struct error){0};
        r = keys_get(p, e);
        if (r == 0)
            r = id_token_check(text, p->jwks, &wanted, &claims, e);
    }
    if (r == 0 && p->userinfo)
        r = userinfo_add(p, tokens, claims, e);
    if (r == 0)
        *ret_claims = TAKE(claims);
    return r;
}

int job_openid(const json_t *job, json_t **ret_answer, struct error *e)
{
    SCOPED(provider_done) struct provider p = {0};
    SCOPED(json_donep) json_t *claims = NULL;
    int r = provider_take(job, &p, e);
    if (r == 0 && !json_is_object(p.metadata))
        r = discover(&p, e);
    if (r == 0 && !json_is_object(p.jwks))
        r = keys_get(&p, e);
    if (r == 0 && p.code)
        r = claims_get(&p, &claims, e);
    if (r < 0)
        return r;
    *ret_answer =
        json_pack("{s:O,s:O,s:O*}", "metadata", p.metadata, "jwks", p.jwks, "claims", claims);
    return *ret_answer ? 0 : -ENOMEM;
}
