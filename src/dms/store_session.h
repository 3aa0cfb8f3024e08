/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_session.h: what a user is told of the own sessions: when each began, from where and in
 * which program. As store.h: one thread, -errno. */
#ifndef COFFER_DMS_STORE_SESSION_H
#define COFFER_DMS_STORE_SESSION_H

#include "dms/store.h"

#define SESSION_AGENT_MAX ((size_t)200)

struct session_note {
    uint8_t hash[TOKEN_HASH_SIZE];
    int64_t created_ms, expires_s;
    const char *agent, *from;
};

/* Of a session that was added; forgets those of sessions that are gone. */
must_check int session_note(struct store *store, const uint8_t hash[TOKEN_HASH_SIZE],
                            int64_t created_ms, const char *agent, const char *from);
/* A user's live sessions, newest first. The texts live during the call. */
typedef int session_fn(void *arg, const struct session_note *session);
must_check int sessions_walk(struct store *store, int64_t user, int64_t now_s, session_fn *fn,
                             void *arg);

#define STORE_SESSION_STATEMENTS(S)                                                         \
    S(SESSION_NOTE, "INSERT OR REPLACE INTO session_note(hash, created_ms, agent, origin) " \
                    "VALUES(?1, ?2, ?3, ?4)")                                               \
    S(SESSION_NOTES_PRUNE,                                                                  \
      "DELETE FROM session_note WHERE hash NOT IN (SELECT hash FROM session)")              \
    S(SESSION_LIST, "SELECT session.hash, expires_s, coalesce(created_ms, 0), "             \
                    "coalesce(agent, ''), coalesce(origin, '') FROM session LEFT JOIN "     \
                    "session_note ON session_note.hash = session.hash WHERE user = ?1 AND " \
                    "expires_s > ?2 ORDER BY 3 DESC LIMIT 1000")

#define STORE_SESSION_SCHEMA                                                         \
    "CREATE TABLE session_note(hash BLOB PRIMARY KEY, created_ms INTEGER NOT NULL, " \
    "agent TEXT NOT NULL, origin TEXT NOT NULL) WITHOUT ROWID;"

#endif
