/* SPDX-License-Identifier: Apache-2.0 */
/* tests/scenario/own_memory.h: a guest's machine code that goes around the runtime in its process: to a
 * system call instruction in the runtime's own text, which the kernel lets through. */
#ifndef COFFER_TESTS_SCENARIO_OWN_MEMORY_H
#define COFFER_TESTS_SCENARIO_OWN_MEMORY_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_PAGE 4096ul
#define OWN_SPAN (64ul << 20) /* more than the runtime's program takes */

/* Whether there is memory to read; `pipe` is one of our own, empty. */
static inline int own_is_there(const int pipe[2], uintptr_t address)
{
    char bytes[8];
    return write(pipe[1], (const void *)address, sizeof bytes) == sizeof bytes &&
           read(pipe[0], bytes, sizeof bytes) == sizeof bytes;
}

/* "syscall; ret" in the text of the program that this thread's GS points into; 0: not found. */
static inline uintptr_t own_gate(const int pipe[2])
{
    uintptr_t gs, page, end = 0;
    __asm__("rdgsbase %0" : "=r"(gs));
    page = gs & ~(OWN_PAGE - 1);
    if (gs == 0)
        return 0;
    for (uintptr_t at = page; at > page - OWN_SPAN && end == 0; at -= OWN_PAGE)
        if (own_is_there(pipe, at) && memcmp((const void *)at, "\177ELF", 4) == 0) {
            end = page;
            page = at;
        }
    for (uintptr_t at = page; at < end; at += OWN_PAGE) {
        const unsigned char *bytes = (const unsigned char *)at;
        bool there = own_is_there(pipe, at);
        for (unsigned i = 0; there && i < OWN_PAGE - 3; i++)
            if (bytes[i] == 0x0f && bytes[i + 1] == 0x05 && bytes[i + 2] == 0xc3)
                return at + i;
    }
    return 0;
}

static inline long own_call(uintptr_t gate, long nr, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("call *%[gate]"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), [gate] "r"(gate)
                     : "rcx", "r11", "memory");
    return result;
}

/* /proc/self/maps as the host has it, which the guest's own view is not. Its size, or < 0. */
static inline long own_maps(uintptr_t gate, char *text, size_t room)
{
    long fd = own_call(gate, SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY, 0), n;
    size_t size = 0;
    if (fd < 0)
        return fd;
    while (size < room - 1 && (n = own_call(gate, SYS_read, fd, (long)text + (long)size,
                                            (long)(room - 1 - size), 0)) > 0)
        size += (size_t)n;
    own_call(gate, SYS_close, fd, 0, 0, 0);
    text[size] = '\0';
    return (long)size;
}

#endif
