/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI 3.1 from the table of routes. */
#include "dms/dms.h"

#include <errno.h>
#include <stdio.h>

/* Shapes: one line each, "member: type" with ? for what may be absent. */
static const struct {
    const char *name, *members;
} schemas[] = {
    {"Problem", "type string, title string, status integer, detail? string"},
    {"Protection", "runtime boolean, evidence boolean"},
    {"Credentials", "user string, password string, code? string, cookie? boolean"},
    {"Session", "token? string, expires_at_s integer, user string, role string, "
                "password_change_required boolean"},
    {"SessionNote", "id string, created_ms integer, expires_at_s integer, agent string, "
                    "from string, current boolean"},
    {"SessionList", "items SessionNote[]"},
    {"SignInWays", "openid string|null, certificate Any"},
    {"SessionWish", "cookie? boolean"},
    {"SignInBegin", "return? string"},
    {"Location", "location string"},
    {"Return", "return string"},
    {"Identity", "id string, kind string, issuer string, subject string, label string, "
                 "created_ms integer, used_ms integer|null"},
    {"IdentityList", "items Identity[]"},
    {"NewIdentity", "kind string, issuer? string, subject string"},
    {"NewLink", "kind string"},
    {"PasswordChange", "old string, new string"},
    {"User", "name string, role string, administrator? boolean, groups string[], quota Quota, "
             "password_change_required boolean, created_ms integer, second_factor? boolean"},
    {"UserPage", "items User[], next string|null"},
    {"Quota",
     "bytes integer|null, documents integer|null, bytes_used integer, bytes_unfinished integer, "
     "documents_used integer"},
    {"NewQuota", "bytes? integer|null, documents? integer|null"},
    {"NewUser", "name string, password string, role? string, quota? NewQuota"},
    {"UserPatch", "password? string, role? string, quota? NewQuota"},
    {"Group", "name string, role string, members integer, created_ms integer"},
    {"GroupPage", "items Group[], next string|null"},
    {"NewGroup", "name string, role? string"},
    {"GroupPatch", "role? string"},
    {"NamePage", "items string[], next string|null"},
    {"AclEntry", "principal string, permission string"},
    {"Acl", "inherits boolean, entries AclEntry[], inherited AclEntry[]"},
    {"NewAcl", "inherits boolean, entries AclEntry[]"},
    {"NewFolder", "name string, parent? string, existing? boolean"},
    {"Place", "parent? string"},
    {"NodePlace", "name? string, parent? string"},
    {"NodePatch", "name? string, parent? string, properties? Properties"},
    {"Node", "id string, kind string, name string, parent string|null, size? integer, "
             "type? string, version? integer, etag? string, created_ms integer, "
             "modified_ms integer, created_by string, modified_by string, "
             "properties Properties, trashed_ms? integer, tags? Any, favourite? boolean, "
             "opened_ms? integer"},
    {"Tag", "tag string, count integer"},
    {"TagList", "items Tag[]"},
    {"Tags", "tags Any"},
    {"Comment", "id string, node string, user string, text string, created_ms integer, "
                "edited_ms? integer"},
    {"CommentList", "items Comment[]"},
    {"NewComment", "text string"},
    {"Bulk", "action string, ids Any, parent? string, tag? string"},
    {"BulkOne", "id string, status integer, type? string, node? string"},
    {"BulkResult", "results BulkOne[]"},
    {"NodePage", "items Node[], next string|null"},
    {"Version", "version integer, size integer, type string|null, created_ms integer, "
                "created_by string, etag string"},
    {"VersionPage", "items Version[], next string|null"},
    {"NewToken", "name string, scopes string[], expires_ms? integer|null"},
    {"Token", "id string, name string, scopes string[], created_ms integer, "
              "expires_ms integer|null, used_ms integer|null, token? string"},
    {"TokenList", "items Token[]"},
    {"NewFactor", "secret string, uri string"},
    {"Code", "code string"},
    {"RecoveryCodes", "recovery_codes string[]"},
    {"NewRetention", "until_ms integer"},
    {"Retention", "until_ms integer|null, set_by string|null, holds string[], kept boolean"},
    {"NewHook", "name string, url string, kinds? string[], folder? string"},
    {"HookChange", "paused? boolean, after? integer"},
    {"DeadLetter", "first integer, last integer, events integer, at_ms integer, why string"},
    {"Hook", "id string, name string, url string, created_by string, created_ms integer, "
             "kinds string[], folder string|null, paused boolean, after integer, failures integer, "
             "next_ms integer|null, last_ms integer|null, ok_ms integer|null, last string, "
             "delivered integer, dead integer, secret? string, dead_letters? DeadLetter[]"},
    {"HookPage", "items Hook[], next string|null"},
    {"NewHold", "name string, reason string"},
    {"Hold", "id string, name string, reason string, created_by string, created_ms integer, "
             "release_asked_by string|null, released boolean, documents integer"},
    {"HoldPage", "items Hold[], next string|null"},
    {"IdPage", "items string[], next string|null"},
    {"NewShare", "expires_ms integer, password? string, downloads_max? integer"},
    {"Share", "id string, document string, user string, created_ms integer, expires_ms integer, "
              "password boolean, downloads integer, downloads_max integer, path? string"},
    {"SharePage", "items Share[], next string|null"},
    {"AuditEntry", "sequence integer, time_ms integer, action string, user string, from string, "
                   "id string|null, name string, detail string, hash string"},
    {"AuditPage", "items AuditEntry[], next string|null"},
    {"AuditHead", "sequence integer, hash string"},
    {"Fixity", "running boolean, begun_ms integer|null, ended_ms integer|null, contents integer, "
               "bytes integer, damaged integer"},
    {"Damage", "id string, name string, version integer, in_trash boolean, etag string, "
               "kind string, found_ms integer"},
    {"DamagePage", "items Damage[], next string|null"},
    {"AuditCheck", "ok boolean, entries integer, hash string, broken_at? integer"},
};

static void ref_write(struct json *json, const char *key, struct slice name)
{
    char text[96];
    (void)snprintf(text, sizeof text, "#/components/schemas/%.*s", (int)name.size, name.bytes);
    json_open_object(json, key);
    json_put_text(json, "$ref", text);
    json_close(json);
}

static void type_write(struct json *json, const char *key, struct slice type)
{
    if (type.size > 2 && memcmp(type.bytes + type.size - 2, "[]", 2) == 0) {
        json_open_object(json, key);
        json_put_text(json, "type", "array");
        type_write(json, "items", slice_of(type.bytes, type.size - 2));
        json_close(json);
    } else if (type.bytes[0] >= 'A' && type.bytes[0] <= 'Z') {
        ref_write(json, key, type);
    } else {
        json_open_object(json, key);
        if (slice_is_text(type, "string|null"))
            json_put_raw(json, "type", "[\"string\",\"null\"]");
        else if (slice_is_text(type, "integer|null"))
            json_put_raw(json, "type", "[\"integer\",\"null\"]");
        else
            json_put_slice(json, "type", type);
        json_close(json);
    }
}

/* Calls for each "name type" of a list. */
typedef void member_fn(struct json *json, const char *name, bool optional, struct slice type);
static void members_walk(struct json *json, const char *members, member_fn *fn)
{
    for (const char *at = members; *at;) {
        char name[64];
        size_t size = strcspn(at, " ?");
        (void)snprintf(name, sizeof name, "%.*s", (int)size, at);
        bool optional = at[size] == '?';
        at += size + optional + 1;
        size = strcspn(at, ",");
        fn(json, name, optional, slice_of(at, size));
        at += size;
        at += strspn(at, ", ");
    }
}

static void property_write(struct json *json, const char *name, bool optional, struct slice type)
{
    (void)optional;
    type_write(json, name, type);
}

static void required_write(struct json *json, const char *name, bool optional, struct slice type)
{
    (void)type;
    if (!optional)
        json_put_text(json, NULL, name);
}

static void schemas_write(struct json *json)
{
    json_open_object(json, "schemas");
    json_put_raw(json, "Any", "{}");
    json_put_raw(json, "Properties",
                 "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}");
    for (size_t i = 0; i < ARRAY_COUNT(schemas); i++) {
        json_open_object(json, schemas[i].name);
        json_put_text(json, "type", "object");
        json_open_object(json, "properties");
        members_walk(json, schemas[i].members, property_write);
        json_close(json);
        json_open_array(json, "required");
        members_walk(json, schemas[i].members, required_write);
        json_close(json);
        json_close(json);
    }
    json_close(json);
}

static void content_write(struct json *json, const char *what)
{
    static const struct {
        const char *what, *type;
    } kinds[] = {{"content", "application/octet-stream"},
                 {"text", "text/plain"},
                 {"html", "text/html"},
                 {"zip", "application/zip"},
                 {"form", "application/x-www-form-urlencoded"}};
    const char *type = "application/json";
    bool bytes = false;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (strcmp(what, kinds[i].what) == 0) {
            type = kinds[i].type;
            bytes = true;
        }
    json_open_object(json, "content");
    json_open_object(json, type);
    if (!bytes)
        ref_write(json, "schema", slice_of_text(what));
    json_close(json);
    json_close(json);
}

static void parameter_write(struct json *json, struct slice name, const char *in,
                            struct slice description)
{
    json_open_object(json, NULL);
    json_put_slice(json, "name", name);
    json_put_text(json, "in", in);
    json_put_bool(json, "required", strcmp(in, "path") == 0);
    if (description.size > 0)
        json_put_slice(json, "description", description);
    json_put_raw(json, "schema", "{\"type\":\"string\"}");
    json_close(json);
}

static void parameters_write(struct json *json, const struct route *route)
{
    json_open_array(json, "parameters");
    for (const char *at = route->path; (at = strchr(at, '{')) != NULL; at++) {
        size_t size = strcspn(at + 1, ".}");
        parameter_write(json, slice_of(at + 1, size), "path", slice_of("", 0));
    }
    for (const char *at = route->query ? route->query : ""; *at;) {
        size_t name = strcspn(at, ":"), whole = strcspn(at, ";");
        parameter_write(json, slice_of(at, name), "query",
                        slice_of(at + name + 2, whole - name - 2));
        at += whole;
        at += strspn(at, "; ");
    }
    json_close(json);
}

static void operation_write(struct json *json, const struct route *route)
{
    char method[12], status[12];
    size_t i = 0;
    for (const char *c = http_method_text(route->method); *c && i < sizeof method - 1; c++)
        method[i++] = (char)(*c | 0x20);
    method[i] = 0;
    json_open_object(json, method);
    json_put_text(json, "summary", route->summary);
    parameters_write(json, route);
    if (route->access == ACCESS_ANYONE)
        json_put_raw(json, "security", "[]");
    if (route->body) {
        json_open_object(json, "requestBody");
        content_write(json, route->body);
        json_close(json);
    }
    json_open_object(json, "responses");
    (void)snprintf(status, sizeof status, "%d", route->success);
    json_open_object(json, status);
    json_put_text(json, "description", http_status_text(route->success));
    if (route->answer)
        content_write(json, route->answer);
    json_close(json);
    json_put_raw(json, "default", "{\"$ref\":\"#/components/responses/Problem\"}");
    json_close(json);
    json_close(json);
}

/* "{path...}" is written "{path}". */
static void path_key(const char *path, char *key, size_t size)
{
    size_t n = 0;
    for (const char *c = path; *c && n + 1 < size; c++)
        if (strncmp(c, "...", 3) == 0)
            c += 2;
        else
            key[n++] = *c;
    key[n] = 0;
}

static bool path_seen(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(dms_routes[i].path, dms_routes[index].path) == 0)
            return true;
    return false;
}

static void paths_write(struct json *json)
{
    json_open_object(json, "paths");
    for (size_t i = 0; i < dms_route_count; i++) {
        char key[128];
        if (path_seen(i) || !dms_routes[i].summary)
            continue;
        path_key(dms_routes[i].path, key, sizeof key);
        json_open_object(json, key);
        for (size_t k = i; k < dms_route_count; k++)
            if (strcmp(dms_routes[i].path, dms_routes[k].path) == 0)
                operation_write(json, &dms_routes[k]);
        json_close(json);
    }
    json_close(json);
}

void openapi_get(struct call *call)
{
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "openapi", "3.1.0");
    json_put_raw(&json, "info",
                 "{\"title\":\"Coffer document server\",\"version\":\"0.1.0\",\"description\":"
                 "\"Documents, folders, versions and users of one client. Guide: /docs\"}");
    json_put_raw(&json, "security", "[{\"basic\":[]},{\"bearer\":[]}]");
    paths_write(&json);
    json_open_object(&json, "components");
    json_put_raw(&json, "securitySchemes",
                 "{\"basic\":{\"type\":\"http\",\"scheme\":\"basic\"},"
                 "\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    json_put_raw(&json, "responses",
                 "{\"Problem\":{\"description\":\"What went wrong\",\"content\":{"
                 "\"application/problem+json\":{\"schema\":{\"$ref\":"
                 "\"#/components/schemas/Problem\"}}}}}");
    schemas_write(&json);
    json_close(&json);
    json_close(&json);
    call_reply_buf(call, 200, "application/json", &body);
}
