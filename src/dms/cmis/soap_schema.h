/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/soap_schema.h: the XML schemas of what this server sends and takes, as part of its WSDL.
 * The names and orders are those of CMIS-Core.xsd and CMIS-Messaging.xsd (OASIS CMIS 1.1). */
#ifndef COFFER_DMS_CMIS_SOAP_SCHEMA_H
#define COFFER_DMS_CMIS_SOAP_SCHEMA_H

#include "dms/cmis/xml_write.h"

void soap_put_core_schema(struct xml *xml);
void soap_put_messaging_schema(struct xml *xml);

/* For both: a complex type from its elements, "name type, name type?, ..."; a type without prefix is
 * one of "cmis:"; ? optional, * any number, + at least one. */
void soap_put_complex_type(struct xml *xml, const char *name, const char *elements, bool open);
void soap_put_element(struct xml *xml, const char *name, const char *type, char occurs);

#endif
