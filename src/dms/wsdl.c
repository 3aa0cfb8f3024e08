/* SPDX-License-Identifier: Apache-2.0 */
/* The WSDL of what this server knows of CMIS 1.1's ObjectService. */
#include "dms/dms.h"
#include "dms/soap_parse.h"

static const char wsdl_head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<definitions xmlns=\"http://schemas.xmlsoap.org/wsdl/\" "
    "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" "
    "xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" "
    "xmlns:xmime=\"http://www.w3.org/2005/05/xmlmime\" xmlns:m=\"" SOAP_NS_MESSAGING "\" "
    "xmlns:w=\"http://docs.oasis-open.org/ns/cmis/ws/200908/\" "
    "targetNamespace=\"http://docs.oasis-open.org/ns/cmis/ws/200908/\" name=\"CMISWebServices\">\n"
    "<types>\n<xs:schema elementFormDefault=\"qualified\" targetNamespace=\"" SOAP_NS_CORE "\">\n"
    "<xs:complexType name=\"cmisProperty\"><xs:sequence><xs:element name=\"value\" "
    "type=\"xs:string\" minOccurs=\"0\"/></xs:sequence><xs:attribute "
    "name=\"propertyDefinitionId\" type=\"xs:string\"/></xs:complexType>\n"
    "<xs:complexType name=\"cmisPropertiesType\"><xs:choice maxOccurs=\"unbounded\">"
    "<xs:element name=\"propertyString\" type=\"c:cmisProperty\" xmlns:c=\"" SOAP_NS_CORE "\"/>"
    "<xs:element name=\"propertyId\" type=\"c:cmisProperty\" xmlns:c=\"" SOAP_NS_CORE "\"/>"
    "</xs:choice></xs:complexType>\n</xs:schema>\n"
    "<xs:schema elementFormDefault=\"qualified\" targetNamespace=\"" SOAP_NS_MESSAGING "\">\n"
    "<xs:import namespace=\"" SOAP_NS_CORE "\"/>\n"
    "<xs:complexType name=\"cmisContentStreamType\"><xs:sequence>"
    "<xs:element name=\"length\" type=\"xs:integer\" minOccurs=\"0\"/>"
    "<xs:element name=\"mimeType\" type=\"xs:string\" minOccurs=\"0\"/>"
    "<xs:element name=\"filename\" type=\"xs:string\" minOccurs=\"0\"/>"
    "<xs:element name=\"stream\" type=\"xs:base64Binary\" "
    "xmime:expectedContentTypes=\"application/octet-stream\"/></xs:sequence></xs:complexType>\n"
    "<xs:element name=\"createDocument\"><xs:complexType><xs:sequence>"
    "<xs:element name=\"repositoryId\" type=\"xs:string\"/>"
    "<xs:element name=\"properties\" type=\"c:cmisPropertiesType\" xmlns:c=\"" SOAP_NS_CORE "\"/>"
    "<xs:element name=\"folderId\" type=\"xs:string\" minOccurs=\"0\"/>"
    "<xs:element name=\"contentStream\" type=\"m:cmisContentStreamType\" minOccurs=\"0\"/>"
    "</xs:sequence></xs:complexType></xs:element>\n"
    "<xs:element name=\"createDocumentResponse\"><xs:complexType><xs:sequence>"
    "<xs:element name=\"objectId\" type=\"xs:string\"/></xs:sequence></xs:complexType>"
    "</xs:element>\n"
    "<xs:element name=\"getContentStream\"><xs:complexType><xs:sequence>"
    "<xs:element name=\"repositoryId\" type=\"xs:string\"/>"
    "<xs:element name=\"objectId\" type=\"xs:string\"/>"
    "<xs:element name=\"offset\" type=\"xs:integer\" minOccurs=\"0\"/>"
    "<xs:element name=\"length\" type=\"xs:integer\" minOccurs=\"0\"/>"
    "</xs:sequence></xs:complexType></xs:element>\n"
    "<xs:element name=\"getContentStreamResponse\"><xs:complexType><xs:sequence>"
    "<xs:element name=\"contentStream\" type=\"m:cmisContentStreamType\"/></xs:sequence>"
    "</xs:complexType></xs:element>\n"
    "<xs:element name=\"cmisFault\"><xs:complexType><xs:sequence>"
    "<xs:element name=\"type\" type=\"xs:string\"/><xs:element name=\"code\" type=\"xs:integer\"/>"
    "<xs:element name=\"message\" type=\"xs:string\"/></xs:sequence></xs:complexType>"
    "</xs:element>\n</xs:schema>\n</types>\n"
    "<message name=\"cmisException\"><part name=\"fault\" element=\"m:cmisFault\"/></message>\n";

static const char *const operations[] = {"createDocument", "getContentStream"};

void soap_wsdl(struct call *call)
{
    struct buf body = {0};
    struct slice host = call->req->host;
    (void)buf_append_text(&body, wsdl_head);
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++)
        (void)buf_printf(&body,
                         "<message name=\"%sRequest\"><part name=\"parameters\" element=\"m:%s\"/>"
                         "</message>\n<message name=\"%sResponse\"><part name=\"parameters\" "
                         "element=\"m:%sResponse\"/></message>\n",
                         operations[i], operations[i], operations[i], operations[i]);
    (void)buf_append_text(&body, "<portType name=\"ObjectServicePort\">\n");
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++)
        (void)buf_printf(&body,
                         "<operation name=\"%s\"><input message=\"w:%sRequest\"/>"
                         "<output message=\"w:%sResponse\"/><fault name=\"cmisException\" "
                         "message=\"w:cmisException\"/></operation>\n",
                         operations[i], operations[i], operations[i]);
    (void)buf_append_text(&body, "</portType>\n<binding name=\"ObjectServicePortBinding\" "
                                 "type=\"w:ObjectServicePort\"><soap:binding style=\"document\" "
                                 "transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n");
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++)
        (void)buf_printf(&body,
                         "<operation name=\"%s\"><soap:operation soapAction=\"\"/><input>"
                         "<soap:body use=\"literal\"/></input><output><soap:body use=\"literal\"/>"
                         "</output><fault name=\"cmisException\"><soap:fault "
                         "name=\"cmisException\" use=\"literal\"/></fault></operation>\n",
                         operations[i]);
    /* Clients want the address they came to; the scheme is what the runtime puts in front. */
    (void)buf_printf(&body,
                     "</binding>\n<service name=\"ObjectService\"><port name=\"ObjectServicePort\" "
                     "binding=\"w:ObjectServicePortBinding\"><soap:address "
                     "location=\"https://%.*s/cmis/services/ObjectService\"/></port></service>\n"
                     "</definitions>\n",
                     (int)host.size, (const char *)host.bytes);
    call_reply_buf(call, 200, "text/xml; charset=utf-8", &body);
}
