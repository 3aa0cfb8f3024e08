/* SPDX-License-Identifier: Apache-2.0 */
#include "server/base64.h"

#include <errno.h>

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_feed(struct base64_decoder *decoder, struct slice text, uint8_t *to)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        int digit = c == '=' ? 0 : digit_of(c);
        if (digit < 0 || (decoder->padding > 0 && c != '=') || (c == '=' && decoder->count < 2))
            return -EBADMSG;
        decoder->padding += c == '=';
        decoder->bits = decoder->bits << 6 | (uint32_t)digit;
        if (++decoder->count < 4)
            continue;
        if (decoder->padding > 2)
            return -EBADMSG;
        for (unsigned k = 0; k < 3 - decoder->padding; k++)
            to[size++] = (uint8_t)(decoder->bits >> (16 - 8 * k));
        decoder->count = 0;
        decoder->bits = 0;
    }
    return (ssize_t)size;
}

int base64_finish(const struct base64_decoder *decoder)
{
    return decoder->count == 0 ? 0 : -EBADMSG;
}

int base64_decode(struct slice text, struct buf *out)
{
    struct base64_decoder decoder = {0};
    uint8_t *to = buf_reserve(out, text.size);
    if (!to)
        return -ENOMEM;
    ssize_t n = base64_feed(&decoder, text, to);
    if (n < 0 || base64_finish(&decoder) < 0)
        return -EBADMSG;
    out->size += (size_t)n;
    return 0;
}

ssize_t base64url_decode(struct slice text, uint8_t *to)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        int digit = c == '-' ? 62 : c == '_' ? 63 : c == '+' || c == '/' ? -1 : digit_of(c);
        if (digit < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[size++] = (uint8_t)(bits >> count);
        }
    }
    /* One character too many, or bits that say nothing but are set. */
    return count == 6 || (bits & ((1U << count) - 1)) != 0 ? -EBADMSG : (ssize_t)size;
}

int base64_encode(struct slice bytes, bool url, struct buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int r = 0;
    for (size_t i = 0; i < bytes.size && r == 0; i += 3) {
        size_t left = MIN(bytes.size - i, (size_t)3);
        uint32_t bits = (uint32_t)bytes.bytes[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes.bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes.bytes[i + 2] : 0;
        char text[4];
        for (unsigned k = 0; k < 4; k++) {
            char c = plain[bits >> (18 - 6 * k) & 63];
            text[k] = k > left ? '=' : !url ? c : c == '+' ? '-' : c == '/' ? '_' : c;
        }
        r = buf_append(out, text, url ? left + 1 : 4);
    }
    return r;
}
