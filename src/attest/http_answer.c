/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/http_answer.h"

#include "attest/channel.h"

#include <errno.h>
#include <strings.h>

/* The size of the head with its empty line; 0: not all there. */
static size_t head_size(struct slice bytes)
{
    const uint8_t *end = bytes.size ? memmem(bytes.bytes, bytes.size, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - bytes.bytes) + 4 : 0;
}

/* Takes the next line (without its CRLF) off a head, which ends in an empty one. */
static struct slice line_take(struct slice *head)
{
    const uint8_t *end = memmem(head->bytes, head->size, "\r\n", 2);
    size_t size = end ? (size_t)(end - head->bytes) : head->size;
    struct slice line = slice_of(head->bytes, size);
    size_t used = MIN(size + 2, head->size);
    *head = slice_of(head->bytes + used, head->size - used);
    return line;
}

/* Digits only, bounded. -EBADMSG otherwise. */
static int number_parse(struct slice text, size_t max, size_t *ret_n)
{
    size_t n = 0;
    if (text.size == 0 || text.size > 10)
        return -EBADMSG;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return -EBADMSG;
        n = n * 10 + (size_t)(text.bytes[i] - '0');
    }
    if (n > max)
        return -EBADMSG;
    *ret_n = n;
    return 0;
}

static int status_parse(struct slice line, unsigned *ret_status)
{
    static const char version[] = "HTTP/1.1 ";
    size_t n;
    size_t len = sizeof version - 1;
    if (line.size < len + 3 || memcmp(line.bytes, version, len) != 0 ||
        (line.size > len + 3 && line.bytes[len + 3] != ' ') ||
        number_parse(slice_of(line.bytes + len, 3), 599, &n) < 0 || n < 200)
        return -EBADMSG;
    *ret_status = (unsigned)n;
    return 0;
}

/* The value of header `name` if `line` is one; an empty slice otherwise. */
static struct slice header_value(struct slice line, const char *name)
{
    size_t len = strlen(name);
    if (line.size <= len || line.bytes[len] != ':' ||
        strncasecmp((const char *)line.bytes, name, len) != 0)
        return (struct slice){0};
    struct slice value = slice_of(line.bytes + len + 1, line.size - len - 1);
    while (value.size > 0 && value.bytes[0] == ' ')
        value = slice_of(value.bytes + 1, value.size - 1);
    return value;
}

int http_answer_parse(struct slice bytes, struct http_answer *ret_answer)
{
    struct http_answer answer = {0};
    size_t body_size = 0;
    unsigned lengths = 0;
    size_t size = head_size(slice_of(bytes.bytes, MIN(bytes.size, CHANNEL_HEAD_SIZE_MAX)));
    if (size == 0)
        return bytes.size >= CHANNEL_HEAD_SIZE_MAX ? -EBADMSG : -EAGAIN;
    struct slice head = slice_of(bytes.bytes, size);
    if (status_parse(line_take(&head), &answer.status) < 0)
        return -EBADMSG;
    while (head.size > 2) {
        struct slice line = line_take(&head);
        struct slice length = header_value(line, "Content-Length");
        if (header_value(line, "Transfer-Encoding").size > 0)
            return -EBADMSG;
        if (length.size == 0)
            continue;
        lengths++;
        if (number_parse(length, CHANNEL_BODY_SIZE_MAX, &body_size) < 0)
            return -EBADMSG;
    }
    if (lengths > 1 || (lengths == 0 && answer.status != 204))
        return -EBADMSG;
    if (bytes.size - size < body_size)
        return -EAGAIN;
    answer.size = size + body_size;
    answer.body = slice_of(bytes.bytes + size, body_size);
    *ret_answer = answer;
    return 0;
}
