/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_CAPACITY_MIN = 64 };

void buf_done(struct buf *buf)
{
    if (buf->bytes)
        secret_wipe(buf->bytes, buf->capacity);
    free(buf->bytes);
    *buf = (struct buf){.size_max = buf->size_max};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

static int buf_fail(struct buf *buf)
{
    buf->failed = true;
    return -ENOMEM;
}

uint8_t *buf_reserve(struct buf *buf, size_t more)
{
    size_t size_max = buf->size_max ? buf->size_max : BUF_SIZE_MAX;
    size_t need;
    if (buf->failed || __builtin_add_overflow(buf->size, more, &need) || need > size_max) {
        buf->failed = true;
        return NULL;
    }
    if (need > buf->capacity || !buf->bytes) {
        size_t capacity = MAX(buf->capacity, (size_t)BUF_CAPACITY_MIN);
        while (capacity < need)
            capacity *= 2;
        /* Not realloc(): it may leave a copy of a secret behind. */
        uint8_t *grown = malloc(capacity);
        if (!grown) {
            buf->failed = true;
            return NULL;
        }
        if (buf->bytes) {
            memcpy(grown, buf->bytes, buf->size);
            secret_wipe(buf->bytes, buf->capacity);
            free(buf->bytes);
        }
        buf->bytes = grown;
        buf->capacity = capacity;
    }
    return buf->bytes + buf->size;
}

int buf_append(struct buf *buf, const void *bytes, size_t size)
{
    uint8_t *to = buf_reserve(buf, size);
    if (!to)
        return -ENOMEM;
    if (size > 0)
        memcpy(to, bytes, size);
    buf->size += size;
    return 0;
}

int buf_append_slice(struct buf *buf, struct slice bytes)
{
    return buf_append(buf, bytes.bytes, bytes.size);
}

int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_byte(struct buf *buf, uint8_t byte)
{
    return buf_append(buf, &byte, 1);
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    uint8_t *to = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (to) {
        (void)vsnprintf((char *)to, (size_t)len + 1, format, again);
        buf->size += (size_t)len;
    }
    va_end(again);
    return to ? 0 : buf_fail(buf);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = buf_vprintf(buf, format, args);
    va_end(args);
    return r;
}

void buf_consume(struct buf *buf, size_t size)
{
    size_t gone = MIN(size, buf->size);
    if (gone > 0)
        memmove(buf->bytes, buf->bytes + gone, buf->size - gone);
    buf->size -= gone;
}

const char *buf_text(struct buf *buf)
{
    uint8_t *end = buf_reserve(buf, 1);
    if (!end)
        return NULL;
    *end = 0;
    return (const char *)buf->bytes;
}
