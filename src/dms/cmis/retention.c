/* SPDX-License-Identifier: Apache-2.0 */
/* What CMIS 1.1 (2.1.16) has for times to keep and legal holds: two secondary types of documents whose
 * properties are the store's own (dms/store_hold.h), whoever set them and through whichever
 * interface. So they are the document's, not a version's, and no query joins them. Nothing here can
 * shorten a time or end a hold: trying is a constraint. */
#include "dms/cmis/model.h"
#include "dms/store_hold.h"

#include <errno.h>

#define RETENTION "cmis:rm_clientMgtRetention"
#define HOLD "cmis:rm_hold"
#define EXPIRATION "cmis:rm_expirationDate"
#define HOLD_IDS "cmis:rm_holdIds"

#define P(id_, display, about, type_, multi_)                                                    \
    {                                                                                            \
        .id = (id_), .local_name = (id_), .local_namespace = CMIS_NAMESPACE,                     \
        .display_name = (display), .query_name = (id_), .description = (about), .type = (type_), \
        .multi = (multi_), .updatability = CMIS_READWRITE                                        \
    }
static const struct cmis_property_definition retention_properties[] = {
    P(EXPIRATION, "Keep until", "Until then it cannot be deleted; it can only be made later",
      CMIS_DATETIME, false),
    P("cmis:rm_startOfRetention", "Kept since", "When the time to keep began", CMIS_DATETIME,
      false),
};
static const struct cmis_property_definition hold_properties[] = {
    P(HOLD_IDS, "Legal holds", "The names of the holds that keep it", CMIS_STRING, true),
};
#define T(id_, display, about, list)                                            \
    {                                                                           \
        .id = (id_), .local_name = (id_), .local_namespace = CMIS_NAMESPACE,    \
        .display_name = (display), .query_name = (id_), .description = (about), \
        .base = CMIS_BASE_SECONDARY, .parent = "cmis:secondary",                \
        .property_count = ARRAY_COUNT(list), .properties = (list)               \
    }
const struct cmis_type cmis_retention_types[CMIS_RETENTION_TYPE_COUNT] = {
    T(RETENTION, "Time to keep", "A document that must be kept until a time", retention_properties),
    T(HOLD, "Legal hold", "A document that legal holds keep", hold_properties),
};

bool retention_is_type(const char *id)
{
    return strcmp(id, RETENTION) == 0 || strcmp(id, HOLD) == 0;
}

bool retention_is_property(const char *id)
{
    return strcmp(id, EXPIRATION) == 0 || strcmp(id, HOLD_IDS) == 0;
}

/* What keeps it now */

struct keeping {
    struct cmis_call *cmis;
    int64_t until_ms; /* 0: no time was ever set */
    bool is_timed;    /* and it lasts */
    size_t hold_count;
    union cmis_value holds[CMIS_VALUES_MAX]; /* names */
};

static int hold_note(void *arg, const struct hold *hold)
{
    struct keeping *keeping = arg;
    if (hold->released_ms != 0 || keeping->hold_count == CMIS_VALUES_MAX)
        return 0;
    const char *name = call_text(keeping->cmis, hold->name);
    keeping->holds[keeping->hold_count++].text = name;
    return name ? 0 : -ENOMEM;
}

static int keeping_get(struct cmis_call *cmis, int64_t node, struct keeping *keeping)
{
    struct retention retention;
    bool more = true;
    keeping->cmis = cmis;
    keeping->hold_count = 0;
    int r = retention_get(cmis->store, cmis->arena, node, &retention);
    if (r == 0)
        r = hold_list(cmis->store, node, 0, CMIS_VALUES_MAX, hold_note, keeping, &more);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    keeping->until_ms = retention.until_ms;
    keeping->is_timed = retention.until_ms > cmis->now_ms;
    return 0;
}

/* Reading */

static struct stored *stored_of(struct row *row, const char *property)
{
    return (struct stored *)(uintptr_t)row_stored(row, property);
}

/* A place for a property that the row has not yet; the array has room for it. */
static struct stored *stored_add(struct row *row, struct stored *items, const char *property)
{
    struct stored *stored = stored_of(row, property);
    if (stored)
        return stored;
    items[row->values.count] = (struct stored){.property = property};
    return &items[row->values.count++];
}

static int type_add(struct cmis_call *cmis, struct stored *ids, const char *type)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->values[i].text, type) == 0)
            return 0;
    union cmis_value *values = call_alloc(cmis, (ids->count + 1) * sizeof *values);
    if (!values)
        return -1;
    if (ids->count > 0)
        memcpy(values, ids->values, ids->count * sizeof *values);
    values[ids->count++].text = type;
    ids->values = values;
    return 0;
}

int retention_values(struct cmis_call *cmis, struct row *row)
{
    struct keeping keeping;
    if (row->node.kind != NODE_DOCUMENT)
        return 0;
    if (keeping_get(cmis, row->node.key, &keeping) < 0)
        return -1;
    if (keeping.until_ms == 0 && keeping.hold_count == 0)
        return 0;
    struct stored *items = call_alloc(cmis, (row->values.count + 3) * sizeof *items);
    if (!items)
        return -1;
    if (row->values.count > 0)
        memcpy(items, row->values.items, row->values.count * sizeof *items);
    row->values.items = items;
    struct stored *ids = stored_add(row, items, SECONDARY_IDS);
    if ((keeping.is_timed && type_add(cmis, ids, RETENTION) < 0) ||
        (keeping.hold_count > 0 && type_add(cmis, ids, HOLD) < 0))
        return -1;
    if (keeping.until_ms != 0) {
        union cmis_value *until = call_alloc(cmis, sizeof *until);
        if (!until)
            return -1;
        until->integer = keeping.until_ms;
        struct stored *stored = stored_add(row, items, EXPIRATION);
        stored->count = 1;
        stored->values = until;
    }
    if (keeping.hold_count > 0) {
        size_t size = keeping.hold_count * sizeof keeping.holds[0];
        union cmis_value *holds = call_alloc(cmis, size);
        if (!holds)
            return -1;
        memcpy(holds, keeping.holds, size);
        struct stored *stored = stored_add(row, items, HOLD_IDS);
        stored->count = keeping.hold_count;
        stored->values = holds;
    }
    return 0;
}

/* Changing */

static bool set_has_type(const struct property_set *set, const char *type)
{
    for (size_t i = 0; i < set->secondary_count; i++)
        if (strcmp(set->secondary[i], type) == 0)
            return true;
    return false;
}

static const struct input *set_input(const struct property_set *set, const char *property)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].definition->id, property) == 0)
            return &set->items[i];
    return NULL;
}

static int time_change(struct cmis_call *cmis, const struct row *row, const struct input *input,
                       const struct keeping *keeping)
{
    struct actor actor = actor_of(cmis);
    int64_t until = input->count > 0 ? input->values[0].integer : 0;
    if (until == keeping->until_ms)
        return 0;
    if (until != 0 && until <= cmis->now_ms)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A time to keep lies ahead.");
    if (until < keeping->until_ms)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A time to keep can only be made longer.");
    int r = retention_set(cmis->store, &actor, row->node.key, until);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

struct search {
    const char *name;
    int64_t key, last;
};

static int hold_compare(void *arg, const struct hold *hold)
{
    struct search *search = arg;
    search->last = hold->key;
    if (hold->released_ms == 0 && strcmp(hold->name, search->name) == 0)
        search->key = hold->key;
    return 0;
}

/* The hold of this name that holds; a new one if there is none. */
static int hold_named(struct cmis_call *cmis, const char *name, int64_t *ret_key)
{
    struct actor actor = actor_of(cmis);
    struct search search = {.name = name};
    bool more = true;
    int r = 0;
    while (r == 0 && more && search.key == 0)
        r = hold_list(cmis->store, 0, search.last, STORE_PAGE_MAX, hold_compare, &search, &more);
    if (r == 0 && search.key == 0)
        r = hold_add(cmis->store, &actor, name, "begun over CMIS", &search.key);
    *ret_key = search.key;
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static bool is_among(const char *name, const union cmis_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(values[i].text, name) == 0)
            return true;
    return false;
}

static int hold_begin(struct cmis_call *cmis, const struct row *row, const char *name)
{
    struct actor actor = actor_of(cmis);
    int64_t key;
    if (!cmis->is_admin)
        return cmis_fail(cmis, CMIS_PERMISSION_DENIED,
                         "Only an administrator begins a legal hold.");
    if (!*name || strlen(name) > HOLD_NAME_MAX)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "A hold's name has 1 to %d bytes.", HOLD_NAME_MAX);
    if (hold_named(cmis, name, &key) < 0)
        return -1;
    int r = hold_put(cmis->store, &actor, key, row->node.key);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int holds_change(struct cmis_call *cmis, const struct row *row, const struct input *input,
                        const struct keeping *keeping)
{
    for (size_t i = 0; i < keeping->hold_count; i++)
        if (!is_among(keeping->holds[i].text, input->values, input->count))
            return cmis_fail(cmis, CMIS_CONSTRAINT,
                             "A legal hold ends when two administrators ask for its release.");
    for (size_t i = 0; i < input->count; i++)
        if (!is_among(input->values[i].text, keeping->holds, keeping->hold_count) &&
            hold_begin(cmis, row, input->values[i].text) < 0)
            return -1;
    return 0;
}

int retention_apply(struct cmis_call *cmis, const struct row *row, const struct property_set *set)
{
    const struct input *until = set_input(set, EXPIRATION), *holds = set_input(set, HOLD_IDS);
    bool timed = set_has_type(set, RETENTION), held = set_has_type(set, HOLD);
    struct keeping keeping;
    if (!set->has_secondary && !until && !holds)
        return 0;
    if (row->node.kind != NODE_DOCUMENT)
        return timed || held ? cmis_fail(cmis, CMIS_CONSTRAINT, "Only documents are kept so.") : 0;
    if (keeping_get(cmis, row->node.key, &keeping) < 0)
        return -1;
    if ((keeping.is_timed && !timed) || (keeping.hold_count > 0 && !held))
        return cmis_fail(cmis, CMIS_CONSTRAINT, "What must be kept stays so.");
    if (until && time_change(cmis, row, until, &keeping) < 0)
        return -1;
    return holds ? holds_change(cmis, row, holds, &keeping) : 0;
}
