/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/type_fields.h: what a type definition consists of (CMIS 1.1, 2.1.3; names and order of
 * CMIS-Core.xsd), once for all forms it is written in and read from. A form, JSON or XML, says how
 * each kind of field looks; it knows no field by name. */
#ifndef COFFER_DMS_CMIS_TYPE_FIELDS_H
#define COFFER_DMS_CMIS_TYPE_FIELDS_H

#include "dms/cmis/cmis.h"

/* Writing */

struct type_sink {
    void *to;
    bool (*wants)(void *to, const char *name); /* NULL: everything */
    void (*text)(void *to, const char *name, const char *text);
    void (*value)(void *to, const char *name, enum cmis_property_type type,
                  const union cmis_value *value);
    void (*defaults)(void *to, const struct cmis_property_definition *property);
    void (*choices)(void *to, enum cmis_property_type type, size_t count,
                    const struct cmis_choice *choices);
    void (*ids)(void *to, const char *name, const struct cmis_ids *ids);
    void (*open)(void *to, const char *name);
    void (*close)(void *to, const char *name);
    /* Around the type's properties, and around each. */
    void (*properties)(void *to, bool begin);
    void (*property)(void *to, const struct cmis_property_definition *property, bool begin);
};
void type_fields_write(const struct type_sink *sink, const struct cmis_type *type, bool properties);
void property_fields_write(const struct type_sink *sink,
                           const struct cmis_property_definition *property);

/* Reading. `node` is the form's: an object, an element, a value. What is not said is as
 * cmis_call_init() has its defaults: the standard's where it has one. Texts go to the arena. */

struct type_source {
    struct arena *arena;
    const void *(*child)(const void *node, const char *name); /* NULL: not there, or null */
    /* The values, or other parts, that a node has under a name: their number; the first `count` go
     * to `parts` unless that is NULL. */
    size_t (*parts)(const void *node, const char *name, size_t count, const void **parts);
    size_t (*properties)(const void *node, size_t count, const void **parts);
    /* NULL: it is none. Owned by the arena. */
    const char *(*text)(struct type_source *source, const void *node);
    const char *(*word)(struct type_source *source, const void *node); /* without blanks around */
    const char *(*title)(struct type_source *source, const void *choice);
    bool (*value)(struct type_source *source, const void *node, enum cmis_property_type type,
                  union cmis_value *ret);
    /* Whether a property's node can be of the kind it says; NULL: any can. */
    bool (*is_kind)(const void *property, enum cmis_property_type type);
    bool is_stored;    /* by this store, whatever its version was */
    const char *wrong; /* the first field that is not as it must be, NULL if all are */
    size_t choices;    /* of the property at hand */
};
/* NULL with source->wrong set. The arena's. */
const struct cmis_type *type_fields_read(struct type_source *source, const void *node);

#endif
