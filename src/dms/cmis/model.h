/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/model.h: what the files of the CMIS model share. All functions that return int and take a
 * struct cmis_call return 0, or -1 with its error set, unless said otherwise. */
#ifndef COFFER_DMS_CMIS_MODEL_H
#define COFFER_DMS_CMIS_MODEL_H

#include "dms/cmis/cmis.h"
#include "dms/store_internal.h"

#define CMIS_NAMESPACE "urn:coffer:cmis"
#define SECONDARY_IDS "cmis:secondaryObjectTypeIds"

/* The handlers of operations.def. */
#define OPERATION(name, service, writes, inputs, outputs) cmis_operation_fn cmis_##name;
#include "dms/cmis/operations.def"
#undef OPERATION

/* types.c: definitions. Base types are constant; the others are read from the store at first need
 * and kept until they change or it rests. */
extern const struct cmis_type cmis_base_types[CMIS_BASE_COUNT];
/* retention.c: secondary types that the standard has and the store keeps */
enum { CMIS_RETENTION_TYPE_COUNT = 2 };
extern const struct cmis_type cmis_retention_types[CMIS_RETENTION_TYPE_COUNT];
bool retention_is_type(const char *id);
/* Whether it is kept elsewhere than among the version's values. */
bool retention_is_property(const char *id);
/* NULL if there is none. */
const struct cmis_type *type_find(struct store *store, const char *id);
const struct cmis_type *type_by_query_name(struct store *store, struct slice name);
/* Of all that there are: the i-th, base types first; NULL after the last. */
const struct cmis_type *type_at(struct store *store, size_t i);
/* An object's type, also if it is not there any more. */
const struct cmis_type *type_of(struct store *store, const char *id, enum node_kind kind);
/* Names that were not said: those of `was`, or for NULL the id. */
void property_complete(struct cmis_property_definition *property,
                       const struct cmis_property_definition *was);
void types_forget(struct store *store);
must_check int type_get(struct cmis_call *cmis, const char *id, const struct cmis_type **ret);
bool type_has_parent(const struct cmis_type *type, const char *parent); /* NULL: is a base type */
bool type_is_a(struct store *store, const struct cmis_type *type, const char *ancestor);
const struct cmis_property_definition *type_property(const struct cmis_type *type, const char *id);

/* type_json.c: definitions as JSON, in the Browser binding's form, which is also how the store has
 * them. */

must_check int type_parse(struct cmis_call *cmis, const char *text, const struct cmis_type **ret);
/* The same without a call: NULL if it is not to be understood or there is no memory. */
const struct cmis_type *type_read(struct arena *arena, const char *text);
struct json;
/* One value as JSON. */
void cmis_value_write(struct json *json, const char *key, enum cmis_property_type type,
                      const union cmis_value *value);
void property_write(struct json *json, const struct cmis_property_definition *property);
void type_write(struct json *json, const char *key, const struct cmis_type *type, bool properties);

/* rows.c: objects as the store has them. A document's is one of its versions. */
struct row {
    struct node node;
    int64_t number; /* of the version; 0: no document */
    bool is_latest, is_pwc;
    const char *name, *created_by, *modified_by, *mime, *file_name, *comment;
    int64_t created_ms, modified_ms, revision, content, size, major, minor;
    const struct cmis_type *type;
    struct {
        size_t count;
        const struct stored *items;
    } values; /* after row_values() */
    bool has_values;
};
struct stored {
    const char *property;
    size_t count;
    union cmis_value *values; /* integer, decimal or text, as the definition says */
};
/* Reads a statement's row that has OBJECT_COLUMNS first. -ENOMEM or 0. */
must_check int row_read(struct cmis_call *cmis, sqlite3_stmt *stmt, struct row *ret);
/* The object with this id, which the user may read. */
must_check int row_get(struct cmis_call *cmis, const char *id, struct row *ret);
/* The same, and of the base type `base`; objectNotFound or, for an id of another kind,
 * invalidArgument. */
must_check int row_get_base(struct cmis_call *cmis, const char *id, enum cmis_base base,
                            struct row *ret);
must_check int row_by_key(struct cmis_call *cmis, int64_t key, struct row *ret); /* the latest */
must_check int row_version(struct cmis_call *cmis, int64_t key, int64_t number, struct row *ret);
/* Reads its typed properties, once. */
must_check int row_values(struct cmis_call *cmis, struct row *row);
const struct stored *row_stored(const struct row *row, const char *property);
const char *row_id(struct cmis_call *cmis, const struct row *row); /* NULL without memory */
const char *object_id(struct cmis_call *cmis, int64_t key, int64_t number);
enum cmis_base row_base(const struct row *row);
/* The folder an object is filed in first; 0: none. */
int64_t row_parent(struct cmis_call *cmis, const struct row *row);
/* All folders it is filed in; at most CMIS_IDS_MAX. */
must_check int row_parents(struct cmis_call *cmis, const struct row *row, int64_t **ret_keys,
                           size_t *ret_count);
must_check int folder_path(struct cmis_call *cmis, const struct node *folder, char **ret_path);
/* A definition among the type's own and those of the secondary types it has. */
const struct cmis_property_definition *row_definition(struct cmis_call *cmis, const struct row *row,
                                                      const char *id);

/* access.c */
enum right { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_ALL = 4 };
/* The user's rights on a node, as bits. */
unsigned rights_of(struct cmis_call *cmis, const struct node *node);
must_check int right_check(struct cmis_call *cmis, const struct row *row, enum right right);
/* Whether the user may read everything there is. */
bool reads_all(struct cmis_call *cmis);
must_check int acl_of(struct cmis_call *cmis, const struct node *node, struct cmis_acl *ret);
must_check int acl_change(struct cmis_call *cmis, struct row *row, const struct cmis_acl *add,
                          const struct cmis_acl *remove);

/* values.c: properties that come in */
bool value_same(enum cmis_property_type type, const union cmis_value *a, const union cmis_value *b);
/* Whether a value keeps to the definition's limits and choices; constraint if not. */
must_check int value_check(struct cmis_call *cmis,
                           const struct cmis_property_definition *definition,
                           const union cmis_value *value);
struct property_set {
    size_t count;
    struct input *items;
    const char *name; /* cmis:name, NULL if it is not among them */
    const struct cmis_type *type;
    size_t secondary_count;
    const char **secondary;
    bool has_secondary;
};
struct input {
    const struct cmis_property_definition *definition;
    size_t count;
    union cmis_value *values;
};
enum property_moment { ON_CREATE, ON_UPDATE, ON_UPDATE_PWC, ON_CHECK_IN };
/* Checks what was sent against the type (cmis:objectTypeId for ON_CREATE, the row's else) and the
 * secondary types the object has or is to have. */
must_check int properties_judge(struct cmis_call *cmis, const struct row *row, enum cmis_base base,
                                enum property_moment moment, struct property_set *ret);
/* Writes them to the object's version. Of `set`, what the store has columns for is left out. */
must_check int properties_store(struct cmis_call *cmis, int64_t key, int64_t number,
                                const struct property_set *set);
/* A property of the set's type or of one of its secondary types. */
const struct cmis_property_definition *
set_definition(struct cmis_call *cmis, const struct property_set *set, const char *id);
/* Defaults and required ones, for a new object. */
must_check int properties_complete(struct cmis_call *cmis, struct property_set *set);
/* What a secondary type that is taken away leaves behind. */
must_check int properties_prune(struct cmis_call *cmis, struct row *row,
                                const struct property_set *set);

/* retention.c: adds to a row's values what keeps it; makes of properties that were set what they ask
 * for, or refuses. */
must_check int retention_values(struct cmis_call *cmis, struct row *row);
must_check int retention_apply(struct cmis_call *cmis, const struct row *row,
                               const struct property_set *set);

/* objects.c: what answers say of objects */
struct object_view {
    const char *filter; /* NULL: all */
    bool actions, acl, policy_ids;
    int relationships;
    const char *rendition_filter;
};
struct object_view view_of_args(const struct cmis_call *cmis);
must_check int view_check(struct cmis_call *cmis, const struct object_view *view);
/* Parts of object_build(): what is known without asking; what was asked for beside properties. */
must_check int object_facts(struct cmis_call *cmis, struct row *row, struct cmis_object *object);
must_check int object_extras(struct cmis_call *cmis, struct row *row,
                             const struct object_view *view, struct cmis_object *object);
must_check int object_build(struct cmis_call *cmis, struct row *row, const struct object_view *view,
                            const struct cmis_object **ret);
/* All properties of a row, as the model has them (dates, ids and all). */
must_check int property_value(struct cmis_call *cmis, struct row *row,
                              const struct cmis_property_definition *definition,
                              struct cmis_property *ret);
/* Whether it, or something below it, must be kept (dms/store_hold.h). */
bool row_kept(struct cmis_call *cmis, int64_t key);
uint64_t row_actions(struct cmis_call *cmis, const struct row *row);
must_check int policy_ids_of(struct cmis_call *cmis, const struct row *row, struct cmis_ids *ret);
must_check int relationships_of(struct cmis_call *cmis, const struct row *row, int direction,
                                struct cmis_object *object);
must_check int rendition_filter_check(struct cmis_call *cmis, const char *filter);
must_check int renditions_of(struct cmis_call *cmis, struct row *row, const char *filter,
                             const struct cmis_rendition **ret, size_t *ret_count);

must_check int object_answer(struct cmis_call *cmis, struct row *row);
must_check int row_by_path(struct cmis_call *cmis, const char *path, struct row *ret);
must_check int index_settle(struct cmis_call *cmis); /* the full-text index is up to date */
must_check int rendition_stream(struct cmis_call *cmis, struct row *row, const char *stream_id,
                                struct cmis_stream *ret);

/* What several services do */
bool policy_is_applied(struct cmis_call *cmis, int64_t key); /* or cannot be told not to be */
must_check int policy_apply(struct cmis_call *cmis, const char *id, const struct row *row);
must_check int filing_remove(struct cmis_call *cmis, const struct row *row, int64_t folder);
must_check int properties_update(struct cmis_call *cmis, struct row *row,
                                 enum property_moment moment);
/* The draft becomes a content, with refs 0. */
must_check int stream_take(struct cmis_call *cmis, const char *name, int64_t *ret_content,
                           int64_t *ret_size, const char **ret_mime, const char **ret_name);
must_check int content_replace(struct cmis_call *cmis, struct row *row, int64_t content,
                               int64_t size, const char *mime, const char *file_name);
must_check int checkout_cancel(struct cmis_call *cmis, const struct row *pwc);
must_check int version_drop(struct cmis_call *cmis, const struct row *row);
must_check int version_promote(struct cmis_call *cmis, const struct row *old,
                               const struct row *row);
must_check int change_ends(struct cmis_call *cmis, int64_t *ret_first, int64_t *ret_last);

/* columns.c: properties as SQL. The expression for a property (not of several values) in the tables
 * with the aliases `n` and `v`; -ENOENT if there is none. */
must_check int column_sql(struct buf *sql, const char *property, const char *n, const char *v);
/* "FROM value WHERE ...": the rows of a property's values. */
void value_rows_sql(struct buf *sql, const char *property, const char *n, const char *v);
void sql_quote(struct buf *sql, const char *text);
/* The same for orderBy, by query name, if the property is orderable. */
must_check int order_column(struct cmis_call *cmis, const char *query_name, struct buf *sql);

/* A list that grows in the arena. */
struct entry_list {
    size_t count, capacity;
    struct cmis_entry *entries;
};
must_check int entry_add(struct cmis_call *cmis, struct entry_list *list,
                         const struct cmis_entry *entry);

/* A step of the store's transaction around an operation; the result of the operation is -1 or 0. */
must_check int cmis_step_begin(struct cmis_call *cmis);
must_check int cmis_step_end(struct cmis_call *cmis, int result);

/* Who acts and when, for the store. */
static inline struct actor actor_of(const struct cmis_call *cmis)
{
    return (struct actor){cmis->user, cmis->now_ms, cmis->from};
}
/* Runs a statement; sets the call's error. */
#define RUN(cmis, id, kinds, ...) run_result(cmis, store_run((cmis)->store, id, kinds, __VA_ARGS__))
static inline int run_result(struct cmis_call *cmis, int r)
{
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}
/* Arena memory, or NULL with the call's error set. */
void *call_alloc(struct cmis_call *cmis, size_t size);
const char *call_text(struct cmis_call *cmis, const char *text);
const char *call_printf(struct cmis_call *cmis, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
