/* SPDX-License-Identifier: Apache-2.0 */
/* Users, for administrators. There is always one administrator left. */
#include "dms/dms.h"
#include "dms/store_quota.h"
#include "dms/store_token.h"

#include <errno.h>
#include <stdio.h>

const char *role_text(enum role role)
{
    return role == ROLE_ADMIN ? "admin" : "user";
}

static void user_json(struct call *call, struct json *json, const struct user *user)
{
    json_open_object(json, NULL);
    json_put_text(json, "name", user->name);
    json_put_text(json, "role", role_text(user->own_role));
    json_put_bool(json, "administrator", user->role == ROLE_ADMIN);
    groups_json(call, json, user);
    quota_json(call, json, user);
    json_put_bool(json, "password_change_required", user->must_change);
    json_put_int(json, "created_ms", user->created_ms);
    json_close(json);
}

static void reply_user(struct call *call, int status, const char *name)
{
    struct user user;
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = user_find(call->dms->store, &call->req->arena, name, &user);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    user_json(call, &json, &user);
    call_reply_buf(call, status, "application/json", &body);
}

struct user_page {
    struct buf body;
    struct json json;
    struct call *call;
    char *last;
};

static int page_user(void *arg, const struct user *user)
{
    struct user_page *page = arg;
    user_json(page->call, &page->json, user);
    page->last = arena_text(&page->call->req->arena, slice_of_text(user->name));
    return page->body.failed || !page->last ? -ENOMEM : 0;
}

void users_get(struct call *call)
{
    struct user_page page = {.call = call};
    char *cursor;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor(call, &cursor) < 0)
        return;
    page.json = json_into(&page.body);
    json_open_object(&page.json, NULL);
    json_open_array(&page.json, "items");
    int r = user_list(call->dms->store, cursor, limit, page_user, &page, &more);
    if (r < 0) {
        buf_done(&page.body);
        call_problem_errno(call, r);
        return;
    }
    json_close(&page.json);
    json_put_text(&page.json, "next", more ? page.last : NULL);
    json_close(&page.json);
    call_reply_buf(call, 200, "application/json", &page.body);
}

/* What a change of a user is to be; lives in the request's arena. */
struct user_change_wish {
    const char *name;
    enum role role;
    bool has_quota;
    int64_t bytes_max, documents_max; /* -1: no limit */
    struct user before;               /* key 0: a new user */
};

int role_read(struct call *call, enum role *role)
{
    bool ok = true;
    const char *text = call_json_text(call, "role", &ok);
    if (ok && !text)
        return 0;
    if (!ok || (strcmp(text, "admin") != 0 && strcmp(text, "user") != 0)) {
        call_problem(call, 422, "bad-role", "role is \"user\" or \"admin\".");
        return -EINVAL;
    }
    *role = strcmp(text, "admin") == 0 ? ROLE_ADMIN : ROLE_USER;
    return 0;
}

static void limit_json(struct json *json, const char *name, int64_t limit)
{
    if (limit < 0)
        json_put_null(json, name);
    else
        json_put_int(json, name, limit);
}

void quota_json(struct call *call, struct json *json, const struct user *user)
{
    struct usage usage = {0};
    if (usage_get(call->dms->store, user->key, &usage) < 0)
        json->out->failed = true;
    json_open_object(json, "quota");
    limit_json(json, "bytes", usage.bytes_max);
    limit_json(json, "documents", usage.documents_max);
    json_put_int(json, "bytes_used", usage.bytes);
    json_put_int(json, "documents_used", usage.documents);
    json_put_int(json, "bytes_unfinished", usage.bytes_unfinished);
    json_close(json);
}

/* A number, null for none, or absent: as it is. */
static bool limit_read(const json_t *quota, const char *name, int64_t *limit)
{
    const json_t *value = json_object_get(quota, name);
    if (!value)
        return true;
    *limit = json_is_null(value) ? -1 : (int64_t)json_integer_value(value);
    return json_is_null(value) || (json_is_integer(value) && *limit >= 0);
}

/* `quota` of the body, if it is there; 0 or the call has been ended. */
static int quota_read(struct call *call, struct user_change_wish *wish)
{
    const json_t *quota = json_object_get(call->json, "quota");
    struct usage usage = {.bytes_max = -1, .documents_max = -1};
    size_t known =
        (json_object_get(quota, "bytes") != NULL) + (json_object_get(quota, "documents") != NULL);
    if (!quota)
        return 0;
    int r = wish->before.key ? usage_get(call->dms->store, wish->before.key, &usage) : 0;
    if (r < 0) {
        call_problem_errno(call, r);
        return r;
    }
    wish->has_quota = true;
    wish->bytes_max = usage.bytes_max;
    wish->documents_max = usage.documents_max;
    if (json_is_object(quota) && json_object_size(quota) == known &&
        limit_read(quota, "bytes", &wish->bytes_max) &&
        limit_read(quota, "documents", &wish->documents_max))
        return 0;
    call_problem(call, 422, "bad-quota",
                 "quota has bytes and documents: a number, or null for no limit.");
    return -EINVAL;
}

static int wish_quota_set(struct call *call, const struct user_change_wish *wish)
{
    struct store *store = call->dms->store;
    char detail[64];
    struct user user = wish->before;
    int r = 0;
    if (!wish->has_quota)
        return 0;
    if (user.key == 0)
        r = user_find(store, &call->req->arena, wish->name, &user);
    if (r == 0)
        r = quota_set(store, user.key, wish->bytes_max, wish->documents_max);
    (void)snprintf(detail, sizeof detail, "bytes %lld, documents %lld", (long long)wish->bytes_max,
                   (long long)wish->documents_max);
    if (r == 0)
        call_audit(call, "quota", 0, wish->name, detail);
    return r;
}

static int password_read(struct call *call, bool needed, const char **ret_password)
{
    bool ok = true;
    const char *text = call_json_text(call, "password", &ok);
    if (!ok || (needed && !text) ||
        (text && (strlen(text) < PASSWORD_SIZE_MIN || strlen(text) > PASSWORD_SIZE_MAX))) {
        call_problem(call, 422, "bad-password", "password has %d to %d bytes.", PASSWORD_SIZE_MIN,
                     PASSWORD_SIZE_MAX);
        return -EINVAL;
    }
    *ret_password = text;
    return 0;
}

bool is_user_name(const char *name)
{
    size_t size = strlen(name);
    for (const char *c = name; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              strchr("._@+-", *c)))
            return false;
    return size > 0 && size <= USER_NAME_MAX && strcmp(name, "anyone") != 0 &&
           strcmp(name, "anonymous") != 0; /* access lists mean others by these */
}

static void user_problem(struct call *call, int error)
{
    if (error == -EBUSY)
        call_problem(call, 409, "last-admin", "There must be an administrator.");
    else
        call_problem_errno(call, error);
}

/* A password an administrator gave is one-time: its owner sets another. */
static int wish_do(struct call *call, const struct user_change_wish *wish, const char *hash)
{
    struct dms *dms = call->dms;
    int r = 0;
    if (wish->before.key == 0)
        r = user_add(dms->store, wish->name, wish->role, hash, true, call->actor.now_ms);
    else
        r = user_change(dms->store, wish->before.key, wish->role, hash, true);
    if (r == 0 && wish->before.key != 0)
        r = session_remove_all(dms->store, wish->before.key, NULL);
    if (r == 0 && wish->before.key != 0)
        r = tokens_remove_all(dms->store, wish->before.key);
    if (r == 0)
        call_audit(call, wish->before.key ? "user-password" : "user-add", 0, wish->name,
                   role_text(wish->role));
    return r < 0 ? r : wish_quota_set(call, wish);
}

/* All of it is one change: there is never a user without the quota that came with it. */
static void wish_hashed(void *arg, int result, const char *hash)
{
    struct call *call = arg;
    struct user_change_wish *wish = call->state;
    call->password_work = NULL;
    int r = result < 0 ? result : store_step_begin(call->dms->store);
    if (r == 0)
        r = store_step_end(call->dms->store, wish_do(call, wish, hash));
    passwords_forget(call->dms->passwords);
    if (r < 0)
        user_problem(call, r);
    else
        reply_user(call, wish->before.key ? 200 : 201, wish->name);
}

static void wish_hash(struct call *call, const char *password)
{
    int r = password_hash(call->dms->passwords, slice_of_text(password), wish_hashed, call,
                          &call->password_work);
    if (r < 0)
        call_problem_errno(call, r);
}

static void users_create_json(struct call *call)
{
    static const char *const members[] = {"name", "password", "role", "quota", NULL};
    struct user_change_wish *wish = arena_alloc(&call->req->arena, sizeof *wish);
    const char *password = NULL;
    bool ok = true;
    int64_t users = 0, admins;
    if (!wish) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    if (call_json_only(call, members) < 0 || role_read(call, &wish->role) < 0 ||
        password_read(call, true, &password) < 0 || quota_read(call, wish) < 0)
        return;
    wish->name = call_json_text(call, "name", &ok);
    if (!ok || !wish->name || !is_user_name(wish->name)) {
        call_problem(call, 422, "bad-user-name",
                     "A user name has 1 to %d letters, digits and ._@+-, and is not \"anyone\" or "
                     "\"anonymous\".",
                     USER_NAME_MAX);
        return;
    }
    struct user there;
    int r = user_find(call->dms->store, &call->req->arena, wish->name, &there);
    r = r == 0 ? -EEXIST : r == -ENOENT ? user_counts(call->dms->store, &users, &admins) : r;
    call->state = wish;
    if (r < 0)
        call_problem_errno(call, r);
    else if (users >= USERS_MAX)
        call_problem(call, 409, "too-many-users", "There are %d users already.", USERS_MAX);
    else
        wish_hash(call, password);
}

void users_create(struct call *call)
{
    call_json(call, users_create_json);
}

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

void user_get(struct call *call)
{
    struct user user;
    if (call_user(call, &user) == 0)
        reply_user(call, 200, user.name);
}

static void user_patch_json(struct call *call)
{
    static const char *const members[] = {"password", "role", "quota", NULL};
    struct user_change_wish *wish = arena_alloc(&call->req->arena, sizeof *wish);
    const char *password = NULL;
    if (!wish) {
        call_problem_errno(call, -ENOMEM);
        return;
    }
    if (call_json_only(call, members) < 0 || call_user(call, &wish->before) < 0)
        return;
    wish->name = wish->before.name;
    wish->role = wish->before.own_role;
    if (role_read(call, &wish->role) < 0 || password_read(call, false, &password) < 0 ||
        quota_read(call, wish) < 0)
        return;
    call->state = wish;
    if (password) {
        wish_hash(call, password);
        return;
    }
    int r = user_change(call->dms->store, wish->before.key, wish->role, wish->before.hash,
                        wish->before.must_change);
    if (r == 0 && (wish->role != wish->before.own_role || !wish->has_quota))
        call_audit(call, "user-role", 0, wish->name, role_text(wish->role));
    if (r == 0)
        r = wish_quota_set(call, wish);
    if (r < 0)
        user_problem(call, r);
    else
        reply_user(call, 200, wish->name);
}

void user_patch(struct call *call)
{
    call_json(call, user_patch_json);
}

void user_delete(struct call *call)
{
    struct user user;
    if (call_user(call, &user) < 0)
        return;
    int r = user_remove(call->dms->store, &call->actor, &user);
    passwords_forget(call->dms->passwords);
    if (r == 0)
        call_audit(call, "user-remove", 0, user.name, NULL);
    if (r < 0)
        user_problem(call, r);
    else
        call_reply_empty(call, 204);
}
