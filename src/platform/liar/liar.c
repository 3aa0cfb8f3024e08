/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/liar/liar.h"

#include "platform/linux/linux.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define OURS_SIZE 65536
#define OURS_BYTE 0x6b
#define ADDRESS_END 0x7ffffffff000ul

static liar_shape_fn *g_shape_of;
static struct {
    long nr;
    unsigned nth, lie;
} g_plan;
static _Atomic unsigned g_counts[LIAR_CALLS], g_seen[LIAR_CALLS];
static _Atomic bool g_told;
static _Alignas(4096) uint8_t g_ours[OURS_SIZE]; /* memory of the runtime */

/* Wrong for any call. -4096 and below are no errors; -512 and -513 never leave a kernel. */
static const long WRONG[] = {-EFAULT, -EBADF,        -EINTR,   -EAGAIN, -ENOSYS,
                             -4095,   -4096,         LONG_MIN, -512,    -513,
                             INT_MAX, (long)1 << 40, LONG_MAX, 1,       0};
enum { WRONG_COUNT = ARRAY_COUNT(WRONG), UP_TO_COUNT = 5, FD_COUNT = 4, ADDR_COUNT = 6 };

/* What every byte becomes that the call wrote: sizes below zero, far too large, names of slashes. */
static const uint8_t FILLS[] = {0x00, 0xff, 0x7f, '/', 'A'};
/* The first word of what was written: lengths, ids, record sizes. */
static const uint32_t WORDS[] = {0, 1, 0xffff, INT32_MAX, UINT32_MAX};
enum {
    FILL_COUNT = ARRAY_COUNT(FILLS),
    WORD_COUNT = ARRAY_COUNT(WORDS),
    RECORD_COUNT = 4,
    MESSAGE_COUNT = 6,
    OUT_COUNT = FILL_COUNT + WORD_COUNT + RECORD_COUNT
};

void liar_start(liar_shape_fn *shape_of_call)
{
    g_shape_of = shape_of_call;
    memset(g_ours, OURS_BYTE, sizeof g_ours);
}

void liar_plan(long nr, unsigned nth, unsigned lie)
{
    g_plan.nr = nr;
    g_plan.nth = nth;
    g_plan.lie = lie;
    atomic_store(&g_told, false);
    for (int i = 0; i < LIAR_CALLS; i++) {
        atomic_store(&g_counts[i], 0u);
        atomic_store(&g_seen[i], 0u);
    }
}

unsigned liar_count(long nr)
{
    return atomic_load(&g_counts[nr]);
}

unsigned liar_lies_seen(long nr)
{
    return atomic_load(&g_seen[nr]);
}

bool liar_told(void)
{
    return atomic_load(&g_told);
}

bool liar_memory_is_whole(void)
{
    for (size_t i = 0; i < sizeof g_ours; i++)
        if (g_ours[i] != OURS_BYTE)
            return false;
    return true;
}

static unsigned result_lies(const struct call_shape *shape)
{
    switch ((enum shape_result)shape->result) {
    case SHAPE_RESULT_UP_TO:
        return WRONG_COUNT + UP_TO_COUNT;
    case SHAPE_RESULT_FD:
        return WRONG_COUNT + FD_COUNT;
    case SHAPE_RESULT_ADDR:
        return WRONG_COUNT + ADDR_COUNT;
    case SHAPE_RESULT_NONE:
        return 0;
    default:
        return WRONG_COUNT;
    }
}

static unsigned argument_lies(const struct shape *s, unsigned long value)
{
    if (!s->out || value == 0)
        return 0;
    switch ((enum shape_kind)s->kind) {
    case SHAPE_BYTES:
    case SHAPE_IOV:
        return OUT_COUNT;
    case SHAPE_MSG:
        return OUT_COUNT + MESSAGE_COUNT;
    default:
        return 0;
    }
}

unsigned liar_lies(long nr, const unsigned long args[SHAPE_ARGS])
{
    struct call_shape shape;
    if (g_shape_of(nr, args, &shape) < 0)
        return 0;
    unsigned sum = result_lies(&shape);
    for (int i = 0; i < shape.count; i++)
        sum += argument_lies(&shape.args[i], args[i]);
    return sum;
}

/* --- lies about the result --- */

static unsigned long iov_size(const struct iovec *iov, unsigned long count)
{
    unsigned long sum = 0;
    for (unsigned long i = 0; i < MIN(count, 1024ul); i++)
        sum += iov[i].iov_len;
    return sum;
}

static unsigned long limit_of(const struct call_shape *shape, const unsigned long args[SHAPE_ARGS])
{
    for (int i = 0; i < shape->count; i++) {
        const struct shape *s = &shape->args[i];
        /* NOLINTBEGIN(performance-no-int-to-ptr) */
        if (s->kind == SHAPE_IOV && s->n == shape->result_arg)
            return iov_size((const struct iovec *)args[i], args[s->n]);
        if (s->kind == SHAPE_MSG && i == shape->result_arg) {
            const struct msghdr *m = (const struct msghdr *)args[i];
            return iov_size(m->msg_iov, m->msg_iovlen);
        }
        /* NOLINTEND(performance-no-int-to-ptr) */
    }
    return args[shape->result_arg];
}

static long up_to_lie(unsigned lie, unsigned long limit, long truth)
{
    const long lies[UP_TO_COUNT] = {(long)limit + 1, (long)limit * 2 + 7, (long)limit,
                                    truth > 0 ? truth / 2 : 0, truth > 0 ? truth - 1 : 0};
    return lies[lie];
}

static long fd_lie(unsigned lie, const unsigned long args[SHAPE_ARGS])
{
    const long lies[FD_COUNT] = {0, 2, (long)(int)args[0], (long)INT_MAX + 1};
    return lies[lie];
}

static long address_lie(unsigned lie)
{
    const long lies[ADDR_COUNT] = {
        (long)g_ours,      (long)g_ours + 1,           4096,
        (long)ADDRESS_END, (long)0xffff800000000000ul, (long)&lies & ~4095l};
    return lies[lie];
}

static long result_lie(const struct call_shape *shape, const unsigned long args[SHAPE_ARGS],
                       unsigned lie, long truth)
{
    if (lie < WRONG_COUNT)
        return WRONG[lie];
    lie -= WRONG_COUNT;
    if (shape->result == SHAPE_RESULT_UP_TO)
        return up_to_lie(lie, limit_of(shape, args), truth);
    return shape->result == SHAPE_RESULT_FD ? fd_lie(lie, args) : address_lie(lie);
}

/* --- lies in what was written --- */

static size_t room_of(const struct shape *s, const unsigned long args[SHAPE_ARGS],
                      uint32_t at_before)
{
    switch ((enum shape_size)s->how) {
    case SHAPE_SIZE_FIXED:
        return s->n;
    case SHAPE_SIZE_ARG:
        return (args[s->n] / s->divide + (args[s->n] % s->divide != 0)) * s->times + s->plus;
    case SHAPE_SIZE_AT:
        return at_before;
    default:
        return 0;
    }
}

/* `bytes` has `room`; what the call wrote begins there, `used` bytes if it said so. */
static void bytes_lie(uint8_t *bytes, size_t room, unsigned lie)
{
    if (lie < FILL_COUNT) {
        memset(bytes, FILLS[lie], room);
        return;
    }
    lie -= FILL_COUNT;
    if (lie < WORD_COUNT) {
        memcpy(bytes, &WORDS[lie], MIN(room, sizeof WORDS[lie]));
        return;
    }
    lie -= WORD_COUNT;
    const size_t record_size_at = 16; /* of a directory's entry */
    static const uint16_t sizes[RECORD_COUNT] = {0, 1, 20, 0xffff};
    if (room >= record_size_at + 2)
        memcpy(bytes + record_size_at, &sizes[lie], 2);
}

static void message_lie(struct msghdr *m, unsigned lie)
{
    struct cmsghdr *head = m->msg_control;
    switch (lie) {
    case 0:
        m->msg_controllen = SIZE_MAX;
        break;
    case 1:
        m->msg_controllen = 1 << 20;
        break;
    case 2:
        m->msg_namelen = UINT32_MAX;
        break;
    case 3:
        m->msg_flags = -1;
        break;
    default:
        if (head && m->msg_controllen >= sizeof *head)
            head->cmsg_len = lie == 4 ? 0 : SIZE_MAX - 7;
        break;
    }
}

static void argument_lie(const struct shape *s, unsigned long value,
                         const unsigned long args[SHAPE_ARGS], uint32_t at_before, unsigned lie)
{
    /* NOLINTBEGIN(performance-no-int-to-ptr) */
    if (s->kind == SHAPE_BYTES) {
        bytes_lie((uint8_t *)value, room_of(s, args, at_before), lie);
        return;
    }
    const struct iovec *iov = (const struct iovec *)value;
    unsigned long count = s->kind == SHAPE_IOV ? args[s->n] : 0;
    if (s->kind == SHAPE_MSG) {
        struct msghdr *m = (struct msghdr *)value;
        if (lie >= OUT_COUNT) {
            message_lie(m, lie - OUT_COUNT);
            return;
        }
        iov = m->msg_iov;
        count = m->msg_iovlen;
    }
    /* NOLINTEND(performance-no-int-to-ptr) */
    for (unsigned long i = 0; i < MIN(count, 1024ul); i++)
        bytes_lie(iov[i].iov_base, iov[i].iov_len, lie);
}

/* --- */

static uint32_t before(const struct call_shape *shape, const unsigned long args[SHAPE_ARGS])
{
    uint32_t room = 0;
    for (int i = 0; i < shape->count; i++)
        if (shape->args[i].how == SHAPE_SIZE_AT && args[shape->args[i].n] != 0)
            memcpy(&room, (const void *)args[shape->args[i].n], 4); /* NOLINT */
    return room;
}

static long lie_about(const struct call_shape *shape, const unsigned long args[SHAPE_ARGS],
                      uint32_t at_before, long truth)
{
    unsigned lie = g_plan.lie;
    if (lie < result_lies(shape))
        return result_lie(shape, args, lie, truth);
    lie -= result_lies(shape);
    for (int i = 0; i < shape->count; i++) {
        unsigned lies = argument_lies(&shape->args[i], args[i]);
        if (lie < lies) {
            argument_lie(&shape->args[i], args[i], args, at_before, lie);
            return truth;
        }
        lie -= lies;
    }
    return truth;
}

static long liar_do(const volatile uint32_t *stop, long nr, const long args[6])
{
    const unsigned long *values = (const unsigned long *)args;
    struct call_shape shape;
    bool known = nr >= 0 && nr < LIAR_CALLS && g_shape_of(nr, values, &shape) == 0;
    bool now = false;
    uint32_t room = 0;
    if (known) {
        unsigned nth = atomic_fetch_add(&g_counts[nr], 1) + 1;
        if (nth == 1)
            atomic_store(&g_seen[nr], liar_lies(nr, values));
        now = nr == g_plan.nr && nth == g_plan.nth;
    }
    if (now)
        room = before(&shape, values);
    long truth = stop ? linux_call_unless(stop, nr, args) : linux_call(nr, args);
    if (!now || (truth < 0 && truth >= -4095 && g_plan.lie >= result_lies(&shape)))
        return truth; /* nothing was written, so nothing is lied about */
    atomic_store(&g_told, true);
    return lie_about(&shape, values, room, truth);
}

static long liar_call(long nr, const long args[6])
{
    return liar_do(NULL, nr, args);
}

static long liar_call_unless(const volatile uint32_t *stop, long nr, const long args[6])
{
    return liar_do(stop, nr, args);
}

const struct platform_ops platform_liar = {
    .name = "liar",
    .call = liar_call,
    .call_unless = liar_call_unless,
    .random = linux_random,
    .seal_key = NULL,
    .evidence = NULL,
};
