/* SPDX-License-Identifier: Apache-2.0 */
/* base/buf.h: a growing byte buffer on the heap, with a cap.
 *
 * A buf starts as {0}; buf_done() releases it, wiping what it held, and leaves it usable again.
 * Appending past `size_max` (0 means BUF_SIZE_MAX) or without memory sets `failed`, leaves the
 * contents as they were, and makes every later append fail too, so a writer may check once at the
 * end. Not safe on several threads at once. */
#ifndef COFFER_BASE_BUF_H
#define COFFER_BASE_BUF_H

#include "base/macros.h"
#include "base/slice.h"

#include <stdarg.h>

#define BUF_SIZE_MAX ((size_t)1 << 30)

struct buf {
    uint8_t *bytes;
    size_t size;     /* in use */
    size_t capacity; /* allocated */
    size_t size_max; /* 0: BUF_SIZE_MAX */
    bool failed;
};

void buf_done(struct buf *buf);

/* Forgets the contents and a failure, keeps the memory. */
void buf_clear(struct buf *buf);

/* Makes room for `more` bytes and returns where they go; the caller then adds to `size` what it
 * wrote. NULL if that is not possible. */
must_check uint8_t *buf_reserve(struct buf *buf, size_t more);

/* Each returns 0 or -ENOMEM (also: over the cap, or failed before). */
int buf_append(struct buf *buf, const void *bytes, size_t size);
int buf_append_slice(struct buf *buf, struct slice bytes);
int buf_append_text(struct buf *buf, const char *text);
int buf_append_byte(struct buf *buf, uint8_t byte);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Removes the first `size` bytes (at most all of them). */
void buf_consume(struct buf *buf, size_t size);

/* The contents as a NUL-terminated string that lives until the next change; NULL without memory. */
must_check const char *buf_text(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->bytes, buf->size);
}

#endif
