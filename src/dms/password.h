/* SPDX-License-Identifier: Apache-2.0 */
/* dms/password.h: Argon2id on a helper thread, a short memory of what was verified, a limit on
 * failures, and the tokens' hashes. Knows no HTTP and no store.
 *
 * What was verified is remembered for minutes as HMAC-SHA-256 of user and password under a key that
 * is made at start and never leaves the process. The limit counts failures per user name and in
 * all; whoever has a token or a remembered password is not affected by it. */
#ifndef COFFER_DMS_PASSWORD_H
#define COFFER_DMS_PASSWORD_H

#include "base/secret.h"
#include "base/slice.h"
#include "dms/worker.h"

#define PASSWORD_SIZE_MIN 12
#define PASSWORD_SIZE_MAX 256
#define PASSWORD_HASH_SIZE 160 /* of the encoded text, with its NUL */

struct passwords;

must_check int passwords_new(struct worker *worker, struct passwords **ret_passwords);
void passwords_free(struct passwords *passwords);

/* The user's key if this name and password were verified lately, or 0. */
int64_t passwords_remembered(struct passwords *passwords, const char *user, struct slice password,
                             uint64_t now_ns);
/* Forgets everything: whenever a password or a user changes. */
void passwords_forget(struct passwords *passwords);

/* 0, or in how many seconds the next attempt for this name is allowed. */
unsigned passwords_wait_s(struct passwords *passwords, const char *user, uint64_t now_ns);

/* One check or one hash under way. fn is called on the loop's thread, unless cancelled. */
/* One failure of another kind (a wrong code) under this name. */
void passwords_charge(struct passwords *passwords, const char *name, uint64_t now_ns);

struct password_work;
typedef void password_fn(void *arg, int result, const char *hash);

/* Is `password` that of `hash`? fn gets 0 or -EKEYREJECTED; success is remembered for `user_key`.
 * `hash` NULL (there is no such user): takes as long, and fails. Counts a failure until it has
 * succeeded. -EBUSY: too many at once; -ENOMEM. */
must_check int password_check(struct passwords *passwords, const char *user, int64_t user_key,
                              struct slice password, const char *hash, uint64_t now_ns,
                              password_fn *fn, void *arg, struct password_work **ret_work);
/* fn gets 0 and the encoded hash of a new password. */
must_check int password_hash(struct passwords *passwords, struct slice password, password_fn *fn,
                             void *arg, struct password_work **ret_work);
/* fn will not be called. Accepts NULL. */
void password_cancel(struct password_work *work);

/* For a first user, before the loop runs. 0 or -ENOMEM. */
must_check int password_hash_now(struct slice password, char hash[PASSWORD_HASH_SIZE]);

/* A fingerprint to see whether a first password is another than last time: salted, and slow enough
 * for what machines make up, yet fast enough for every start (about 1 ms). */
#define FINGERPRINT_SIZE 100
must_check int password_fingerprint(struct slice password, char text[FINGERPRINT_SIZE]);
/* 0 if it is that of `password`, -EKEYREJECTED if not. */
must_check int password_fingerprint_check(struct slice password, const char *text);

#endif
