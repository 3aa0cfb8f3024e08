/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/xml_list.h: answers with many objects. The objects are in memory; their XML, which takes
 * several times as much, is made entry by entry as it is sent. */
#ifndef COFFER_DMS_CMIS_XML_LIST_H
#define COFFER_DMS_CMIS_XML_LIST_H

#include "dms/cmis/xml_model.h"
#include "dms/dms.h"

/* What is written, in this order. `level` is 0 for the list's own entries. `arg` and what it points
 * to live until the call is done. */
struct xml_list_writer {
    void (*head)(void *arg, struct xml *xml);
    void (*enter)(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level);
    void (*leave)(void *arg, struct xml *xml, const struct cmis_entry *entry, unsigned level);
    void (*tail)(void *arg, struct xml *xml);
    void *arg;
};

/* Answers the call; a short list at once and with its size, a long one in chunks. */
void xml_reply_list(struct call *call, int status, const char *type,
                    const struct cmis_entries *list, const struct xml_list_writer *writer);

#endif
