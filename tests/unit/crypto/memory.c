/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/memory.h"

#include "crypto/provider.h"
#include "tap.h"

#include <openssl/crypto.h>
#include <string.h>

TEST(record_buffers_are_kept_and_are_large_enough)
{
    CHECK_EQ(crypto_start(), 0);
    void *first = OPENSSL_malloc(CRYPTO_KEPT_MIN);
    CHECK(first != NULL);
    OPENSSL_free(first);
    void *again = OPENSSL_malloc(CRYPTO_KEPT_MAX);
    CHECK(again == first);
    memset(again, 1, CRYPTO_KEPT_MAX);
    OPENSSL_free(again);
}

TEST(only_so_many_are_kept_and_each_has_one_owner)
{
    void *all[5];
    for (int i = 0; i < 5; i++)
        CHECK((all[i] = OPENSSL_malloc(16000)) != NULL);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            CHECK(all[i] != all[j]);
    for (int i = 0; i < 5; i++)
        OPENSSL_free(all[i]);
}

TEST(other_sizes_are_as_ever)
{
    CHECK(OPENSSL_malloc(0) == NULL);
    char *small = OPENSSL_malloc(10);
    CHECK(small != NULL);
    small = OPENSSL_realloc(small, 100000);
    CHECK(small != NULL);
    memset(small, 2, 100000);
    OPENSSL_free(small);
    void *kept = OPENSSL_realloc(NULL, 16000); /* grows from nothing */
    CHECK(kept != NULL);
    CHECK(OPENSSL_realloc(kept, 0) == NULL);
    OPENSSL_free(NULL);
}

TAP_MAIN()
