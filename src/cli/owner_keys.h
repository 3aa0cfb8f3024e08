/* SPDX-License-Identifier: Apache-2.0 */
/* cli/owner_keys.h: the key and the self-signed certificate of an owner or an operator, as two PEM
 * files in one directory. The private key is mode 0600 and is wiped from memory when released. */
#ifndef COFFER_CLI_OWNER_KEYS_H
#define COFFER_CLI_OWNER_KEYS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/macros.h"

#include <openssl/types.h>

#define OWNER_KEY_FILE "key.pem"
#define OWNER_CERTIFICATE_FILE "certificate.pem"

struct owner_keys {
    EVP_PKEY *key;
    X509 *certificate;
};

/* Makes DIR (0700) with both files, `name` as the certificate's subject. -EEXIST if a key is there
 * already: a key is never overwritten. */
must_check int owner_keys_new(const char *dir, const char *name, struct error *e);
must_check int owner_keys_load(const char *dir, struct owner_keys *ret_keys, struct error *e);
/* Makes them if there are none, then loads them. */
must_check int owner_keys_get(const char *dir, const char *name, struct owner_keys *ret_keys,
                              struct error *e);
void owner_keys_done(struct owner_keys *keys);

/* A signature as policies carry it: DER, in base64. */
must_check int owner_keys_sign(const struct owner_keys *keys, struct slice bytes, struct buf *out);

/* A whole file, at most `size_max` bytes. */
must_check int owner_file_read(const char *path, size_t size_max, struct buf *out, struct error *e);
/* Writes a new file beside `path` with `mode` and puts it in its place, durably. */
must_check int owner_file_write(const char *path, struct slice bytes, unsigned mode,
                                struct error *e);

#endif
