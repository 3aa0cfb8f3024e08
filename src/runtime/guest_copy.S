/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's only instructions that touch guest addresses on purpose. A fault between
 * guest_copy_begin and guest_copy_end continues at guest_copy_fault (see process/signal.c). Plain
 * string instructions: no vector registers, so that the fast path may use them. */

    .text
    .globl guest_copy_begin
    .globl guest_copy_end
    .globl guest_copy_fault

/* int guest_copy(void *target, const void *source, size_t size): 0 or -EFAULT */
    .globl guest_copy
    .type guest_copy, @function
guest_copy:
    endbr64
    movq %rdx, %rcx
guest_copy_begin:
    rep movsb
    xorl %eax, %eax
    ret
    .size guest_copy, . - guest_copy

/* ssize_t guest_copy_text(char *target, const char *source, size_t size): stops behind the NUL.
 * The bytes copied, `size` if there was no NUL, or -EFAULT. */
    .globl guest_copy_text
    .type guest_copy_text, @function
guest_copy_text:
    endbr64
    xorl %eax, %eax
1:  cmpq %rdx, %rax
    jae 2f
    movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    incq %rax
    testb %cl, %cl
    jnz 1b
2:  ret
    .size guest_copy_text, . - guest_copy_text

/* int guest_exchange_u32(uint32_t *address, uint32_t *expected, uint32_t value): compare and
 * exchange; *expected becomes what was there. 0 or -EFAULT. */
    .globl guest_exchange_u32
    .type guest_exchange_u32, @function
guest_exchange_u32:
    endbr64
    movl (%rsi), %eax
    lock cmpxchgl %edx, (%rdi)
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
    .size guest_exchange_u32, . - guest_exchange_u32
guest_copy_end:

guest_copy_fault:
    movq $-14, %rax
    ret

    .section .note.GNU-stack, "", @progbits
