/* SPDX-License-Identifier: Apache-2.0 */
/* The Browser binding: addresses, selectors and actions of CMIS 1.1, 5.3 and 5.4. JSONP is off: no
 * answer can be run as a script. */
#include "dms/cmis/browser.h"
#include "dms/cmis/binding.h"
#include "dms/cmis/model.h"
#include "server/http.h"

#include <errno.h>
#include <stdlib.h>

/* What an address with a selector or an action is about. */
enum target {
    TARGET_NONE,   /* the repository */
    TARGET_OBJECT, /* objectId: the object addressed */
    TARGET_FOLDER, /* folderId: the object addressed */
    TARGET_PLACE,  /* the same, but the repository's address will do: in no folder */
};

struct selector {
    const char *name, *operation;
    enum target target;
};
static const struct selector repository_selectors[] = {
    {"repositoryInfo", "getRepositoryInfo", TARGET_NONE},
    {"typeChildren", "getTypeChildren", TARGET_NONE},
    {"typeDescendants", "getTypeDescendants", TARGET_NONE},
    {"typeDefinition", "getTypeDefinition", TARGET_NONE},
    {"query", "query", TARGET_NONE},
    {"checkedout", "getCheckedOutDocs", TARGET_NONE},
    {"contentChanges", "getContentChanges", TARGET_NONE},
};
static const struct selector object_selectors[] = {
    {"children", "getChildren", TARGET_FOLDER},
    {"descendants", "getDescendants", TARGET_FOLDER},
    {"folderTree", "getFolderTree", TARGET_FOLDER},
    {"parent", "getFolderParent", TARGET_FOLDER},
    {"parents", "getObjectParents", TARGET_OBJECT},
    {"checkedout", "getCheckedOutDocs", TARGET_FOLDER},
    {"object", "getObject", TARGET_OBJECT},
    {"properties", "getProperties", TARGET_OBJECT},
    {"allowableActions", "getAllowableActions", TARGET_OBJECT},
    {"content", "getContentStream", TARGET_OBJECT},
    {"renditions", "getRenditions", TARGET_OBJECT},
    {"versions", "getAllVersions", TARGET_OBJECT},
    {"relationships", "getObjectRelationships", TARGET_OBJECT},
    {"policies", "getAppliedPolicies", TARGET_OBJECT},
    {"acl", "getACL", TARGET_OBJECT},
};

enum answer { ANSWER_NOTHING, ANSWER_EMPTY, /* {} */ ANSWER_OBJECT, ANSWER_RESULT };
struct action {
    const char *name, *operation;
    enum target target;
    int status;
    enum answer answer;
};
static const struct action actions[] = {
    {"createType", "createType", TARGET_NONE, 201, ANSWER_RESULT},
    {"updateType", "updateType", TARGET_NONE, 200, ANSWER_RESULT},
    {"deleteType", "deleteType", TARGET_NONE, 200, ANSWER_EMPTY},
    {"query", "query", TARGET_NONE, 200, ANSWER_RESULT},
    {"bulkUpdate", "bulkUpdateProperties", TARGET_NONE, 200, ANSWER_RESULT},
    {"createDocument", "createDocument", TARGET_PLACE, 201, ANSWER_OBJECT},
    {"createDocumentFromSource", "createDocumentFromSource", TARGET_PLACE, 201, ANSWER_OBJECT},
    {"createFolder", "createFolder", TARGET_FOLDER, 201, ANSWER_OBJECT},
    {"createRelationship", "createRelationship", TARGET_NONE, 201, ANSWER_OBJECT},
    {"createPolicy", "createPolicy", TARGET_PLACE, 201, ANSWER_OBJECT},
    {"createItem", "createItem", TARGET_PLACE, 201, ANSWER_OBJECT},
    {"update", "updateProperties", TARGET_OBJECT, 200, ANSWER_OBJECT},
    {"move", "moveObject", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"delete", "deleteObject", TARGET_OBJECT, 200, ANSWER_NOTHING},
    {"deleteTree", "deleteTree", TARGET_FOLDER, 200, ANSWER_RESULT},
    {"setContent", "setContentStream", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"appendContent", "appendContentStream", TARGET_OBJECT, 200, ANSWER_OBJECT},
    {"deleteContent", "deleteContentStream", TARGET_OBJECT, 200, ANSWER_OBJECT},
    {"addObjectToFolder", "addObjectToFolder", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"removeObjectFromFolder", "removeObjectFromFolder", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"checkOut", "checkOut", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"cancelCheckOut", "cancelCheckOut", TARGET_OBJECT, 200, ANSWER_NOTHING},
    {"checkIn", "checkIn", TARGET_OBJECT, 201, ANSWER_OBJECT},
    {"applyPolicy", "applyPolicy", TARGET_OBJECT, 200, ANSWER_OBJECT},
    {"removePolicy", "removePolicy", TARGET_OBJECT, 200, ANSWER_OBJECT},
    {"applyACL", "applyACL", TARGET_OBJECT, 200, ANSWER_RESULT},
};

/* Answers */

static bool is_token(const char *text)
{
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return size > 0 && size <= 64 && !text[size];
}

/* What became of a form that a page sent into a frame: kept by the browser itself. */
static void token_keep(struct browser *browser, int status)
{
    SCOPED(buf_done) struct buf value = {0}, cookie = {0};
    struct json json = json_into(&value);
    json_open_object(&json, NULL);
    json_put_int(&json, "code", status);
    json_put_text(&json, "objectId", browser->object_id ? browser->object_id : "");
    json_put_text(&json, "exception",
                  browser->cmis.error ? cmis_error_name(browser->cmis.error) : "");
    json_put_text(&json, "message", browser->cmis.error ? browser->cmis.message : "");
    json_close(&json);
    (void)buf_printf(&cookie, "cmis_%s=", browser->token);
    for (size_t i = 0; i < value.size; i++)
        (void)buf_printf(&cookie, "%%%02X", value.bytes[i]);
    (void)buf_append_text(&cookie, "; Path=" BROWSER_URL "; Max-Age=3600; HttpOnly; SameSite=Lax");
    const char *self = call_url(browser->call, "/");
    if (self && strncmp(self, "https:", 6) == 0)
        (void)buf_append_text(&cookie, "; Secure");
    const char *text = buf_text(&cookie);
    http_response_header(browser->call->req, "Set-Cookie", text ? text : "");
}

static void answer_send(struct browser *browser, int status, struct buf *body)
{
    struct call *call = browser->call;
    http_response_header(call->req, "Cache-Control", "private, no-cache");
    http_response_header(call->req, "X-Content-Type-Options", "nosniff");
    if (browser->token) {
        token_keep(browser, status);
        buf_done(body);
        call_reply_text(call, browser->quiet ? 200 : status, "text/html; charset=utf-8",
                        "<!doctype html><title>CMIS</title>");
        return;
    }
    if (browser->quiet)
        status = 200;
    if (body->size == 0)
        call_reply_empty(call, status);
    else
        call_reply_buf(call, status, "application/json", body);
}

static void failure_send(struct browser *browser)
{
    struct cmis_call *cmis = &browser->cmis;
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_text(&json, "exception", cmis_error_name(cmis->error));
    json_put_text(&json, "message", cmis->message);
    json_close(&json);
    answer_send(browser, cmis_error_status(cmis->error), &body);
}

void browser_refuse(struct browser *browser, const char *message)
{
    (void)cmis_fail(&browser->cmis, CMIS_INVALID_ARGUMENT, "%s", message);
    failure_send(browser);
}

/* Addresses */

static const char *path_decode(struct browser *browser, struct slice rest)
{
    struct cmis_call *cmis = &browser->cmis;
    char *text;
    if (http_decode(cmis->arena, rest, false, &text) < 0) {
        (void)cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "The path is malformed.");
        return NULL;
    }
    return call_printf(cmis, "/%s", text);
}

/* The object a request is about: objectId if it is there, or what the path names. */
static int address_settle(struct browser *browser, const char **ret_id)
{
    struct call *call = browser->call;
    struct row row;
    *ret_id = browser_param(browser, "objectId");
    if (*ret_id && **ret_id)
        return 0;
    const char *path = call->params[1].bytes ? path_decode(browser, call->params[1]) : "/";
    if (!path || row_by_path(&browser->cmis, path, &row) < 0)
        return -1;
    *ret_id = row_id(&browser->cmis, &row);
    return *ret_id ? 0 : -1;
}

static int target_settle(struct browser *browser, enum target target)
{
    struct cmis_call *cmis = &browser->cmis;
    bool at_root = strstr(browser->call->route->path, "/root") != NULL;
    const char *id;
    if (target == TARGET_NONE)
        return 0;
    if (target == TARGET_PLACE && !at_root)
        return 0;
    if (!at_root && !browser_param(browser, "objectId"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "objectId is needed.");
    if (address_settle(browser, &id) < 0)
        return -1;
    browser->object_id = id;
    return cmis_args_set_text(cmis, target == TARGET_OBJECT ? CMIS_IN_OBJECT_ID : CMIS_IN_FOLDER_ID,
                              id);
}

/* The repository's id, and what all requests may say. */
static int common_settle(struct browser *browser)
{
    struct cmis_call *cmis = &browser->cmis;
    const char *succinct = browser_param(browser, "succinct");
    const char *dates = browser_param(browser, "dateTimeFormat");
    const char *quiet = browser_param(browser, "suppressResponseCodes");
    const char *token = browser_param(browser, "token");
    char *repository;
    browser->succinct = succinct && strcmp(succinct, "true") == 0;
    browser->simple_dates = dates && strcmp(dates, "extended") == 0;
    browser->quiet = quiet && strcmp(quiet, "true") == 0;
    if (browser_param(browser, "callback"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "There is no JSONP here: use CORS-free JSON.");
    if (token && !is_token(token))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT,
                         "token has up to 64 letters, digits, '-' and '_'.");
    if (token && browser->call->req->method == HTTP_METHOD_POST)
        browser->token = token;
    if (http_decode(cmis->arena, browser->call->params[0], false, &repository) < 0)
        return cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no such repository.");
    return cmis_args_set_text(cmis, CMIS_IN_REPOSITORY_ID, repository);
}

/* Reading */

static void content_send(struct browser *browser)
{
    struct call *call = browser->call;
    const char *download = browser_param(browser, "download");
    call->as_attachment = download && strcmp(download, "attachment") == 0;
    binding_reply_content(call, &browser->cmis);
}

static void last_result(struct browser *browser)
{
    struct call *call = browser->call;
    struct slice cookies = http_request_header(call->req, "Cookie");
    const char *token = browser_param(browser, "token");
    char *text = arena_text(browser->cmis.arena, cookies);
    char *name = arena_printf(browser->cmis.arena, "cmis_%s=", token ? token : "");
    char *found = text && name && token && is_token(token) ? strstr(text, name) : NULL;
    char *value = NULL;
    struct buf body = {0};
    if (found)
        found += strlen(name);
    if (found && http_decode(browser->cmis.arena, slice_of(found, strcspn(found, "; ")), false,
                             &value) == 0) {
        (void)buf_append_text(&body, value);
        http_response_headerf(call->req, "Set-Cookie", "cmis_%s=; Path=" BROWSER_URL "; Max-Age=0",
                              token);
    } else {
        (void)buf_append_text(&body, "{\"code\":0,\"objectId\":\"\",\"exception\":"
                                     "\"invalidArgument\",\"message\":\"Unknown token.\"}");
    }
    answer_send(browser, 200, &body);
}

/* An address without a selector: a folder's children, a document's content, another's self. */
static const char *default_selector(struct browser *browser)
{
    struct row row;
    const char *id;
    if (address_settle(browser, &id) < 0 || row_get(&browser->cmis, id, &row) < 0)
        return NULL;
    switch (row_base(&row)) {
    case CMIS_BASE_DOCUMENT:
        return "content";
    case CMIS_BASE_FOLDER:
        return "children";
    default:
        return "object";
    }
}

static const char *version_operation(const struct browser *browser, const char *operation)
{
    const char *wanted = browser_param(browser, "returnVersion");
    if (!wanted || (strcmp(wanted, "latest") != 0 && strcmp(wanted, "latestmajor") != 0))
        return operation;
    return strcmp(operation, "getObject") == 0       ? "getObjectOfLatestVersion"
           : strcmp(operation, "getProperties") == 0 ? "getPropertiesOfLatestVersion"
                                                     : operation;
}

static int selector_run(struct browser *browser, const struct selector *selector,
                        const struct cmis_operation **ret)
{
    struct cmis_call *cmis = &browser->cmis;
    const char *wanted = browser_param(browser, "returnVersion");
    *ret = cmis_operation_named(version_operation(browser, selector->operation));
    if (target_settle(browser, selector->target) < 0)
        return -1;
    if (wanted && strcmp(wanted, "latestmajor") == 0 &&
        cmis_args_set_text(cmis, CMIS_IN_MAJOR, "true") < 0)
        return -1;
    if (browser_args(browser, *ret) < 0)
        return -1;
    return cmis_run(cmis, *ret);
}

static void selector_answer(struct browser *browser, const struct selector *selectors, size_t count,
                            const char *name)
{
    const struct cmis_operation *operation;
    size_t at = 0;
    while (at < count && !http_text_equals(slice_of_text(name), selectors[at].name))
        at++;
    if (at == count) {
        browser_refuse(browser, "There is no such selector here.");
        return;
    }
    if (selector_run(browser, &selectors[at], &operation) < 0) {
        failure_send(browser);
        return;
    }
    if (operation->outputs[0] == CMIS_OUT_CONTENT_STREAM) {
        content_send(browser);
        return;
    }
    struct buf body = {0};
    struct json json = json_into(&body);
    browser_write(browser, &json, operation);
    answer_send(browser, 200, &body);
}

static struct browser *browser_begin(struct call *call)
{
    struct browser *browser = NULL;
    int r = browser_new(call, &browser);
    if (r == 0)
        return browser;
    if (browser)
        browser_refuse(browser, "The address has a malformed query.");
    else
        call_problem_errno(call, r);
    return NULL;
}

static struct browser *reading_begin(struct call *call)
{
    struct browser *browser = browser_begin(call);
    if (!browser)
        return NULL;
    form_fields_settle(&browser->fields);
    if (common_settle(browser) < 0) {
        failure_send(browser);
        return NULL;
    }
    return browser;
}

void cmis_browser_service(struct call *call)
{
    struct browser *browser = browser_begin(call);
    if (!browser)
        return;
    form_fields_settle(&browser->fields);
    if (cmis_run(&browser->cmis, cmis_operation_named("getRepositories")) < 0) {
        failure_send(browser);
        return;
    }
    struct buf body = {0};
    struct json json = json_into(&body);
    browser_repositories_write(browser, &json);
    answer_send(browser, 200, &body);
}

void cmis_browser_repository(struct call *call)
{
    struct browser *browser = reading_begin(call);
    if (!browser)
        return;
    const char *name = browser_param(browser, "cmisselector");
    if (name && strcmp(name, "lastResult") == 0)
        last_result(browser);
    else
        selector_answer(browser, repository_selectors, ARRAY_COUNT(repository_selectors),
                        name && *name ? name : "repositoryInfo");
}

void cmis_browser_object(struct call *call)
{
    struct browser *browser = reading_begin(call);
    if (!browser)
        return;
    const char *name = browser_param(browser, "cmisselector");
    if (!name || !*name)
        name = default_selector(browser);
    if (name)
        selector_answer(browser, object_selectors, ARRAY_COUNT(object_selectors), name);
    else
        failure_send(browser);
}

/* Writing */

/* The object a change was about, as it is now, with what the request asks to see of it. */
static int changed_object(struct browser *browser, const char *id)
{
    struct cmis_call *cmis = &browser->cmis;
    const struct cmis_operation *operation = cmis_operation_named("getObject");
    struct cmis_call again;
    struct user user = {.name = (char *)(uintptr_t)cmis->user,
                        .role = cmis->is_admin ? ROLE_ADMIN : ROLE_USER};
    cmis_call_init(&again, cmis->store, cmis->arena, &user, cmis->now_ms);
    *cmis = again;
    if (cmis_args_set_text(cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID) < 0 ||
        cmis_args_set_text(cmis, CMIS_IN_OBJECT_ID, id) < 0 || browser_args(browser, operation) < 0)
        return -1;
    return cmis_run(cmis, operation);
}

static void action_answer(struct browser *browser, const struct action *action,
                          const struct cmis_operation *operation)
{
    struct call *call = browser->call;
    struct buf body = {0};
    struct json json = json_into(&body);
    if (action->answer == ANSWER_EMPTY) {
        (void)buf_append_text(&body, "{}");
    } else if (action->answer == ANSWER_RESULT) {
        browser_write(browser, &json, operation);
    } else if (action->answer == ANSWER_OBJECT) {
        if (browser->cmis.result.object_id)
            browser->object_id = browser->cmis.result.object_id;
        if (changed_object(browser, browser->object_id) < 0) {
            failure_send(browser);
            return;
        }
        if (action->status == 201) {
            const char *url =
                call_printf(&browser->cmis, BROWSER_URL "/" CMIS_REPOSITORY_ID "/root?objectId=%s",
                            browser->object_id);
            const char *whole = url ? call_url(call, url) : NULL;
            http_response_header(call->req, "Location", whole ? whole : "");
        }
        browser_object_write(browser, &json, NULL, browser->cmis.result.object);
    }
    answer_send(browser, action->status, &body);
}

static void action_run(struct call *call)
{
    struct browser *browser = call->state;
    struct cmis_call *cmis = &browser->cmis;
    form_fields_settle(&browser->fields);
    if (common_settle(browser) < 0) {
        failure_send(browser);
        return;
    }
    const char *name = browser_param(browser, "cmisaction");
    size_t at = 0;
    while (at < ARRAY_COUNT(actions) && (!name || strcmp(actions[at].name, name) != 0))
        at++;
    if (at == ARRAY_COUNT(actions)) {
        browser_refuse(browser, name ? "There is no such cmisaction." : "cmisaction is needed.");
        return;
    }
    const struct cmis_operation *operation = cmis_operation_named(actions[at].operation);
    if (binding_scope_check(call, cmis, operation) < 0 ||
        target_settle(browser, actions[at].target) < 0 || browser_args(browser, operation) < 0 ||
        cmis_run(cmis, operation) < 0)
        failure_send(browser);
    else
        action_answer(browser, &actions[at], operation);
}

void cmis_browser_post(struct call *call)
{
    struct browser *browser = browser_begin(call);
    if (browser)
        browser_body(browser, action_run);
}
