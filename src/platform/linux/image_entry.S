/* SPDX-License-Identifier: Apache-2.0 */
/* The entry point of coffer-runtime: from an image if the arguments say so, else libc's. */
    .text
    .globl image_entry
    .type image_entry, @function
image_entry:
    endbr64
    xorl %ebp, %ebp
    movq %rsp, %rbx
    movq %rdx, %r12
    movq %rsp, %rdi
    andq $-16, %rsp
    call image_start
    movq %rbx, %rsp
    movq %r12, %rdx
    jmp _start
    .size image_entry, . - image_entry
    .section .note.GNU-stack, "", @progbits
