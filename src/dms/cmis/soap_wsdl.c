/* SPDX-License-Identifier: Apache-2.0 */
/* The WSDL: all nine services with their operations, whichever service's address was asked. Clients
 * want the address they came to, so addresses are made from the request's Host. */
#include "dms/cmis/soap.h"
#include "dms/cmis/soap_schema.h"
#include "dms/link.h"

#include <stdio.h>

#define WSDL_NS "http://docs.oasis-open.org/ns/cmis/ws/200908/"

int soap_service_find(struct slice name)
{
    for (int i = 0; i < CMIS_SERVICE_COUNT; i++)
        if (slice_is_text(name, cmis_service_name((enum cmis_service)i)))
            return i;
    return -1;
}

static void put_message(struct xml *xml, const char *operation, const char *kind,
                        const char *ending)
{
    xml_open(xml, "message");
    xml_put_attributef(xml, "name", "%s%s", operation, kind);
    xml_open(xml, "part");
    xml_put_attribute(xml, "name", "parameters");
    xml_put_attributef(xml, "element", "cmism:%s%s", operation, ending);
    xml_close(xml, "part");
    xml_close(xml, "message");
}

static void put_messages(struct xml *xml)
{
    xml_open(xml, "message");
    xml_put_attribute(xml, "name", "cmisException");
    xml_open(xml, "part");
    xml_put_attribute(xml, "name", "fault");
    xml_put_attribute(xml, "element", "cmism:cmisFault");
    xml_close(xml, "part");
    xml_close(xml, "message");
    for (size_t i = 0; i < cmis_operation_count; i++) {
        put_message(xml, cmis_operations[i].name, "Request", "");
        put_message(xml, cmis_operations[i].name, "Response", "Response");
    }
}

static void put_port_operation(struct xml *xml, const char *name)
{
    xml_open(xml, "operation");
    xml_put_attribute(xml, "name", name);
    xml_open(xml, "input");
    xml_put_attributef(xml, "message", "cmisw:%sRequest", name);
    xml_close(xml, "input");
    xml_open(xml, "output");
    xml_put_attributef(xml, "message", "cmisw:%sResponse", name);
    xml_close(xml, "output");
    xml_open(xml, "fault");
    xml_put_attribute(xml, "name", "cmisException");
    xml_put_attribute(xml, "message", "cmisw:cmisException");
    xml_close(xml, "fault");
    xml_close(xml, "operation");
}

static void put_literal(struct xml *xml, const char *name)
{
    xml_open(xml, name);
    xml_open(xml, "soap:body");
    xml_put_attribute(xml, "use", "literal");
    xml_close(xml, "soap:body");
    xml_close(xml, name);
}

static void put_binding_operation(struct xml *xml, const char *name)
{
    xml_open(xml, "operation");
    xml_put_attribute(xml, "name", name);
    xml_open(xml, "soap:operation");
    xml_put_attribute(xml, "soapAction", "");
    xml_close(xml, "soap:operation");
    put_literal(xml, "input");
    put_literal(xml, "output");
    xml_open(xml, "fault");
    xml_put_attribute(xml, "name", "cmisException");
    xml_open(xml, "soap:fault");
    xml_put_attribute(xml, "name", "cmisException");
    xml_put_attribute(xml, "use", "literal");
    xml_close(xml, "soap:fault");
    xml_close(xml, "fault");
    xml_close(xml, "operation");
}

static void put_operations(struct xml *xml, enum cmis_service service,
                           void (*put)(struct xml *, const char *))
{
    for (size_t i = 0; i < cmis_operation_count; i++)
        if (cmis_operations[i].service == service)
            put(xml, cmis_operations[i].name);
}

static void put_port(struct xml *xml, enum cmis_service service)
{
    xml_open(xml, "portType");
    xml_put_attributef(xml, "name", "%sPort", cmis_service_name(service));
    put_operations(xml, service, put_port_operation);
    xml_close(xml, "portType");
}

static void put_binding(struct xml *xml, enum cmis_service service)
{
    xml_open(xml, "binding");
    xml_put_attributef(xml, "name", "%sPortBinding", cmis_service_name(service));
    xml_put_attributef(xml, "type", "cmisw:%sPort", cmis_service_name(service));
    xml_open(xml, "soap:binding");
    xml_put_attribute(xml, "style", "document");
    xml_put_attribute(xml, "transport", "http://schemas.xmlsoap.org/soap/http");
    xml_close(xml, "soap:binding");
    put_operations(xml, service, put_binding_operation);
    xml_close(xml, "binding");
}

static void put_service(struct xml *xml, enum cmis_service service, const char *origin)
{
    const char *name = cmis_service_name(service);
    xml_open(xml, "service");
    xml_put_attribute(xml, "name", name);
    xml_open(xml, "port");
    xml_put_attributef(xml, "name", "%sPort", name);
    xml_put_attributef(xml, "binding", "cmisw:%sPortBinding", name);
    xml_open(xml, "soap:address");
    xml_put_attributef(xml, "location", "%s/cmis/services/%s", origin, name);
    xml_close(xml, "soap:address");
    xml_close(xml, "port");
    xml_close(xml, "service");
}

static void put_types(struct xml *xml)
{
    xml_open(xml, "types");
    soap_put_core_schema(xml);
    soap_put_messaging_schema(xml);
    xml_close(xml, "types");
}

static void put_definitions(struct xml *xml, const char *origin)
{
    xml_declaration(xml);
    xml_open(xml, "definitions");
    xml_put_attribute(xml, "xmlns", "http://schemas.xmlsoap.org/wsdl/");
    xml_put_attribute(xml, "xmlns:soap", "http://schemas.xmlsoap.org/wsdl/soap/");
    xml_put_attribute(xml, "xmlns:xs", "http://www.w3.org/2001/XMLSchema");
    xml_put_attribute(xml, "xmlns:xmime", "http://www.w3.org/2005/05/xmlmime");
    xml_put_attribute(xml, "xmlns:cmisw", WSDL_NS);
    xml_put_namespaces(xml, 1u << XML_NS_CMIS | 1u << XML_NS_CMISM);
    xml_put_attribute(xml, "targetNamespace", WSDL_NS);
    xml_put_attribute(xml, "name", "CMISWebServices");
    put_types(xml);
    put_messages(xml);
    for (unsigned i = 0; i < CMIS_SERVICE_COUNT; i++)
        put_port(xml, (enum cmis_service)i);
    for (unsigned i = 0; i < CMIS_SERVICE_COUNT; i++)
        put_binding(xml, (enum cmis_service)i);
    for (unsigned i = 0; i < CMIS_SERVICE_COUNT; i++)
        put_service(xml, (enum cmis_service)i, origin);
    xml_close(xml, "definitions");
}

void soap_wsdl(struct call *call)
{
    if (soap_service_find(call->params[0]) < 0 && !slice_is_text(call->params[0], "cmis")) {
        call_problem(call, 404, "not-found", "There is no such service of CMIS.");
        return;
    }
    struct buf body = {0};
    struct xml xml = xml_into(&body);
    const char *origin = link_origin(call);
    if (origin)
        put_definitions(&xml, origin);
    else
        body.failed = true;
    call_reply_buf(call, 200, "text/xml; charset=utf-8", &body);
}
