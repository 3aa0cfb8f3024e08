/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gateway_client.h"

#include "server/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SIZE_MAX ((size_t)16 << 20)

static int answer_read(int fd, struct buf *out)
{
    out->size_max = ANSWER_SIZE_MAX;
    for (;;) {
        uint8_t *to = buf_reserve(out, 16384);
        ssize_t n = to ? read(fd, to, 16384) : -1;
        if (n < 0)
            return -EIO;
        if (n == 0)
            return 0;
        out->size += (size_t)n;
    }
}

/* HTTP/1.0 with a length the gateway gives: status line, head, empty line, body to the end. */
static int answer_split(const struct buf *answer, unsigned *ret_status, struct slice *ret_body)
{
    static const char start[] = "HTTP/1.1 ";
    const uint8_t *end = memmem(answer->bytes, answer->size, "\r\n\r\n", 4);
    if (!end || answer->size < sizeof start + 3 ||
        memcmp(answer->bytes, start, sizeof start - 1) != 0)
        return -EBADMSG;
    *ret_status = (unsigned)strtoul((const char *)answer->bytes + sizeof start - 1, NULL, 10);
    *ret_body = slice_of(end + 4, answer->size - (size_t)(end + 4 - answer->bytes));
    return 0;
}

int gateway_ask(const char *state, const char *method, const char *path, struct buf *answer,
                struct slice *ret_body, struct error *e)
{
    SCOPED(buf_done) struct buf request = {0};
    char socket_path[4096];
    unsigned status = 0;
    int n = snprintf(socket_path, sizeof socket_path, "%s/run/gateway", state);
    if (n < 0 || (size_t)n >= sizeof socket_path)
        return error_set(e, -ENAMETOOLONG, "the path of the state directory is too long");
    int fd = address_connect_unix(socket_path, SOCK_STREAM, NULL);
    if (fd < 0)
        return error_set(e, -ECONNREFUSED,
                         "no running system in '%s': start it with `coffer up`, or name its state "
                         "directory with --state",
                         state);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n", method,
               path);
    int r = request.failed ||
                    send(fd, request.bytes, request.size, MSG_NOSIGNAL) != (ssize_t)request.size
                ? -EIO
                : answer_read(fd, answer);
    close(fd);
    if (r == 0)
        r = answer_split(answer, &status, ret_body);
    if (r < 0)
        return error_set(e, r, "no answer from the gateway");
    if (status != 200)
        return error_set(e, -EREMOTEIO, "%.*s", (int)MIN(ret_body->size, (size_t)300),
                         (const char *)ret_body->bytes);
    return 0;
}
