/* SPDX-License-Identifier: Apache-2.0 */
/* long box_gate(long nr, const long args[6]): one of the two places where a process in the box meets
 * the kernel; the other is linux_call_unless(). The filter knows both by the address behind them. */

    .text
    .globl box_gate
    .globl box_gate_after
    .type box_gate, @function
box_gate:
    endbr64
    movq %rdi, %rax
    movq %rsi, %rcx
    movq 0(%rcx), %rdi
    movq 8(%rcx), %rsi
    movq 16(%rcx), %rdx
    movq 24(%rcx), %r10
    movq 32(%rcx), %r8
    movq 40(%rcx), %r9
    syscall
box_gate_after:
    ret
    .size box_gate, . - box_gate

    .section .note.GNU-stack, "", @progbits
