/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/form_fields.h: the fields of a query or a form (application/x-www-form-urlencoded), looked
 * up by name in logarithmic time. The text is anybody's: names and values are UTF-8 without NUL,
 * their number and size capped. */
#ifndef COFFER_DMS_CMIS_FORM_FIELDS_H
#define COFFER_DMS_CMIS_FORM_FIELDS_H

#include "base/arena.h"

#define FORM_FIELDS_MAX 8000
#define FORM_FIELDS_SIZE_MAX ((size_t)2 << 20)

struct form_field {
    const char *name, *value;
    size_t order; /* as it came; the first of a name counts */
};
struct form_fields {
    struct arena *arena;
    size_t count, capacity, size;
    struct form_field *items; /* sorted by name once form_fields_settle() has run */
};

/* Both texts outlive the fields. 0, -EFBIG over a cap, -ENOMEM. */
must_check int form_field_add(struct form_fields *fields, const char *name, const char *value);
/* Adds what the text has; a field without a name is left out. Also -EINVAL (malformed). */
must_check int form_fields_parse(struct form_fields *fields, struct slice text);
void form_fields_settle(struct form_fields *fields);
/* After form_fields_settle(): the value of a name, of name[n], of name[n][m]; NULL: none. */
const char *form_field(const struct form_fields *fields, const char *name);
const char *form_field_at(const struct form_fields *fields, const char *name, size_t n);
const char *form_field_at2(const struct form_fields *fields, const char *name, size_t n, size_t m);

#endif
