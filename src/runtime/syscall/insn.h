/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/insn.h: how long an x86-64 instruction is, and whether it may run elsewhere. Pure:
 * looks at bytes, follows nothing. */
#ifndef COFFER_RUNTIME_SYSCALL_INSN_H
#define COFFER_RUNTIME_SYSCALL_INSN_H

#include "base/macros.h"

#include <stdint.h>

#define INSN_SIZE_MAX 15

enum insn_kind {
    INSN_UNKNOWN, /* not understood, or the bytes end before it does: nothing can be said */
    INSN_INVALID, /* no processor executes it in 64-bit mode */
    INSN_PLAIN,   /* goes on behind itself, and does the same at any address */
    INSN_NEAR, /* the same, but it addresses memory relative to %rip, by the four bytes at `disp` */
    INSN_FIXED, /* jumps, calls, returns, enters the kernel: stays where it is */
};

struct insn {
    enum insn_kind kind;
    uint8_t size; /* in bytes; 0 if unknown or invalid */
    uint8_t disp; /* INSN_NEAR: offset of the displacement */
};

struct insn insn_decode(const uint8_t *bytes, size_t size);

/* The instruction that ends at text + at, where another begins; .size 0 if that cannot be proved from
 * the `size` bytes of text.
 * Of any 15 neighbouring bytes one begins an instruction, so if decoding from every one of them
 * comes to `at` over the same last instruction (or cannot come there), it is the one. */
struct insn insn_before(const uint8_t *text, size_t size, size_t at);

#endif
