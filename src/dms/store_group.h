/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_group.h: groups of users. Access lists name one as "group:NAME", which no user can be
 * called; a group of administrators makes its members administrators. As store.h: one thread, -errno,
 * results in the arena. */
#ifndef COFFER_DMS_STORE_GROUP_H
#define COFFER_DMS_STORE_GROUP_H

#include "dms/store.h"

#define GROUP_PREFIX "group:"
#define GROUPS_MAX 10000

struct group {
    int64_t key;
    char *name;
    enum role role; /* of its members, beside what each is alone */
    int64_t created_ms;
    int64_t members;
};

/* -EEXIST; -EDQUOT over GROUPS_MAX. */
must_check int group_add(struct store *store, const char *name, enum role role, int64_t now_ms);
must_check int group_find(struct store *store, struct arena *arena, const char *name,
                          struct group *ret);
/* These three give -EBUSY if no administrator would be left, and change nothing then. */
must_check int group_change(struct store *store, int64_t key, enum role role);
must_check int member_set(struct store *store, int64_t group, int64_t user, bool is_member);
/* With all access entries that name it. */
must_check int group_remove(struct store *store, const struct group *group);

typedef int group_fn(void *arg, const struct group *group);
/* By name, behind `after`. Texts live during the call. */
must_check int group_list(struct store *store, const char *after, int limit, group_fn *fn,
                          void *arg, bool *ret_more);
/* All a user is in. */
must_check int groups_of(struct store *store, int64_t user, group_fn *fn, void *arg);
must_check int member_list(struct store *store, int64_t group, const char *after, int limit,
                           user_fn *fn, void *arg, bool *ret_more);

/* Whether access entries may name it: "anyone", a user, or "group:NAME". 0 or -ENOENT. */
must_check int principal_check(struct store *store, const char *principal);

#define IN_ADMIN_GROUP                                                                   \
    "EXISTS(SELECT 1 FROM member JOIN user_group ON user_group.key = member.user_group " \
    "WHERE member.user = user.key AND user_group.role = 1)"
#define USER_COLUMNS \
    "user.key, user.name, user.role, hash, must_change, user.created_ms, " IN_ADMIN_GROUP

#define GROUP_SELECT                                                          \
    "SELECT key, name, role, created_ms, (SELECT count(*) FROM member WHERE " \
    "member.user_group = user_group.key) FROM user_group "

#define STORE_GROUP_STATEMENTS(S)                                                             \
    S(GROUP_ADD, "INSERT INTO user_group(name, role, created_ms) VALUES(?1, ?2, ?3)")         \
    S(GROUP_FIND, GROUP_SELECT "WHERE name = ?1")                                             \
    S(GROUP_LIST, GROUP_SELECT "WHERE name > ?1 ORDER BY name LIMIT ?2")                      \
    S(GROUPS_OF, GROUP_SELECT "WHERE key IN (SELECT user_group FROM member WHERE user = ?1) " \
                              "ORDER BY name")                                                \
    S(GROUP_COUNT, "SELECT count(*) FROM user_group")                                         \
    S(GROUP_CHANGE, "UPDATE user_group SET role = ?2 WHERE key = ?1")                         \
    S(GROUP_REMOVE, "DELETE FROM user_group WHERE key = ?1")                                  \
    S(MEMBER_ADD, "INSERT OR IGNORE INTO member(user_group, user) VALUES(?1, ?2)")            \
    S(MEMBER_REMOVE, "DELETE FROM member WHERE user_group = ?1 AND user = ?2")                \
    S(MEMBER_CLEAR, "DELETE FROM member WHERE user_group = ?1")                               \
    S(MEMBER_FORGET_USER, "DELETE FROM member WHERE user = ?1")                               \
    S(MEMBER_LIST, "SELECT " USER_COLUMNS " FROM user JOIN member ON member.user = user.key " \
                   "WHERE member.user_group = ?3 AND user.name > ?1 ORDER BY user.name LIMIT ?2")

#define STORE_GROUP_SCHEMA                                                                  \
    "CREATE TABLE user_group(key INTEGER PRIMARY KEY AUTOINCREMENT, "                       \
    "name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL, created_ms INTEGER NOT NULL);"       \
    "CREATE TABLE member(user_group INTEGER, user INTEGER, PRIMARY KEY(user_group, user)) " \
    "WITHOUT ROWID;"                                                                        \
    "CREATE INDEX member_user ON member(user, user_group);"                                 \
    "CREATE INDEX ace_principal ON ace(principal);"

#endif
