/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks of a volume server: any numbers in any request. The owner answers each with a
 * count that fits, touches nothing beyond what it was given, and can be asked on; what it publishes of
 * an open file is what the volume has. */
#include "base/reader.h"
#include "platform/linux/linux.h"
#include "platform/ops.h"
#include "runtime/vfs/owner.h"
#include "volume/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
    REQUESTS_MAX = 64,
    OUT_MAX = 8192,
    IN_MAX = 4096,
    HANDLES = 64,
    CLIENTS = 32,
    READ_MAX = 16384
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct owner *g_owner;
static struct volume_backend *g_backend;
static struct owner_public *g_public;
static _Atomic uint32_t g_kept[OWNER_OPEN_MAX];

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
    memset((void *)g_kept, 0, HANDLES * sizeof g_kept[0]);
    g_public = mmap(NULL, sizeof *g_public, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g_public == MAP_FAILED)
        abort();
    owner_publish_start(g_owner, g_public, g_kept);
}

/* As a client would, of each file that one has open. */
static void read_published(void)
{
    static uint8_t shown[READ_MAX], stored[READ_MAX];
    for (uint32_t handle = 1; handle < HANDLES; handle++) {
        struct request rq = {.handle = handle};
        const struct owner_inode *inode = NULL;
        for (; !inode && rq.client < CLIENTS; rq.client++)
            inode = owner_file(g_owner, &rq);
        struct volume_attr attr, now;
        if (!inode)
            continue;
        struct volume *volume = g_owner->volumes[inode->volume];
        if (volume_getattr(volume, inode->ino, &now) < 0)
            abort();
        if (owner_published(g_public, handle, &attr, false) && memcmp(&attr, &now, sizeof now) != 0)
            abort();
        bool whole;
        uint64_t offset = now.size > READ_MAX ? (now.size - READ_MAX) / 2 : 0;
        int64_t n = owner_pages_published(g_public, handle, offset, shown, READ_MAX, &whole);
        if (n <= 0)
            continue;
        if (volume_read(volume, inode->ino, offset, stored, (size_t)n) != n ||
            memcmp(shown, stored, (size_t)n) != 0)
            abort();
    }
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
    if (rq.op == REQUEST_OP_COUNT) /* what clients write into the memory that they share */
        atomic_store(&g_kept[rq.handle % HANDLES], rq.client);
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
    for (int i = 0; i < REQUESTS_MAX && reader_left(&rd) > 0; i++) {
        ask(&rd);
        read_published();
    }
    owner_abandon(TAKE(g_owner));
    volume_mem_free(g_backend);
    (void)munmap(TAKE(g_public), sizeof *g_public);
    return 0;
}
