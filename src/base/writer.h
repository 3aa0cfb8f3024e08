/* SPDX-License-Identifier: Apache-2.0 */
/* base/writer.h: writes records into memory of the caller's and owns the only bounds check; the
 * mirror of base/reader.h. Past the end it has failed and writes nothing more. Little-endian
 * unless the name ends in _be. */
#ifndef COFFER_BASE_WRITER_H
#define COFFER_BASE_WRITER_H

#include "base/macros.h"
#include "base/slice.h"

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct writer writer_over(void *bytes, size_t size)
{
    uint8_t *start = bytes;
    return (struct writer){start, start, start + size, false};
}

static inline size_t writer_size(const struct writer *wr)
{
    return (size_t)(wr->at - wr->start);
}

/* Room for `size` bytes, which the caller fills; NULL once failed. */
static inline uint8_t *writer_take(struct writer *wr, size_t size)
{
    if (wr->failed || size > (size_t)(wr->end - wr->at)) {
        wr->failed = true;
        return NULL;
    }
    uint8_t *at = wr->at;
    wr->at += size;
    return at;
}

static inline void writer_bytes(struct writer *wr, const void *bytes, size_t size)
{
    uint8_t *to = writer_take(wr, size);
    if (to && size > 0)
        memcpy(to, bytes, size);
}

static inline void writer_slice(struct writer *wr, struct slice bytes)
{
    writer_bytes(wr, bytes.bytes, bytes.size);
}

static inline void writer_zeros(struct writer *wr, size_t size)
{
    uint8_t *to = writer_take(wr, size);
    if (to && size > 0)
        memset(to, 0, size);
}

static inline void writer_uint(struct writer *wr, uint64_t n, size_t size)
{
    uint8_t *to = writer_take(wr, size);
    for (size_t i = 0; to && i < size; i++)
        to[i] = (uint8_t)(n >> (8 * i));
}

static inline void writer_uint_be(struct writer *wr, uint64_t n, size_t size)
{
    uint8_t *to = writer_take(wr, size);
    for (size_t i = 0; to && i < size; i++)
        to[i] = (uint8_t)(n >> (8 * (size - 1 - i)));
}

static inline void writer_u8(struct writer *wr, uint8_t n)
{
    writer_uint(wr, n, 1);
}
static inline void writer_u16(struct writer *wr, uint16_t n)
{
    writer_uint(wr, n, 2);
}
static inline void writer_u32(struct writer *wr, uint32_t n)
{
    writer_uint(wr, n, 4);
}
static inline void writer_u64(struct writer *wr, uint64_t n)
{
    writer_uint(wr, n, 8);
}

static inline bool writer_ok(const struct writer *wr)
{
    return !wr->failed;
}

static inline struct slice writer_done(const struct writer *wr)
{
    return slice_of(wr->start, writer_size(wr));
}

#endif
