/* SPDX-License-Identifier: Apache-2.0 */
/* Properties that come in: text becomes values, and all is judged by the type's definitions. */
#include "dms/cmis/model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* One value */

static int decimal_parse(const char *text, double *ret)
{
    char *end;
    if (!*text || text[strspn(text, "+-0123456789.eE")])
        return -EINVAL;
    *ret = strtod(text, &end);
    return *end || !isfinite(*ret) ? -EINVAL : 0;
}

static int integer_parse(const char *text, int64_t *ret)
{
    char *end;
    if (!*text || text[strspn(text, "+-0123456789")])
        return -EINVAL;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return *end || errno ? -EINVAL : 0;
}

static int boolean_parse(const char *text, bool *ret)
{
    *ret = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *ret || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? 0 : -EINVAL;
}

int cmis_value_parse(enum cmis_property_type type, const char *text, union cmis_value *ret)
{
    switch (type) {
    case CMIS_INTEGER:
        return integer_parse(text, &ret->integer);
    case CMIS_DATETIME:
        return cmis_date_parse(text, &ret->integer);
    case CMIS_DECIMAL:
        return decimal_parse(text, &ret->decimal);
    case CMIS_BOOLEAN:
        return boolean_parse(text, &ret->boolean);
    case CMIS_STRING:
    case CMIS_ID:
    case CMIS_HTML:
    case CMIS_URI:
    case CMIS_PROPERTY_TYPE_COUNT:
        break;
    }
    ret->text = text;
    return 0;
}

static bool is_text_type(enum cmis_property_type type)
{
    return type == CMIS_STRING || type == CMIS_ID || type == CMIS_HTML || type == CMIS_URI;
}

bool value_same(enum cmis_property_type type, const union cmis_value *a, const union cmis_value *b)
{
    if (is_text_type(type))
        return strcmp(a->text, b->text) == 0;
    if (type == CMIS_DECIMAL)
        return !(a->decimal < b->decimal) && !(a->decimal > b->decimal);
    return type == CMIS_BOOLEAN ? a->boolean == b->boolean : a->integer == b->integer;
}

static bool is_chosen(const struct cmis_property_definition *definition,
                      const union cmis_value *value, size_t count,
                      const struct cmis_choice *choices)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < choices[i].count; v++)
            if (value_same(definition->type, &choices[i].values[v], value))
                return true;
        if (is_chosen(definition, value, choices[i].choice_count, choices[i].choices))
            return true;
    }
    return false;
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((uint8_t)*text & 0xc0) != 0x80;
    return count;
}

int value_check(struct cmis_call *cmis, const struct cmis_property_definition *definition,
                const union cmis_value *value)
{
    bool decimal = definition->type == CMIS_DECIMAL;
    if (definition->choice_count > 0 && !definition->open_choice &&
        !is_chosen(definition, value, definition->choice_count, definition->choices))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s': the value is no choice.",
                         definition->id);
    if (is_text_type(definition->type)) {
        if (strlen(value->text) > CMIS_TEXT_SIZE_MAX ||
            (definition->max_length > 0 &&
             characters(value->text) > (uint64_t)definition->max_length))
            return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s': the value is too long.",
                             definition->id);
        return 0;
    }
    if ((definition->has_min && (decimal ? value->decimal < definition->min.decimal
                                         : value->integer < definition->min.integer)) ||
        (definition->has_max && (decimal ? value->decimal > definition->max.decimal
                                         : value->integer > definition->max.integer)))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s': the value is out of range.",
                         definition->id);
    return 0;
}

static int input_parse(struct cmis_call *cmis, const struct cmis_input_property *sent,
                       struct input *input)
{
    const struct cmis_property_definition *definition = input->definition;
    if (sent->type != CMIS_TYPE_NOT_SAID && sent->type != definition->type)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' is of type %s.",
                         definition->id, cmis_property_type_name(definition->type));
    if (sent->count > CMIS_VALUES_MAX || (!definition->multi && sent->count > 1))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' has too many values.",
                         definition->id);
    input->count = sent->count;
    input->values = call_alloc(cmis, MAX(sent->count, (size_t)1) * sizeof *input->values);
    if (!input->values)
        return -1;
    for (size_t i = 0; i < sent->count; i++) {
        if (cmis_value_parse(definition->type, sent->values[i], &input->values[i]) < 0)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' cannot be '%.60s'.",
                             definition->id, sent->values[i]);
        if (value_check(cmis, definition, &input->values[i]) < 0)
            return -1;
    }
    return 0;
}

/* All of them */

static const struct cmis_input_property *sent_find(const struct cmis_call *cmis, const char *id)
{
    for (size_t i = 0; i < cmis->args.properties.count; i++)
        if (strcmp(cmis->args.properties.items[i].id, id) == 0)
            return &cmis->args.properties.items[i];
    return NULL;
}

static int type_settle(struct cmis_call *cmis, const struct row *row, enum cmis_base base,
                       struct property_set *set)
{
    const struct cmis_input_property *sent = sent_find(cmis, "cmis:objectTypeId");
    if (row) {
        set->type = row->type;
        return 0;
    }
    if (!sent || sent->count != 1)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "cmis:objectTypeId is needed.");
    set->type = type_find(cmis->store, sent->values[0]);
    if (!set->type)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no type '%.100s'.",
                         sent->values[0]);
    if (set->type->base != base || !set->type->creatable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Type '%.100s' cannot be used here.",
                         set->type->id);
    return 0;
}

static int secondary_add(struct cmis_call *cmis, struct property_set *set, const char *id)
{
    const struct cmis_type *type = type_find(cmis->store, id);
    if (!type || type->base != CMIS_BASE_SECONDARY)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There is no secondary type '%.100s'.", id);
    for (size_t i = 0; i < set->secondary_count; i++)
        if (strcmp(set->secondary[i], id) == 0)
            return 0;
    set->secondary[set->secondary_count++] = id;
    return 0;
}

static bool is_in(const struct cmis_ids *ids, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->ids[i], id) == 0)
            return true;
    return false;
}

/* The secondary types as they will be: what was sent or what is there, and a bulk update's. */
static int secondary_settle(struct cmis_call *cmis, const struct row *row, struct property_set *set)
{
    const struct cmis_input_property *sent = sent_find(cmis, SECONDARY_IDS);
    const struct stored *stored = row ? row_stored(row, SECONDARY_IDS) : NULL;
    const struct cmis_args *args = &cmis->args;
    size_t count =
        (sent ? sent->count : 0) + (stored ? stored->count : 0) + args->add_secondary.count;
    if (count > CMIS_IDS_MAX)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "There are too many secondary types.");
    set->secondary = call_alloc(cmis, MAX(count, (size_t)1) * sizeof *set->secondary);
    if (!set->secondary)
        return -1;
    set->has_secondary = sent || args->add_secondary.count > 0 || args->remove_secondary.count > 0;
    for (size_t i = 0; sent && i < sent->count; i++)
        if (secondary_add(cmis, set, sent->values[i]) < 0)
            return -1;
    for (size_t i = 0; !sent && stored && i < stored->count; i++) {
        const char *id = stored->values[i].text;
        if (!is_in(&args->remove_secondary, id) && type_find(cmis->store, id) &&
            secondary_add(cmis, set, id) < 0)
            return -1;
    }
    for (size_t i = 0; i < args->add_secondary.count; i++)
        if (secondary_add(cmis, set, args->add_secondary.ids[i]) < 0)
            return -1;
    return 0;
}

const struct cmis_property_definition *
set_definition(struct cmis_call *cmis, const struct property_set *set, const char *id)
{
    const struct cmis_property_definition *definition = type_property(set->type, id);
    for (size_t i = 0; !definition && i < set->secondary_count; i++) {
        const struct cmis_type *type = type_find(cmis->store, set->secondary[i]);
        definition = type ? type_property(type, id) : NULL;
    }
    return definition;
}

/* What a client may send back as it got it: ids that say what the object is anyway. */
static bool is_echo(struct cmis_call *cmis, const struct row *row,
                    const struct cmis_input_property *sent)
{
    if (!row || sent->count > 1)
        return false;
    const char *value = sent->count ? sent->values[0] : "";
    if (strcmp(sent->id, "cmis:objectId") == 0) {
        const char *id = row_id(cmis, row);
        return id && strcmp(value, id) == 0;
    }
    if (strcmp(sent->id, "cmis:baseTypeId") == 0)
        return strcmp(value, cmis_base_id(row_base(row))) == 0;
    return strcmp(sent->id, "cmis:objectTypeId") == 0 && strcmp(value, row->type->id) == 0;
}

static bool may_set(const struct cmis_property_definition *definition, enum property_moment moment)
{
    switch (definition->updatability) {
    case CMIS_READWRITE:
        return true;
    case CMIS_WHENCHECKEDOUT:
        return moment != ON_UPDATE;
    case CMIS_ONCREATE:
        return moment == ON_CREATE;
    case CMIS_READONLY:
    case CMIS_UPDATABILITY_COUNT:
        break;
    }
    return false;
}

static int name_settle(struct cmis_call *cmis, struct property_set *set, const struct input *input)
{
    set->name = input->count ? input->values[0].text : "";
    if (!*set->name)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "cmis:name cannot be empty.");
    if (node_name_check(set->name) < 0)
        return cmis_fail(cmis, CMIS_NAME_CONSTRAINT_VIOLATION,
                         "A name has 1 to %d bytes of UTF-8, no '/' and no control characters, and "
                         "is not '.' or '..'.",
                         STORE_NAME_SIZE_MAX);
    return 0;
}

static int one_judge(struct cmis_call *cmis, const struct row *row,
                     const struct cmis_input_property *sent, enum property_moment moment,
                     struct property_set *set)
{
    struct input *input = &set->items[set->count];
    if (is_echo(cmis, row, sent))
        return 0;
    input->definition = set_definition(cmis, set, sent->id);
    if (!input->definition)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Type '%.100s' has no property '%.100s'.",
                         set->type->id, sent->id);
    if (!may_set(input->definition, moment))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' cannot be set%s.", sent->id,
                         input->definition->updatability == CMIS_READONLY ? "" : " now");
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].definition == input->definition)
            return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "Property '%.100s' is there twice.",
                             sent->id);
    if (input_parse(cmis, sent, input) < 0)
        return -1;
    if (input->count == 0 && input->definition->required && moment != ON_CREATE)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' is required.", sent->id);
    if (strcmp(sent->id, "cmis:name") == 0 && name_settle(cmis, set, input) < 0)
        return -1;
    set->count++;
    return 0;
}

int properties_judge(struct cmis_call *cmis, const struct row *row, enum cmis_base base,
                     enum property_moment moment, struct property_set *ret)
{
    const struct cmis_args *args = &cmis->args;
    *ret = (struct property_set){0};
    if (args->properties.count > CMIS_PROPERTIES_MAX)
        return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There are too many properties.");
    ret->items = call_alloc(cmis, (2 * (size_t)CMIS_PROPERTIES_MAX + 1) * sizeof *ret->items);
    if (!ret->items || type_settle(cmis, row, base, ret) < 0 ||
        secondary_settle(cmis, row, ret) < 0)
        return -1;
    for (size_t i = 0; i < args->properties.count; i++)
        if (one_judge(cmis, row, &args->properties.items[i], moment, ret) < 0)
            return -1;
    return 0;
}

static bool set_has(const struct property_set *set,
                    const struct cmis_property_definition *definition)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].definition == definition)
            return set->items[i].count > 0;
    return false;
}

static int type_complete(struct cmis_call *cmis, struct property_set *set,
                         const struct cmis_type *type)
{
    for (size_t i = 0; i < type->property_count; i++) {
        const struct cmis_property_definition *definition = &type->properties[i];
        if (set_has(set, definition))
            continue;
        if (definition->default_count > 0 && set->count < 2 * (size_t)CMIS_PROPERTIES_MAX)
            set->items[set->count++] =
                (struct input){definition, definition->default_count,
                               (union cmis_value *)(uintptr_t)definition->defaults};
        else if (definition->required)
            return cmis_fail(cmis, CMIS_CONSTRAINT, "Property '%.100s' is required.",
                             definition->id);
    }
    return 0;
}

int properties_complete(struct cmis_call *cmis, struct property_set *set)
{
    if (type_complete(cmis, set, set->type) < 0)
        return -1;
    for (size_t i = 0; i < set->secondary_count; i++)
        if (type_complete(cmis, set, type_find(cmis->store, set->secondary[i])) < 0)
            return -1;
    return 0;
}

/* Storing */

static bool has_column(const char *id)
{
    static const char *const ids[] = {"cmis:name", "cmis:objectTypeId", "cmis:sourceId",
                                      "cmis:targetId", SECONDARY_IDS};
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return retention_is_property(id);
}

static int value_add(struct cmis_call *cmis, int64_t key, int64_t number,
                     const struct cmis_property_definition *definition, size_t place,
                     const union cmis_value *value)
{
    const char *id = definition->id;
    int64_t at = (int64_t)place;
    if (definition->type == CMIS_DECIMAL)
        return RUN(cmis, STMT_VALUE_ADD, "iisid", key, number, id, at, value->decimal);
    if (is_text_type(definition->type))
        return RUN(cmis, STMT_VALUE_ADD, "iisis", key, number, id, at, value->text);
    return RUN(cmis, STMT_VALUE_ADD, "iisii", key, number, id, at,
               definition->type == CMIS_BOOLEAN ? (int64_t)value->boolean : value->integer);
}

int properties_store(struct cmis_call *cmis, int64_t key, int64_t number,
                     const struct property_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct input *input = &set->items[i];
        if (has_column(input->definition->id))
            continue;
        if (RUN(cmis, STMT_VALUE_REMOVE, "iis", key, number, input->definition->id) < 0)
            return -1;
        for (size_t v = 0; v < input->count; v++)
            if (value_add(cmis, key, number, input->definition, v, &input->values[v]) < 0)
                return -1;
    }
    if (!set->has_secondary)
        return 0;
    if (RUN(cmis, STMT_VALUE_REMOVE, "iis", key, number, SECONDARY_IDS) < 0)
        return -1;
    for (size_t i = 0; i < set->secondary_count; i++)
        if (RUN(cmis, STMT_VALUE_ADD, "iisis", key, number, SECONDARY_IDS, (int64_t)i,
                set->secondary[i]) < 0)
            return -1;
    return 0;
}

int properties_prune(struct cmis_call *cmis, struct row *row, const struct property_set *set)
{
    for (size_t i = 0; set->has_secondary && i < row->values.count; i++) {
        const char *id = row->values.items[i].property;
        if (strcmp(id, SECONDARY_IDS) != 0 && !set_definition(cmis, set, id) &&
            RUN(cmis, STMT_VALUE_REMOVE, "iis", row->node.key, row->number, id) < 0)
            return -1;
    }
    /* A secondary type that is new may have defaults and required properties. */
    for (size_t i = 0; set->has_secondary && i < set->secondary_count; i++) {
        const struct cmis_type *type = type_find(cmis->store, set->secondary[i]);
        for (size_t p = 0; type && p < type->property_count; p++) {
            const struct cmis_property_definition *definition = &type->properties[p];
            if (!set_has(set, definition) && !row_stored(row, definition->id))
                for (size_t v = 0; v < definition->default_count; v++)
                    if (value_add(cmis, row->node.key, row->number, definition, v,
                                  &definition->defaults[v]) < 0)
                        return -1;
        }
    }
    return 0;
}
