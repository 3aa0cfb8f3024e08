/* SPDX-License-Identifier: Apache-2.0 */
/* The checked host calls and a volume's directory on a host whose every answer is the input's: what
 * a call returns, and the bytes it writes where the shapes of its row let it write. Nothing reaches
 * the real host. Buffers end where the sanitizer looks. */
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/syscall/call.h"
#include "volume/backend.h"
#include "volume/volume.h"

/* The table alone: the handlers are weak here, and absent. */
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_ __attribute__((weak));
#include "runtime/syscall/table.def"
#undef CALL
#include "runtime/syscall/shape.c" /* NOLINT(bugprone-suspicious-include) */
#include "runtime/syscall/table.c" /* NOLINT(bugprone-suspicious-include) */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define CALLS_MAX 2000 /* in one input; then the host is gone */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice g_input;
static unsigned g_calls;

static uint8_t next_byte(void)
{
    if (g_input.size == 0)
        return 0;
    uint8_t byte = g_input.bytes[0];
    g_input = slice_of(g_input.bytes + 1, g_input.size - 1);
    return byte;
}

static void fill(void *at, size_t size)
{
    size_t n = MIN(size, g_input.size);
    if (n == 0)
        return;
    memcpy(at, g_input.bytes, n);
    g_input = slice_of(g_input.bytes + n, g_input.size - n);
}

/* Plausible, wrong, or anything. */
static long result_of(const struct call_shape *shape, const long args[6])
{
    long any = 0;
    uint8_t kind = next_byte();
    if (kind < 0x80) { /* as a good host would */
        if (shape->result == SHAPE_RESULT_FD)
            return 100 + kind;
        return shape->result == SHAPE_RESULT_UP_TO ? args[shape->result_arg] : 0;
    }
    if (kind < 0xa0)
        return -(long)next_byte();
    if (kind < 0xc0)
        return args[shape->result_arg] + (int8_t)next_byte();
    fill(&any, sizeof any);
    return any == -EINTR ? 0 : any; /* asked again for ever is the host's right */
}

static void write_out(const struct shape *s, const long args[6], long at)
{
    size_t size = s->how == SHAPE_SIZE_FIXED ? s->n : (size_t)args[s->n] * s->times + s->plus;
    if (s->out && at != 0 && s->kind == SHAPE_BYTES &&
        (s->how == SHAPE_SIZE_FIXED || s->how == SHAPE_SIZE_ARG))
        fill((void *)at, size); /* NOLINT(performance-no-int-to-ptr) */
}

static long fuzz_call(long nr, const long args[6])
{
    struct call_shape shape;
    if (++g_calls > CALLS_MAX || shape_of_call(nr, (const unsigned long *)args, &shape) < 0)
        return -EIO;
    for (int i = 0; i < shape.count; i++)
        write_out(&shape.args[i], args, args[i]);
    if (shape.result == SHAPE_RESULT_UP_TO && shape.args[1].kind == SHAPE_IOV) {
        const struct iovec *iov = (const struct iovec *)args[1]; /* NOLINT */
        return next_byte() < 0xc0 && args[2] > 0 ? (long)iov[0].iov_len : (int8_t)next_byte();
    }
    return result_of(&shape, args);
}

static long fuzz_call_unless(const volatile uint32_t *stop, long nr, const long args[6])
{
    (void)stop;
    return fuzz_call(nr, args);
}

static int fuzz_random(void *bytes, size_t size)
{
    memset(bytes, 7, size);
    return 0;
}

static int judge_name(void *ctx, const char *name)
{
    size_t len = strlen(name);
    (void)ctx;
    if (len == 0 || len > 255 || strchr(name, '/'))
        abort();
    return 0;
}

static void check_error(int r)
{
    if (r > 0 || r < -4095)
        abort();
}

static void ask_the_host(void)
{
    char *bytes = malloc(64); /* of its own, so that a byte too many is seen */
    uint64_t size = 0;
    if (!bytes)
        return;
    int fd = host_openat(AT_FDCWD, "name", O_RDONLY, 0);
    ssize_t n = host_pread(fd, bytes, 64, 0);
    if (n > 64 || n < -4095)
        abort();
    check_error(host_pwrite(fd, bytes, 64, 5));
    check_error(host_fstat_size(fd, &size, NULL));
    check_error(host_list(fd, judge_name, NULL));
    check_error(host_lock(fd));
    check_error(host_ftruncate(fd, size));
    if (size > INT64_MAX || host_realtime_ns() < 0 || host_monotonic_ns() < 0)
        abort();
    (void)!host_mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(bytes);
}

static void open_a_volume(void)
{
    static const struct key256 key = {{1, 2, 3}};
    struct volume_backend *backend = NULL;
    struct volume *volume = NULL;
    struct error e = {0};
    if (volume_dir_open("volume", next_byte() & 1, &backend) < 0)
        return;
    struct volume_options options = {
        .backend = backend, .key = &key, .id = "test volume id.", .mode = VOLUME_MODE_NONE};
    if (next_byte() & 1)
        (void)!volume_create(&options, 0, 0, &e);
    if (volume_open(&options, &volume, &e) == 0)
        (void)volume_close(volume);
    volume_dir_close(backend);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct platform_ops ops = {
        .name = "fuzz", .call = fuzz_call, .call_unless = fuzz_call_unless, .random = fuzz_random};
    g_input = slice_of(data, size);
    g_calls = 0;
    platform_set(&ops);
    if (next_byte() & 1)
        open_a_volume();
    else
        ask_the_host();
    return 0;
}
