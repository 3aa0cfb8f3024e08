/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks of a volume server: any numbers in any request. The owner answers each with a
 * count that fits, touches nothing beyond what it was given, and can be asked on. */
#include "base/reader.h"
#include "platform/linux/linux.h"
#include "platform/ops.h"
#include "runtime/vfs/owner.h"
#include "volume/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { REQUESTS_MAX = 64, OUT_MAX = 8192, IN_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct owner *g_owner;
static struct volume_backend *g_backend;

static long host(long nr, const long args[6])
{
    return linux_call(nr, args);
}

static int fixed_random(void *bytes, size_t size)
{
    memset(bytes, 0x5a, size);
    return 0;
}

static void start(void)
{
    static const struct platform_ops ops = {.name = "fuzz", .call = host, .random = fixed_random};
    static const struct key256 key = {{1}};
    struct error e;
    platform_set(&ops);
    if (volume_mem_new(&g_backend) < 0)
        abort();
    struct volume_options options = {.backend = g_backend, .key = &key};
    g_owner = owner_new();
    if (!g_owner || volume_create(&options, 0, 0, &e) < 0 ||
        volume_open(&options, &g_owner->volumes[0], &e) < 0)
        abort();
}

/* Small numbers find what is there; others are anything. */
static uint64_t number(struct reader *rd)
{
    uint8_t kind = reader_u8(rd);
    return kind < 0xe0 ? kind & 0x1f : reader_u64(rd);
}

static struct slice copied(struct reader *rd, uint8_t **ret_memory)
{
    size_t size = MIN((size_t)reader_u16(rd) % IN_MAX, reader_left(rd));
    struct slice bytes = reader_slice(rd, size);
    *ret_memory = malloc(size + 1);
    if (*ret_memory && size > 0)
        memcpy(*ret_memory, bytes.bytes, size);
    return slice_of(*ret_memory, size);
}

static void ask(struct reader *rd)
{
    uint8_t *in = NULL, *in2 = NULL;
    struct creds creds = {.uid = 7};
    struct request rq = {.op = reader_u8(rd) % (REQUEST_OP_COUNT + 2)};
    rq.client = (uint32_t)number(rd);
    rq.volume = (uint32_t)number(rd);
    rq.handle = (uint32_t)number(rd);
    rq.ino = number(rd);
    rq.dir = number(rd);
    rq.more = number(rd);
    rq.offset = number(rd);
    rq.size = number(rd);
    rq.flags = (uint32_t)number(rd);
    rq.mask = (uint32_t)number(rd);
    rq.attr.mode = (uint32_t)reader_u16(rd);
    rq.attr.size = number(rd) % (1 << 22); /* the memory of this test is not the host's to fill */
    rq.lock.kind = (uint32_t)number(rd);
    rq.lock.type = (uint32_t)number(rd);
    rq.lock.start = number(rd);
    rq.lock.end = number(rd);
    rq.in = copied(rd, &in);
    rq.in2 = copied(rd, &in2);
    rq.out_size = reader_u16(rd) % OUT_MAX;
    rq.out = malloc(rq.out_size + 1); /* ends where the sanitizer looks */
    rq.creds = rq.flags & 1 ? &creds : NULL;
    if (rq.op == REQUEST_WRITE || rq.op == REQUEST_ALLOCATE || rq.op == REQUEST_MAP) {
        rq.offset %= 1 << 22;
        rq.size %= 1 << 22;
    }
    size_t room = rq.out_size;
    int64_t n = in && in2 && rq.out ? owner_execute(g_owner, &rq) : -ENOMEM;
    if (n < -4095 || (rq.op == REQUEST_READ && n > (int64_t)room) ||
        (rq.op == REQUEST_WRITE && n > (int64_t)rq.in.size))
        abort();
    free(rq.out);
    free(in);
    free(in2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader rd = reader_over(slice_of(data, size));
    start();
    for (int i = 0; i < REQUESTS_MAX && reader_left(&rd) > 0; i++)
        ask(&rd);
    owner_abandon(TAKE(g_owner));
    volume_mem_free(g_backend);
    return 0;
}
