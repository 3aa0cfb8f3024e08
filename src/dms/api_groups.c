/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of users, for administrators. */
#include "dms/dms.h"
#include "dms/store_group.h"

#include <errno.h>

static void group_json(struct json *json, const struct group *group)
{
    json_open_object(json, NULL);
    json_put_text(json, "name", group->name);
    json_put_text(json, "role", role_text(group->role));
    json_put_int(json, "members", group->members);
    json_put_int(json, "created_ms", group->created_ms);
    json_close(json);
}

static void group_problem(struct call *call, int error)
{
    if (error == -EBUSY)
        call_problem(call, 409, "last-admin", "There must be an administrator.");
    else if (error == -EDQUOT)
        call_problem(call, 409, "too-many-groups", "There are %d groups already.", GROUPS_MAX);
    else
        call_problem_errno(call, error);
}

static void reply_group(struct call *call, int status, const char *name)
{
    struct group group;
    struct buf body = {0};
    struct json json = json_into(&body);
    int r = group_find(call->dms->store, &call->req->arena, name, &group);
    if (r < 0) {
        call_problem_errno(call, r);
        return;
    }
    group_json(&json, &group);
    call_reply_buf(call, status, "application/json", &body);
}

/* The group that the path names; 0 or the call has been ended. */
static int call_group(struct call *call, struct group *ret)
{
    char *name;
    int r = http_decode(&call->req->arena, call->params[0], false, &name);
    if (r == 0)
        r = group_find(call->dms->store, &call->req->arena, name, ret);
    if (r < 0)
        call_problem_errno(call, r == -EINVAL ? -ENOENT : r);
    return r;
}

struct name_page {
    struct call *call;
    struct buf body;
    struct json json;
    char *last;
};

static int page_note(struct name_page *page, const char *name)
{
    page->last = arena_text(&page->call->req->arena, slice_of_text(name));
    return page->body.failed || !page->last ? -ENOMEM : 0;
}

static int page_group(void *arg, const struct group *group)
{
    struct name_page *page = arg;
    group_json(&page->json, group);
    return page_note(page, group->name);
}

static int page_member(void *arg, const struct user *user)
{
    struct name_page *page = arg;
    json_put_text(&page->json, NULL, user->name);
    return page_note(page, user->name);
}

static void page_begin(struct name_page *page, struct call *call)
{
    *page = (struct name_page){.call = call};
    page->json = json_into(&page->body);
    json_open_object(&page->json, NULL);
    json_open_array(&page->json, "items");
}

static void page_reply(struct name_page *page, int r, bool more)
{
    if (r < 0) {
        buf_done(&page->body);
        call_problem_errno(page->call, r);
        return;
    }
    json_close(&page->json);
    json_put_text(&page->json, "next", more ? page->last : NULL);
    json_close(&page->json);
    call_reply_buf(page->call, 200, "application/json", &page->body);
}

void groups_get(struct call *call)
{
    struct name_page page;
    char *cursor;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor(call, &cursor) < 0)
        return;
    page_begin(&page, call);
    int r = group_list(call->dms->store, cursor, limit, page_group, &page, &more);
    page_reply(&page, r, more);
}

void group_get(struct call *call)
{
    struct group group;
    if (call_group(call, &group) == 0)
        reply_group(call, 200, group.name);
}

static void groups_create_json(struct call *call)
{
    static const char *const members[] = {"name", "role", NULL};
    enum role role = ROLE_USER;
    bool ok = true;
    if (call_json_only(call, members) < 0 || role_read(call, &role) < 0)
        return;
    const char *name = call_json_text(call, "name", &ok);
    if (!ok || !name || !is_user_name(name)) {
        call_problem(call, 422, "bad-group-name",
                     "A group name has 1 to %d letters, digits and ._@+-", USER_NAME_MAX);
        return;
    }
    int r = group_add(call->dms->store, name, role, call->actor.now_ms);
    if (r == 0)
        call_audit(call, "group-add", 0, name, role_text(role));
    if (r < 0)
        group_problem(call, r);
    else
        reply_group(call, 201, name);
}

void groups_create(struct call *call)
{
    call_json(call, groups_create_json);
}

static void group_patch_json(struct call *call)
{
    static const char *const members[] = {"role", NULL};
    struct group group;
    if (call_json_only(call, members) < 0 || call_group(call, &group) < 0 ||
        role_read(call, &group.role) < 0)
        return;
    int r = group_change(call->dms->store, group.key, group.role);
    if (r == 0)
        call_audit(call, "group-role", 0, group.name, role_text(group.role));
    if (r < 0)
        group_problem(call, r);
    else
        reply_group(call, 200, group.name);
}

void group_patch(struct call *call)
{
    call_json(call, group_patch_json);
}

void group_delete(struct call *call)
{
    struct group group;
    if (call_group(call, &group) < 0)
        return;
    int r = group_remove(call->dms->store, &group);
    if (r == 0)
        call_audit(call, "group-remove", 0, group.name, NULL);
    if (r < 0)
        group_problem(call, r);
    else
        call_reply_empty(call, 204);
}

void members_get(struct call *call)
{
    struct name_page page;
    struct group group;
    char *cursor;
    int limit;
    bool more = false;
    if (call_limit(call, &limit) < 0 || call_cursor(call, &cursor) < 0 ||
        call_group(call, &group) < 0)
        return;
    page_begin(&page, call);
    int r = member_list(call->dms->store, group.key, cursor, limit, page_member, &page, &more);
    page_reply(&page, r, more);
}

static void member_change(struct call *call, bool is_member)
{
    struct group group;
    struct user user;
    char *name;
    if (call_group(call, &group) < 0)
        return;
    int r = http_decode(&call->req->arena, call->params[1], false, &name);
    if (r == 0)
        r = user_find(call->dms->store, &call->req->arena, name, &user);
    if (r == -EINVAL)
        r = -ENOENT;
    if (r == 0)
        r = member_set(call->dms->store, group.key, user.key, is_member);
    if (r == 0)
        call_audit(call, is_member ? "member-add" : "member-remove", 0, group.name, user.name);
    if (r < 0)
        group_problem(call, r);
    else
        call_reply_empty(call, 204);
}

void member_put(struct call *call)
{
    member_change(call, true);
}

void member_delete(struct call *call)
{
    member_change(call, false);
}

static int name_json(void *arg, const struct group *group)
{
    struct json *json = arg;
    json_put_text(json, NULL, group->name);
    return json->out->failed ? -ENOMEM : 0;
}

void groups_json(struct call *call, struct json *json, const struct user *user)
{
    json_open_array(json, "groups");
    if (groups_of(call->dms->store, user->key, name_json, json) < 0)
        json->out->failed = true;
    json_close(json);
}
