/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the guest into the runtime and back.
 *
 * rt_entry is reached as if the SYSCALL instruction had jumped there: %rax the number, arguments in
 * their registers, %rcx the address behind the instruction, %r11 free; %rsp and FS still the
 * guest's. Rewritten sites jump here, and so does sigreturn after a trap.
 *
 * Two stretches belong to the guest although they are the runtime's text, and process/signal_host.c
 * must know them: [rt_entry, rt_entry_end) has changed nothing yet that "go back to the call"
 * does not undo, and [rt_exit_begin, rt_exit_end) has the guest's registers complete in struct
 * regs. Everything between holds in_runtime = 1, and signals wait. */

#define T_STACK 8
#define T_GUEST_RSP 16
#define T_RUNTIME_FS 24
#define T_GUEST_FS 32
#define T_EXIT_RSP 40
#define T_WORK 48
#define T_IN_RUNTIME 52
#define T_XSAVE_SIZE 56
#define REGS_SIZE 144

    .text
    .globl rt_entry, rt_entry_switched, rt_entry_end, rt_exit_begin, rt_exit_end
    .type rt_entry, @function
rt_entry:
    movq %rsp, %gs:T_GUEST_RSP
    movq %gs:T_STACK, %rsp
rt_entry_switched:
    pushq %rax
    pushq %gs:T_GUEST_RSP
    pushfq
    pushq %rcx
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movl $1, %gs:T_IN_RUNTIME
rt_entry_end:
    cld
    movq %rsp, %rdi
    call dispatch_fast
    testl %eax, %eax
    jnz rt_slow

rt_exit:
rt_exit_begin:
    cmpl $0, %gs:T_WORK
    jne rt_work
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rcx
    movl $0, %gs:T_IN_RUNTIME
    popfq
    popq %rsp
    jmp *%rcx
rt_exit_end:

/* A signal or another thread wants something before the guest goes on. */
rt_work:
    movq %rsp, %rdi
    call dispatch_work
    testl %eax, %eax
    jz rt_exit

/* The runtime's FS, vectors saved, default rounding: ordinary C from here. */
rt_slow:
    movq %rsp, %rbx
    rdfsbase %rax
    movq %rax, %gs:T_GUEST_FS
    movq %gs:T_RUNTIME_FS, %rax
    wrfsbase %rax
    subq %gs:T_XSAVE_SIZE, %rsp
    andq $-64, %rsp
    xorl %eax, %eax
    movq %rax, 520(%rsp)
    movq %rax, 528(%rsp)
    movq %rax, 536(%rsp)
    movq %rax, 544(%rsp)
    movq %rax, 552(%rsp)
    movq %rax, 560(%rsp)
    movq %rax, 568(%rsp)
    movl $-1, %eax
    movl $-1, %edx
    xsavec64 (%rsp)
    movq %rsp, %r12
    ldmxcsr rt_default_mxcsr(%rip)
    movq %rbx, %rdi
    call dispatch_slow
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%r12)
    movq %gs:T_GUEST_FS, %rax
    wrfsbase %rax
    movq %rbx, %rsp
    jmp rt_exit
    .size rt_entry, . - rt_entry

/* int thread_enter_guest(struct thread *t, const struct regs *regs): runs the guest on this thread
 * until thread_leave_guest(). Called with the host's signals blocked; dispatch_work opens them. */
    .globl thread_enter_guest
    .type thread_enter_guest, @function
thread_enter_guest:
    endbr64
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %gs:T_EXIT_RSP
    rdfsbase %rax
    movq %rax, %gs:T_RUNTIME_FS
    andq $-64, %rsp
    movq %rsp, %gs:T_STACK
    subq $REGS_SIZE, %rsp
    movq %rdi, %rax
    movq %rsp, %rdi
    movl $REGS_SIZE / 8, %ecx
    cld
    rep movsq
    movq T_GUEST_FS(%rax), %rax
    wrfsbase %rax
    jmp rt_exit
    .size thread_enter_guest, . - thread_enter_guest

/* void thread_leave_guest(int how): makes thread_enter_guest() return `how`. */
    .globl thread_leave_guest
    .type thread_leave_guest, @function
thread_leave_guest:
    endbr64
    movl %edi, %eax
    movq %gs:T_EXIT_RSP, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .size thread_leave_guest, . - thread_leave_guest

/* void rt_resume_frame(void *uc, uint64_t guest_fs): the host's sigreturn with the signal frame
 * whose ucontext is at `uc`; signals are blocked, so nothing comes between. */
    .globl rt_resume_frame
    .type rt_resume_frame, @function
rt_resume_frame:
    endbr64
    wrfsbase %rsi
    movl $0, %gs:T_IN_RUNTIME
    movq %rdi, %rsp
    movl $15, %eax
    syscall
    hlt
    .size rt_resume_frame, . - rt_resume_frame

/* The restorer of the host's signal handlers. */
    .globl rt_host_restorer
    .type rt_host_restorer, @function
rt_host_restorer:
    movl $15, %eax
    syscall
    hlt
    .size rt_host_restorer, . - rt_host_restorer

/* long rt_vfork(unsigned long flags, void *stack, void (*fn)(void *), void *arg): the child runs
 * fn(arg) on `stack`; it must not return. */
    .globl rt_vfork
    .type rt_vfork, @function
rt_vfork:
    endbr64
    movq %rdx, %r8
    movq %rcx, %r9
    xorl %edx, %edx
    xorl %r10d, %r10d
    movl $56, %eax
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:  xorl %ebp, %ebp
    movq %r9, %rdi
    call *%r8
    hlt
    .size rt_vfork, . - rt_vfork

    .section .rodata
rt_default_mxcsr:
    .long 0x1f80

    .section .note.GNU-stack, "", @progbits
