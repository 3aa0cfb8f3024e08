/* SPDX-License-Identifier: Apache-2.0 */
/* "Who protects this?": what this server can prove about itself. Under the runtime the proof comes
 * from /dev/coffer/evidence, made fresh over what the caller sends; natively there is none, and the
 * answer says so. Nothing is judged here: who asks must not believe the one who is asked. */
#include "dms/dms.h"

#include "base/evidence_record.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { EVIDENCE_SIZE_MAX = 16 << 10 }; /* vendors' evidence with its certificates */

static const char device_path[] = "/dev/coffer/evidence";

/* Evidence over `nonce`. 0; -ENOENT: there is no runtime; another -errno. */
static int evidence_make(const uint8_t nonce[EVIDENCE_REPORT_DATA_SIZE], struct buf *out)
{
    uint8_t *to = buf_reserve(out, EVIDENCE_SIZE_MAX);
    int fd = to ? open(device_path, O_RDWR | O_CLOEXEC) : -1;
    if (!to)
        return -ENOMEM;
    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? -ENOENT : -errno;
    ssize_t n = write(fd, nonce, EVIDENCE_REPORT_DATA_SIZE);
    n = n == EVIDENCE_REPORT_DATA_SIZE ? pread(fd, to, EVIDENCE_SIZE_MAX, 0) : -1;
    int r = n > 0 ? 0 : -EIO;
    (void)close(fd);
    if (r == 0)
        out->size += (size_t)n;
    return r;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 128 hexadecimal digits; absent: zeros. 0 or the call has been ended. */
static int nonce_read(struct call *call, uint8_t nonce[EVIDENCE_REPORT_DATA_SIZE])
{
    char *text = NULL;
    int r = http_request_query(call->req, "nonce", &text);
    memset(nonce, 0, EVIDENCE_REPORT_DATA_SIZE);
    if (r == -ENOENT)
        return 0;
    if (r == 0 && strlen(text) != (size_t)2 * EVIDENCE_REPORT_DATA_SIZE)
        r = -EINVAL;
    for (size_t i = 0; r == 0 && i < EVIDENCE_REPORT_DATA_SIZE; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0)
            r = -EINVAL;
        else
            nonce[i] = (uint8_t)(high << 4 | low);
    }
    if (r < 0)
        call_problem(call, 422, "bad-nonce", "nonce has 128 digits of lower-case hexadecimal.");
    return r;
}

void protection_get(struct call *call)
{
    SCOPED(buf_done) struct buf evidence = {0};
    static const uint8_t nothing[EVIDENCE_REPORT_DATA_SIZE];
    int r = evidence_make(nothing, &evidence);
    struct buf body = {0};
    struct json json = json_into(&body);
    json_open_object(&json, NULL);
    json_put_bool(&json, "runtime", r != -ENOENT);
    json_put_bool(&json, "evidence", r == 0);
    json_close(&json);
    http_response_header(call->req, "Cache-Control", "no-store");
    call_reply_buf(call, 200, "application/json", &body);
}

void protection_evidence_get(struct call *call)
{
    struct buf evidence = {0};
    uint8_t nonce[EVIDENCE_REPORT_DATA_SIZE];
    if (nonce_read(call, nonce) < 0)
        return;
    int r = evidence_make(nonce, &evidence);
    if (r < 0)
        buf_done(&evidence);
    http_response_header(call->req, "Cache-Control", "no-store");
    if (r == -ENOENT)
        call_problem(call, 404, "not-protected",
                     "This server runs without Coffer's runtime: nothing protects its memory, and "
                     "its files only if its owner encrypts them otherwise.");
    else if (r < 0)
        call_problem(call, 503, "no-evidence", "The runtime gives no evidence now.");
    else
        call_reply_buf(call, 200, "application/octet-stream", &evidence);
}
