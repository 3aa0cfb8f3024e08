/* SPDX-License-Identifier: Apache-2.0 */
/* base/reader.h: a cursor over untrusted bytes that owns the only bounds check.
 *
 * Once a read runs past the end the reader has failed: it and every later read yield zeros or an
 * empty slice, and reader_ok() and reader_finished() say no. So a parser reads a whole record and
 * judges once. Integers are little-endian unless the name ends in _be. */
#ifndef COFFER_BASE_READER_H
#define COFFER_BASE_READER_H

#include "base/macros.h"
#include "base/slice.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_over(struct slice bytes)
{
    static const uint8_t nothing[1]; /* NULL + 0 is undefined, and NULL means failed */
    const uint8_t *at = bytes.bytes ? bytes.bytes : nothing;
    return (struct reader){at, bytes.bytes ? at + bytes.size : at, false};
}

static inline size_t reader_left(const struct reader *rd)
{
    return rd->failed ? 0 : (size_t)(rd->end - rd->at);
}

/* The next `size` bytes, which borrow from what the reader is over; NULL once failed. */
static inline const uint8_t *reader_take(struct reader *rd, size_t size)
{
    if (size > reader_left(rd)) {
        rd->failed = true;
        return NULL;
    }
    const uint8_t *bytes = rd->at;
    rd->at += size;
    return bytes;
}

static inline struct slice reader_slice(struct reader *rd, size_t size)
{
    const uint8_t *bytes = reader_take(rd, size);
    return rd->failed ? (struct slice){0} : slice_of(bytes, size);
}

/* Copies the next `size` bytes to `to`, or zeros it. */
static inline void reader_copy(struct reader *rd, void *to, size_t size)
{
    const uint8_t *bytes = reader_take(rd, size);
    if (bytes && size > 0)
        memcpy(to, bytes, size);
    else if (size > 0)
        memset(to, 0, size);
}

static inline uint64_t reader_uint(struct reader *rd, size_t size)
{
    const uint8_t *bytes = reader_take(rd, size);
    uint64_t n = 0;
    for (size_t i = size; bytes && i-- > 0;)
        n = n << 8 | bytes[i];
    return n;
}

static inline uint64_t reader_uint_be(struct reader *rd, size_t size)
{
    const uint8_t *bytes = reader_take(rd, size);
    uint64_t n = 0;
    for (size_t i = 0; bytes && i < size; i++)
        n = n << 8 | bytes[i];
    return n;
}

static inline uint8_t reader_u8(struct reader *rd)
{
    return (uint8_t)reader_uint(rd, 1);
}
static inline uint16_t reader_u16(struct reader *rd)
{
    return (uint16_t)reader_uint(rd, 2);
}
static inline uint32_t reader_u32(struct reader *rd)
{
    return (uint32_t)reader_uint(rd, 4);
}
static inline uint64_t reader_u64(struct reader *rd)
{
    return reader_uint(rd, 8);
}
static inline uint16_t reader_u16_be(struct reader *rd)
{
    return (uint16_t)reader_uint_be(rd, 2);
}
static inline uint32_t reader_u24_be(struct reader *rd)
{
    return (uint32_t)reader_uint_be(rd, 3);
}
static inline uint32_t reader_u32_be(struct reader *rd)
{
    return (uint32_t)reader_uint_be(rd, 4);
}
static inline uint64_t reader_u64_be(struct reader *rd)
{
    return reader_uint_be(rd, 8);
}

static inline bool reader_ok(const struct reader *rd)
{
    return !rd->failed;
}

/* Everything was there, and nothing is left over. */
static inline bool reader_finished(const struct reader *rd)
{
    return !rd->failed && rd->at == rd->end;
}

#endif
