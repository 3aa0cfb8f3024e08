/* SPDX-License-Identifier: Apache-2.0 */
/* Where a body ends. Chunk lines are read strictly: hexadecimal digits, an optional extension that
 * is ignored, CR LF. A bare LF here is how requests are smuggled past other parsers. */
#include "server/http_internal.h"

#include <errno.h>

enum { CHUNK_LINE_MAX = 256, TRAILERS_SIZE_MAX = 4096, CHUNK_DIGITS_MAX = 15 };

enum body_state {
    BODY_PLAIN,
    BODY_CHUNK_SIZE,
    BODY_CHUNK_EXTENSION,
    BODY_CHUNK_LINE_LF,
    BODY_CHUNK_DATA,
    BODY_CHUNK_DATA_CR,
    BODY_CHUNK_DATA_LF,
    BODY_TRAILER_START, /* at the beginning of a line */
    BODY_TRAILER,
    BODY_TRAILER_LF,
    BODY_END_LF,
    BODY_DONE,
};

void http_body_start(struct http_body *body, uint64_t size)
{
    *body = (struct http_body){.chunked = size == HTTP_SIZE_UNKNOWN};
    body->state = body->chunked ? BODY_CHUNK_SIZE : BODY_PLAIN;
    body->left = body->chunked ? 0 : size;
    body->done = size == 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int chunk_size_feed(struct http_body *body, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0 && body->line_size < CHUNK_DIGITS_MAX) {
        body->left = body->left << 4 | (unsigned)digit;
        body->line_size++;
        return BODY_CHUNK_SIZE;
    }
    if (digit >= 0 || body->line_size == 0)
        return -EBADMSG;
    if (c == '\r')
        return BODY_CHUNK_LINE_LF;
    return c == ';' || c == ' ' || c == '\t' ? BODY_CHUNK_EXTENSION : -EBADMSG;
}

static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* A line of text up to CR; each such line, or all trailers together, is bounded. */
static int line_feed(struct http_body *body, uint8_t c, int at_cr, unsigned size_max)
{
    if (++body->line_size > size_max)
        return -EBADMSG;
    if (c == '\r')
        return at_cr;
    return is_control(c) ? -EBADMSG : (int)body->state;
}

/* The state after one byte of framing, or -EBADMSG. */
static int framing_feed(struct http_body *body, uint8_t c)
{
    switch (body->state) {
    case BODY_CHUNK_SIZE:
        return chunk_size_feed(body, c);
    case BODY_CHUNK_EXTENSION:
        return line_feed(body, c, BODY_CHUNK_LINE_LF, CHUNK_LINE_MAX);
    case BODY_CHUNK_LINE_LF:
        body->line_size = 0;
        if (c != '\n')
            return -EBADMSG;
        return body->left > 0 ? BODY_CHUNK_DATA : BODY_TRAILER_START;
    case BODY_CHUNK_DATA_CR:
        return c == '\r' ? BODY_CHUNK_DATA_LF : -EBADMSG;
    case BODY_CHUNK_DATA_LF:
        return c == '\n' ? BODY_CHUNK_SIZE : -EBADMSG;
    case BODY_TRAILER_START:
        if (c == '\r')
            return BODY_END_LF;
        if (c == ' ' || c == '\t')
            return -EBADMSG;
        body->state = BODY_TRAILER;
        return line_feed(body, c, BODY_TRAILER_LF, TRAILERS_SIZE_MAX);
    case BODY_TRAILER:
        return line_feed(body, c, BODY_TRAILER_LF, TRAILERS_SIZE_MAX);
    case BODY_TRAILER_LF:
        return c == '\n' ? BODY_TRAILER_START : -EBADMSG;
    case BODY_END_LF:
        return c == '\n' ? BODY_DONE : -EBADMSG;
    default:
        return -EBADMSG;
    }
}

ssize_t http_body_feed(struct http_body *body, struct slice bytes, struct slice *ret_data)
{
    size_t used = 0;
    *ret_data = (struct slice){0};
    while (used < bytes.size && !body->done) {
        if (body->state == BODY_PLAIN || body->state == BODY_CHUNK_DATA) {
            size_t size = (size_t)MIN(body->left, (uint64_t)(bytes.size - used));
            *ret_data = slice_of(bytes.bytes + used, size);
            body->left -= size;
            if (body->left == 0 && body->chunked)
                body->state = BODY_CHUNK_DATA_CR;
            else if (body->left == 0)
                body->done = true;
            return (ssize_t)(used + size);
        }
        int state = framing_feed(body, bytes.bytes[used]);
        if (state < 0)
            return state;
        used++;
        body->state = (unsigned)state;
        body->done = state == BODY_DONE;
    }
    return (ssize_t)used;
}
