/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

void secret_wipe(void *bytes, size_t size)
{
    if (size > 0)
        explicit_bzero(bytes, size);
}

void key256_wipe(struct key256 *key)
{
    secret_wipe(key, sizeof *key);
}

int ct_verify(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    unsigned difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= x[i] ^ y[i];
    return difference == 0 ? 0 : -EBADMSG;
}

void *secret_alloc(size_t size)
{
    size_t whole = (size_t)round_up(size ? size : 1, PAGE);
    void *bytes = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return NULL;
    /* A low limit on locked memory is no reason to refuse service: the pages still leave no core
     * dump, and on a TEE the host cannot read what it swaps. */
    (void)mlock(bytes, whole);
    (void)madvise(bytes, whole, MADV_DONTDUMP);
    return bytes;
}

void secret_free(void *bytes, size_t size)
{
    if (!bytes)
        return;
    size_t whole = (size_t)round_up(size ? size : 1, PAGE);
    secret_wipe(bytes, whole);
    (void)munmap(bytes, whole);
}
