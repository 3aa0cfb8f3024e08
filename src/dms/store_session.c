/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_session.h"
#include "dms/store_internal.h"

#include <errno.h>

int session_note(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE], int64_t created_ms,
                 const char *agent, const char *from)
{
    int r = store_step_begin(store);
    if (r < 0)
        return r;
    r = store_run(store, STMT_SESSION_NOTES_PRUNE, "");
    if (r == 0)
        r = store_run(store, STMT_SESSION_NOTE, "biss", slice_of(hash, TOKEN_HASH_SIZE), created_ms,
                      agent, from);
    return store_step_end(store, r);
}

int sessions_walk(struct store *store, int64_t user, int64_t now_s, session_fn *fn, void *arg)
{
    SCOPED(stmt_donep)
    sqlite3_stmt *stmt = store_query(store, STMT_SESSION_LIST, "ii", user, now_s);
    int r = stmt ? 0 : -EIO;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct session_note session = {.expires_s = sqlite3_column_int64(stmt, 1),
                                       .created_ms = sqlite3_column_int64(stmt, 2),
                                       .agent = (const char *)sqlite3_column_text(stmt, 3),
                                       .from = (const char *)sqlite3_column_text(stmt, 4)};
        const void *hash = sqlite3_column_blob(stmt, 0);
        if (!hash || sqlite3_column_bytes(stmt, 0) != TOKEN_HASH_SIZE || !session.agent ||
            !session.from)
            return -EIO;
        memcpy(session.hash, hash, TOKEN_HASH_SIZE);
        r = fn(arg, &session);
    }
    return r;
}
