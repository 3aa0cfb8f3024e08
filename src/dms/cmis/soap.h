/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/soap.h: the Web Services binding's parts: CMIS 1.1 part 4, SOAP 1.1, MTOM.
 *
 *     soap_receive.c  envelopes and their attachments, as they come, and who sent them
 *     soap_take.c     an operation's element into cmis->args, by the table
 *     soap_put.c      cmis->result as the operation's response, by the table; faults
 *     soap_wsdl.c     WSDL and schemas, by the table */
#ifndef COFFER_DMS_CMIS_SOAP_H
#define COFFER_DMS_CMIS_SOAP_H

#include "dms/cmis/xml_model.h"
#include "dms/dms.h"

/* All inputs of the operation but its content, which must have come before. -1 with an error. */
must_check int soap_take(struct cmis_call *cmis, const struct cmis_operation *operation,
                         const struct xml_node *request);

/* Answers the call with what the operation gave. `mtom`: a content goes as a part of its own. */
void soap_put(struct call *call, struct cmis_call *cmis, const struct cmis_operation *operation,
              bool mtom);
void soap_fault(struct call *call, enum cmis_error error, const char *message);

/* A service by its name in an address; -1: none. */
int soap_service_find(struct slice name);

#endif
