/* SPDX-License-Identifier: Apache-2.0 */
/* base/secret.h: keys have types, are wiped, and are compared in constant time. A key never meets
 * a log, an error text or memcmp(). */
#ifndef COFFER_BASE_SECRET_H
#define COFFER_BASE_SECRET_H

#include "base/macros.h"

#define KEY256_SIZE 32

struct key256 {
    uint8_t bytes[KEY256_SIZE];
};

/* Zeroes `size` bytes in a way the compiler may not drop. `bytes` may be NULL if size is 0. */
void secret_wipe(void *bytes, size_t size);

/* For SCOPED(key256_wipe). */
void key256_wipe(struct key256 *key);

/* 0 if equal, -EBADMSG if not; the time depends on `size` alone. */
must_check int ct_verify(const void *a, const void *b, size_t size);

/* Heap memory for secrets: locked where the limit allows, left out of core dumps, and wiped on
 * release. NULL without memory. `size` must be the same in both calls. */
must_check void *secret_alloc(size_t size);
void secret_free(void *bytes, size_t size);

#endif
