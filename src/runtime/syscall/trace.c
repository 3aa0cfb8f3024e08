/* SPDX-License-Identifier: Apache-2.0 */
/* --trace: one line per system call, its arguments shown by the shapes in the table. */
#include "platform/host.h"
#include "runtime/guest.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

struct line {
    char text[512];
    size_t len;
};

static void add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(l->text + l->len, sizeof(l->text) - l->len, format, list);
    va_end(list);
    if (n > 0)
        l->len = MIN(l->len + (size_t)n, sizeof(l->text) - 1);
}

static void add_path(struct line *l, unsigned long address)
{
    char path[128];
    ssize_t n = guest_text(path, address, sizeof(path));
    if (n < 0) {
        add(l, "%#lx", address);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)path[i] < ' ')
            path[i] = '?';
    add(l, "\"%s\"", path);
}

static bool shape_is(const char *shape, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(shape, name, len) == 0;
}

static void add_argument(struct line *l, const char *shape, size_t len, unsigned long value)
{
    if (shape_is(shape, len, "path") || shape_is(shape, len, "str"))
        add_path(l, value);
    else if (shape_is(shape, len, "dirfd") && (int)value == -100)
        add(l, "AT_FDCWD");
    else if (shape_is(shape, len, "mode"))
        add(l, "0%o", (unsigned)value);
    else if (shape_is(shape, len, "fd") || shape_is(shape, len, "dirfd") ||
             shape_is(shape, len, "int") || shape_is(shape, len, "sig"))
        add(l, "%d", (int)value);
    else if (shape_is(shape, len, "off"))
        add(l, "%ld", (long)value);
    else if (shape_is(shape, len, "size") || shape_is(shape, len, "uint"))
        add(l, "%lu", value);
    else
        add(l, "%#lx", value);
}

void trace_call(const struct regs *regs, const unsigned long args[6], int64_t result)
{
    struct line l = {.len = 0};
    const char *name = call_name((long)regs->nr), *shape = call_shapes((long)regs->nr);
    add(&l, "[%d] ", thread_self()->tid);
    if (name)
        add(&l, "%s(", name);
    else
        add(&l, "call_%ld(", (long)regs->nr);
    for (int i = 0; shape && *shape && *shape != '>' && i < 6; i++) {
        size_t len = strcspn(shape, ",>");
        add_argument(&l, shape, len, args[i]);
        shape += len;
        if (*shape == ',') {
            shape++;
            add(&l, ", ");
        }
    }
    if (result < 0 && result >= -4095)
        add(&l, ") = -%s\n", strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "?");
    else if (result > 0x100000)
        add(&l, ") = %#lx\n", (unsigned long)result);
    else
        add(&l, ") = %ld\n", (long)result);
    (void)host_call(SYS_write, process_stderr(), l.text, l.len);
}
