/* SPDX-License-Identifier: Apache-2.0 */
/* Web hooks, for administrators: store_hook.h and hooks.h say what they do. */
#include "base/hex.h"
#include "base/secret.h"
#include "dms/hooks.h"
#include "dms/list_page.h"
#include "dms/store_audit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

enum { KIND_SIZE_MAX = 40, KINDS_COUNT_MAX = 40 };

static void key_put(struct json *json, const char *name, int64_t key)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)key);
    json_put_text(json, name, key == STORE_ROOT ? "root" : key > 0 ? text : NULL);
}

static void kinds_json(struct json *json, const char *kinds)
{
    SCOPED(buf_done) struct buf word = {0};
    json_open_array(json, "kinds");
    while (*kinds) {
        size_t size = strcspn(kinds, " ");
        buf_clear(&word);
        (void)buf_append(&word, kinds, size);
        const char *text = buf_text(&word);
        json_put_text(json, NULL, text ? text : "");
        kinds += size + (kinds[size] == ' ');
    }
    json_close(json);
}

static void time_put(struct json *json, const char *name, int64_t ms)
{
    if (ms)
        json_put_int(json, name, ms);
    else
        json_put_null(json, name);
}

/* Without its end: more may follow. */
static void hook_json(struct json *json, const struct hook *hook)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)hook->key);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_text(json, "name", hook->name);
    json_put_text(json, "url", hook->url);
    json_put_text(json, "created_by", hook->user);
    json_put_int(json, "created_ms", hook->created_ms);
    kinds_json(json, hook->kinds);
    key_put(json, "folder", hook->folder);
    json_put_bool(json, "paused", hook->paused);
    json_put_int(json, "after", hook->place);
    json_put_int(json, "failures", hook->failures);
    time_put(json, "next_ms", hook->failures ? hook->next_ms : 0);
    time_put(json, "last_ms", hook->last_ms);
    time_put(json, "ok_ms", hook->ok_ms);
    json_put_text(json, "last", hook->last);
    json_put_int(json, "delivered", hook->delivered);
    json_put_int(json, "dead", hook->dead);
}

static int dead_json(void *arg, const struct hook_dead *dead)
{
    struct json *json = arg;
    json_open_object(json, NULL);
    json_put_int(json, "first", dead->first);
    json_put_int(json, "last", dead->last);
    json_put_int(json, "events", dead->count);
    json_put_int(json, "at_ms", dead->at_ms);
    json_put_text(json, "why", dead->why);
    json_close(json);
    return json->out->failed ? -ENOMEM : 0;
}

static int hook_of(struct call *call, struct hook *ret)
{
    int64_t key = 0;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = hook_get(call->dms->store, &call->req->arena, key, ret);
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static void hook_wipe(struct hook *hook)
{
    secret_wipe(hook->secret, sizeof hook->secret);
}

/* `secret`: shown this once; NULL otherwise. */
static void hook_reply(struct call *call, int status, int64_t key, const char *secret)
{
    SCOPED(hook_wipe) struct hook hook = {0};
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = hook_get(call->dms->store, &call->req->arena, key, &hook);
    if (r == 0) {
        hook_json(&json, &hook);
        if (secret)
            json_put_text(&json, "secret", secret);
        json_open_array(&json, "dead_letters");
        r = hook_dead_list(call->dms->store, key, dead_json, &json);
        json_close(&json);
        json_close(&json);
    }
    if (r == 0) {
        call_reply_buf(call, status, "application/json", &body);
        return;
    }
    buf_done(&body);
    call_problem_errno(call, r);
}

static int hook_item(void *arg, const struct hook *hook)
{
    struct list_page *page = arg;
    hook_json(&page->json, hook);
    json_close(&page->json);
    return list_page_item(page, hook->key);
}

void hooks_get(struct call *call)
{
    struct list_page page;
    bool more = false;
    if (list_page_begin(&page, call, false) < 0)
        return;
    int r = hook_list(call->dms->store, page.from, page.limit, hook_item, &page, &more);
    list_page_end(&page, r, more);
}

void hook_one_get(struct call *call)
{
    SCOPED(hook_wipe) struct hook hook = {0};
    if (hook_of(call, &hook) == 0)
        hook_reply(call, 200, hook.key, NULL);
}

static bool is_kind(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= KIND_SIZE_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz-") == size;
}

/* The array as words with a blank between; NULL: the call has been ended. */
static const char *kinds_read(struct call *call)
{
    SCOPED(buf_done) struct buf text = {0};
    const json_t *list = json_object_get(call->json, "kinds");
    size_t i;
    json_t *one;
    bool ok = !list || (json_is_array(list) && json_array_size(list) <= KINDS_COUNT_MAX);
    json_array_foreach(list, i, one)
    {
        const char *word = json_string_value(one);
        ok = ok && word && strlen(word) == json_string_length(one) && is_kind(word);
        if (ok)
            (void)buf_printf(&text, "%s%s", i ? " " : "", word);
    }
    const char *kinds = arena_text(&call->req->arena, buf_slice(&text));
    if (!ok || text.size > HOOK_KINDS_MAX)
        call_problem(call, 422, "bad-kinds", "kinds is a list of actions of the audit trail.");
    else if (!kinds)
        call_problem_errno(call, -ENOMEM);
    else
        return kinds;
    return NULL;
}

/* 0: no folder is named, or it is there; or the call has been ended. */
static int folder_read(struct call *call, int64_t *ret_key)
{
    bool ok = true;
    struct node node;
    const char *text = call_json_text(call, "folder", &ok);
    *ret_key = 0;
    if (ok && !text)
        return 0;
    int r = !ok ? -EINVAL : strcmp(text, "root") == 0 ? 0 : key_parse(slice_of_text(text), ret_key);
    if (r == 0 && *ret_key == 0)
        *ret_key = STORE_ROOT;
    if (r == 0)
        r = node_get(call->dms->store, &call->req->arena, *ret_key, &node);
    if (r == 0 && node.kind == NODE_FOLDER && !node.trash)
        return 0;
    call_problem(call, 422, "bad-folder", "folder is the id of a folder.");
    return -EINVAL;
}

static int url_check(struct call *call, const char *url)
{
    int r = hooks_may_go(call->dms->hooks, url, NULL);
    if (r == -EACCES)
        call_problem(call, 422, "destination",
                     "The server's settings name no destination that this URL begins with "
                     "(--hook-destinations).");
    else if (r < 0)
        call_problem(call, 422, "bad-url",
                     "url is https://HOST/PATH of up to %d visible ASCII characters, without "
                     "user, fragment or dots for folders.",
                     HOOK_URL_MAX);
    return r;
}

static void hook_make(struct call *call, struct hook *hook)
{
    char secret[2 * HOOK_SECRET_SIZE + 1];
    int64_t key = 0;
    int r = getrandom(hook->secret, sizeof hook->secret, 0) == sizeof hook->secret ? 0 : -EIO;
    if (r == 0)
        r = hook_add(call->dms->store, &call->actor, hook, &key);
    hex_encode(slice_of(hook->secret, sizeof hook->secret), secret);
    if (r == -EDQUOT)
        call_problem(call, 409, "too-many", "There are %d web hooks, the most there may be.",
                     HOOKS_MAX);
    else if (r < 0)
        call_problem_errno(call, r);
    else
        hook_reply(call, 201, key, secret);
    hooks_forget(call->dms->hooks, key);
    secret_wipe(secret, sizeof secret);
    secret_wipe(hook->secret, sizeof hook->secret);
}

static void hook_post_json(struct call *call)
{
    static const char *const members[] = {"name", "url", "kinds", "folder", NULL};
    bool ok = true;
    struct hook hook = {.user = call->user.name};
    if (call_json_only(call, members) < 0)
        return;
    hook.name = (char *)(uintptr_t)call_json_text(call, "name", &ok);
    hook.url = (char *)(uintptr_t)call_json_text(call, "url", &ok);
    if (!ok || !hook.name || !*hook.name || strlen(hook.name) > HOOK_NAME_MAX || !hook.url) {
        call_problem(call, 422, "bad-hook", "name (up to %d bytes) and url are needed.",
                     HOOK_NAME_MAX);
        return;
    }
    hook.kinds = (char *)(uintptr_t)kinds_read(call);
    if (hook.kinds && folder_read(call, &hook.folder) == 0 && url_check(call, hook.url) == 0)
        hook_make(call, &hook);
}

void hook_post(struct call *call)
{
    call_json(call, hook_post_json);
}

static void hook_patch_json(struct call *call)
{
    static const char *const members[] = {"paused", "after", NULL};
    const json_t *paused = json_object_get(call->json, "paused");
    const json_t *after = json_object_get(call->json, "after");
    struct audit_head head;
    SCOPED(hook_wipe) struct hook hook = {0};
    if (call_json_only(call, members) < 0 || hook_of(call, &hook) < 0)
        return;
    audit_head_get(call->dms->store, &head);
    if ((paused && !json_is_boolean(paused)) || (!paused && !after) ||
        (after && (!json_is_integer(after) || json_integer_value(after) < 0 ||
                   json_integer_value(after) > head.sequence))) {
        call_problem(call, 422, "bad-hook",
                     "paused is true or false; after is the number of an entry of the audit "
                     "trail, behind which it goes on.");
        return;
    }
    int r = hook_change(call->dms->store, &call->actor, &hook,
                        paused ? json_is_true(paused) : hook.paused,
                        after ? json_integer_value(after) : -1);
    hooks_forget(call->dms->hooks, hook.key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        hook_reply(call, 200, hook.key, NULL);
}

void hook_patch(struct call *call)
{
    call_json(call, hook_patch_json);
}

void hook_delete(struct call *call)
{
    SCOPED(hook_wipe) struct hook hook = {0};
    if (hook_of(call, &hook) < 0)
        return;
    int r = hook_remove(call->dms->store, &call->actor, &hook);
    hooks_forget(call->dms->hooks, hook.key);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

void hook_test_post(struct call *call)
{
    SCOPED(hook_wipe) struct hook hook = {0};
    if (hook_of(call, &hook) < 0)
        return;
    int r = hooks_test(call->dms->hooks, &hook);
    if (r == -EBUSY)
        call_problem(call, 409, "busy", "A delivery is on its way; its end is `last`.");
    else if (r == -EACCES)
        (void)url_check(call, hook.url);
    else if (r < 0)
        call_problem_errno(call, r);
    else
        hook_reply(call, 202, hook.key, NULL);
}
