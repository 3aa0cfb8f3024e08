/* SPDX-License-Identifier: Apache-2.0 */
/* The versioning service. A private working copy is a version of the document that nobody else sees;
 * checking it in makes it the latest, under the id it had. */
#include "dms/cmis/model.h"
#include "dms/store_hold.h"

#include <errno.h>

static int latest_of(struct cmis_call *cmis, const struct row *row, struct row *ret)
{
    if (row_by_key(cmis, row->node.key, ret) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    return 0;
}

static int label_of(struct cmis_call *cmis, int64_t key, int64_t *ret_major, int64_t *ret_minor)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(cmis->store, STMT_VERSION_LABEL, "i", key);
    int r = stmt ? store_step(cmis->store, stmt) : -EIO;
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    *ret_major = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    *ret_minor = r == 1 ? sqlite3_column_int64(stmt, 1) : 0;
    return 0;
}

int cmis_checkOut(struct cmis_call *cmis)
{
    struct store *store = cmis->store;
    struct row row;
    int64_t last = 0, major = 0;
    if (row_get_base(cmis, cmis->args.object_id, CMIS_BASE_DOCUMENT, &row) < 0 ||
        right_check(cmis, &row, RIGHT_WRITE) < 0)
        return -1;
    if (!row.type->versionable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Documents of this type are not versionable.");
    if (row.node.checked_out)
        return cmis_fail(cmis, CMIS_VERSIONING, "The document is checked out already.");
    if (!row.is_latest)
        return cmis_fail(cmis, CMIS_VERSIONING, "Only the latest version can be checked out.");
    int64_t now = MAX(cmis->now_ms, row.created_ms + 1);
    int r = version_last(store, row.node.key, &last, &major);
    int64_t number = MAX(last, row.node.numbers_used) + 1;
    if (r == 0)
        r = content_ref(store, row.content, 1);
    if (r == 0)
        r = store_run(store, STMT_VERSION_INSERT, "iiiisisiiisss", row.node.key, number,
                      row.content, row.size, row.mime, now, cmis->user, (int64_t)1, row.major,
                      row.minor, (char *)NULL, row.file_name, row.name);
    if (r == 0)
        r = store_run(store, STMT_VALUE_COPY, "iii", row.node.key, row.number, number);
    if (r == 0)
        r = store_run(store, STMT_NODE_OUT, "iis", row.node.key, number, cmis->user);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    cmis->result.object_id = object_id(cmis, row.node.key, number);
    cmis->result.content_copied = true;
    return cmis->result.object_id ? 0 : -1;
}

int checkout_cancel(struct cmis_call *cmis, const struct row *pwc)
{
    struct actor actor = actor_of(cmis);
    if (!pwc->is_latest)
        return version_drop(cmis, pwc) < 0 ||
                       RUN(cmis, STMT_NODE_OUT, "iis", pwc->node.key, (int64_t)0, (char *)NULL) < 0
                   ? -1
                   : 0;
    /* It was never checked in: there is no document without it. */
    int r = hold_check(cmis->store, pwc->node.key, cmis->now_ms, NULL);
    if (r == 0)
        r = change_add(cmis->store, &actor, pwc->node.key, pwc->number, CHANGE_DELETED);
    if (r == 0)
        r = node_drop(cmis->store, pwc->node.key);
    return r < 0 ? cmis_fail_errno(cmis, r) : 0;
}

static int pwc_get(struct cmis_call *cmis, struct row *ret)
{
    if (row_get_base(cmis, cmis->args.object_id, CMIS_BASE_DOCUMENT, ret) < 0 ||
        right_check(cmis, ret, RIGHT_WRITE) < 0)
        return -1;
    if (!ret->type->versionable)
        return cmis_fail(cmis, CMIS_CONSTRAINT, "Documents of this type are not versionable.");
    if (!ret->is_pwc)
        return cmis_fail(cmis, CMIS_VERSIONING, "The object is no private working copy.");
    return 0;
}

int cmis_cancelCheckOut(struct cmis_call *cmis)
{
    struct row pwc;
    return pwc_get(cmis, &pwc) < 0 ? -1 : checkout_cancel(cmis, &pwc);
}

static int checkin_changes(struct cmis_call *cmis, struct row *pwc)
{
    int64_t content = 0, size = 0;
    const char *mime, *name;
    if (cmis->args.properties.count > 0 && properties_update(cmis, pwc, ON_CHECK_IN) < 0)
        return -1;
    if (!cmis_args_has(cmis, CMIS_IN_CONTENT_STREAM))
        return 0;
    if (pwc->type->stream_rule == CMIS_STREAM_NOTALLOWED)
        return cmis_fail(cmis, CMIS_STREAM_NOT_SUPPORTED, "This type has no content.");
    if (stream_take(cmis, pwc->name, &content, &size, &mime, &name) < 0)
        return -1;
    return content_replace(cmis, pwc, content, size, mime, name);
}

int cmis_checkIn(struct cmis_call *cmis)
{
    const struct cmis_args *args = &cmis->args;
    struct actor actor = actor_of(cmis);
    struct row pwc, old;
    int64_t major = 0, minor = 0;
    if (pwc_get(cmis, &pwc) < 0 || checkin_changes(cmis, &pwc) < 0 ||
        latest_of(cmis, &pwc, &old) < 0 || label_of(cmis, pwc.node.key, &major, &minor) < 0 ||
        row_version(cmis, pwc.node.key, pwc.number, &pwc) < 0)
        return -1;
    if (args->major) {
        major++;
        minor = 0;
    } else {
        minor++;
    }
    int64_t now = MAX(cmis->now_ms, pwc.is_latest ? 0 : old.created_ms + 1);
    int r = pwc.is_latest ? 0 : store_run(cmis->store, STMT_VERSION_FREEZE, "i", pwc.node.key);
    if (r == 0)
        r = store_run(cmis->store, STMT_VERSION_IN, "iiiisis", pwc.node.key, pwc.number, major,
                      minor, args->checkin_comment, now, cmis->user);
    if (r == 0)
        r = store_run(cmis->store, STMT_NODE_OUT, "iis", pwc.node.key, (int64_t)0, (char *)NULL);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    pwc.modified_ms = now;
    pwc.modified_by = cmis->user;
    if (strcmp(pwc.name, old.name) != 0 && old.node.parent > 0 &&
        (r = filed_check(cmis->store, old.node.parent, pwc.name, pwc.node.key)) < 0)
        return cmis_fail_errno(cmis, r);
    if (version_promote(cmis, &old, &pwc) < 0)
        return -1;
    for (size_t i = 0; i < args->policies.count; i++)
        if (policy_apply(cmis, args->policies.ids[i], &pwc) < 0)
            return -1;
    if (acl_change(cmis, &pwc, &args->add_aces, &args->remove_aces) < 0)
        return -1;
    r = change_add(cmis->store, &actor, pwc.node.key, pwc.number, CHANGE_CREATED);
    if (r < 0)
        return cmis_fail_errno(cmis, r);
    cmis->result.object_id = row_id(cmis, &pwc);
    return cmis->result.object_id ? 0 : -1;
}

/* Reading */

static int64_t latest_number(struct cmis_call *cmis, int64_t key, bool major)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt =
        store_query(cmis->store, major ? STMT_OBJECT_MAJOR : STMT_OBJECT_NUMBER, "i", key);
    return stmt && store_step(cmis->store, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;
}

int cmis_getObjectOfLatestVersion(struct cmis_call *cmis)
{
    bool major = cmis_args_has(cmis, CMIS_IN_MAJOR) && cmis->args.major;
    struct row row, latest;
    if (row_get_base(cmis, cmis->args.object_id, CMIS_BASE_DOCUMENT, &row) < 0)
        return -1;
    int64_t number = latest_number(cmis, row.node.key, major);
    if (number == 0)
        return cmis_fail(cmis, CMIS_OBJECT_NOT_FOUND, "The document has no %sversion yet.",
                         major ? "major " : "");
    if (row_version(cmis, row.node.key, number, &latest) < 0)
        return cmis->error ? -1 : cmis_fail_errno(cmis, -EIO);
    return object_answer(cmis, &latest);
}

int cmis_getPropertiesOfLatestVersion(struct cmis_call *cmis)
{
    return cmis_getObjectOfLatestVersion(cmis);
}

int cmis_getAllVersions(struct cmis_call *cmis)
{
    struct object_view view = view_of_args(cmis);
    struct entry_list list = {0};
    struct row row;
    if (row_get_base(cmis, cmis->args.object_id, CMIS_BASE_DOCUMENT, &row) < 0 ||
        view_check(cmis, &view) < 0)
        return -1;
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(cmis->store, STMT_OBJECT_VERSIONS, "i", row.node.key);
    int step = stmt ? 0 : -EIO;
    bool mine = cmis->is_admin ||
                (row.node.checked_out_by && strcmp(row.node.checked_out_by, cmis->user) == 0);
    while (step == 0 && (step = store_step(cmis->store, stmt)) == 1) {
        struct cmis_entry entry = {0};
        struct row version;
        step = 0;
        if (row_read(cmis, stmt, &version) < 0)
            return -1;
        if (version.is_pwc && !mine)
            continue;
        if (object_build(cmis, &version, &view, &entry.object) < 0 ||
            entry_add(cmis, &list, &entry) < 0)
            return -1;
    }
    if (step < 0)
        return cmis_fail_errno(cmis, step);
    cmis->result.list = (struct cmis_entries){list.count, list.entries, false, (int64_t)list.count};
    return 0;
}
