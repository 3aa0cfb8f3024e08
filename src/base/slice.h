/* SPDX-License-Identifier: Apache-2.0 */
/* base/slice.h: a borrowed run of bytes. Whoever made it says how long the bytes live. */
#ifndef COFFER_BASE_SLICE_H
#define COFFER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *bytes;
    size_t size;
};

static inline struct slice slice_of(const void *bytes, size_t size)
{
    return (struct slice){bytes, size};
}

/* Over the characters of `text`, without its NUL. */
static inline struct slice slice_of_text(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Not for secrets: the time depends on the bytes. For those there is ct_verify(). */
static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline bool slice_is_text(struct slice a, const char *text)
{
    return slice_equals(a, slice_of_text(text));
}

#endif
