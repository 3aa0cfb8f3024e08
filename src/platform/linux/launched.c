/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/linux/launched.h"

#include "base/launch.h"
#include "base/reader.h"
#include "base/writer.h"
#include "platform/linux/linux.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int g_line_fd = -1;

void launched_set_line(int fd)
{
    g_line_fd = fd;
}

static int launched_seal_key(struct slice label, struct key256 *ret_key, struct error *e)
{
    (void)label;
    (void)ret_key;
    return error_set(e, -EOPNOTSUPP, "a launched process has no sealing key");
}

/* The answer's size, or -EIO. */
static long line_ask(const void *bytes, size_t size, void *answer, size_t answer_size)
{
    long n = linux_call(SYS_sendto,
                        (const long[6]){g_line_fd, (long)bytes, (long)size, MSG_NOSIGNAL, 0, 0});
    if (n != (long)size)
        return -EIO;
    do
        n = linux_call(SYS_recvfrom,
                       (const long[6]){g_line_fd, (long)answer, (long)answer_size, 0, 0, 0});
    while (n == -EINTR);
    return n < 0 || (size_t)n > answer_size ? -EIO : n;
}

static int launched_evidence(const uint8_t report_data[REPORT_DATA_SIZE], struct buf *ret_evidence,
                             struct error *e)
{
    uint8_t question[4 + LAUNCH_REPORT_DATA_SIZE], answer[4 + LAUNCH_EVIDENCE_SIZE_MAX];
    struct writer wr = writer_over(question, sizeof question);
    writer_u32(&wr, LAUNCH_CHILD_WANTS_EVIDENCE);
    writer_bytes(&wr, report_data, LAUNCH_REPORT_DATA_SIZE);
    long n = line_ask(question, writer_size(&wr), answer, sizeof answer);
    if (n < 4)
        return error_set(e, -EIO, "no evidence: the launcher that signs it is gone");
    struct reader rd = reader_over(slice_of(answer, (size_t)n));
    uint32_t type = reader_u32(&rd);
    struct slice rest = reader_slice(&rd, reader_left(&rd));
    if (type == LAUNCH_CHILD_EVIDENCE)
        return buf_append_slice(ret_evidence, rest);
    return error_set(e, -EIO, "no evidence from the launcher: %.*s",
                     (int)MIN(rest.size, (size_t)200), (const char *)rest.bytes);
}

const struct platform_ops platform_launched = {
    .name = "sim",
    .call = linux_call,
    .call_unless = linux_call_unless,
    .random = linux_random,
    .seal_key = launched_seal_key,
    .evidence = launched_evidence,
};
