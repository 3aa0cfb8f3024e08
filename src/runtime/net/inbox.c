/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/inbox.h"

#include "runtime/guest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 4096 };

void inbox_clear(struct inbox *inbox)
{
    if (inbox->bytes)
        OPENSSL_cleanse(inbox->bytes, inbox->end);
    free(inbox->bytes);
    *inbox = (struct inbox){0};
}

uint8_t *inbox_reserve(struct inbox *inbox, size_t size)
{
    size_t used = inbox_size(inbox);
    if (used > INBOX_SIZE_MAX || size > INBOX_SIZE_MAX - used)
        return NULL;
    if (size <= inbox->capacity - inbox->end)
        return inbox->bytes + inbox->end;
    size_t capacity = MIN(MAX(2 * (used + size), (size_t)CAPACITY_MIN), INBOX_SIZE_MAX);
    uint8_t *bytes = malloc(capacity);
    if (!bytes)
        return NULL;
    if (used > 0)
        memcpy(bytes, inbox->bytes + inbox->at, used);
    inbox_clear(inbox);
    *inbox = (struct inbox){.bytes = bytes, .end = used, .capacity = capacity};
    return bytes + used;
}

ssize_t inbox_peek(const struct inbox *inbox, const struct iovec *iov, int count)
{
    size_t size = inbox_size(inbox), wanted = MIN(size, guest_iov_size(iov, count));
    if (wanted == 0)
        return 0;
    ssize_t n = guest_scatter(iov, count, 0, inbox->bytes + inbox->at, size);
    return n == (ssize_t)wanted ? n : -EFAULT;
}

ssize_t inbox_take(struct inbox *inbox, const struct iovec *iov, int count)
{
    ssize_t n = inbox_peek(inbox, iov, count);
    inbox->at += n > 0 ? (size_t)n : 0;
    if (inbox->bytes && inbox->at == inbox->end)
        inbox_clear(inbox);
    return n;
}
