/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/atom.h"
#include "dms/cmis/binding.h"
#include "dms/cmis/xml_stream.h"
#include "dms/link.h"

#include <errno.h>

static const struct atom_resource resources[] = {
    {"entry", atom_object_get, NULL, atom_object_put, atom_object_delete, false},
    {"children", atom_children_get, atom_children_post, NULL, atom_tree_delete, false},
    {"descendants", atom_descendants_get, NULL, NULL, atom_tree_delete, false},
    {"foldertree", atom_folder_tree_get, NULL, NULL, atom_tree_delete, false},
    {"parents", atom_parents_get, NULL, NULL, NULL, false},
    {"parent", atom_parent_get, NULL, NULL, NULL, false},
    {"versions", atom_versions_get, NULL, NULL, atom_versions_delete, false},
    {"relationships", atom_relationships_get, atom_relationships_post, NULL, NULL, false},
    {"policies", atom_policies_get, atom_policies_post, NULL, atom_policies_delete, false},
    {"acl", atom_acl_get, NULL, atom_acl_put, NULL, false},
    {"allowableactions", atom_actions_get, NULL, NULL, NULL, false},
    {"content", atom_content_get, NULL, atom_content_put, atom_content_delete, true},
    {"checkedout", atom_checked_out_get, atom_checked_out_post, NULL, NULL, false},
    {"unfiled", atom_unfiled_get, atom_unfiled_post, NULL, NULL, false},
    {"query", atom_query_get, atom_query_post, NULL, NULL, false},
    {"changes", atom_changes_get, NULL, NULL, NULL, false},
    {"update", NULL, atom_update_post, NULL, NULL, false},
    {"types", atom_types_get, atom_types_post, NULL, NULL, false},
    {"typedescendants", atom_type_tree_get, NULL, NULL, NULL, false},
    {"type", atom_type_get, NULL, atom_type_put, atom_type_delete, false},
};

/* Answers */

void atom_reply(struct atom *atom, int status, const char *type, struct buf *body)
{
    call_reply_buf(atom->call, status, type, body);
}

static void problem_text(struct buf *out, const char *text)
{
    struct xml xml = xml_into(out);
    xml_put_text(&xml, text);
}

/* HTTP has one status for many exceptions; Apache's clients find the exception's name between these
 * comments. */
void atom_fail(struct atom *atom)
{
    struct cmis_call *cmis = &atom->cmis;
    struct buf body = {0};
    const char *name = cmis_error_name(cmis->error);
    (void)buf_printf(&body,
                     "<!DOCTYPE html><html><head><title>%s</title></head><body><h1>"
                     "<!--exception-->%s<!--/exception--></h1><p><!--message-->",
                     name, name);
    problem_text(&body, cmis->message);
    (void)buf_append_text(&body, "<!--/message--></p></body></html>\n");
    http_response_header(atom->call->req, "X-Content-Type-Options", "nosniff");
    http_response_header(atom->call->req, "Content-Security-Policy", "default-src 'none'");
    call_reply_buf(atom->call, cmis_error_status(cmis->error), "text/html; charset=utf-8", &body);
}

static void fail(struct atom *atom, enum cmis_error error, const char *text)
{
    (void)cmis_fail(&atom->cmis, error, "%s", text);
    atom_fail(atom);
}

/* Parameters */

const char *atom_parameter(struct atom *atom, const char *name)
{
    char *value;
    int r = http_request_query(atom->call->req, name, &value);
    return r == 0 ? value : NULL;
}

static bool is_scalar(enum cmis_input input)
{
    enum cmis_kind kind = cmis_input_kind(input);
    return kind == CMIS_KIND_TEXT || kind == CMIS_KIND_BOOLEAN || kind == CMIS_KIND_INTEGER ||
           kind == CMIS_KIND_ENUM;
}

/* Some clients write TRUE. */
static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text | 0x20);
}

static int parameters_take(struct atom *atom, const struct cmis_operation *operation,
                           enum cmis_input id)
{
    for (size_t i = 0; i < operation->input_count; i++) {
        enum cmis_input input = operation->inputs[i].input;
        const char *name = input == id ? "id" : cmis_input_name(input);
        char *value;
        if (!is_scalar(input) || cmis_args_has(&atom->cmis, input))
            continue;
        int r = http_request_query(atom->call->req, name, &value);
        if (r == -ENOENT && input == id) /* older addresses say folderId, objectId or typeId */
            r = http_request_query(atom->call->req, cmis_input_name(input), &value);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return cmis_fail(&atom->cmis, CMIS_INVALID_ARGUMENT, "The parameter %s is malformed.",
                             name);
        enum cmis_kind kind = cmis_input_kind(input);
        if (kind == CMIS_KIND_BOOLEAN || kind == CMIS_KIND_ENUM)
            lower(value);
        if (cmis_args_set_text(&atom->cmis, input, value) < 0)
            return -1;
    }
    return 0;
}

int atom_run(struct atom *atom, const char *operation, enum cmis_input id)
{
    struct cmis_call *cmis = &atom->cmis;
    const struct cmis_operation *op = cmis_operation_named(operation);
    if (!op)
        (void)cmis_fail(cmis, CMIS_NOT_SUPPORTED, "%s is not supported.", operation);
    else if (cmis_args_set_text(cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID) == 0 &&
             parameters_take(atom, op, id) == 0 && cmis_run(cmis, op) == 0)
        return 0;
    atom_fail(atom);
    return -1;
}

static void cmis_begin(struct atom *atom)
{
    struct call *call = atom->call;
    binding_init(call, &atom->cmis);
}

void atom_again(struct atom *atom)
{
    cmis_begin(atom);
}

/* Documents that are sent */

int atom_take_object(struct atom *atom)
{
    struct cmis_call *cmis = &atom->cmis;
    const struct xml_node *entry = xml_reader_root(atom->reader);
    const struct xml_node *object = xml_child(entry, XML_NS_CMISRA, "object");
    const struct xml_node *policies = xml_child(object, XML_NS_CMIS, "policyIds");
    const struct xml_node *content = xml_child(entry, XML_NS_CMISRA, "content");
    if (!xml_is(entry, XML_NS_ATOM, "entry"))
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "This needs an Atom entry.");
    if (xml_take_properties(cmis, xml_child(object, XML_NS_CMIS, "properties")) < 0 ||
        xml_take_acl(cmis, CMIS_IN_ADD_ACES, xml_child(object, XML_NS_CMIS, "acl")) < 0)
        return -1;
    if (policies) {
        if (xml_take_ids(cmis, policies, XML_NS_CMIS, "id", &cmis->args.policies) < 0)
            return -1;
        cmis_args_mark(cmis, CMIS_IN_POLICIES);
    }
    if (!atom->has_content)
        return 0;
    const char *type = xml_child_text(content, XML_NS_CMISRA, "mediatype");
    return xml_take_stream(cmis, atom->call, type ? type : atom->content_type,
                           xml_child_text(content, XML_NS_CHEMISTRY, "filename"));
}

static int on_content_begins(void *arg, enum xml_content kind, const struct xml_node *node)
{
    struct atom *atom = arg;
    struct call *call = atom->call;
    if (kind == XML_CONTENT_STREAM)
        return -EBADMSG; /* of the other binding */
    content_drop(call->dms->store, &call->draft);
    atom->has_content = true;
    atom->content_type = NULL;
    if (kind == XML_CONTENT_ATOM) {
        const char *type = xml_attribute(node, XML_NS_NONE, "type");
        atom->content_type = !type || strcmp(type, "text") == 0 ? "text/plain"
                             : strcmp(type, "html") == 0        ? "text/html"
                                                                : type;
    }
    return 0;
}

static int on_content(void *arg, struct slice bytes)
{
    struct call *call = ((struct atom *)arg)->call;
    if ((uint64_t)call->draft.size + bytes.size > call->dms->settings.upload_size_max)
        return -EFBIG;
    return content_draft_write(call->dms->store, &call->draft, bytes);
}

static void read_failed(struct atom *atom, int error)
{
    if (http_responded(atom->call->req))
        return;
    content_drop(atom->call->dms->store, &atom->call->draft);
    if (error == -EFBIG)
        fail(atom, CMIS_CONSTRAINT, "The content is larger than this server accepts.");
    else if (error == -ENOSPC)
        fail(atom, CMIS_STORAGE, "The storage is full; nothing was changed.");
    else if (error == -EIO || error == -ENOMEM)
        fail(atom, CMIS_RUNTIME, "The server failed; nothing was changed.");
    else
        fail(atom, CMIS_INVALID_ARGUMENT, xml_error_text(error));
}

static void document_data(struct http_request *req, struct slice bytes, void *arg)
{
    struct atom *atom = arg;
    (void)req;
    int r = xml_reader_feed(atom->reader, bytes, false);
    if (r < 0)
        read_failed(atom, r);
}

static void document_end(struct http_request *req, int status, void *arg)
{
    struct atom *atom = arg;
    if (status < 0 || http_responded(req))
        return;
    int r = xml_reader_feed(atom->reader, slice_of("", 0), true);
    if (r < 0)
        read_failed(atom, r);
    else
        atom->then(atom);
}

/* What an upload of the largest content takes as base64, and the document around it. */
static uint64_t body_size_max(const struct dms *dms)
{
    return dms->settings.upload_size_max / 3 * 4 + dms->settings.upload_size_max / 16 +
           2 * XML_MARKUP_SIZE_MAX;
}

static void document_read(struct atom *atom)
{
    struct call *call = atom->call;
    const struct xml_events events = {NULL, on_content_begins, on_content, atom};
    if (xml_reader_new(&call->model_arena, &events, &atom->reader) < 0)
        call_problem_errno(call, -ENOMEM);
    else
        http_request_body(call->req, body_size_max(call->dms), document_data, document_end, atom);
}

static void content_synced(struct call *call)
{
    call->atom->then(call->atom);
}

void atom_with_content(struct atom *atom, atom_fn *then)
{
    if (!atom->has_content) {
        then(atom);
        return;
    }
    atom->then = then;
    upload_sync(atom->call, content_synced);
}

/* Routing */

void atom_done(struct call *call)
{
    if (!call->atom)
        return;
    xml_reader_free(call->atom->reader);
    buf_done(&call->atom->href);
    call->atom = NULL;
}

/* The call's own part, and which repository is asked; NULL: it has been answered. */
static struct atom *atom_begin(struct call *call)
{
    static const char old[] = "/cmis/atom10";
    struct atom *atom = arena_alloc(&call->req->arena, sizeof *atom);
    const char *origin = link_origin(call);
    if (!atom || !origin) {
        call_problem_errno(call, -ENOMEM);
        return NULL;
    }
    bool is_old =
        call->req->path.size >= strlen(old) && memcmp(call->req->path.bytes, old, strlen(old)) == 0;
    atom->call = call;
    atom->version = is_old ? CMIS_1_0 : CMIS_1_1;
    atom->base = arena_printf(&call->req->arena, "%s%s", origin, is_old ? old : "/cmis/atom");
    atom->root = arena_printf(&call->req->arena, "%s%s/%s", origin, is_old ? old : "/cmis/atom",
                              CMIS_REPOSITORY_ID);
    call->atom = atom;
    cmis_begin(atom);
    if (atom->base && atom->root)
        return atom;
    call_problem_errno(call, -ENOMEM);
    return NULL;
}

void atom_service(struct call *call)
{
    struct atom *atom = atom_begin(call);
    if (atom)
        atom_service_get(atom);
}

static const struct atom_resource *resource_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_COUNT(resources); i++)
        if (slice_is_text(name, resources[i].name))
            return &resources[i];
    return NULL;
}

static void resource_run(struct atom *atom)
{
    const struct atom_resource *resource = atom->resource;
    enum http_method method = atom->call->req->method;
    bool reads = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
    atom_fn *run = reads                          ? resource->get
                   : method == HTTP_METHOD_POST   ? resource->post
                   : method == HTTP_METHOD_DELETE ? resource->delete
                                                  : resource->put;
    if (!run) {
        fail(atom, CMIS_NOT_SUPPORTED, "This resource of CMIS does not know this method.");
    } else if (reads || method == HTTP_METHOD_DELETE || (resource->put_is_content)) {
        run(atom);
    } else {
        atom->then = run;
        document_read(atom);
    }
}

void atom_call(struct call *call)
{
    struct atom *atom = atom_begin(call);
    if (!atom)
        return;
    atom->resource = resource_find(call->params[1]);
    if (!slice_is_text(call->params[0], CMIS_REPOSITORY_ID))
        fail(atom, CMIS_OBJECT_NOT_FOUND, "There is no such repository.");
    else if (!atom->resource)
        fail(atom, CMIS_OBJECT_NOT_FOUND, "There is no such resource of CMIS.");
    else
        resource_run(atom);
}
