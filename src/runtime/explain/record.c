/* SPDX-License-Identifier: Apache-2.0 */
/* What the program uses, one message each: kind, NUL, rest. The reader is `coffer run --record`, which
 * knows how to make a policy of it (src/cli/record*.c). Each process tells a thing once. */
#include "platform/host.h"
#include "runtime/explain/explain.h"
#include "runtime/explain/seen.h"
#include "runtime/fd.h"
#include "runtime/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

bool g_explain_records;

static struct {
    int fd;
    lock_word lock; /* protects: seen; a leaf */
    struct seen seen;
} g_record LARGE_TABLE;

bool seen_first(struct seen *seen, struct slice line)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < line.size; i++)
        hash = (hash ^ line.bytes[i]) * UINT64_C(0x100000001b3);
    hash |= 1;
    for (unsigned probe = 0; probe < SEEN_PROBES; probe++) {
        uint64_t *slot = &seen->hashes[((hash >> 8) + probe) % SEEN_COUNT];
        if (*slot == hash)
            return false;
        if (*slot == 0) {
            *slot = hash;
            return true;
        }
    }
    return true;
}

void record_start(int fd)
{
    if (fd <= 0)
        return;
    int hidden = fd_hide(fd); /* the guest's programs close what they do not know */
    g_record.fd = hidden < 0 ? 0 : hidden;
    g_explain_records = hidden >= 0;
}

int explain_record_keep(bool across_exec)
{
    if (g_record.fd > 0)
        (void)host_call(SYS_fcntl, g_record.fd, F_SETFD, across_exec ? 0 : FD_CLOEXEC);
    return g_record.fd;
}

static void tell(struct slice message)
{
    lock_acquire(&g_record.lock);
    bool first = seen_first(&g_record.seen, message);
    lock_release(&g_record.lock);
    if (first)
        (void)host_call(SYS_sendto, g_record.fd, message.bytes, message.size, MSG_NOSIGNAL, 0, 0);
}

void record_file(const char *path, unsigned wishes)
{
    char message[4096 + 32];
    if (!g_explain_records)
        return;
    int n = snprintf(message, sizeof message, "file %u%c%s", wishes, 0, path);
    if (n > 0 && (size_t)n < sizeof message)
        tell(slice_of(message, (size_t)n));
}

void record_net(const struct explain_end *end)
{
    char message[4096 + 64];
    if (!g_explain_records)
        return;
    int n = snprintf(message, sizeof message, "net %d %d %d%c%s", end->listen, (int)end->protocol,
                     end->port, 0, end->address ? end->address : "");
    if (n > 0 && (size_t)n < sizeof message)
        tell(slice_of(message, (size_t)n));
}
