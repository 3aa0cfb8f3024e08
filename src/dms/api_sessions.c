/* SPDX-License-Identifier: Apache-2.0 */
/* One's own sessions: listed, and ended one by one. A session is named by the first bytes of the
 * hash of its token, from which nobody gets back to the token. */
#include "base/hex.h"
#include "dms/dms.h"
#include "dms/store_session.h"

#include <errno.h>

enum { NAME_SIZE = 8 };

static void name_write(const uint8_t hash[TOKEN_HASH_SIZE], char name[2 * NAME_SIZE + 1])
{
    hex_encode(slice_of(hash, NAME_SIZE), name);
}

struct session_list {
    struct call *call;
    struct json json;
};

static int session_json(void *arg, const struct session_note *session)
{
    struct session_list *list = arg;
    struct json *json = &list->json;
    char name[2 * NAME_SIZE + 1];
    name_write(session->hash, name);
    json_open_object(json, NULL);
    json_put_text(json, "id", name);
    json_put_int(json, "created_ms", session->created_ms);
    json_put_int(json, "expires_at_s", session->expires_s);
    json_put_text(json, "agent", session->agent);
    json_put_text(json, "from", session->from);
    json_put_bool(json, "current",
                  list->call->by_token &&
                      memcmp(session->hash, list->call->token_hash, TOKEN_HASH_SIZE) == 0);
    json_close(json);
    return json->out->failed ? -ENOMEM : 0;
}

void sessions_get(struct call *call)
{
    struct buf body = {0};
    struct session_list list = {call, json_into(&body)};
    json_open_object(&list.json, NULL);
    json_open_array(&list.json, "items");
    int r = sessions_walk(call->dms->store, call->user.key, call->actor.now_ms / 1000, session_json,
                          &list);
    json_close(&list.json);
    json_close(&list.json);
    if (r < 0) {
        buf_done(&body);
        call_problem_errno(call, r);
        return;
    }
    call_reply_buf(call, 200, "application/json", &body);
}

struct session_search {
    struct slice name;
    uint8_t hash[TOKEN_HASH_SIZE];
    bool found;
};

static int session_match(void *arg, const struct session_note *session)
{
    struct session_search *search = arg;
    char name[2 * NAME_SIZE + 1];
    name_write(session->hash, name);
    if (slice_is_text(search->name, name)) {
        memcpy(search->hash, session->hash, TOKEN_HASH_SIZE);
        search->found = true;
    }
    return 0;
}

void session_end(struct call *call)
{
    struct session_search search = {.name = call->params[0]};
    if (person_check(call) < 0)
        return;
    int r = sessions_walk(call->dms->store, call->user.key, call->actor.now_ms / 1000,
                          session_match, &search);
    if (r == 0)
        r = search.found ? session_remove(call->dms->store, search.hash) : -ENOENT;
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

int session_describe(struct call *call, const uint8_t hash[TOKEN_HASH_SIZE])
{
    struct slice agent = http_request_header(call->req, "User-Agent");
    agent.size = MIN(agent.size, SESSION_AGENT_MAX);
    bool usable = agent.bytes && http_is_utf8(agent);
    char *text = arena_text(&call->req->arena, usable ? agent : slice_of("", 0));
    if (!text)
        return -ENOMEM;
    return session_note(call->dms->store, hash, call->actor.now_ms, text,
                        call->actor.from ? call->actor.from : "");
}
