/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/soap.h"

#include <errno.h>

/* Numbers, booleans and enumerations collapse blanks (XML Schema, 4.3.6); texts are as they are. */
static int take_scalar(struct cmis_call *cmis, enum cmis_input input, const char *text)
{
    static const char blanks[] = " \t\r\n";
    if (!text)
        return 0;
    if (cmis_input_kind(input) == CMIS_KIND_TEXT)
        return cmis_args_set_text(cmis, input, text);
    size_t from = strspn(text, blanks), size = strlen(text);
    while (size > from && strchr(blanks, text[size - 1]))
        size--;
    const char *plain = arena_text(cmis->arena, slice_of(text + from, size - from));
    return plain ? cmis_args_set_text(cmis, input, plain) : cmis_fail_errno(cmis, -ENOMEM);
}

static int take_input(struct cmis_call *cmis, enum cmis_input input, const struct xml_node *request)
{
    const char *name = cmis_input_name(input);
    const struct xml_node *node = xml_child(request, XML_NS_CMISM, name);
    if (!node || xml_is_nil(node))
        return 0;
    if (xml_again(node) && cmis_input_kind(input) != CMIS_KIND_LIST)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "%s stands there twice.", name);
    switch (cmis_input_kind(input)) {
    case CMIS_KIND_TEXT:
    case CMIS_KIND_BOOLEAN:
    case CMIS_KIND_INTEGER:
    case CMIS_KIND_ENUM:
        return take_scalar(cmis, input, node->text);
    case CMIS_KIND_LIST:
        cmis_args_mark(cmis, input);
        return xml_take_ids(cmis, request, XML_NS_CMISM, name, &cmis->args.policies);
    case CMIS_KIND_PROPERTIES:
        return xml_take_properties(cmis, node);
    case CMIS_KIND_ACL:
        return xml_take_acl(cmis, input, node);
    case CMIS_KIND_TYPE:
        return xml_take_type(cmis, node);
    case CMIS_KIND_BULK:
        return xml_take_bulk(cmis, node);
    case CMIS_KIND_STREAM: /* has arrived already */
    case CMIS_KIND_EXTENSION:
        break;
    }
    return 0;
}

int soap_take(struct cmis_call *cmis, const struct cmis_operation *operation,
              const struct xml_node *request)
{
    for (size_t i = 0; i < operation->input_count; i++)
        if (take_input(cmis, operation->inputs[i].input, request) < 0)
            return -1;
    return 0;
}
