/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/first_user.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static const char setting[] = "first_password";

/* 0 if this password was applied before, -EKEYREJECTED if it is new. */
static int seen_before(struct dms *dms, struct slice password)
{
    SCOPED(arena_done) struct arena arena = {0};
    char *fingerprint;
    int r = setting_get(dms->store, &arena, setting, &fingerprint);
    if (r == -ENOENT)
        return -EKEYREJECTED;
    return r < 0 ? r : password_fingerprint_check(password, fingerprint);
}

static int user_set(struct dms *dms, const char *name, const char *hash)
{
    SCOPED(arena_done) struct arena arena = {0};
    bool must_change = !dms->settings.keep_first_password;
    struct timespec now = {0};
    struct user user;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int r = user_find(dms->store, &arena, name, &user);
    if (r == -ENOENT)
        return user_add(dms->store, name, ROLE_ADMIN, hash, must_change,
                        (int64_t)now.tv_sec * 1000);
    if (r == 0)
        r = user_change(dms->store, user.key, ROLE_ADMIN, hash, must_change);
    return r < 0 ? r : session_remove_all(dms->store, user.key, NULL);
}

static int password_apply(struct dms *dms, struct slice password)
{
    const char *name = getenv("COFFER_DMS_FIRST_USER");
    char hash[PASSWORD_HASH_SIZE], fingerprint[FINGERPRINT_SIZE];
    int r = password_hash_now(password, hash);
    if (r == 0)
        r = password_fingerprint(password, fingerprint);
    if (r == 0)
        r = user_set(dms, name && *name ? name : "admin", hash);
    if (r == 0)
        r = setting_set(dms->store, setting, fingerprint);
    return r < 0 ? r : store_commit(dms->store);
}

static int password_settle(struct dms *dms, struct slice password, struct error *e)
{
    int r = seen_before(dms, password);
    if (r == 0)
        return 0;
    if (r != -EKEYREJECTED)
        return error_set(e, r, "cannot read which first password was set");
    if (password.size < PASSWORD_SIZE_MIN || password.size > PASSWORD_SIZE_MAX)
        return error_set(e, -EINVAL, "COFFER_DMS_FIRST_PASSWORD has %d to %d bytes",
                         PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
    r = password_apply(dms, password);
    if (r < 0)
        return error_set(e, r, "cannot set the first user's password");
    LOG_NOTICE("first user's password set");
    return 0;
}

int first_user_settle(struct dms *dms, struct error *e)
{
    char *password = getenv("COFFER_DMS_FIRST_PASSWORD");
    int64_t users = 0, admins;
    int r = user_counts(dms->store, &users, &admins);
    if (r < 0)
        return error_set(e, r, "cannot read the users");
    if (users == 0 && !password)
        LOG_WARNING("no users, and no first password is set: nobody can sign in");
    if (dms->settings.keep_first_password)
        LOG_WARNING("keep-first-password is set: a one-time password may stay in use");
    if (password) {
        r = password_settle(dms, slice_of_text(password), e);
        secret_wipe(password, strlen(password));
        (void)unsetenv("COFFER_DMS_FIRST_PASSWORD");
    }
    return r;
}
