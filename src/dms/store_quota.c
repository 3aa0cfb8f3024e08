/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_quota.h"
#include "dms/store_internal.h"

#include <errno.h>

int usage_get(struct store *store, int64_t user, struct usage *ret)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_USAGE_GET, "i", user);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *ret = (struct usage){
        .bytes = sqlite3_column_int64(stmt, 0),
        .documents = sqlite3_column_int64(stmt, 1),
        .bytes_max = sqlite3_column_int64(stmt, 2),
        .documents_max = sqlite3_column_int64(stmt, 3),
        .bytes_unfinished = sqlite3_column_int64(stmt, 4),
    };
    return 0;
}

int quota_set(struct store *store, int64_t user, int64_t bytes_max, int64_t documents_max)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    return store_step_end(store,
                          store_run(store, STMT_QUOTA_SET, "iii", user, bytes_max, documents_max));
}

int quota_check(struct store *store, int64_t user, int64_t size)
{
    struct usage usage;
    int r = usage_get(store, user, &usage);
    if (r < 0)
        return r;
    int64_t taken, left;
    if (size <= 0 || usage.bytes_max < 0)
        return 0;
    bool over = __builtin_add_overflow(usage.bytes, usage.bytes_unfinished, &taken) ||
                __builtin_sub_overflow(usage.bytes_max, taken, &left) || size > left;
    return over ? -EQUOTA_BYTES : 0;
}
