/* SPDX-License-Identifier: Apache-2.0 */
/* What the Browser binding's operations take from the query and from forms: CMIS 1.1, 5.4.4. */
#include "dms/cmis/binding.h"
#include "dms/cmis/browser.h"
#include "dms/cmis/model.h"
#include "server/http.h"

#include <errno.h>
#include <stdlib.h>

int browser_new(struct call *call, struct browser **ret)
{
    struct browser *browser = arena_alloc(&call->model_arena, sizeof *browser);
    if (!browser)
        return -ENOMEM;
    browser->call = call;
    browser->fields.arena = &call->model_arena;
    binding_init(call, &browser->cmis);
    browser->cmis.draft = &call->draft;
    call->state = browser;
    *ret = browser;
    return form_fields_parse(&browser->fields, call->req->query);
}

/* Bodies */

static int multipart_field(struct call *call, const char *name, const char *value)
{
    struct browser *browser = call->state;
    return form_field_add(&browser->fields, name, value);
}

static void form_collected(struct http_request *req, struct slice body, void *arg)
{
    struct call *call = arg;
    struct browser *browser = call->state;
    (void)req;
    int r = form_fields_parse(&browser->fields, body);
    if (r < 0)
        browser_refuse(browser, r == -EFBIG ? "The form has too many fields, or too long ones."
                                            : "The form is malformed.");
    else
        call->then(call);
}

static bool has_type(struct slice type, const char *wanted)
{
    size_t size = strlen(wanted);
    return type.size >= size && http_text_equals(slice_of(type.bytes, size), wanted);
}

void browser_body(struct browser *browser, call_fn *then)
{
    struct call *call = browser->call;
    struct slice type = http_request_header(call->req, "Content-Type");
    if (has_type(type, "multipart/form-data")) {
        upload_form_part(call, "content", &call->model_arena, multipart_field, then);
    } else if (!type.bytes || has_type(type, "application/x-www-form-urlencoded")) {
        call->then = then;
        http_request_collect(call->req, FORM_FIELDS_SIZE_MAX, form_collected, call);
    } else {
        browser_refuse(browser, "This needs a form.");
    }
}

/* Arguments */

static int list_args(struct browser *browser, const char *name, struct cmis_ids *ret)
{
    struct cmis_call *cmis = &browser->cmis;
    size_t count = 0;
    while (count < BROWSER_INDEX_MAX && form_field_at(&browser->fields, name, count))
        count++;
    const char **ids = call_alloc(cmis, MAX(count, (size_t)1) * sizeof *ids);
    if (!ids)
        return -1;
    for (size_t i = 0; i < count; i++)
        ids[i] = form_field_at(&browser->fields, name, i);
    *ret = (struct cmis_ids){ids, count};
    return 0;
}

/* name[n], or name[n][0], name[n][1], ... */
static int values_args(struct browser *browser, const char *name, size_t n, const char *const **ret,
                       size_t *ret_count)
{
    const char *one = form_field_at(&browser->fields, name, n);
    size_t count = one ? 1 : 0;
    while (!one && count < BROWSER_INDEX_MAX && form_field_at2(&browser->fields, name, n, count))
        count++;
    const char **values = call_alloc(&browser->cmis, MAX(count, (size_t)1) * sizeof *values);
    if (!values)
        return -1;
    for (size_t i = 0; i < count; i++)
        values[i] = one ? one : form_field_at2(&browser->fields, name, n, i);
    *ret = values;
    *ret_count = count;
    return 0;
}

static int properties_args(struct browser *browser)
{
    struct cmis_call *cmis = &browser->cmis;
    struct cmis_input_property *items = call_alloc(cmis, CMIS_PROPERTIES_MAX * sizeof *items);
    size_t count = 0;
    const char *id;
    if (!items)
        return -1;
    for (; (id = form_field_at(&browser->fields, "propertyId", count)) != NULL; count++) {
        if (count == CMIS_PROPERTIES_MAX)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There are too many properties.");
        items[count].id = id;
        items[count].type = CMIS_TYPE_NOT_SAID;
        if (values_args(browser, "propertyValue", count, &items[count].values,
                        &items[count].count) < 0)
            return -1;
    }
    cmis->args.properties.items = items;
    cmis->args.properties.count = count;
    cmis_args_mark(cmis, CMIS_IN_PROPERTIES);
    return 0;
}

static int acl_args(struct browser *browser, const char *principal, const char *permission,
                    struct cmis_acl *ret)
{
    struct cmis_call *cmis = &browser->cmis;
    struct cmis_ace *aces = call_alloc(cmis, CMIS_ACES_MAX * sizeof *aces);
    const char *name;
    *ret = (struct cmis_acl){.aces = aces};
    if (!aces)
        return -1;
    for (; (name = form_field_at(&browser->fields, principal, ret->count)) != NULL; ret->count++) {
        struct cmis_ace *ace = &aces[ret->count];
        if (ret->count == CMIS_ACES_MAX)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There are too many entries.");
        ace->principal = name;
        if (values_args(browser, permission, ret->count, &ace->permissions, &ace->count) < 0)
            return -1;
    }
    return 0;
}

static int bulk_args(struct browser *browser)
{
    struct cmis_call *cmis = &browser->cmis;
    struct cmis_ids ids;
    if (list_args(browser, "objectId", &ids) < 0 || properties_args(browser) < 0 ||
        list_args(browser, "addSecondaryTypeId", &cmis->args.add_secondary) < 0 ||
        list_args(browser, "removeSecondaryTypeId", &cmis->args.remove_secondary) < 0)
        return -1;
    struct cmis_id_and_token *items = call_alloc(cmis, MAX(ids.count, (size_t)1) * sizeof *items);
    if (!items)
        return -1;
    for (size_t i = 0; i < ids.count; i++)
        items[i] = (struct cmis_id_and_token){
            .id = ids.ids[i], .token = form_field_at(&browser->fields, "changeToken", i)};
    cmis->args.bulk = (struct cmis_ids_and_tokens){ids.count, items};
    cmis_args_mark(cmis, CMIS_IN_BULK_UPDATE_DATA);
    return 0;
}

static int stream_args(struct browser *browser)
{
    struct call *call = browser->call;
    const char *name = upload_file_name(call);
    const char *said = browser_param(browser, "filename");
    if (!call->form || !upload_has_file(call))
        return 0;
    if (said && *said)
        name = said;
    browser->cmis.args.stream.name = name;
    browser->cmis.args.stream.type = upload_type(call, upload_file_type(call), name ? name : "");
    cmis_args_mark(&browser->cmis, CMIS_IN_CONTENT_STREAM);
    return 0;
}

static int scalar_args(struct browser *browser, enum cmis_input input)
{
    const char *text = browser_param(browser, cmis_input_name(input));
    if (!text && input == CMIS_IN_STATEMENT)
        text = browser_param(browser, "q");
    if (text && input == CMIS_IN_TYPE_ID && *text == '"') { /* the npm package cmis writes JSON */
        size_t size = strlen(text);
        text = size > 2 ? arena_text(browser->cmis.arena, slice_of(text + 1, size - 2)) : NULL;
    }
    return text ? cmis_args_set_text(&browser->cmis, input, text) : 0;
}

static int type_args(struct browser *browser)
{
    const char *text = browser_param(browser, "type");
    if (!text)
        return 0;
    cmis_args_mark(&browser->cmis, CMIS_IN_TYPE);
    return type_parse(&browser->cmis, text, &browser->cmis.args.type);
}

static int input_args(struct browser *browser, enum cmis_input input)
{
    struct cmis_args *args = &browser->cmis.args;
    switch (cmis_input_kind(input)) {
    case CMIS_KIND_TEXT:
    case CMIS_KIND_BOOLEAN:
    case CMIS_KIND_INTEGER:
    case CMIS_KIND_ENUM:
        return scalar_args(browser, input);
    case CMIS_KIND_LIST:
        return list_args(browser, "policy", &args->policies);
    case CMIS_KIND_PROPERTIES:
        return properties_args(browser);
    case CMIS_KIND_ACL:
        return input == CMIS_IN_ADD_ACES
                   ? acl_args(browser, "addACEPrincipal", "addACEPermission", &args->add_aces)
                   : acl_args(browser, "removeACEPrincipal", "removeACEPermission",
                              &args->remove_aces);
    case CMIS_KIND_STREAM:
        return stream_args(browser);
    case CMIS_KIND_TYPE:
        return type_args(browser);
    case CMIS_KIND_BULK:
        return bulk_args(browser);
    case CMIS_KIND_EXTENSION:
        break;
    }
    return 0;
}

int browser_args(struct browser *browser, const struct cmis_operation *operation)
{
    for (size_t i = 0; i < operation->input_count; i++) {
        enum cmis_input input = operation->inputs[i].input;
        if (input != CMIS_IN_REPOSITORY_ID && !cmis_args_has(&browser->cmis, input) &&
            input_args(browser, input) < 0)
            return -1;
    }
    return 0;
}
