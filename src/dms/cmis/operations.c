/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations, and running one: what every operation has in common. */
#include "dms/cmis/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST(...) __VA_ARGS__
#define R(input)              \
    {                         \
        CMIS_IN_##input, true \
    }
#define O(input)               \
    {                          \
        CMIS_IN_##input, false \
    }
#define OUT(output) CMIS_OUT_##output

#define COUNT(type, ...) (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
struct cmis_row_input {
    enum cmis_input input;
    bool required;
};
#define OPERATION(op_name, op_service, op_writes, op_inputs, op_outputs) \
    {.service = CMIS_SERVICE_##op_service,                               \
     .name = #op_name,                                                   \
     .writes = (op_writes),                                              \
     .run = cmis_##op_name,                                              \
     .inputs = {op_inputs},                                              \
     .input_count = COUNT(struct cmis_row_input, op_inputs),             \
     .outputs = {op_outputs},                                            \
     .output_count = COUNT(enum cmis_output, op_outputs)},
const struct cmis_operation cmis_operations[] = {
#include "dms/cmis/operations.def"
};
const size_t cmis_operation_count = ARRAY_COUNT(cmis_operations);

/* Names */

#define NAMED(id, name, ...) name,
static const char *const error_names[] = {"none", CMIS_ERRORS(NAMED)};
static const char *const action_names[] = {CMIS_ACTIONS(NAMED)};
static const char *const service_names[] = {CMIS_SERVICES(NAMED)};
static const char *const input_names[] = {CMIS_INPUTS(NAMED)};
static const char *const output_names[] = {CMIS_OUTPUTS(NAMED)};
#define STATUS(id, name, status) status,
static const int error_statuses[] = {200, CMIS_ERRORS(STATUS)};
#define KIND(id, name, kind, member, names) CMIS_KIND_##kind,
static const enum cmis_kind input_kinds[] = {CMIS_INPUTS(KIND)};
#define PLACE(id, name, kind, member, names) offsetof(struct cmis_args, member),
static const size_t input_places[] = {CMIS_INPUTS(PLACE)};
#define NAMES(id, name, kind, member, names) names,
static const char *const *const input_enums[] = {CMIS_INPUTS(NAMES)};

const char *const cmis_include_relationships_names[] = {"none", "source", "target", "both", NULL};
const char *const cmis_versioning_state_names[] = {"none", "checkedout", "minor", "major", NULL};
const char *const cmis_unfile_objects_names[] = {"unfile", "deletesinglefiled", "delete", NULL};
const char *const cmis_relationship_direction_names[] = {"source", "target", "either", NULL};
const char *const cmis_acl_propagation_names[] = {"repositorydetermined", "objectonly", "propagate",
                                                  NULL};

const char *cmis_error_name(enum cmis_error error)
{
    return error_names[error];
}

int cmis_error_status(enum cmis_error error)
{
    return error_statuses[error];
}

const char *cmis_action_name(enum cmis_action action)
{
    return action_names[action];
}

const char *cmis_service_name(enum cmis_service service)
{
    return service_names[service];
}

const char *cmis_input_name(enum cmis_input input)
{
    return input_names[input];
}

enum cmis_kind cmis_input_kind(enum cmis_input input)
{
    return input_kinds[input];
}

const char *const *cmis_input_enum(enum cmis_input input)
{
    return input_enums[input];
}

const char *cmis_output_name(enum cmis_output output)
{
    return output_names[output];
}

const struct cmis_operation *cmis_operation_find(enum cmis_service service, struct slice name)
{
    for (size_t i = 0; i < cmis_operation_count; i++)
        if (cmis_operations[i].service == service && slice_is_text(name, cmis_operations[i].name))
            return &cmis_operations[i];
    return NULL;
}

const struct cmis_operation *cmis_operation_named(const char *name)
{
    for (size_t i = 0; i < cmis_operation_count; i++)
        if (strcmp(cmis_operations[i].name, name) == 0)
            return &cmis_operations[i];
    return NULL;
}

/* Calls */

void cmis_call_init(struct cmis_call *cmis, struct store *store, struct arena *arena,
                    const struct user *user, int64_t now_ms)
{
    *cmis = (struct cmis_call){
        .store = store,
        .arena = arena,
        .user = user->name,
        .is_admin = user->role == ROLE_ADMIN,
        .now_ms = now_ms,
        .args =
            {
                .max_items = CMIS_PAGE_DEFAULT,
                .depth = -1,
                .length = -1,
                .rendition_filter = "cmis:none",
                .all_versions = true,
                .overwrite_flag = true,
                .major = true,
                .only_basic_permissions = true,
                .versioning_state = CMIS_STATE_MAJOR,
                .unfile_objects = CMIS_DELETE,
            },
    };
}

int cmis_fail(struct cmis_call *cmis, enum cmis_error error, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = arena_text(cmis->arena, slice_of_text(text));
    cmis->error = error;
    cmis->message = copy ? copy : "There is no memory for this.";
    return -1;
}

int cmis_fail_errno(struct cmis_call *cmis, int error)
{
    switch (error) {
    case -ENOENT:
        return cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no such object.");
    case -EEXIST:
        return cmis_fail(cmis, CMIS_NAME_CONSTRAINT_VIOLATION,
                         "There is something with this name in the folder already.");
    case -ETXTBSY:
        return cmis_fail(cmis, CMIS_VERSIONING, "The document is checked out.");
    case -EPERM:
        return cmis_fail(cmis, CMIS_CONSTRAINT,
                         "It, or something in it, must be kept: there is a time to keep or a legal "
                         "hold.");
    case -EINVAL:
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A name or a place is not allowed.");
    case -ENOSPC:
        return cmis_fail(cmis, CMIS_STORAGE, "The storage is full; nothing was changed.");
    case -EQUOTA_BYTES:
    case -EQUOTA_DOCUMENTS:
        return cmis_fail(cmis, CMIS_STORAGE,
                         "This is more than your quota of %s allows; nothing was changed.",
                         error == -EQUOTA_BYTES ? "bytes" : "documents");
    default:
        return cmis_fail(cmis, CMIS_RUNTIME, "The server failed; nothing was changed.");
    }
}

static int boolean_set(bool *place, const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *place = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *place = false;
    else
        return -EINVAL;
    return 0;
}

static int integer_set(int64_t *place, const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || end == text || (*text != '-' && (*text < '0' || *text > '9')))
        return -EINVAL;
    *place = value;
    return 0;
}

static int enum_set(int *place, const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0) {
            *place = i;
            return 0;
        }
    return -EINVAL;
}

int cmis_args_set_text(struct cmis_call *cmis, enum cmis_input input, const char *text)
{
    void *place = (char *)&cmis->args + input_places[input];
    int r = 0;
    if (input_kinds[input] != CMIS_KIND_TEXT && !*text)
        return 0;
    switch (input_kinds[input]) {
    case CMIS_KIND_TEXT: {
        const char *copy = arena_text(cmis->arena, slice_of_text(text));
        if (!copy)
            return cmis_fail_errno(cmis, -ENOMEM);
        *(const char **)place = copy;
        break;
    }
    case CMIS_KIND_BOOLEAN:
        r = boolean_set(place, text);
        break;
    case CMIS_KIND_INTEGER:
        r = integer_set(place, text);
        break;
    case CMIS_KIND_ENUM:
        r = enum_set(place, input_enums[input], text);
        break;
    case CMIS_KIND_LIST:
    case CMIS_KIND_PROPERTIES:
    case CMIS_KIND_ACL:
    case CMIS_KIND_STREAM:
    case CMIS_KIND_TYPE:
    case CMIS_KIND_BULK:
    case CMIS_KIND_EXTENSION:
        r = -EINVAL;
        break;
    }
    if (r < 0)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "%s cannot be '%.60s'.", input_names[input],
                         text);
    cmis_args_mark(cmis, input);
    return 0;
}

static int required_check(struct cmis_call *cmis, const struct cmis_operation *operation)
{
    for (size_t i = 0; i < operation->input_count; i++) {
        enum cmis_input input = operation->inputs[i].input;
        bool has = cmis_args_has(cmis, input);
        if (has && input_kinds[input] == CMIS_KIND_TEXT)
            has = **(const char **)(void *)((char *)&cmis->args + input_places[input]) != 0;
        if (operation->inputs[i].required && !has)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "%s is needed.", input_names[input]);
    }
    return 0;
}

static int numbers_check(struct cmis_call *cmis)
{
    struct cmis_args *args = &cmis->args;
    if (args->max_items < 0 || args->skip_count < 0)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "maxItems and skipCount cannot be negative.");
    args->max_items = MIN(args->max_items, CMIS_PAGE_MAX);
    args->skip_count = MIN(args->skip_count, INT32_MAX);
    return 0;
}

int cmis_run(struct cmis_call *cmis, const struct cmis_operation *operation)
{
    if (required_check(cmis, operation) < 0 || numbers_check(cmis) < 0)
        return -1;
    if (cmis_args_has(cmis, CMIS_IN_REPOSITORY_ID) &&
        strcmp(cmis->args.repository_id, CMIS_REPOSITORY_ID) != 0)
        return cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "There is no such repository.");
    if (!operation->writes)
        return operation->run(cmis);
    int r = cmis_step_begin(cmis);
    return r < 0 ? cmis_fail_errno(cmis, r) : cmis_step_end(cmis, operation->run(cmis));
}
