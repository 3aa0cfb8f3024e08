/* SPDX-License-Identifier: Apache-2.0 */
/* One host call through the exchange area, by the shapes of its row. */
#include "platform/box/internal.h"
#include "platform/linux/linux.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define UNWRITTEN 0xa5 /* what `out` bytes hold before the call: never the process's own memory */
#define IOV_MAX_HERE 1024
#define MESSAGES_MAX 64

struct passage {
    long nr;
    const unsigned long *args;
    unsigned long host_args[SHAPE_ARGS];
    struct call_shape shape;
    struct exchange_frame frame;
    uint8_t *bytes[SHAPE_ARGS]; /* in the exchange area; NULL: a value, or a NULL address */
    size_t sizes[SHAPE_ARGS];
    bool excepted;
};

static bool is_error(long r)
{
    return r < 0 && r >= -4095;
}

static int copy_in(void *host, unsigned long from, size_t size)
{
    int r = g_box->copy(host, (const void *)from, size); /* NOLINT(performance-no-int-to-ptr) */
    box_bytes(r < 0 ? 0 : size, 0);
    return r;
}

static int copy_out(unsigned long to, const void *host, size_t size)
{
    int r = g_box->copy((void *)to, host, size); /* NOLINT(performance-no-int-to-ptr) */
    box_bytes(0, r < 0 ? 0 : size);
    return r;
}

/* `size` bytes of the area, filled with what stands at `from` or, if it is 0, with nothing. */
static int place(struct passage *p, unsigned long from, size_t size, uint8_t **ret)
{
    *ret = exchange_take(&p->frame, size);
    if (!*ret)
        return -ENOMEM;
    if (from != 0)
        return copy_in(*ret, from, size);
    memset(*ret, UNWRITTEN, size);
    return 0;
}

/* --- sizes --- */

/* More than one block holds: fewer are asked for where the call may do less. */
static int shorten(struct passage *p, const struct shape *s, size_t *size)
{
    if (*size <= EXCHANGE_BLOCK_MAX)
        return 0;
    bool may = p->shape.result == SHAPE_RESULT_UP_TO && s->how == SHAPE_SIZE_ARG &&
               p->shape.result_arg == s->n && s->times == 1 && s->plus == 0;
    if (!may)
        return -E2BIG;
    p->host_args[s->n] = *size = EXCHANGE_BLOCK_MAX;
    return 0;
}

static int size_of(struct passage *p, const struct shape *s, unsigned long address, size_t *ret)
{
    uint32_t there = 0;
    uint64_t n;
    int r = 0;
    switch ((enum shape_size)s->how) {
    case SHAPE_SIZE_FIXED:
        *ret = s->n;
        return 0;
    case SHAPE_SIZE_ARG:
        n = p->args[s->n];
        if (p->shape.args[s->n].kind == SHAPE_INT)
            n = (int)n < 0 ? 0 : (unsigned)n;
        n = n / s->divide + (n % s->divide != 0);
        if (__builtin_mul_overflow(n, (uint64_t)s->times, &n))
            n = SIZE_MAX / 2;
        *ret = MIN(n, SIZE_MAX / 2) + s->plus;
        return shorten(p, s, ret);
    case SHAPE_SIZE_AT:
        r = p->args[s->n] ? copy_in(&there, p->args[s->n], sizeof there) : -EFAULT;
        *ret = (int32_t)there < 0 ? 0 : there;
        return r < 0 ? r : shorten(p, s, ret);
    case SHAPE_SIZE_OWN:
        r = copy_in(&there, address + s->n, sizeof there);
        *ret = (size_t)there + s->plus;
        return r < 0 ? r : shorten(p, s, ret);
    case SHAPE_SIZE_NONE:
        break;
    }
    return -EINVAL;
}

/* --- in --- */

static int text_in(struct passage *p, int i)
{
    uint8_t *host = exchange_take(&p->frame, PATH_MAX);
    if (!host)
        return -ENOMEM;
    ssize_t n = g_box->copy_text((char *)host, (const char *)p->args[i], PATH_MAX);
    if (n < 0)
        return (int)n;
    if (n == 0 || host[n - 1] != '\0')
        return -ENAMETOOLONG;
    box_bytes((size_t)n, 0);
    p->bytes[i] = host;
    return 0;
}

static int bytes_in(struct passage *p, int i)
{
    const struct shape *s = &p->shape.args[i];
    int r = size_of(p, s, p->args[i], &p->sizes[i]);
    return r < 0 ? r : place(p, s->in ? p->args[i] : 0, p->sizes[i], &p->bytes[i]);
}

/* The pieces at `from`, and one buffer of the area for all of them; its one-piece iovec. */
static int gather(struct passage *p, unsigned long from, unsigned long count, bool in,
                  uint8_t **ret_bytes, size_t *ret_size)
{
    struct iovec iov[IOV_MAX_HERE];
    if (count > IOV_MAX_HERE)
        return -EINVAL;
    int r = copy_in(iov, from, count * sizeof iov[0]);
    size_t sum = 0;
    for (unsigned long k = 0; r == 0 && k < count; k++)
        if (__builtin_add_overflow(sum, iov[k].iov_len, &sum) || sum > SSIZE_MAX)
            r = -EINVAL;
    if (r < 0)
        return r;
    *ret_size = MIN(sum, EXCHANGE_BLOCK_MAX);
    r = place(p, 0, *ret_size, ret_bytes);
    for (size_t k = 0, done = 0; in && r == 0 && done < *ret_size; k++) {
        size_t n = MIN(iov[k].iov_len, *ret_size - done);
        r = copy_in(*ret_bytes + done, (unsigned long)iov[k].iov_base, n);
        done += n;
    }
    return r;
}

/* The first `size` bytes of the buffer to the pieces at `to`, which are read again. */
static int scatter(unsigned long to, unsigned long count, const uint8_t *bytes, size_t size)
{
    int r = 0;
    for (unsigned long k = 0; r == 0 && size > 0 && k < count; k++) {
        struct iovec iov;
        r = copy_in(&iov, to + k * sizeof iov, sizeof iov);
        size_t n = MIN(iov.iov_len, size);
        if (r == 0)
            r = copy_out((unsigned long)iov.iov_base, bytes, n);
        bytes += n;
        size -= n;
    }
    return r;
}

/* `bytes` is what the host may write to. */
static int one_piece(struct passage *p, const uint8_t *bytes, size_t size, struct iovec **ret)
{
    *ret = exchange_take(&p->frame, sizeof **ret);
    if (!*ret)
        return -ENOMEM;
    **ret = (struct iovec){(void *)(uintptr_t)bytes, size};
    return 0;
}

static int iov_in(struct passage *p, int i)
{
    const struct shape *s = &p->shape.args[i];
    struct iovec *piece = NULL;
    int r = gather(p, p->args[i], p->args[s->n], s->in, &p->bytes[i], &p->sizes[i]);
    if (r == 0)
        r = one_piece(p, p->bytes[i], p->sizes[i], &piece);
    if (r < 0)
        return r;
    p->host_args[i] = (unsigned long)piece;
    p->host_args[s->n] = p->args[s->n] > 0;
    return 0;
}

/* The message at `from` becomes one in the area at `ret`, and `ret_size` bytes of data. */
static int message_in(struct passage *p, unsigned long from, bool in, struct msghdr *ret,
                      size_t *ret_size)
{
    struct msghdr m;
    uint8_t *data = NULL, *name = NULL, *control = NULL;
    struct iovec *piece = NULL;
    int r = copy_in(&m, from, sizeof m);
    if (r < 0)
        return r;
    if ((int)m.msg_namelen < 0 || m.msg_controllen > EXCHANGE_BLOCK_MAX)
        return -EINVAL;
    m.msg_namelen = MIN(m.msg_namelen, (socklen_t)sizeof(struct sockaddr_storage));
    if (m.msg_name)
        r = place(p, in ? (unsigned long)m.msg_name : 0, m.msg_namelen, &name);
    if (r == 0 && m.msg_control)
        r = place(p, in ? (unsigned long)m.msg_control : 0, m.msg_controllen, &control);
    if (r == 0)
        r = gather(p, (unsigned long)m.msg_iov, m.msg_iovlen, in, &data, ret_size);
    if (r == 0)
        r = one_piece(p, data, *ret_size, &piece);
    if (r < 0)
        return r;
    *ret = (struct msghdr){name,    m.msg_namelen,    piece,      m.msg_iovlen > 0,
                           control, m.msg_controllen, m.msg_flags};
    return 0;
}

static int msg_in(struct passage *p, int i)
{
    p->bytes[i] = exchange_take(&p->frame, sizeof(struct msghdr));
    if (!p->bytes[i])
        return -ENOMEM;
    return message_in(p, p->args[i], p->shape.args[i].in, (struct msghdr *)(void *)p->bytes[i],
                      &p->sizes[i]);
}

static int mmsg_in(struct passage *p, int i)
{
    const struct shape *s = &p->shape.args[i];
    unsigned long count = MIN(p->args[s->n], (unsigned long)MESSAGES_MAX);
    struct mmsghdr *m = exchange_take(&p->frame, MAX(count, 1ul) * sizeof *m);
    int r = m ? 0 : -ENOMEM;
    for (unsigned long k = 0; r == 0 && k < count; k++) {
        size_t size;
        m[k].msg_len = 0;
        r = message_in(p, p->args[i] + k * sizeof *m, s->in, &m[k].msg_hdr, &size);
    }
    p->bytes[i] = (uint8_t *)m;
    p->host_args[s->n] = count;
    return r;
}

static int sigarg_in(struct passage *p, int i)
{
    uint64_t pair[2];
    uint8_t *mask = NULL;
    int r = copy_in(pair, p->args[i], sizeof pair);
    if (r == 0 && pair[0] != 0)
        r = pair[1] == 8 ? place(p, pair[0], 8, &mask) : -EINVAL;
    if (r < 0)
        return r;
    pair[0] = (uint64_t)mask;
    p->bytes[i] = exchange_take(&p->frame, sizeof pair);
    if (!p->bytes[i])
        return -ENOMEM;
    memcpy(p->bytes[i], pair, sizeof pair);
    return 0;
}

/* A shape that no copying exists for: calls that the table refuses anyway. */
static int no_way(struct passage *p)
{
    box_count(COUNT_NO_SHAPE, p->nr);
    return -ENOSYS;
}

static int argument_in(struct passage *p, int i)
{
    int r;
    switch ((enum shape_kind)p->shape.args[i].kind) {
    case SHAPE_PATH:
    case SHAPE_STR:
        r = text_in(p, i);
        break;
    case SHAPE_BYTES:
        r = bytes_in(p, i);
        break;
    case SHAPE_IOV:
        return iov_in(p, i);
    case SHAPE_MSG:
        r = msg_in(p, i);
        break;
    case SHAPE_MMSG:
        r = mmsg_in(p, i);
        break;
    case SHAPE_SIGARG:
        r = sigarg_in(p, i);
        break;
    case SHAPE_ADDR:
    case SHAPE_WORD:
    case SHAPE_WAITV:
        if (p->excepted)
            return 0;
        box_count(COUNT_OUTSIDE, p->nr);
        return -EFAULT;
    default:
        return no_way(p);
    }
    p->host_args[i] = (unsigned long)p->bytes[i];
    return r;
}

static bool is_value(const struct shape *s)
{
    return s->kind < SHAPE_ADDR;
}

/* Of 32-bit arguments the kernel ignores the upper half, where anything may be left. */
static unsigned long value_of(const struct shape *s, unsigned long value)
{
    return s->kind == SHAPE_SIZE || s->kind == SHAPE_OFF || s->kind == SHAPE_FLAGS || !is_value(s)
               ? value
               : (unsigned long)(long)(int)value;
}

static int all_in(struct passage *p)
{
    int r = 0;
    for (int i = 0; i < p->shape.count; i++)
        p->host_args[i] = value_of(&p->shape.args[i], p->args[i]);
    for (int i = 0; r == 0 && i < p->shape.count; i++)
        if (!is_value(&p->shape.args[i]) && p->args[i] != 0)
            r = argument_in(p, i);
    return r;
}

/* --- the guard: what goes over the border, looked at once more --- */

static bool is_mapped(unsigned long address)
{
    struct exchange_frame frame = {.count = 0};
    uint8_t *residence = exchange_take(&frame, 1);
    long r = -ENOMEM;
    if (residence)
        r = box_gate(SYS_mincore,
                     (const long[6]){(long)(address & ~4095ul), 4096, (long)residence});
    exchange_release(&frame);
    return r == 0;
}

/* Above 4 GiB nothing is a descriptor, a flag or a size, but addresses are. */
static bool looks_like_address(unsigned long value)
{
    return value >> 32 != 0 && value >> 47 == 0 && is_mapped(value);
}

static void guard(const struct passage *p)
{
    for (int i = 0; i < SHAPE_ARGS; i++) {
        unsigned long value = p->host_args[i];
        const struct shape *s = &p->shape.args[i];
        if (value == 0 || i >= p->shape.count)
            continue;
        bool word = s->kind == SHAPE_ADDR || s->kind == SHAPE_WORD || s->kind == SHAPE_WAITV;
        if (is_value(s) && s->kind != SHAPE_OFF && looks_like_address(value))
            box_count(COUNT_AS_VALUE, p->nr);
        else if (!is_value(s) && !(word && p->excepted) && !exchange_holds(value, 1))
            box_count(COUNT_OUTSIDE, p->nr);
    }
}

/* --- out --- */

static bool unwritten(const uint8_t *bytes, size_t size)
{
    for (size_t k = 0; k < size; k++)
        if (bytes[k] != UNWRITTEN)
            return false;
    return true;
}

static size_t written(const struct passage *p, int i, long result)
{
    const struct shape *s = &p->shape.args[i];
    size_t size = p->sizes[i];
    if (s->how == SHAPE_SIZE_AT && p->bytes[s->n]) {
        uint32_t used;
        memcpy(&used, p->bytes[s->n], sizeof used);
        return MIN(size, used);
    }
    if (s->how == SHAPE_SIZE_ARG && !s->in && p->shape.result == SHAPE_RESULT_UP_TO &&
        p->shape.result_arg == s->n)
        return MIN(size, (size_t)result * s->times + s->plus);
    return size;
}

static int bytes_out(const struct passage *p, int i, long result)
{
    const struct shape *s = &p->shape.args[i];
    size_t size = written(p, i, MAX(result, 0l));
    if (!s->out || size == 0 || (!s->in && unwritten(p->bytes[i], size)))
        return 0;
    return copy_out(p->args[i], p->bytes[i], size);
}

/* What the host wrote into the message of the area, to the one at `to`. */
static int message_out(unsigned long to, const struct msghdr *host, size_t result)
{
    struct msghdr m;
    int r = copy_in(&m, to, sizeof m);
    if (r < 0)
        return r;
    socklen_t room = m.msg_namelen;
    size_t control = MIN(m.msg_controllen, host->msg_controllen);
    if (m.msg_name && host->msg_name)
        r = copy_out((unsigned long)m.msg_name, host->msg_name, MIN(room, host->msg_namelen));
    if (r == 0 && m.msg_control && host->msg_control)
        r = copy_out((unsigned long)m.msg_control, host->msg_control, control);
    if (r == 0 && m.msg_iovlen > 0) {
        struct iovec piece = host->msg_iov[0];
        r = scatter((unsigned long)m.msg_iov, m.msg_iovlen, piece.iov_base,
                    MIN(result, piece.iov_len));
    }
    m.msg_namelen = host->msg_namelen;
    m.msg_controllen = control;
    m.msg_flags = host->msg_flags;
    return r < 0 ? r : copy_out(to, &m, sizeof m);
}

static int mmsg_out(const struct passage *p, int i, long result)
{
    const struct mmsghdr *m = (const struct mmsghdr *)(const void *)p->bytes[i];
    bool out = p->shape.args[i].out;
    int r = 0;
    for (long k = 0; r == 0 && k < MIN(result, (long)MESSAGES_MAX); k++) {
        unsigned long to = p->args[i] + (unsigned long)k * sizeof *m;
        if (out)
            r = message_out(to, &m[k].msg_hdr, m[k].msg_len);
        if (r == 0)
            r = copy_out(to + offsetof(struct mmsghdr, msg_len), &m[k].msg_len,
                         sizeof m[k].msg_len);
    }
    return r;
}

static int argument_out(const struct passage *p, int i, long result)
{
    const struct shape *s = &p->shape.args[i];
    switch ((enum shape_kind)s->kind) {
    case SHAPE_BYTES:
        return bytes_out(p, i, result);
    case SHAPE_IOV:
        return s->out ? scatter(p->args[i], p->args[s->n], p->bytes[i],
                                MIN((size_t)MAX(result, 0l), p->sizes[i]))
                      : 0;
    case SHAPE_MSG:
        return s->out ? message_out(p->args[i], (const struct msghdr *)(const void *)p->bytes[i],
                                    (size_t)result)
                      : 0;
    case SHAPE_MMSG:
        return mmsg_out(p, i, result);
    default:
        return 0;
    }
}

/* An error writes nothing but what is read and written, and the rest of an interrupted sleep. */
static bool writes(const struct passage *p, int i, long result)
{
    if (!is_error(result))
        return true;
    const struct shape *s = &p->shape.args[i];
    bool sleeps = p->nr == SYS_nanosleep || p->nr == SYS_clock_nanosleep;
    return s->kind == SHAPE_BYTES && ((s->in && s->out) || (sleeps && result == -EINTR));
}

static long all_out(const struct passage *p, long result)
{
    int r = 0;
    for (int i = 0; r == 0 && i < p->shape.count; i++)
        if (p->bytes[i] && writes(p, i, result))
            r = argument_out(p, i, result);
    return r < 0 && !is_error(result) ? r : result;
}

long box_pass(const volatile uint32_t *stop, long nr, const long args[6], bool excepted)
{
    struct passage p = {.nr = nr, .args = (const unsigned long *)args, .excepted = excepted};
    int r = g_box->shape_of_call(nr, p.args, &p.shape);
    if (r < 0) {
        box_count(COUNT_NO_SHAPE, nr);
        return nr == SYS_ioctl ? -ENOTTY : r;
    }
    long result = all_in(&p);
    if (result == 0) {
        guard(&p);
        result = stop ? linux_call_unless(stop, nr, (const long *)p.host_args)
                      : box_gate(nr, (const long *)p.host_args);
        result = all_out(&p, result);
    }
    exchange_release(&p.frame);
    return result;
}
