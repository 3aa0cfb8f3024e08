/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling by a client certificate (docs/sign-in.md). Programs show it and need nothing else. A browser
 * shows it with every request, whoever's page asked for it, so there it only begins a session. */
#include "dms/certificate.h"
#include "dms/dms.h"
#include "dms/store_identity.h"

#include <errno.h>

#define USED_EVERY_MS ((int64_t)3600000)

static int certificate_of(struct call *call, struct peer_certificate *ret)
{
    return peer_certificate(http_request_transport(call->req)->fd, ret);
}

/* The user whom this connection's certificate is linked with. 0, -ENOENT, -errno. */
static int certificate_user(struct call *call, const struct peer_certificate *peer,
                            struct identity *ret, struct user *ret_user)
{
    struct store *store = call->dms->store;
    int r = identity_find(store, &call->req->arena, IDENTITY_CERTIFICATE, "", peer->key, ret);
    return r == 0 ? user_by_key(store, &call->req->arena, ret->user, ret_user) : r;
}

static int note_used(struct call *call, const struct identity *identity,
                     const struct peer_certificate *peer)
{
    if (identity->used_ms && call->actor.now_ms - identity->used_ms < USED_EVERY_MS)
        return 0;
    return identity_used(call->dms->store, identity->key, peer->subject, call->actor.now_ms);
}

/* Every browser of today says one of these. */
static bool is_from_a_browser(const struct call *call)
{
    struct slice agent = http_request_header(call->req, "User-Agent");
    return call_is_from_our_page(call) || http_request_header(call->req, "Sec-Fetch-Site").bytes ||
           http_request_header(call->req, "Origin").bytes ||
           (agent.size >= 8 && memcmp(agent.bytes, "Mozilla/", 8) == 0);
}

int certificate_authenticate(struct call *call)
{
    struct peer_certificate peer;
    struct identity identity;
    if (is_from_a_browser(call) || certificate_of(call, &peer) < 0)
        return -ENOENT;
    int r = certificate_user(call, &peer, &identity, &call->user);
    call->user.must_change = false; /* no password was used */
    return r == 0 ? note_used(call, &identity, &peer) : r;
}

static void session_json(struct call *call)
{
    static const char *const members[] = {"cookie", NULL};
    struct peer_certificate peer;
    struct identity identity;
    if (call_json_only(call, members) < 0)
        return;
    if (certificate_of(call, &peer) < 0) {
        call_problem(call, 409, "no-certificate", "This connection shows no client certificate.");
        return;
    }
    int r = certificate_user(call, &peer, &identity, &call->user);
    if (r == -ENOENT) {
        metric_add(&call->dms->metrics[DMS_SIGN_INS_REFUSED], 1);
        call->actor.from = call_from(call);
        call_audit(call, "sign-in-refused", 0, "certificate", peer.key);
        call_problem(call, 403, "not-linked", "No user is linked with the certificate's key, %s.",
                     peer.key);
        return;
    }
    call->actor.user = call->user.name;
    call->user.must_change = false;
    if (r == 0)
        r = note_used(call, &identity, &peer);
    if (r < 0)
        call_problem_errno(call, r);
    else
        session_reply(call, "certificate", identity.key);
}

/* Only our page, or a program. */
void certificate_post(struct call *call)
{
    if (is_from_a_browser(call) && !call_is_from_our_page(call))
        call_problem(call, 403, "foreign-origin",
                     "This needs the header X-Requested-With: coffer.");
    else
        call_json(call, session_json);
}

void certificate_json(struct call *call, struct json *json)
{
    struct peer_certificate peer;
    if (certificate_of(call, &peer) < 0) {
        json_put_null(json, "certificate");
        return;
    }
    json_open_object(json, "certificate");
    json_put_text(json, "key", peer.key);
    json_put_text(json, "subject", peer.subject);
    json_close(json);
}

int certificate_key(struct call *call, const char **ret_key, const char **ret_subject)
{
    struct peer_certificate *peer = arena_alloc(&call->req->arena, sizeof *peer);
    int r = peer ? certificate_of(call, peer) : -ENOMEM;
    if (r < 0)
        return r;
    *ret_key = peer->key;
    *ret_subject = peer->subject;
    return 0;
}
