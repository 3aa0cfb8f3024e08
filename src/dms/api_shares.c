/* SPDX-License-Identifier: Apache-2.0 */
/* Links that share one document: made and ended by users, followed by anyone who has one. Whatever
 * is wrong with a link (unknown, ended, used up, its document deleted) is the same 404, so that
 * nobody learns what there was. */
#include "dms/digest.h"
#include "dms/list_page.h"
#include "dms/store_share.h"
#include "server/base64.h"
#include "server/markup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SHARE_TOKEN_SIZE = 24, FORM_SIZE_MAX = 4096 };
#define SHARE_MS_MAX ((int64_t)366 * 24 * 3600 * 1000)

/* Making and ending */

static void share_json(struct json *json, const struct share *share, const char *url)
{
    char id[24], node[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)share->key);
    (void)snprintf(node, sizeof node, "%lld", (long long)share->node);
    json_open_object(json, NULL);
    json_put_text(json, "id", id);
    json_put_text(json, "document", node);
    json_put_text(json, "user", share->user);
    json_put_int(json, "created_ms", share->created_ms);
    json_put_int(json, "expires_ms", share->expires_ms);
    json_put_bool(json, "password", share->password_hash != NULL);
    json_put_int(json, "downloads", share->downloads);
    json_put_int(json, "downloads_max", share->downloads_max);
    if (url)
        json_put_text(json, "path", url);
    json_close(json);
}

/* What is being shared; in the request's arena. */
struct share_wish {
    struct share share;
    char *password;
};

static void share_store(struct call *call, struct share_wish *wish)
{
    uint8_t random[SHARE_TOKEN_SIZE], hash[TOKEN_HASH_SIZE];
    SCOPED(buf_done) struct buf token = {0};
    SCOPED(buf_done) struct buf url = {0};
    int r = getrandom(random, sizeof random, 0) == sizeof random ? 0 : -EIO;
    if (r == 0)
        r = base64_encode(slice_of(random, sizeof random), true, &token);
    digest_sha256(buf_slice(&token), hash);
    if (r == 0)
        r = share_add(call->dms->store, &call->actor, &wish->share, hash);
    (void)buf_append_text(&url, "/s/");
    (void)buf_append_slice(&url, buf_slice(&token));
    const char *text = buf_text(&url);
    if (r == 0 && !text)
        r = -ENOMEM;
    if (r == -EDQUOT) {
        call_problem(call, 409, "too-many", "This document has %d links already.", SHARES_MAX);
        return;
    }
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    struct buf body = {0};
    struct json json = json_into(&body);
    share_json(&json, &wish->share, text);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 201, "application/json", &body);
}

static void password_hashed(void *arg, int result, const char *hash)
{
    struct call *call = arg;
    struct share_wish *wish = call->state;
    call->password_work = NULL;
    if (result == 0)
        wish->share.password_hash = arena_text(&call->req->arena, slice_of_text(hash));
    if (result < 0 || !wish->share.password_hash)
        call_problem_errno(call, result < 0 ? result : -ENOMEM);
    else
        share_store(call, wish);
}

static bool wish_read(struct call *call, struct share_wish *wish, const char **ret_password)
{
    json_t *expires = json_object_get(call->json, "expires_ms");
    json_t *max = json_object_get(call->json, "downloads_max");
    bool ok = true;
    *ret_password = call_json_text(call, "password", &ok);
    size_t size = *ret_password ? strlen(*ret_password) : PASSWORD_SIZE_MIN;
    wish->share.expires_ms = json_integer_value(expires);
    wish->share.downloads_max = json_integer_value(max);
    return ok && json_is_integer(expires) && (!max || json_is_integer(max)) &&
           wish->share.expires_ms > call->actor.now_ms &&
           wish->share.expires_ms <= call->actor.now_ms + SHARE_MS_MAX &&
           wish->share.downloads_max >= 0 && wish->share.downloads_max <= INT32_MAX &&
           size >= PASSWORD_SIZE_MIN && size <= PASSWORD_SIZE_MAX;
}

static void share_post_json(struct call *call)
{
    static const char *const members[] = {"expires_ms", "password", "downloads_max", NULL};
    struct share_wish *wish = arena_alloc(&call->req->arena, sizeof *wish);
    struct node node;
    const char *password;
    if (!wish) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    if (call_json_only(call, members) < 0 || call_node(call, 0, NODE_DOCUMENT, &node) < 0)
        return;
    if (!wish_read(call, wish, &password)) {
        call_problem(call, 422, "bad-share",
                     "expires_ms is needed, within a year; password has %d to %d bytes; "
                     "downloads_max is a number.",
                     PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
        return;
    }
    wish->share.node = node.key;
    wish->share.user = call->user.name;
    wish->share.created_ms = call->actor.now_ms;
    if (!password) {
        share_store(call, wish);
        return;
    }
    call->state = wish;
    int r = password_hash(call->dms->passwords, slice_of_text(password), password_hashed, call,
                          &call->password_work);
    if (r < 0)
        call_problem_errno(call, r);
}

void share_post(struct call *call)
{
    call_json(call, share_post_json);
}

static int page_share(void *arg, const struct share *share)
{
    struct list_page *page = arg;
    share_json(&page->json, share, NULL);
    return list_page_item(page, share->key);
}

static void shares_reply(struct call *call, int64_t node, const char *user)
{
    struct list_page page;
    bool more = false;
    if (list_page_begin(&page, call, false) < 0)
        return;
    int r =
        share_list(call->dms->store, node, user, page.from, page.limit, page_share, &page, &more);
    list_page_end(&page, r, more);
}

/* One's own; administrators see everybody's. */
static const char *whose(const struct call *call)
{
    return call->user.role == ROLE_ADMIN ? NULL : call->user.name;
}

void shares_get(struct call *call)
{
    shares_reply(call, 0, whose(call));
}

void document_shares_get(struct call *call)
{
    struct node node;
    if (call_node(call, 0, NODE_DOCUMENT, &node) == 0)
        shares_reply(call, node.key, whose(call));
}

void share_delete(struct call *call)
{
    struct share share;
    int64_t key = 0;
    int r = call_key(call, 0, &key);
    if (r == 0)
        r = share_get(call->dms->store, &call->req->arena, key, &share);
    if (r == 0 && whose(call) && strcmp(share.user, call->user.name) != 0)
        r = -ENOENT;
    if (r == 0)
        r = share_remove(call->dms->store, &call->actor, &share);
    if (r < 0)
        call_problem_errno(call, r);
    else
        call_reply_empty(call, 204);
}

/* Following a link */

static void page_headers(struct call *call)
{
    http_response_header(call->req, "Content-Security-Policy",
                         "default-src 'none'; style-src 'self'; form-action 'self'; "
                         "frame-ancestors 'none'; base-uri 'none'");
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    http_response_header(call->req, "Referrer-Policy", "no-referrer");
    http_response_header(call->req, "Cache-Control", "no-store");
}

static void page_reply(struct call *call, int status, const char *title, const char *inside)
{
    struct buf body = {0};
    page_headers(call);
    (void)buf_append_text(&body, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                                 "<meta name=\"viewport\" content=\"width=device-width\">"
                                 "<meta name=\"robots\" content=\"noindex\">"
                                 "<link rel=\"stylesheet\" href=\"/s/style.css\"><title>");
    markup_text(&body, slice_of_text(title));
    (void)buf_append_text(&body, "</title><main><h1>");
    markup_text(&body, slice_of_text(title));
    (void)buf_printf(&body, "</h1>%s</main></html>\n", inside);
    call_reply_buf(call, status, "text/html; charset=utf-8", &body);
}

static void no_share(struct call *call)
{
    page_reply(call, 404, "This link leads nowhere",
               "<p>It has ended, or it never was. Ask who gave it to you for a new one.</p>");
}

/* The live link of the URL and its document; 0, or the call has been ended. */
static int share_follow(struct call *call, struct share *ret_share, struct node *ret_node)
{
    struct store *store = call->dms->store;
    struct user user;
    uint8_t hash[TOKEN_HASH_SIZE];
    digest_sha256(call->params[0], hash);
    int r = share_find(store, &call->req->arena, hash, ret_share);
    if (r == 0)
        r = node_get(store, &call->req->arena, ret_share->node, ret_node);
    if (r == 0)
        r = user_find(store, &call->req->arena, ret_share->user, &user);
    if (r == 0)
        r = access_check(store, &user, ret_node, ACCESS_READ);
    bool over =
        r == 0 &&
        (ret_share->expires_ms <= call->actor.now_ms || ret_node->trash != 0 ||
         (ret_share->downloads_max > 0 && ret_share->downloads >= ret_share->downloads_max));
    if (r == -ENOENT || r == -EACCES || over) {
        no_share(call);
        return -ENOENT;
    }
    if (r < 0)
        call_problem_errno(call, r);
    return r;
}

static void size_text(struct buf *out, int64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)size;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    (void)buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static const char password_form[] =
    "<label>Password <input name=\"password\" type=\"password\" required "
    "autocomplete=\"off\" autofocus></label>";

/* With a password nothing is told of the document before. */
static void form_reply(struct call *call, int status, const struct share *share,
                       const struct node *node, const char *message)
{
    SCOPED(buf_done) struct buf inside = {0};
    bool secret = share->password_hash != NULL;
    if (message)
        (void)buf_printf(&inside, "<p role=\"alert\">%s</p>", message);
    (void)buf_append_text(&inside, "<p>");
    if (!secret) {
        size_text(&inside, node->size);
        (void)buf_append_text(&inside, ", shared by ");
        markup_text(&inside, slice_of_text(share->user));
    } else {
        (void)buf_append_text(&inside, "Who shared it gave you a password too.");
    }
    (void)buf_append_text(&inside, "</p><form method=\"post\" action=\"/s/");
    (void)buf_append_slice(&inside, call->params[0]);
    (void)buf_printf(&inside, "/content\">%s<button>Download</button></form>",
                     secret ? password_form : "");
    const char *text = buf_text(&inside);
    page_reply(call, status, secret ? "A document was shared with you" : node->name,
               text ? text : "");
}

void share_page_get(struct call *call)
{
    struct share share;
    struct node node;
    if (share_follow(call, &share, &node) == 0)
        form_reply(call, 200, &share, &node, NULL);
}

static void share_send(struct call *call, const struct share *share, const struct node *node)
{
    char *who =
        arena_printf(&call->req->arena, "link %lld of %s", (long long)share->key, share->user);
    int r = who ? 0 : -ENOMEM;
    if (r == 0 && call->req->method != HTTP_METHOD_HEAD)
        r = share_count(call->dms->store, share);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    call->actor.user = who;
    call->actor.from = call_from(call);
    call_reply_content(call, node->key, node->name, node->type, node->content, node->modified_ms);
}

void share_content_get(struct call *call)
{
    struct share share;
    struct node node;
    if (share_follow(call, &share, &node) < 0)
        return;
    if (share.password_hash)
        form_reply(call, 401, &share, &node, NULL);
    else
        share_send(call, &share, &node);
}

static void password_checked(void *arg, int result, const char *hash)
{
    struct call *call = arg;
    struct share share;
    struct node node;
    (void)hash;
    call->password_work = NULL;
    if (share_follow(call, &share, &node) < 0)
        return;
    if (result == 0)
        share_send(call, &share, &node);
    else if (result == -EKEYREJECTED)
        form_reply(call, 401, &share, &node, "The password is wrong.");
    else
        call_problem_errno(call, result);
}

/* "password=..." as forms write it. */
static int form_password(struct call *call, struct slice body, char **ret_password)
{
    static const char name[] = "password=";
    size_t size = sizeof name - 1;
    if (body.size < size || memcmp(body.bytes, name, size) != 0)
        return -EINVAL;
    const uint8_t *end = memchr(body.bytes + size, '&', body.size - size);
    size_t value = end ? (size_t)(end - body.bytes) - size : body.size - size;
    return http_decode(&call->req->arena, slice_of(body.bytes + size, value), true, ret_password);
}

static void form_collected(struct http_request *req, struct slice body, void *arg)
{
    struct call *call = arg;
    struct share share;
    struct node node;
    char *password = NULL, *name = NULL;
    (void)req;
    if (share_follow(call, &share, &node) < 0)
        return;
    if (!share.password_hash) {
        share_send(call, &share, &node);
        return;
    }
    uint64_t now_ns = loop_now_ns(call->dms->loop);
    if (form_password(call, body, &password) == 0)
        name = arena_printf(&call->req->arena, "link:%lld", (long long)share.key);
    unsigned wait_s = name ? passwords_wait_s(call->dms->passwords, name, now_ns) : 0;
    if (!name || wait_s > 0) {
        form_reply(call, name ? 429 : 400, &share, &node,
                   name ? "Too many wrong passwords: wait a little." : "A password is needed.");
        return;
    }
    int r =
        password_check(call->dms->passwords, name, 0, slice_of_text(password), share.password_hash,
                       now_ns, password_checked, call, &call->password_work);
    if (r < 0)
        call_problem_errno(call, r);
}

void share_content_post(struct call *call)
{
    http_request_collect(call->req, FORM_SIZE_MAX, form_collected, call);
}

void share_style_get(struct call *call)
{
    static const char style[] =
        ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
        "body{margin:0;display:grid;min-height:100vh;place-items:center}"
        "main{max-width:28rem;padding:2rem}h1{font-size:1.4rem;overflow-wrap:anywhere}"
        "input,button{font:inherit;padding:.5rem .75rem;margin:.5rem .5rem .5rem 0}"
        "label{display:block}[role=alert]{font-weight:600}";
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    http_response_header(call->req, "Cache-Control", "max-age=86400");
    call_reply_text(call, 200, "text/css", style);
}
