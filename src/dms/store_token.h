/* SPDX-License-Identifier: Apache-2.0 */
/* dms/store_token.h: what signs a user in besides the password: API tokens, the second factor. Both
 * are stored so that the database alone signs nobody in, but for the secret of the codes, which the
 * server must know. As store.h: one thread, -errno, results in the arena. */
#ifndef COFFER_DMS_STORE_TOKEN_H
#define COFFER_DMS_STORE_TOKEN_H

#include "dms/store.h"
#include "dms/totp.h"

/* API tokens */

enum token_scope { SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_ADMIN = 4 };
#define TOKENS_MAX 100 /* of one user */

struct token {
    int64_t key;
    int64_t user;
    char *name;
    unsigned scopes;
    int64_t created_ms, expires_ms; /* expires 0: never */
    int64_t used_ms;                /* 0: never; exact to the hour */
};

/* -EDQUOT: TOKENS_MAX. */
must_check int token_add(struct store *store, struct token *token,
                         const uint8_t hash[TOKEN_HASH_SIZE]);
/* One that has not ended. */
must_check int token_find(struct store *store, struct arena *arena,
                          const uint8_t hash[TOKEN_HASH_SIZE], int64_t now_ms, struct token *ret);
must_check int token_used(struct store *store, const struct token *token, int64_t now_ms);
/* -ENOENT: the user has none of this key. */
must_check int token_remove(struct store *store, int64_t user, int64_t key);
must_check int tokens_remove_all(struct store *store, int64_t user);
typedef int token_fn(void *arg, const struct token *token);
must_check int token_list(struct store *store, int64_t user, token_fn *fn, void *arg);

/* The second factor */

struct factor {
    uint8_t secret[TOTP_SECRET_SIZE];
    bool confirmed; /* asked for at sign-in */
    int64_t last_step;
};

/* Whether anybody has one, which costs nothing to ask. */
bool factor_any(struct store *store);
/* -ENOENT: none. */
must_check int factor_get(struct store *store, int64_t user, struct factor *ret);
must_check int factor_set(struct store *store, int64_t user, const struct factor *factor);
must_check int factor_remove(struct store *store, int64_t user);

/* One-time codes for who has lost the device; replaces those there were. */
#define RECOVERY_COUNT 10
must_check int recovery_set(struct store *store, int64_t user,
                            const uint8_t hashes[RECOVERY_COUNT][TOKEN_HASH_SIZE]);
/* Uses one up. -EKEYREJECTED: there is none of this hash. */
must_check int recovery_use(struct store *store, int64_t user, const uint8_t hash[TOKEN_HASH_SIZE]);

#endif
