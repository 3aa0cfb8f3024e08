/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/fd.h"
#include "runtime/guest.h"
#include "runtime/syscall/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { TEXT_MAX = 256, TEXTS_MAX = 4, TEXTS_COUNT_MAX = 4096, WORDS_SIZE_MAX = 16 };

void trace_add(struct trace_line *l, const char *format, ...)
{
    va_list list;
    size_t room = sizeof(l->text) - 1 - l->len; /* the newline always has its place */
    va_start(list, format);
    int n = vsnprintf(l->text + l->len, room, format, list);
    va_end(list);
    if (n > 0)
        l->len = MIN(l->len + (size_t)n, sizeof(l->text) - 2);
}

static void add_quoted(struct trace_line *l, const char *text, size_t size)
{
    trace_add(l, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            trace_add(l, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            trace_add(l, "\\x%02x", c);
        else
            trace_add(l, "%c", c);
    }
    trace_add(l, "\"");
}

static void add_text(struct trace_line *l, unsigned long address)
{
    char text[TEXT_MAX];
    ssize_t n = guest_text(text, address, sizeof text);
    if (n == -ENAMETOOLONG && guest_read(text, address, sizeof text) == 0) {
        add_quoted(l, text, sizeof text);
        trace_add(l, "...");
    } else if (n < 0) {
        trace_add(l, "%#lx", address);
    } else {
        add_quoted(l, text, (size_t)n);
    }
}

/* The first few, and how many there are. The environment is only counted. */
static void add_texts(struct trace_line *l, unsigned long address, bool contents)
{
    unsigned long at;
    int count = 0;
    for (; count < TEXTS_COUNT_MAX; count++) {
        if (guest_get(&at, address + (unsigned long)count * sizeof at) < 0 || at == 0)
            break;
        if (contents && count < TEXTS_MAX) {
            trace_add(l, "%s", count ? ", " : "[");
            add_text(l, at);
        }
    }
    if (!contents || count == 0)
        trace_add(l, "[%d texts]", count);
    else if (count > TEXTS_MAX)
        trace_add(l, ", ... %d in all]", count);
    else
        trace_add(l, "]");
}

static void add_fd(struct trace_line *l, int fd)
{
    struct file *f = fd >= 0 ? fd_get(fd) : NULL;
    trace_add(l, "%d", fd);
    if (f)
        trace_add(l, "<%s>", f->ops->name);
    if (f)
        file_put(f);
}

struct flag_name {
    unsigned value;
    const char *name;
};

static void add_flags(struct trace_line *l, unsigned long value, const struct flag_name *names,
                      size_t count, const char *none)
{
    unsigned long left = value;
    const char *between = "";
    for (size_t i = 0; i < count; i++) {
        if (names[i].value == 0 || (left & names[i].value) != names[i].value)
            continue;
        trace_add(l, "%s%s", between, names[i].name);
        between = "|";
        left &= ~(unsigned long)names[i].value;
    }
    if (left != 0)
        trace_add(l, "%s%#lx", between, left);
    else if (*between == '\0')
        trace_add(l, "%s", none);
}

#define FLAG(name_)   \
    {                 \
        name_, #name_ \
    }

static void add_open_flags(struct trace_line *l, unsigned long value)
{
    static const char access[][9] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    static const struct flag_name names[] = {
        FLAG(O_CREAT),    FLAG(O_EXCL),     FLAG(O_NOCTTY),           FLAG(O_TRUNC),
        FLAG(O_APPEND),   FLAG(O_NONBLOCK), {020200000, "O_TMPFILE"}, FLAG(O_SYNC),
        FLAG(O_DSYNC),    FLAG(O_DIRECT),   {0100000, "O_LARGEFILE"}, FLAG(O_DIRECTORY),
        FLAG(O_NOFOLLOW), FLAG(O_NOATIME),  FLAG(O_CLOEXEC),          FLAG(O_PATH)};
    trace_add(l, "%s", access[value & O_ACCMODE]);
    if (value & ~(unsigned long)O_ACCMODE) {
        trace_add(l, "|");
        add_flags(l, value & ~(unsigned long)O_ACCMODE, names, ARRAY_COUNT(names), "");
    }
}

/* Flags whose names are worth knowing; others as a number. */
static void add_known_flags(struct trace_line *l, long nr, int index, unsigned long value)
{
    static const struct flag_name protection[] = {FLAG(PROT_READ), FLAG(PROT_WRITE),
                                                  FLAG(PROT_EXEC)};
    static const struct flag_name map[] = {
        FLAG(MAP_SHARED),    FLAG(MAP_PRIVATE),   FLAG(MAP_FIXED),      FLAG(MAP_ANONYMOUS),
        FLAG(MAP_GROWSDOWN), FLAG(MAP_NORESERVE), FLAG(MAP_POPULATE),   FLAG(MAP_STACK),
        FLAG(MAP_HUGETLB),   FLAG(MAP_DENYWRITE), FLAG(MAP_EXECUTABLE), FLAG(MAP_FIXED_NOREPLACE)};
    static const struct flag_name at[] = {FLAG(AT_SYMLINK_NOFOLLOW), FLAG(AT_SYMLINK_FOLLOW),
                                          FLAG(AT_NO_AUTOMOUNT), FLAG(AT_EMPTY_PATH)};
    if ((nr == SYS_open && index == 1) || (nr == SYS_openat && index == 2))
        add_open_flags(l, (unsigned)value);
    else if ((nr == SYS_mmap || nr == SYS_mprotect) && index == 2)
        add_flags(l, value, protection, ARRAY_COUNT(protection), "PROT_NONE");
    else if (nr == SYS_mmap && index == 3)
        add_flags(l, value, map, ARRAY_COUNT(map), "0");
    else if ((nr == SYS_newfstatat && index == 3) || (nr == SYS_statx && index == 2))
        add_flags(l, value, at, ARRAY_COUNT(at), "0");
    else
        trace_add(l, "%#lx", value);
}

/* Is argument `index` of the call a socket's address? */
static bool is_address(long nr, int index)
{
    switch (nr) {
    case SYS_bind:
    case SYS_connect:
    case SYS_accept:
    case SYS_accept4:
    case SYS_getsockname:
    case SYS_getpeername:
        return index == 1;
    case SYS_sendto:
    case SYS_recvfrom:
        return index == 4;
    default:
        return false;
    }
}

static bool add_address(struct trace_line *l, unsigned long from, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } a = {0};
    char text[INET6_ADDRSTRLEN];
    size = MIN(size, sizeof a);
    if (size < sizeof(sa_family_t) || guest_read(&a, from, size) < 0)
        return false;
    switch (a.any.sa_family) {
    case AF_INET:
        trace_add(l, "{%s:%d}", inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof text),
                  ntohs(a.in.sin_port));
        return true;
    case AF_INET6:
        trace_add(l, "{[%s]:%d}", inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof text),
                  ntohs(a.in6.sin6_port));
        return true;
    case AF_UNIX: {
        size_t head = offsetof(struct sockaddr_un, sun_path), room = size > head ? size - head : 0;
        bool is_abstract = room > 0 && a.un.sun_path[0] == '\0';
        trace_add(l, "{unix:%s", is_abstract ? "@" : "");
        add_quoted(l, a.un.sun_path + is_abstract,
                   is_abstract ? room - 1 : strnlen(a.un.sun_path, room));
        trace_add(l, "}");
        return true;
    }
    default:
        trace_add(l, "{family %d}", a.any.sa_family);
        return true;
    }
}

static size_t size_of(const struct shape *s, const unsigned long args[6], unsigned long address)
{
    uint32_t n = 0;
    switch ((enum shape_size)s->how) {
    case SHAPE_SIZE_FIXED:
        return s->n;
    case SHAPE_SIZE_ARG:
        return (args[s->n] + s->divide - 1) / s->divide * s->times + s->plus;
    case SHAPE_SIZE_AT:
        return guest_get(&n, args[s->n]) == 0 ? n : 0;
    case SHAPE_SIZE_OWN:
        return guest_get(&n, address + s->n) == 0 ? n + s->plus : 0;
    default:
        return 0;
    }
}

/* Small things of a fixed size are numbers: two descriptors, a time, a size. */
static bool add_words(struct trace_line *l, const struct shape *s, unsigned long address)
{
    union {
        int64_t wide[2];
        int32_t narrow[4];
    } words;
    if (s->how != SHAPE_SIZE_FIXED || s->n > WORDS_SIZE_MAX || s->n % 4 != 0 ||
        guest_read(&words, address, s->n) < 0)
        return false;
    if (s->n == 16)
        trace_add(l, "{%lld, %lld}", (long long)words.wide[0], (long long)words.wide[1]);
    else if (s->n == 8)
        trace_add(l, "{%d, %d}", words.narrow[0], words.narrow[1]);
    else if (s->n == 4)
        trace_add(l, "{%d}", words.narrow[0]);
    else
        return false;
    return true;
}

static void add_bytes(struct trace_line *l, long nr, int index, const struct shape *s,
                      const unsigned long args[6], bool done)
{
    unsigned long address = args[index];
    bool readable = s->in || done;
    size_t size = address ? size_of(s, args, address) : 0;
    if (address == 0)
        trace_add(l, "NULL");
    else if (!(readable && is_address(nr, index) && add_address(l, address, size)) &&
             !(readable && add_words(l, s, address)))
        trace_add(l, "{%zu bytes}", size);
}

static void add_vectors(struct trace_line *l, unsigned long address, unsigned long count)
{
    struct iovec iov;
    size_t size = 0;
    for (unsigned long i = 0; i < MIN(count, 1024ul); i++)
        if (guest_get(&iov, address + i * sizeof iov) == 0)
            size += iov.iov_len;
    trace_add(l, "{%zu bytes in %lu buffers}", size, count);
}

static void add_message(struct trace_line *l, unsigned long address)
{
    struct msghdr message;
    if (guest_get(&message, address) < 0) {
        trace_add(l, "%#lx", address);
        return;
    }
    trace_add(l, "{");
    if (message.msg_name && add_address(l, (unsigned long)message.msg_name, message.msg_namelen))
        trace_add(l, ", ");
    add_vectors(l, (unsigned long)message.msg_iov, message.msg_iovlen);
    if (message.msg_controllen > 0)
        trace_add(l, ", %zu bytes of control data", message.msg_controllen);
    trace_add(l, "}");
}

static void add_value(struct trace_line *l, long nr, int index, const struct shape *s,
                      unsigned long value)
{
    switch ((enum shape_kind)s->kind) {
    case SHAPE_DIRFD:
        if ((int)value == AT_FDCWD)
            trace_add(l, "AT_FDCWD");
        else
            add_fd(l, (int)value);
        break;
    case SHAPE_FD:
        add_fd(l, (int)value);
        break;
    case SHAPE_INT:
        trace_add(l, "%d", (int)value);
        break;
    case SHAPE_OFF:
        trace_add(l, "%ld", (long)value);
        break;
    case SHAPE_UINT:
    case SHAPE_SIZE:
        trace_add(l, "%lu", value);
        break;
    case SHAPE_MODE:
        trace_add(l, "0%o", (unsigned)value);
        break;
    case SHAPE_SIG:
        if (sigabbrev_np((int)value))
            trace_add(l, "SIG%s", sigabbrev_np((int)value));
        else
            trace_add(l, "%d", (int)value);
        break;
    case SHAPE_FLAGS:
        add_known_flags(l, nr, index, value);
        break;
    default:
        trace_add(l, value ? "%#lx" : "NULL", value);
    }
}

void trace_show(struct trace_line *l, long nr, int index, const struct shape *shape,
                const unsigned long args[6], bool done)
{
    unsigned long value = args[index];
    switch ((enum shape_kind)shape->kind) {
    case SHAPE_PATH:
    case SHAPE_STR:
        if (value)
            add_text(l, value);
        else
            trace_add(l, "NULL");
        break;
    case SHAPE_STRV:
        add_texts(l, value, nr != SYS_execve ? index != 3 : index != 2);
        break;
    case SHAPE_BYTES:
        add_bytes(l, nr, index, shape, args, done);
        break;
    case SHAPE_IOV:
        add_vectors(l, value, args[shape->n]);
        break;
    case SHAPE_MSG:
        add_message(l, value);
        break;
    default:
        add_value(l, nr, index, shape, value);
    }
}
