/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/xml_model.h: the model of cmis.h as CMIS XML (CMIS-Core.xsd of OASIS CMIS 1.1), both
 * ways, once for AtomPub and the Web Services. Writers put one element `name` with its prefix; the
 * document declares the prefixes "cmis" and "xsi". Readers take what a client sent into
 * cmis->args: 0, or -1 with cmis->error and cmis->message. */
#ifndef COFFER_DMS_CMIS_XML_MODEL_H
#define COFFER_DMS_CMIS_XML_MODEL_H

#include "dms/cmis/cmis.h"
#include "dms/cmis/xml_read.h"
#include "dms/cmis/xml_write.h"

/* xmlns: attributes of the start tag just opened: 1 << enum xml_ns each. */
void xml_put_namespaces(struct xml *xml, unsigned namespaces);

void xml_put_properties(struct xml *xml, const char *name, const struct cmis_object *object);
void xml_put_object(struct xml *xml, const char *name, const struct cmis_object *object);
/* What stands inside such elements; for documents of their own, which open them. */
void xml_put_object_parts(struct xml *xml, const struct cmis_object *object);
void xml_put_each_action(struct xml *xml, uint64_t actions);
void xml_put_aces(struct xml *xml, const struct cmis_acl *acl);
void xml_put_actions(struct xml *xml, const char *name, uint64_t actions);
void xml_put_acl(struct xml *xml, const char *name, const struct cmis_acl *acl);
void xml_put_rendition(struct xml *xml, const char *name, const struct cmis_rendition *rendition);
void xml_put_date(struct xml *xml, const char *name, int64_t ms);
/* CMIS 1.0 has no secondary types, items, type changes and what belongs to them. */
enum cmis_version { CMIS_1_1, CMIS_1_0 };
void xml_put_repository(struct xml *xml, const char *name, const struct cmis_repository_info *info,
                        enum cmis_version version);
/* `id_attribute`: NULL, or an attribute that repeats the type's id. */
void xml_put_type(struct xml *xml, const char *name, const char *id_attribute,
                  const struct cmis_type *type, bool with_properties, enum cmis_version version);

/* "Boolean" in propertyBoolean, cmisPropertyBoolean, ...; the types' order is that of the enum. */
const char *xml_property_kind(enum cmis_property_type type);

must_check int xml_take_properties(struct cmis_call *cmis, const struct xml_node *node);
must_check int xml_take_acl(struct cmis_call *cmis, enum cmis_input input,
                            const struct xml_node *node);
must_check int xml_take_type(struct cmis_call *cmis, const struct xml_node *node);
must_check int xml_take_bulk(struct cmis_call *cmis, const struct xml_node *node);
/* Every child `name` of `node`; sets *ret even if there is none. */
must_check int xml_take_ids(struct cmis_call *cmis, const struct xml_node *node, enum xml_ns ns,
                            const char *name, struct cmis_ids *ret);
/* A property's first value as it was sent, or NULL. */
const char *xml_property_text(const struct cmis_call *cmis, const char *id);

#endif
