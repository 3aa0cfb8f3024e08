/* SPDX-License-Identifier: Apache-2.0 */
/* The way from the guest into the runtime and back.
 *
 * rt_entry is reached as if the SYSCALL instruction had jumped there: %rax the number, arguments in
 * their registers, %rcx the address behind the instruction, %r11 free; %rsp and FS still the
 * guest's. Rewritten sites jump here, and so does sigreturn after a trap.
 *
 * Calls that the host may see as they are take the short way: [rt_entry, rt_fast_end) never leaves
 * the guest's stack and changes no register for good but those that the instruction changes too. It
 * counts as the guest's text: process/signal_host.c completes the guest's registers at any of its
 * instructions (what they hold where is said beside the labels) and delivers a signal at once.
 *
 * All other calls take the full way through rt_full. Two stretches of it belong to the guest as
 * well: [rt_full, rt_full_end) has changed nothing yet that "go back to the call" does not undo, and
 * [rt_exit_begin, rt_exit_end) has the guest's registers complete in struct regs. Everything
 * between holds in_runtime = 1, and signals wait. */

#define T_STACK 8
#define T_GUEST_RSP 16
#define T_RUNTIME_FS 24
#define T_GUEST_FS 32
#define T_EXIT_RSP 40
#define T_WORK 48
#define T_IN_RUNTIME 52
#define T_XSAVE_SIZE 56
#define T_TRAP_SITE 64
#define T_PROCESS 72
#define T_RETURN 80
#define T_NUMBER 88
#define T_FLAGS 96
#define T_TID 100
#define T_FAST_CALLS 104
#define P_PID 0
#define P_FDS 8
#define FDS_COUNT 4
#define FDS_FILES 16
#define FDS_MAX 20480
#define FDS_HIDDEN 64
#define REGS_SIZE 144
#define REGS_RAX 80

/* enum dispatch_way */
#define WAY_TIME 1
#define WAY_PASS 2
#define WAY_FD 3
#define WAY_ANY 4
#define WAY_PID 5
#define WAY_TID 6
#define NR_MAX 512

    .text
    .globl rt_entry, rt_fast_kept, rt_fast_number, rt_fast_flags, rt_fast_syscall, rt_fast_end
    .globl rt_full, rt_full_switched, rt_full_end, rt_exit_begin, rt_exit_end
    .type rt_entry, @function
    .balign 64
rt_entry:                       /* nothing is kept yet: %rcx holds the return address */
    movq %rcx, %gs:T_RETURN
rt_fast_kept:                   /* the return address is kept */
    movq %rax, %gs:T_NUMBER
    movq %rax, %rcx
    lahf
rt_fast_number:                 /* the number is kept, and no longer in %rax */
    seto %al
    movl %eax, %gs:T_FLAGS
rt_fast_flags:                  /* the flags are kept */
    cmpb $0, g_dispatch_slow(%rip)
    jne rt_fast_leave
    cmpq $NR_MAX, %rcx
    jae rt_fast_leave
    leaq dispatch_ways(%rip), %r11
    movzbl (%r11,%rcx), %r11d
    cmpl $WAY_PASS, %r11d
    jne rt_fast_way
rt_fast_go:
    incq %gs:T_FAST_CALLS
    addb $0x7f, %al
    sahf
    movq %rcx, %rax
    movl $0, %ecx
rt_fast_syscall:                /* %rcx 0: it has not run; else the kernel wants it again */
    syscall
rt_fast_done:                   /* done: %rax and the flags are the guest's */
    movq %gs:T_RETURN, %rcx
    jmp *%rcx
rt_fast_end:

    .balign 16
/* Still before the call: the rest of [rt_fast_flags, rt_fast_syscall). */
    .globl rt_fast_more, rt_fast_more_end
rt_fast_more:
rt_fast_way:
    cmpl $WAY_FD, %r11d
    je rt_fast_fd
    jb rt_fast_leave
    cmpl $WAY_PID, %r11d
    je rt_fast_pid
    ja rt_fast_tid
    movq %gs:T_PROCESS, %r11    /* WAY_ANY */
    movq P_FDS(%r11), %r11
    cmpl $0, FDS_COUNT(%r11)
    jne rt_fast_leave
    .irp register, edi, esi, edx /* may be one of the runtime's own: dispatch_slow() looks closer */
    movl %\register, %ecx
    subl g_fd_hidden_base(%rip), %ecx
    cmpl $FDS_HIDDEN, %ecx
    jb rt_fast_leave
    .endr
    movq %gs:T_NUMBER, %rcx
    jmp rt_fast_go
rt_fast_leave:
    addb $0x7f, %al
    sahf
    movq %gs:T_NUMBER, %rax
    movq %gs:T_RETURN, %rcx
    jmp rt_full

rt_fast_fd:
    movl %edi, %ecx
    cmpl $FDS_MAX, %ecx
    jae rt_fast_leave
    movq %gs:T_PROCESS, %r11
    movq P_FDS(%r11), %r11
    cmpq $0, FDS_FILES(%r11,%rcx,8)
    jne rt_fast_leave
    subl g_fd_hidden_base(%rip), %ecx
    cmpl $FDS_HIDDEN, %ecx
    jb rt_fast_leave
    movq %gs:T_NUMBER, %rcx
    jmp rt_fast_go

rt_fast_pid:
    incq %gs:T_FAST_CALLS
    addb $0x7f, %al
    sahf
    movq %gs:T_PROCESS, %rax
    movl P_PID(%rax), %eax
    jmp rt_fast_done

rt_fast_tid:
    incq %gs:T_FAST_CALLS
    addb $0x7f, %al
    sahf
    movl %gs:T_TID, %eax
    jmp rt_fast_done
rt_fast_more_end:
    .size rt_entry, . - rt_entry

    .type rt_full, @function
rt_full:
    movq %rsp, %gs:T_GUEST_RSP
    movq %gs:T_STACK, %rsp
rt_full_switched:
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
rt_full_end:
    cld
    cmpb $0, g_dispatch_slow(%rip)
    jne rt_slow
    cmpq $0, %gs:T_TRAP_SITE    /* to be rewritten */
    jne rt_slow
    cmpq $NR_MAX, %rax
    jae rt_slow
    leaq dispatch_ways(%rip), %rdx
    cmpb $WAY_TIME, (%rdx,%rax)
    jne rt_slow
    movq %rsp, %rdi
    call dispatch_time
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

/* The runtime's FS, vectors saved, default rounding: ordinary C from here. XRSTOR alone costs 90 ns,
 * so what the runtime's code can change is saved by hand: the vector and mask registers as wide as
 * this processor has them. x87, which nothing here uses, makes it the full way if the guest has it
 * in use, and so does any state that is not known here. */
#define V_MXCSR 0
#define V_LOW 64                /* the registers, 64 bytes each */
#define V_MASK (64 + 32 * 64)
#define XSTATE_BY_HAND 0x2e6    /* SSE AVX opmask ZMM_Hi256 Hi16_ZMM, and PKRU: not changed */
#define XSTATE_UPPER 0x44       /* AVX ZMM_Hi256 */

#define V_SIZE (64 + 32 * 64 + 64)
#define VECTORS_AVX 1           /* enum dispatch_vectors */
#define VECTORS_AVX512 2

    .macro save_16 op, kind
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op %\kind\()\n, V_LOW + 64 * \n(%rsp)
    .endr
    .endm
    .macro load_16 op, kind
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op V_LOW + 64 * \n(%r12), %\kind\()\n
    .endr
    .endm
    .macro save_high
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    vmovups %zmm\n, V_LOW + 64 * \n(%rsp)
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    kmovq %k\n, V_MASK + 8 * \n(%rsp)
    .endr
    .endm
    .macro load_high
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    vmovups V_LOW + 64 * \n(%r12), %zmm\n
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    kmovq V_MASK + 8 * \n(%r12), %k\n
    .endr
    .endm

rt_slow:
    movq %rsp, %rbx
    rdfsbase %rax
    movq %rax, %gs:T_GUEST_FS
    movq %gs:T_RUNTIME_FS, %rax
    wrfsbase %rax
    movzbl g_dispatch_vectors(%rip), %r14d
    testl %r14d, %r14d
    jz rt_slow_xsave
    movl $1, %ecx
    xgetbv
    movl %eax, %r13d
    andl $~XSTATE_BY_HAND, %eax
    orl %edx, %eax
    jnz rt_slow_xsave

    subq $V_SIZE, %rsp
    andq $-64, %rsp
    movq %rsp, %r12
    stmxcsr V_MXCSR(%rsp)
    cmpl $VECTORS_AVX512, %r14d
    jne 1f
    save_high
1:  testl $XSTATE_UPPER, %r13d
    jnz 2f
    save_16 movups, xmm
    jmp 4f
2:  cmpl $VECTORS_AVX512, %r14d
    jne 3f
    save_16 vmovups, zmm
    jmp 4f
3:  save_16 vmovups, ymm
4:  ldmxcsr rt_default_mxcsr(%rip)
    movq %rbx, %rdi
    call dispatch_slow
    ldmxcsr V_MXCSR(%r12)
    vzeroupper
    cmpl $VECTORS_AVX512, %r14d
    jne 1f
    load_high
1:  testl $XSTATE_UPPER, %r13d
    jnz 2f
    load_16 movups, xmm
    jmp rt_slow_done
2:  cmpl $VECTORS_AVX512, %r14d
    jne 3f
    load_16 vmovups, zmm
    jmp rt_slow_done
3:  load_16 vmovups, ymm
rt_slow_done:
    movq %gs:T_GUEST_FS, %rax
    wrfsbase %rax
    movq %rbx, %rsp
    jmp rt_exit

rt_slow_xsave:
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
    jmp rt_slow_done
    .size rt_full, . - rt_full

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
