/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in at an OpenID Connect provider (docs/sign-in.md): a browser is sent there with a ticket in a
 * cookie and comes back with a code, which coffer-dms-out exchanges for who it is. Nothing that the browser
 * brings is believed but the ticket that we sealed and a state that only we can derive from it. */
#include "base/log.h"
#include "dms/digest.h"
#include "dms/dms.h"
#include "dms/header_parse.h"
#include "dms/outside.h"
#include "dms/sign_in.h"
#include "dms/store_group.h"
#include "dms/store_identity.h"
#include "dms/store_token.h"
#include "server/base64.h"

#include <errno.h>
#include <sys/random.h>

/* It comes back from another site, so it cannot be Strict; it says nothing to anybody but us. */
#define COOKIE "__Host-coffer-openid"
#define S ((uint64_t)1000000000)
enum { WAY_S = 600, CODE_S = 300, KNOWN_S = 3600, FAILED_S = 5, JOB_S = 45, LABEL_MAX = 200 };

/* One call's way through: in the request's arena. */
struct openid_call {
    struct call *call;
    struct ticket ticket;
    call_fn *then;    /* when the provider is known */
    const char *code; /* from the provider, for coffer-dms-out */
    bool exchanged;   /* it was asked who it is */
};

static struct openid_call *state_of(struct call *call)
{
    return call->state;
}

static const struct openid_settings *settings_of(const struct call *call)
{
    return &call->dms->sign_in->openid;
}

static void no_provider(struct call *call)
{
    call_problem(call, 409, "no-provider", "This server knows no provider to sign in at.");
}

static void cookie_set(struct call *call, const char *text, int seconds)
{
    http_response_headerf(call->req, "Set-Cookie",
                          COOKIE "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", text,
                          seconds);
}

static void redirect(struct call *call, const char *path)
{
    http_response_header(call->req, "Location", path);
    http_response_header(call->req, "Cache-Control", "no-store");
    http_response_header(call->req, "Referrer-Policy", "no-referrer");
    call_reply_empty(call, 303);
}

/* Limits failures by where they come from: the codes are the provider's to check, but each costs us a
 * process and the provider a request. What never gets so far is not counted: any page can make a browser
 * come back here, and must not lock anybody out by it. */
static char *limit_name(struct call *call)
{
    return arena_printf(&call->req->arena, "openid:%s", call_from(call));
}

/* Back to our page, which says what `word` means. `why`: for the audit trail; NULL: not worth noting. */
static void refuse(struct call *call, const char *word, const char *why)
{
    struct openid_call *state = state_of(call);
    bool linking = state && state->ticket.kind == TICKET_LINK;
    char *path =
        arena_printf(&call->req->arena, "/app/%s?openid=%s", linking ? "profile" : "sign-in", word);
    char *limit = state && state->exchanged ? limit_name(call) : NULL;
    metric_add(&call->dms->metrics[DMS_SIGN_INS_REFUSED], 1);
    if (limit)
        passwords_charge(call->dms->passwords, limit, loop_now_ns(call->dms->loop));
    if (why) {
        call->actor.from = call_from(call);
        call_audit(call, "sign-in-refused", 0, "openid", why);
    }
    cookie_set(call, "", 0);
    redirect(call, path ? path : "/");
}

/* What coffer-dms-out is asked for; `exchange` is taken. NULL without memory. */
static json_t *job_make(struct call *call, json_t *exchange)
{
    const struct sign_in *sign_in = call->dms->sign_in;
    const struct openid_settings *openid = &sign_in->openid;
    bool known =
        sign_in->metadata && loop_now_ns(call->dms->loop) - sign_in->known_ns < KNOWN_S * S;
    return json_pack("{s:s,s:s,s:s*,s:s,s:s*,s:s*,s:O,s:O,s:I,s:b,s:O*,s:O*,s:I,s:o*}", "issuer",
                     openid->issuer, "client_id", openid->client_id, "client_secret",
                     openid->client_secret, "redirect_uri", openid->redirect_uri, "ca_file",
                     openid->ca_file, "address", openid->address, "origins", openid->origins,
                     "algorithms", openid->algorithms, "max_age_s", (json_int_t)openid->max_age_s,
                     "userinfo", (int)openid->userinfo, "metadata",
                     known ? sign_in->metadata : NULL, "jwks", known ? sign_in->jwks : NULL,
                     "now_s", (json_int_t)(call->actor.now_ms / 1000), "exchange", exchange);
}

/* What was found out about the provider is kept for an hour. */
static void provider_learn(struct dms *dms, const json_t *answer)
{
    struct sign_in *sign_in = dms->sign_in;
    json_t *metadata = json_object_get(answer, "metadata"), *jwks = json_object_get(answer, "jwks");
    uint64_t now_ns = loop_now_ns(dms->loop);
    if (!json_is_object(metadata) || !json_is_object(jwks))
        return;
    if (!sign_in->metadata || now_ns - sign_in->known_ns >= KNOWN_S * S)
        sign_in->known_ns = now_ns;
    sign_in->failed_ns = 0;
    json_incref(metadata);
    json_incref(jwks);
    json_decref(sign_in->metadata);
    json_decref(sign_in->jwks);
    sign_in->metadata = metadata;
    sign_in->jwks = jwks;
}

static const char *word_of(int error)
{
    switch (error) {
    case -EPERM:
        return "refused";
    case -EKEYREJECTED:
    case -ENOKEY:
    case -EBADMSG:
    case -EACCES:
    case -EFBIG:
        return "unverified";
    case -EBUSY:
        return "busy";
    default:
        return "unreachable";
    }
}

/* Whether it is the browser's page that asks or a browser on its way back decides how it is said. */
static void provider_failed(struct call *call, int error, const char *why)
{
    LOG_WARNING("the sign-in provider cannot be used", LOG_TEXT("reason", why),
                LOG_INT("error", -error));
    if (state_of(call)->code)
        refuse(call, word_of(error), why);
    else
        call_problem(call, 502, "provider-failed",
                     "The provider cannot be used at present (%s). The server's log says why.",
                     word_of(error));
}

static int job_start(struct call *call, json_t *exchange, outside_fn *fn)
{
    json_t *job = job_make(call, exchange);
    int r =
        job ? outside_start(call->dms->outside, "openid", job, JOB_S, fn, call, &call->outside_job)
            : -ENOMEM;
    json_decref(job);
    return r;
}

static void provider_told(void *arg, int result, const json_t *answer, const char *why)
{
    struct call *call = arg;
    struct sign_in *sign_in = call->dms->sign_in;
    call->outside_job = NULL;
    if (result == 0)
        provider_learn(call->dms, answer);
    else
        sign_in->failed_ns = loop_now_ns(call->dms->loop);
    if (result < 0 || !sign_in->metadata)
        provider_failed(call, result < 0 ? result : -EBADMSG, why ? why : "no answer");
    else
        state_of(call)->then(call);
}

/* Runs `then` when it is known what the provider says of itself. After a failure it is left alone for a
 * moment. */
static void with_provider(struct call *call, call_fn *then)
{
    struct sign_in *sign_in = call->dms->sign_in;
    uint64_t now_ns = loop_now_ns(call->dms->loop);
    state_of(call)->then = then;
    if (sign_in->metadata && now_ns - sign_in->known_ns < KNOWN_S * S) {
        then(call);
        return;
    }
    if (sign_in->failed_ns && now_ns - sign_in->failed_ns < FAILED_S * S) {
        provider_failed(call, -EAGAIN, "it could not be used a moment ago");
        return;
    }
    int r = job_start(call, NULL, provider_told);
    if (r < 0)
        provider_failed(call, r, "coffer-dms-out cannot be started");
}

/* On the way there */

static void query_put(struct buf *url, const char *name, const char *value)
{
    (void)buf_printf(url, "&%s=", name);
    http_encode(url, value);
}

/* The SHA-256 of the verifier (PKCE, RFC 7636, S256). */
static int challenge_make(const char *verifier, struct buf *out)
{
    uint8_t hash[DIGEST_SIZE];
    digest_sha256(slice_of_text(verifier), hash);
    return base64_encode(slice_of(hash, sizeof hash), true, out);
}

static int location_make(struct call *call, struct buf *url)
{
    const struct sign_in *sign_in = call->dms->sign_in;
    const struct openid_settings *openid = &sign_in->openid;
    const struct ticket *ticket = &state_of(call)->ticket;
    const char *to =
        json_string_value(json_object_get(sign_in->metadata, "authorization_endpoint"));
    char state[TICKET_SECRET_SIZE], nonce[TICKET_SECRET_SIZE], verifier[TICKET_SECRET_SIZE];
    SCOPED(buf_done) struct buf challenge = {0};
    int r = to ? ticket_secret(sign_in, ticket, "state", state) : -EBADMSG;
    if (r == 0)
        r = ticket_secret(sign_in, ticket, "nonce", nonce);
    if (r == 0)
        r = ticket_secret(sign_in, ticket, "verifier", verifier);
    if (r == 0)
        r = challenge_make(verifier, &challenge);
    secret_wipe(verifier, sizeof verifier);
    if (r < 0)
        return r;
    (void)buf_printf(url, "%s%cresponse_type=code", to, strchr(to, '?') ? '&' : '?');
    query_put(url, "client_id", openid->client_id);
    query_put(url, "redirect_uri", openid->redirect_uri);
    query_put(url, "scope", openid->scope);
    query_put(url, "state", state);
    query_put(url, "nonce", nonce);
    query_put(url, "code_challenge", buf_text(&challenge) ? buf_text(&challenge) : "");
    query_put(url, "code_challenge_method", "S256");
    if (openid->max_age_s >= 0)
        (void)buf_printf(url, "&max_age=%lld", (long long)openid->max_age_s);
    return url->failed || challenge.failed ? -ENOMEM : 0;
}

static void way_begin(struct call *call)
{
    SCOPED(buf_done) struct buf url = {0};
    SCOPED(buf_done) struct buf ticket = {0};
    int r = location_make(call, &url);
    if (r == 0)
        r = ticket_write(call->dms->sign_in, &state_of(call)->ticket, &ticket);
    const char *text = r == 0 ? buf_text(&ticket) : NULL;
    if (!text) {
        call_problem_errno(call, r < 0 ? r : -ENOMEM);
        return;
    }
    cookie_set(call, text, WAY_S);
    http_response_header(call->req, "Cache-Control", "no-store");
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_slice(&json, "location", buf_slice(&url));
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

static int state_make(struct call *call)
{
    struct openid_call *state = arena_alloc(&call->req->arena, sizeof *state);
    if (!state)
        return -ENOMEM;
    *state = (struct openid_call){.call = call};
    call->state = state;
    return 0;
}

static void way_prepare(struct call *call, enum ticket_kind kind)
{
    bool ok = true;
    const char *path = call_json_text(call, "return", &ok);
    if (!call->dms->sign_in->has_openid) {
        no_provider(call);
        return;
    }
    if (!ok || (path && !is_app_path(path))) {
        call_problem(call, 422, "bad-body", "return is a place of the web interface: /app/...");
        return;
    }
    int r = state_make(call);
    struct ticket *ticket = r == 0 ? &state_of(call)->ticket : NULL;
    if (r == 0 && getrandom(ticket->random, sizeof ticket->random, 0) != sizeof ticket->random)
        r = -EIO;
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    ticket->kind = kind;
    ticket->until_s = call->actor.now_ms / 1000 + WAY_S;
    if (path)
        memcpy(ticket->path, path, strlen(path) + 1);
    if (kind == TICKET_LINK) {
        ticket->user = call->user.key;
        memcpy(ticket->session, call->token_hash, sizeof ticket->session);
    }
    with_provider(call, way_begin);
}

static void start_json(struct call *call)
{
    static const char *const members[] = {"return", NULL};
    if (call_json_only(call, members) == 0)
        way_prepare(call, TICKET_SIGN_IN);
}

/* Only our page may begin it: another site cannot send this header. */
void openid_start(struct call *call)
{
    if (!call_is_from_our_page(call))
        call_problem(call, 403, "foreign-origin",
                     "This needs the header X-Requested-With: coffer.");
    else
        call_json(call, start_json);
}

void openid_link(struct call *call)
{
    way_prepare(call, TICKET_LINK);
}

void sign_in_get(struct call *call)
{
    const struct sign_in *sign_in = call->dms->sign_in;
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "openid", sign_in->has_openid ? sign_in->openid.name : NULL);
    certificate_json(call, &json);
    json_close(&json);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 200, "application/json", &body);
}

/* Back again: who it is */

static bool groups_have(const json_t *claim, const char *wanted)
{
    const char *one = json_string_value(claim);
    if (one && strcmp(one, wanted) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(claim); i++) {
        one = json_string_value(json_array_get(claim, i));
        if (one && strcmp(one, wanted) == 0)
            return true;
    }
    return false;
}

struct membership {
    const char *group;
    bool is_member;
};

static int membership_match(void *arg, const struct group *group)
{
    struct membership *m = arg;
    m->is_member = m->is_member || strcmp(group->name, m->group) == 0;
    return 0;
}

/* Puts a user into a group, or out of it. A group that is not here, or that would leave no administrator,
 * stays as it is. */
static int membership_set(struct call *call, const char *name, bool is_member)
{
    struct store *store = call->dms->store;
    struct membership now = {name, false};
    struct group group;
    int r = group_find(store, &call->req->arena, name, &group);
    if (r == -ENOENT)
        LOG_WARNING("a group of the sign-in settings is not here", LOG_TEXT("group", name));
    if (r == 0)
        r = groups_of(store, call->user.key, membership_match, &now);
    if (r < 0 || now.is_member == is_member)
        return r == -ENOENT ? 0 : r;
    r = member_set(store, group.key, call->user.key, is_member);
    if (r == -EBUSY) {
        LOG_WARNING("the last administrator stays one, whatever the provider says",
                    LOG_TEXT("group", name));
        return 0;
    }
    if (r == 0)
        call_audit(call, is_member ? "member-add" : "member-remove", 0, name, call->user.name);
    return r;
}

/* The groups that the settings name, and no others, are as the provider says. */
static int groups_settle(struct call *call, const json_t *claims)
{
    const struct openid_settings *openid = settings_of(call);
    const json_t *claim = json_object_get(claims, openid->groups_claim);
    json_t *map = (json_t *)(uintptr_t)openid->groups, *other_to, *to;
    const char *from, *other;
    int r = 0;
    json_object_foreach(map, from, to)
    {
        bool is_member = false; /* by any name that means this group */
        json_object_foreach(map, other, other_to)
        {
            is_member = is_member || (json_equal(to, other_to) && groups_have(claim, other));
        }
        r = membership_set(call, json_string_value(to), is_member);
        if (r < 0)
            return r;
    }
    return user_by_key(call->dms->store, &call->req->arena, call->user.key, &call->user);
}

static const char *label_of(struct call *call, const json_t *claims)
{
    const char *names[] = {settings_of(call)->name_claim, "email", "name"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const char *text = json_string_value(json_object_get(claims, names[i]));
        if (text && *text && strlen(text) <= LABEL_MAX)
            return text;
    }
    return "";
}

/* A user for somebody whom we have never seen, if the settings say so. A name that somebody has here already
 * is not given away. Ends the call if it gives less than 0. */
static int user_create(struct call *call, const json_t *claims)
{
    const struct openid_settings *openid = settings_of(call);
    struct store *store = call->dms->store;
    const char *name = json_string_value(json_object_get(claims, openid->name_claim));
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    char *why = arena_printf(&call->req->arena, "not linked with a user: %s", sub);
    int64_t users = 0, admins = 0;
    bool may = openid->create &&
               (!openid->create_group ||
                groups_have(json_object_get(claims, openid->groups_claim), openid->create_group));
    if (!may) {
        refuse(call, "unknown", why ? why : "");
        return -ENOENT;
    }
    int r = name && is_user_name(name) ? user_find(store, &call->req->arena, name, &call->user) : 0;
    if (r == 0) {
        call->user = (struct user){0};
        refuse(call, "name", why ? why : "");
        return -EEXIST;
    }
    if (r == -ENOENT)
        r = user_counts(store, &users, &admins);
    if (r == 0 && users >= USERS_MAX)
        r = -EDQUOT;
    if (r == 0) /* no password fits this */
        r = user_add(store, name, ROLE_USER, "!", false, call->actor.now_ms);
    if (r == 0)
        r = user_find(store, &call->req->arena, name, &call->user);
    if (r < 0) {
        refuse(call, "failed", "the user could not be added");
        return r;
    }
    call->actor.user = call->user.name;
    call_audit(call, "user-add", 0, name, "openid");
    return 0;
}

static int identity_new(struct call *call, const json_t *claims, struct identity *identity)
{
    identity->user = call->user.key;
    identity->kind = IDENTITY_OPENID;
    identity->issuer = settings_of(call)->issuer;
    identity->subject = json_string_value(json_object_get(claims, "sub"));
    identity->label = label_of(call, claims);
    identity->created_ms = call->actor.now_ms;
    int r = identity_add(call->dms->store, identity);
    if (r == 0)
        call_audit(call, "identity-add", 0, call->user.name, identity->subject);
    return r;
}

/* The session, and off to where the browser wanted to go. */
static int session_open(struct call *call, int64_t identity, const char *path)
{
    uint8_t hash[TOKEN_HASH_SIZE];
    int64_t expires_s;
    SCOPED(buf_done) struct buf token = {0};
    int r = session_begin(call, "openid", &token, hash, &expires_s);
    if (r == 0)
        r = identity_began(call->dms->store, identity, hash);
    if (r < 0)
        return r;
    session_cookie_set(call, buf_text(&token), call->dms->settings.session_s);
    if (path) {
        cookie_set(call, "", 0);
        redirect(call, *path ? path : "/app/files");
    }
    return 0;
}

static bool needs_code(struct call *call)
{
    struct factor factor;
    if (!settings_of(call)->second_factor_ours || !factor_any(call->dms->store))
        return false;
    int r = factor_get(call->dms->store, call->user.key, &factor);
    bool needs =
        r != -ENOENT && (r < 0 || factor.confirmed); /* what cannot be read is not passed over */
    secret_wipe(&factor, sizeof factor);
    return needs;
}

/* Our page asks for the code; until then the ticket says who it is that needs it. */
static int code_ask(struct call *call, int64_t identity)
{
    struct ticket *ticket = &state_of(call)->ticket;
    SCOPED(buf_done) struct buf text = {0};
    ticket->kind = TICKET_CODE;
    ticket->until_s = call->actor.now_ms / 1000 + CODE_S;
    ticket->user = call->user.key;
    ticket->identity = identity;
    int r = ticket_write(call->dms->sign_in, ticket, &text);
    if (r < 0 || !buf_text(&text))
        return -ENOMEM;
    cookie_set(call, buf_text(&text), CODE_S);
    redirect(call, "/app/sign-in?openid=code");
    return 0;
}

static void signed_in(struct call *call, const json_t *claims)
{
    struct store *store = call->dms->store;
    struct identity identity = {0};
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    int r = identity_find(store, &call->req->arena, IDENTITY_OPENID, settings_of(call)->issuer, sub,
                          &identity);
    if (r == -ENOENT) {
        if (user_create(call, claims) < 0)
            return;
        r = identity_new(call, claims, &identity);
    } else if (r == 0) {
        r = user_by_key(store, &call->req->arena, identity.user, &call->user);
    }
    call->actor.user = call->user.name;
    if (r == 0)
        r = groups_settle(call, claims);
    if (r == 0)
        r = identity_used(store, identity.key, label_of(call, claims), call->actor.now_ms);
    if (r == 0)
        r = needs_code(call) ? code_ask(call, identity.key)
                             : session_open(call, identity.key, state_of(call)->ticket.path);
    if (r < 0) { /* nothing of it is to stay */
        store_spoil(store);
        refuse(call, "failed", "the session could not be begun");
    }
}

/* Linked only while the session that asked for it lives. */
static void linked(struct call *call, const json_t *claims)
{
    struct store *store = call->dms->store;
    const struct ticket *ticket = &state_of(call)->ticket;
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    struct identity identity = {0};
    int64_t user = 0;
    int r = session_find(store, ticket->session, call->actor.now_ms / 1000, &user);
    if (r < 0 || user != ticket->user ||
        user_by_key(store, &call->req->arena, user, &call->user) < 0) {
        refuse(call, "state", NULL);
        return;
    }
    call->actor.user = call->user.name;
    r = identity_find(store, &call->req->arena, IDENTITY_OPENID, settings_of(call)->issuer, sub,
                      &identity);
    if (r == 0 && identity.user != user) {
        refuse(call, "taken", "linked with another user already");
        return;
    }
    if (r == -ENOENT)
        r = identity_new(call, claims, &identity);
    if (r < 0) {
        refuse(call, r == -EDQUOT ? "many" : "failed", "it could not be linked");
        return;
    }
    cookie_set(call, "", 0);
    redirect(call, "/app/profile?openid=linked");
}

static void exchanged(void *arg, int result, const json_t *answer, const char *why)
{
    struct call *call = arg;
    const json_t *claims = json_object_get(answer, "claims");
    call->outside_job = NULL;
    state_of(call)->exchanged = true;
    if (result == 0)
        provider_learn(call->dms, answer);
    if (result < 0 || !json_is_string(json_object_get(claims, "sub")))
        provider_failed(call, result < 0 ? result : -EBADMSG, why ? why : "no claims");
    else if (state_of(call)->ticket.kind == TICKET_LINK)
        linked(call, claims);
    else
        signed_in(call, claims);
}

/* RFC 9207: whose answer it is, so that another provider's is not taken for this one's. */
static bool is_issuer(struct call *call)
{
    char *iss = NULL;
    int r = http_request_query(call->req, "iss", &iss);
    if (r == -ENOENT)
        return !json_is_true(json_object_get(call->dms->sign_in->metadata, "says_iss"));
    return r == 0 && strcmp(iss, settings_of(call)->issuer) == 0;
}

static void exchange(struct call *call)
{
    const struct sign_in *sign_in = call->dms->sign_in;
    const struct ticket *ticket = &state_of(call)->ticket;
    char nonce[TICKET_SECRET_SIZE], verifier[TICKET_SECRET_SIZE];
    if (!is_issuer(call)) {
        refuse(call, "unverified", "the answer is another provider's (iss)");
        return;
    }
    int r = ticket_secret(sign_in, ticket, "nonce", nonce);
    if (r == 0)
        r = ticket_secret(sign_in, ticket, "verifier", verifier);
    json_t *job = r == 0 ? json_pack("{s:s,s:s,s:s}", "code", state_of(call)->code, "verifier",
                                     verifier, "nonce", nonce)
                         : NULL;
    secret_wipe(verifier, sizeof verifier);
    r = job ? job_start(call, job, exchanged) : -ENOMEM;
    if (r < 0)
        provider_failed(call, r, "coffer-dms-out cannot be started");
}

/* The ticket of this browser. 0 or -EKEYREJECTED. */
static int ticket_of(struct call *call, struct ticket *ret)
{
    struct slice cookie = cookie_find(http_request_header(call->req, "Cookie"), COOKIE);
    return cookie.bytes ? ticket_read(call->dms->sign_in, cookie, call->actor.now_ms / 1000, ret)
                        : -EKEYREJECTED;
}

/* Whether the browser comes back from the way that its own ticket is for. */
static bool is_its_way(struct call *call)
{
    struct ticket *ticket = &state_of(call)->ticket;
    char wanted[TICKET_SECRET_SIZE], *state = NULL;
    return ticket_of(call, ticket) == 0 &&
           (ticket->kind == TICKET_SIGN_IN || ticket->kind == TICKET_LINK) &&
           http_request_query(call->req, "state", &state) == 0 &&
           strlen(state) == TICKET_SECRET_SIZE - 1 &&
           ticket_secret(call->dms->sign_in, ticket, "state", wanted) == 0 &&
           ct_verify(state, wanted, TICKET_SECRET_SIZE - 1) == 0;
}

void openid_callback(struct call *call)
{
    char *code = NULL, *error = NULL;
    if (!call->dms->sign_in->has_openid) {
        redirect(call, "/app/sign-in?openid=off");
        return;
    }
    char *limit = limit_name(call);
    if (!limit || state_make(call) < 0) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    if (passwords_wait_s(call->dms->passwords, limit, loop_now_ns(call->dms->loop)) > 0) {
        metric_add(&call->dms->metrics[DMS_SIGN_INS_LIMITED], 1);
        redirect(call, "/app/sign-in?openid=limited");
    } else if (!is_its_way(call)) {
        refuse(call, "state", NULL);
    } else if (http_request_query(call->req, "error", &error) == 0) {
        refuse(call, strcmp(error, "access_denied") == 0 ? "denied" : "refused", NULL);
    } else if (http_request_query(call->req, "code", &code) < 0 || !*code) {
        refuse(call, "refused", NULL);
    } else {
        state_of(call)->code = code;
        with_provider(call, exchange);
    }
}

/* The second factor of who has come back */

struct identity_search {
    int64_t key;
    bool found;
};

static int identity_match(void *arg, const struct identity *identity)
{
    struct identity_search *search = arg;
    search->found = search->found || identity->key == search->key;
    return 0;
}

/* Who the ticket says has come back, if that is still linked. 0, -ENOENT, -errno. */
static int back_find(struct call *call, const struct ticket *ticket)
{
    struct store *store = call->dms->store;
    struct identity_search search = {ticket->identity, false};
    int r = user_by_key(store, &call->req->arena, ticket->user, &call->user);
    if (r == 0)
        r = identity_list(store, ticket->user, identity_match, &search);
    return r < 0 ? r : search.found ? 0 : -ENOENT;
}

static void code_json(struct call *call)
{
    static const char *const members[] = {"code", NULL};
    struct ticket ticket;
    bool ok = true;
    if (call_json_only(call, members) < 0)
        return;
    const char *code = call_json_text(call, "code", &ok);
    if (!ok || !code) {
        call_problem(call, 422, "bad-body", "code is needed.");
        return;
    }
    int r = ticket_of(call, &ticket) == 0 && ticket.kind == TICKET_CODE ? 0 : -ENOENT;
    if (r == 0)
        r = back_find(call, &ticket);
    if (r < 0) {
        call->user = (struct user){0};
        call_problem(call, 401, "not-signed-in", "This took too long. Begin again.");
        return;
    }
    call->actor.user = call->user.name;
    call->actor.from = call_from(call);
    if (second_factor_pass(call, code) < 0)
        return;
    r = session_open(call, ticket.identity, NULL);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    cookie_set(call, "", 0);
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "return", ticket.path[0] ? ticket.path : "/app/files");
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}

void openid_code(struct call *call)
{
    if (!call->dms->sign_in->has_openid)
        no_provider(call);
    else if (!call_is_from_our_page(call))
        call_problem(call, 403, "foreign-origin",
                     "This needs the header X-Requested-With: coffer.");
    else
        call_json(call, code_json);
}

int openid_sign_out(struct call *call, struct buf *location)
{
    const struct sign_in *sign_in = call->dms->sign_in;
    const char *to = json_string_value(json_object_get(sign_in->metadata, "end_session_endpoint"));
    bool did = false;
    if (!sign_in->has_openid || !to)
        return -ENOENT;
    int r = identity_of_session(call->dms->store, call->token_hash, IDENTITY_OPENID, &did);
    if (r < 0 || !did)
        return r < 0 ? r : -ENOENT;
    (void)buf_printf(location, "%s%cclient_id=", to, strchr(to, '?') ? '&' : '?');
    http_encode(location, sign_in->openid.client_id);
    return location->failed ? -ENOMEM : 0;
}
