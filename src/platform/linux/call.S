/* SPDX-License-Identifier: Apache-2.0 */
/* linux_call_unless() is the host system call that a signal may end. It leaves vector registers and
 * FS alone, so that code which runs between a guest's instructions may use it. It is the stub with labelled bounds: a signal handler that finds an
 * instruction pointer between linux_unless_begin and linux_unless_end knows how
 * far the call had come. %rcx is 0 until the instruction itself has run (it loads its own return
 * address there), which tells "never begun" from "begun, interrupted, rewound by the kernel". */

    .text

/* long linux_call_unless(const volatile uint32_t *stop, long nr, const long args[6]) */
    .globl linux_call_unless
    .globl linux_unless_begin
    .globl linux_unless_syscall
    .globl linux_unless_end
    .globl linux_unless_abort
    .type linux_call_unless, @function
linux_call_unless:
    endbr64
    movq %rdi, %r11
    movq %rsi, %rax
    movq %rdx, %rcx
    movq 0(%rcx), %rdi
    movq 8(%rcx), %rsi
    movq 16(%rcx), %rdx
    movq 24(%rcx), %r10
    movq 32(%rcx), %r8
    movq 40(%rcx), %r9
    xorl %ecx, %ecx
linux_unless_begin:
    cmpl $0, (%r11)
    jne linux_unless_abort
linux_unless_syscall:
    syscall
linux_unless_end:
    ret
linux_unless_abort:
    movq $-513, %rax
    ret
    .size linux_call_unless, . - linux_call_unless

    .section .note.GNU-stack, "", @progbits
