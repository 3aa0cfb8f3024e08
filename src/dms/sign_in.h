/* SPDX-License-Identifier: Apache-2.0 */
/* dms/sign_in.h: what is configured about signing in elsewhere (--sign-in FILE, docs/sign-in.md), and the
 * tickets by which a browser that was sent to a provider is known again. Does no network I/O. */
#ifndef COFFER_DMS_SIGN_IN_H
#define COFFER_DMS_SIGN_IN_H

#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

#define OPENID_CALLBACK "/api/sign-in/openid/callback"

/* A provider. Texts live in `file`; NULL: not said. */
struct openid_settings {
    const char *name, *issuer, *client_id, *client_secret, *redirect_uri, *ca_file, *address;
    const char *name_claim, *groups_claim, *create_group;
    char *scope; /* with blanks between */
    bool create, userinfo, second_factor_ours;
    int64_t max_age_s; /* -1: any */
    json_t *origins, *algorithms;
    const json_t *groups; /* names there: names of groups here; NULL: none */
};

struct sign_in {
    json_t *file;
    bool has_openid;
    struct openid_settings openid;
    uint8_t *key; /* of the tickets: 32 bytes, made at each start; NULL: there are none */
    /* What the provider says of itself, as coffer-dms-out gave it; NULL: not known. */
    json_t *metadata, *jwks;
    uint64_t known_ns;  /* since when */
    uint64_t failed_ns; /* when it could not be asked; 0: it could */
};

/* `path` NULL: nothing is configured. 0, or -errno with a text that names the file and the member. */
must_check int sign_in_new(const char *path, struct sign_in **ret_sign_in, struct error *e);
void sign_in_free(struct sign_in *sign_in);

/* A browser's way to a provider and back. */
enum ticket_kind {
    TICKET_SIGN_IN = 1, /* on the way, to sign in */
    TICKET_LINK,        /* on the way, to link what is there with a user */
    TICKET_CODE,        /* back: the second factor is still to be shown */
};
#define TICKET_RANDOM_SIZE 32
#define TICKET_HASH_SIZE 32
#define TICKET_PATH_MAX 300

struct ticket {
    enum ticket_kind kind;
    int64_t until_s;
    int64_t user, identity; /* TICKET_LINK: the user; TICKET_CODE: both */
    uint8_t random[TICKET_RANDOM_SIZE];
    uint8_t session[TICKET_HASH_SIZE]; /* TICKET_LINK: the session that it was asked in */
    char path[TICKET_PATH_MAX + 1];    /* where to go in the end */
};

/* As text for a cookie: sealed against change by the key, not secret. 0 or -ENOMEM. */
must_check int ticket_write(const struct sign_in *sign_in, const struct ticket *ticket,
                            struct buf *out);
/* -EKEYREJECTED: it is not ours, or has ended. */
must_check int ticket_read(const struct sign_in *sign_in, struct slice text, int64_t now_s,
                           struct ticket *ret);

/* What only we can know of a ticket: 43 characters for each purpose ("state", "nonce", "verifier"), from the key
 * and its random bytes. */
#define TICKET_SECRET_SIZE 44
must_check int ticket_secret(const struct sign_in *sign_in, const struct ticket *ticket,
                             const char *purpose, char secret[TICKET_SECRET_SIZE]);

/* A place of the web interface, and nothing else: "/app/..." of plain characters. */
bool is_app_path(const char *path);

#endif
