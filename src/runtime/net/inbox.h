/* SPDX-License-Identifier: Apache-2.0 */
/* net/inbox.h: plaintext that was decrypted before the program took it: because it peeked, asked how much
 * is there, or wants to be woken for so much at least (SO_RCVLOWAT). Empty, it has no memory. Its bytes
 * are wiped before the memory goes. Belongs to one connection, under its lock. */
#ifndef COFFER_RUNTIME_NET_INBOX_H
#define COFFER_RUNTIME_NET_INBOX_H

#include "base/macros.h"

#include <stdint.h>
#include <sys/uio.h>

/* What a program can look ahead; the kernel's limit is the receive buffer. */
#define INBOX_SIZE_MAX ((size_t)256 * 1024)

struct inbox {
    uint8_t *bytes;
    size_t at, end, capacity;
};

static inline size_t inbox_size(const struct inbox *inbox)
{
    return inbox->end - inbox->at;
}

/* Room for `size` more bytes behind what is there; the caller adds to `end` what it put there. NULL
 * without memory or beyond INBOX_SIZE_MAX. */
must_check uint8_t *inbox_reserve(struct inbox *inbox, size_t size);

/* Copies what fits into the guest's buffers and leaves it; how many bytes. -EFAULT: not all of that
 * could be put there. And: takes it out, if all of it could. */
must_check ssize_t inbox_peek(const struct inbox *inbox, const struct iovec *iov, int count);
must_check ssize_t inbox_take(struct inbox *inbox, const struct iovec *iov, int count);

void inbox_clear(struct inbox *inbox);

#endif
